"""The first page: is anyone not being told now, and is it us?"""

from collections.abc import Sequence

from streams.operator.console.dead_letters import open_dead_letters
from streams.operator.console.partners import HOUR_MS, PartnerStanding, partner, standings
from streams.operator.console.read_model import ReadModel
from streams.operator.console.tiers import assess_tiers, tiers
from streams.operator.console.views import Figures, Overview, Sentence, Tier
from streams.operator.history.text import clock_time, distance, duration, plural

_NOT_REACHED = ("no connection", "host name not found", "TLS failed")
_SHOWN = 8
_NAMED = 3


def overview(read_model: ReadModel) -> Overview:
    """Return what stands on the first page."""
    waits = tiers(read_model)
    everyone = standings(read_model)
    unwell = tuple(one for one in everyone if one.state in {"failing", "struggling"})
    since = read_model.now_ms() - HOUR_MS
    delivered = read_model.count(
        "SELECT count(*) FROM notifications WHERE status = 'delivered' AND since_ms > ?", since
    )
    reconciliation = read_model.sum()
    figures = Figures(
        delivered_hour=delivered,
        waiting=sum(tier.waiting for tier in waits),
        parked=sum(tier.parked for tier in waits),
        overdue=sum(tier.overdue for tier in waits),
        arriving=reconciliation.arriving if reconciliation else 0,
        dead_letters=open_dead_letters(read_model),
    )
    return Overview(
        as_of=read_model.as_of(),
        verdict=_verdict(read_model, figures, waits, everyone, unwell),
        figures=figures,
        partners=tuple(partner(read_model, one.partner_id) for one in unwell[:_SHOWN]),
        sum=reconciliation,
    )


def _verdict(
    read_model: ReadModel,
    figures: Figures,
    waits: tuple[Tier, ...],
    everyone: Sequence[PartnerStanding],
    unwell: Sequence[PartnerStanding],
) -> Sentence:
    """Return the first that holds."""
    return (
        _stale(read_model)
        or _nobody_reads(read_model)
        or (assess_tiers(waits, read_model.now_ms()) if figures.overdue else None)
        or _missing(read_model)
        or _partners(read_model, figures, everyone, unwell)
        or _all_well(read_model, figures)
    )


def _stale(read_model: ReadModel) -> Sentence | None:
    if not read_model.is_stale():
        return None
    as_of = read_model.as_of()
    if as_of.fault:
        known = distance(as_of.caught_up_ms, as_of.at_ms) if as_of.caught_up_ms else "never"
        return Sentence(
            whose="unknown",
            title="This console can't read Kafka, so it can't say.",
            text=f"It last knew everything: {known}. {as_of.fault}.",
        )
    if as_of.rebuilding:
        text = f"It is being built from Kafka, {as_of.percent} %. Until then numbers are too low."
    else:
        known = distance(as_of.caught_up_ms, as_of.at_ms) if as_of.caught_up_ms else "never"
        text = f"It last knew everything: {known}."
    return Sentence(whose="unknown", title="This console can't say.", text=text.strip())


def _nobody_reads(read_model: ReadModel) -> Sentence | None:
    reconciliation = read_model.ingest.reconciliation
    if reconciliation is None or reconciliation.oldest_arriving_ms is None:
        return None
    if reconciliation.oldest_arriving_ms >= read_model.overdue_before_ms:
        return None
    age = duration(read_model.now_ms() - reconciliation.oldest_arriving_ms)
    return Sentence(
        whose="us",
        title=f"{plural(reconciliation.arriving, 'event', 'waits')} for a worker. This is ours.",
        text=f"The first was written {age} ago on {', '.join(read_model.source_topics)} or the replay topic."
        " Look whether workers with role main or all are running, and at their logs.",
    )


def _missing(read_model: ReadModel) -> Sentence | None:
    reconciliation = read_model.ingest.reconciliation
    if reconciliation is None or reconciliation.difference == 0:
        return None
    return Sentence(
        whose="us",
        title=f"{plural(abs(reconciliation.difference), 'notification', 'is')} not accounted for. This is ours.",
        text=f"Accepted {reconciliation.accepted:,}, ended {reconciliation.ended:,}, waiting {reconciliation.waiting:,}."
        f" {'The first: ' + ', '.join(reconciliation.missing[:_NAMED]) + '.' if reconciliation.missing else ''}".rstrip(),
    )


def _partners(
    read_model: ReadModel,
    figures: Figures,
    everyone: Sequence[PartnerStanding],
    unwell: Sequence[PartnerStanding],
) -> Sentence | None:
    failing = [one for one in unwell if one.state == "failing" and one.undelivered]
    if not failing:
        return None
    active = [one for one in everyone if one.last_answer is not None]
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
        since_ms = partner(read_model, one.partner_id).since_ms
        since = f" since {clock_time(since_ms, read_model.now_ms())}" if since_ms else ""
        parts.append(
            f"{one.partner_id}: {one.last_answer}{since}, {one.undelivered:,} undelivered."
        )
    others = len(active) - len(failing)
    contrast = (
        f" {plural(others, 'other partner', 'answers')} the same workers."
        if others
        else " No other partner was called in the last hour, so it may be us all the same."
    )
    return Sentence(
        whose="partner",
        title=f"{_names(failing)} {'do' if len(failing) > 1 else 'does'} not answer."
        f" Nothing is overdue on our side.",
        text=" ".join(parts)
        + contrast
        + f" In all {plural(figures.waiting, 'notification', 'waits')}.",
    )


def _all_well(read_model: ReadModel, figures: Figures) -> Sentence:
    (last,) = read_model.store.row("SELECT max(ended_ms) FROM attempts WHERE answered = 'S'")
    when = f"The last acknowledgement came {distance(last, read_model.now_ms())}." if last else ""
    if figures.waiting:
        title = "Nothing is late."
        when = f"{plural(figures.waiting, 'notification', 'waits')} for the next attempt. {when}"
    elif figures.dead_letters:
        title = "Nothing waits, and nothing is late."
    else:
        title = "Everyone is told."
    if figures.dead_letters:
        when += f" {plural(figures.dead_letters, 'dead letter', 'needs')} somebody to look."
    return Sentence(whose="nobody", title=title, text=when.strip() or "No payment has come yet.")


def _names(views: Sequence[PartnerStanding]) -> str:
    names = [one.partner_id for one in views[:_NAMED]]
    more = len(views) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return (
        " and ".join(names) if len(names) < _NAMED else f"{', '.join(names[:-1])} and {names[-1]}"
    )
