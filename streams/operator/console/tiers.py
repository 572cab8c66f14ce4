"""What waits on which tier, and what of it is late. Waiting is no fault: only what is due and not begun is ours."""

from streams.notification.profiles import TIERS
from streams.operator.console.overdue import OVERDUE, overdue_values
from streams.operator.console.read_model import ReadModel
from streams.operator.console.views import Sentence, Tier, TierList, Waiting, WaitingList
from streams.operator.history.text import duration, plural

_SOON_MS = 60_000
_BARS = 60
_WAITING = (
    "SELECT order_id, notification_id, partner_id, status AS standing, attempts, due_at_ms, rests_on, answer, accepted_at_ms,"  # noqa: S608  # of this program
    f" {OVERDUE} AS overdue FROM notifications WHERE NOT ended"
)


def tiers(read_model: ReadModel) -> tuple[Tier, ...]:
    """Return the tiers by rising wait, and the replay topic after them."""
    topics = [(wait.label, read_model.names.tier(wait)) for wait in TIERS]
    topics.append(("replay", read_model.names.replay))
    return tuple(
        Tier(wait=label, topic=topic, **_figures(read_model, topic)) for label, topic in topics
    )


def _figures(read_model: ReadModel, topic: str) -> dict[str, int | None]:
    """Return how many wait, which is kept, and what is found where the index of due times begins and where now is."""
    now = read_model.now_ms()
    open_on = "FROM notifications INDEXED BY notifications_open WHERE NOT ended AND rests_on = :topic AND due_at_ms"
    row = read_model.store.row(
        "SELECT coalesce((SELECT count FROM open_counts WHERE what = 'tier' AND name = :topic), 0) AS waiting,"  # noqa: S608  # of this function
        " coalesce((SELECT count FROM open_counts WHERE what = 'tier parked' AND name = :topic), 0) AS parked,"
        f" (SELECT count(*) {open_on} >= :now AND due_at_ms < :soon) AS due_soon,"
        f" (SELECT count(*) {open_on} < :late) AS overdue,"
        f" (SELECT min(due_at_ms) {open_on} >= :now) AS next_due_ms,"
        f" (SELECT min(due_at_ms) {open_on} < :late) AS oldest_overdue_ms",
        {"topic": topic, "now": now, "soon": now + _SOON_MS, "late": read_model.overdue_before_ms},
    )
    return dict(row)


def tier_list(read_model: ReadModel) -> TierList:
    """Return all tiers, with what they come to in one sentence."""
    found = tiers(read_model)
    verdict = assess_tiers(found, read_model.now_ms())
    return TierList(as_of=read_model.as_of(), verdict=verdict, tiers=found)


def waiting_list(read_model: ReadModel, wait: str, limit: int, after: int) -> WaitingList | None:
    """Return what rests on one tier, by due time; None where there is no such tier."""
    tier = next((tier for tier in tiers(read_model) if tier.wait == wait), None)
    if tier is None:
        return None
    waiting = _waiting(read_model, "rests_on", tier.topic, limit=limit, after=after)
    return WaitingList(as_of=read_model.as_of(), tier=tier, waiting=waiting)


def due_in_the_next_hour(read_model: ReadModel) -> tuple[int, ...]:
    """Return how many notifications are due in each of the next sixty minutes."""
    now = read_model.now_ms()
    rows = read_model.store.rows(
        "SELECT (due_at_ms - :now) / 60000 AS minute, count(*) FROM notifications"
        " WHERE NOT ended AND due_at_ms >= :now AND due_at_ms < :end GROUP BY minute",
        {"now": now, "end": now + _BARS * _SOON_MS},
    )
    counts = dict.fromkeys(range(_BARS), 0) | {row[0]: row[1] for row in rows}
    return tuple(counts[minute] for minute in range(_BARS))


def waiting_for(read_model: ReadModel, partner_id: str, limit: int) -> tuple[Waiting, ...]:
    """Return what waits for a partner, by due time."""
    return _waiting(read_model, "partner_id", partner_id, limit=limit, after=0)


def _waiting(
    read_model: ReadModel, column: str, value: str, *, limit: int, after: int
) -> tuple[Waiting, ...]:
    rows = read_model.store.rows(
        f"{_WAITING} AND {column} = :value ORDER BY due_at_ms LIMIT :most OFFSET :after",
        {"value": value, "most": limit, "after": after} | overdue_values(read_model),
    )
    return tuple(Waiting(**dict(row)) for row in rows)


def assess_tiers(tiers: tuple[Tier, ...], now_ms: int) -> Sentence:
    """Return what the tiers come to in one sentence."""
    late = [tier for tier in tiers if tier.overdue]
    waiting = sum(tier.waiting for tier in tiers)
    if late:
        worst = min(late, key=lambda tier: tier.oldest_overdue_ms or now_ms)
        age = duration(now_ms - (worst.oldest_overdue_ms or now_ms))
        names = ", ".join(tier.wait for tier in late)
        count = sum(tier.overdue for tier in late)
        return Sentence(
            whose="us",
            title=f"{plural(count, 'notification', 'is')} overdue. This is ours.",
            text=f"Due on {names}, the first for {age}, and not attempted by any worker."
            " Look whether workers with role retry or all are running, and at their logs.",
        )
    if waiting:
        return Sentence(
            whose="nobody",
            title="Nothing is overdue.",
            text=f"{plural(waiting, 'notification', 'waits')} for the time agreed with the partner.",
        )
    return Sentence(whose="nobody", title="Nothing waits.", text="No notification is on a tier.")
