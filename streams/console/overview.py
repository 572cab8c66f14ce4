"""The first page: is anyone not being told now, and is it us?"""

from collections.abc import Sequence

from streams.console.letters import open_letters
from streams.console.model import Figures, Overview, Partner, Sentence, Tier
from streams.console.partners import HOUR_MS, partners
from streams.console.scene import Scene
from streams.console.tiers import tiers, verdict_on_tiers
from streams.history.text import clock_time, distance, duration, plural, verb

_NOT_REACHED = ("no connection", "host name not found", "TLS failed")
_SHOWN = 8
_NAMED = 3


def overview(scene: Scene) -> Overview:
    """Return what stands on the first page."""
    waits = tiers(scene)
    everyone = partners(scene)
    unwell = tuple(one for one in everyone if one.state in {"failing", "struggling"})
    since = scene.now_ms() - HOUR_MS
    (delivered,) = scene.store.row(
        "SELECT count(*) FROM lives WHERE standing = 'delivered' AND since_ms > ?", (since,)
    )
    made = scene.sum()
    figures = Figures(
        delivered_hour=delivered,
        waiting=sum(tier.waiting for tier in waits),
        parked=sum(tier.parked for tier in waits),
        overdue=sum(tier.overdue for tier in waits),
        arriving=made.arriving if made else 0,
        dead_letters=open_letters(scene),
    )
    return Overview(
        as_of=scene.as_of(),
        verdict=_verdict(scene, figures, waits, everyone, unwell),
        figures=figures,
        partners=unwell[:_SHOWN],
        sum=made,
    )


def _verdict(
    scene: Scene,
    figures: Figures,
    waits: tuple[Tier, ...],
    everyone: Sequence[Partner],
    unwell: Sequence[Partner],
) -> Sentence:
    """Return the first that holds."""
    return (
        _stale(scene)
        or _nobody_reads(scene)
        or (verdict_on_tiers(waits, scene.now_ms()) if figures.overdue else None)
        or _missing(scene)
        or _partners(scene, figures, everyone, unwell)
        or _all_well(scene, figures)
    )


def _stale(scene: Scene) -> Sentence | None:
    if not scene.is_stale():
        return None
    as_of = scene.as_of()
    if as_of.rebuilding:
        text = f"It is being built from Kafka, {as_of.percent} %. Until then numbers are too low."
    else:
        text = f"It last knew everything {distance(as_of.caught_up_ms, as_of.at_ms)}. {as_of.fault or ''}"
    return Sentence(whose="unknown", title="This console can't say.", text=text.strip())


def _nobody_reads(scene: Scene) -> Sentence | None:
    made = scene.ingest.reconciliation
    if made is None or made.oldest_arriving_ms is None:
        return None
    if made.oldest_arriving_ms >= scene.overdue_before_ms:
        return None
    age = duration(scene.now_ms() - made.oldest_arriving_ms)
    return Sentence(
        whose="us",
        title=f"{plural(made.arriving, 'event')} {verb(made.arriving, 'waits', 'wait')} for a worker. This is ours.",
        text=f"The first was written {age} ago on {', '.join(scene.source_topics)} or the replay topic."
        " Look whether workers with role main or all are running, and at their logs.",
    )


def _missing(scene: Scene) -> Sentence | None:
    made = scene.ingest.reconciliation
    if made is None or made.difference == 0:
        return None
    return Sentence(
        whose="us",
        title=f"{plural(abs(made.difference), 'notification')} {verb(abs(made.difference), 'is', 'are')}"
        " not accounted for. This is ours.",
        text=f"Accepted {made.accepted:,}, ended {made.ended:,}, waiting {made.waiting:,}."
        f" {'The first: ' + ', '.join(made.missing[:_NAMED]) + '.' if made.missing else ''}".rstrip(),
    )


def _partners(
    scene: Scene, figures: Figures, everyone: Sequence[Partner], unwell: Sequence[Partner]
) -> Sentence | None:
    failing = [one for one in unwell if one.state == "failing" and one.undelivered]
    if not failing:
        return None
    active = [one for one in everyone if one.attempts_hour]
    unreached = [one for one in failing if (one.last_answer or "") in _NOT_REACHED]
    if len(active) > 1 and len(unreached) * 2 > len(active):
        return Sentence(
            whose="us",
            title=f"{len(unreached)} of {len(active)} partners can't be reached. This is ours, or the network between.",
            text=f"{_names(unreached)}: so many at once rarely fail by themselves."
            " Look at the way out: proxy, firewall, name server.",
        )
    parts = []
    for one in failing[:_NAMED]:
        since = f" since {clock_time(one.since_ms, scene.now_ms())}" if one.since_ms else ""
        parts.append(
            f"{one.partner_id}: {one.last_answer}{since}, {one.undelivered:,} undelivered."
        )
    others = len(active) - len(failing)
    contrast = (
        f" {plural(others, 'other partner')} {verb(others, 'answers', 'answer')} the same workers."
        if others
        else " No other partner was called in the last hour, so it may be us all the same."
    )
    return Sentence(
        whose="partner",
        title=f"{_names(failing)} {'do' if len(failing) > 1 else 'does'} not answer."
        f" Nothing is overdue on our side.",
        text=" ".join(parts)
        + contrast
        + f" In all {plural(figures.waiting, 'notification')} {verb(figures.waiting, 'waits', 'wait')}.",
    )


def _all_well(scene: Scene, figures: Figures) -> Sentence:
    last = scene.store.row("SELECT max(ended_ms) FROM attempts WHERE answered = 'S'")[0]
    when = f"The last acknowledgement came {distance(last, scene.now_ms())}." if last else ""
    if figures.waiting:
        title = "Nothing is late."
        waits = verb(figures.waiting, "waits", "wait")
        when = f"{plural(figures.waiting, 'notification')} {waits} for the next attempt. {when}"
    elif figures.dead_letters:
        title = "Nothing waits, and nothing is late."
    else:
        title = "Everyone is told."
    if figures.dead_letters:
        need = verb(figures.dead_letters, "needs", "need")
        when += f" {plural(figures.dead_letters, 'dead letter')} {need} somebody to look."
    return Sentence(whose="nobody", title=title, text=when.strip() or "No payment has come yet.")


def _names(partners: Sequence[Partner]) -> str:
    names = [one.partner_id for one in partners[:_NAMED]]
    more = len(partners) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return (
        " and ".join(names) if len(names) < _NAMED else f"{', '.join(names[:-1])} and {names[-1]}"
    )
