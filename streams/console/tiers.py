"""What waits on which tier, and what of it is late. Waiting is no fault: only what is due and not begun is ours."""

from streams.console.model import Sentence, Tier, Waiting
from streams.console.scene import Scene
from streams.history.text import duration, plural, verb
from streams.notification.profiles import TIERS

_SOON_MS = 60_000
_BARS = 60
_WAITING = (
    "SELECT order_id, notification_id, partner_id, standing, attempts, due_at_ms, rests_on, answer, accepted_at_ms"
    " FROM lives WHERE NOT ended"
)


def tiers(scene: Scene) -> tuple[Tier, ...]:
    """Return the tiers by rising wait, and the replay topic after them."""
    now = scene.now_ms()
    found = {
        row["rests_on"]: row
        for row in scene.store.rows(
            "SELECT rests_on, count(*) AS waiting, sum(standing = 'parked') AS parked,"
            " sum(due_at_ms >= :now AND due_at_ms < :soon) AS due_soon, sum(due_at_ms < :late) AS overdue,"
            " min(CASE WHEN due_at_ms >= :now THEN due_at_ms END) AS next_due_ms,"
            " min(CASE WHEN due_at_ms < :late THEN due_at_ms END) AS oldest_overdue_ms"
            " FROM lives WHERE NOT ended GROUP BY rests_on",
            {"now": now, "soon": now + _SOON_MS, "late": scene.overdue_before_ms},
        )
    }
    topics = [(wait.label, scene.names.tier(wait)) for wait in TIERS]
    topics.append(("replay", scene.names.replay))
    return tuple(
        Tier(wait=label, topic=topic, **_figures(found.get(topic))) for label, topic in topics
    )


def _figures(row: object) -> dict[str, int | None]:
    names = ("waiting", "parked", "due_soon", "overdue", "next_due_ms", "oldest_overdue_ms")
    if row is None:
        return dict.fromkeys(names[:4], 0) | dict.fromkeys(names[4:])
    return {name: row[name] for name in names}  # type: ignore[index]  # sqlite3.Row


def due_in_the_next_hour(scene: Scene) -> tuple[int, ...]:
    """Return how many notifications are due in each of the next sixty minutes."""
    now = scene.now_ms()
    found = scene.store.rows(
        "SELECT (due_at_ms - :now) / 60000 AS minute, count(*) FROM lives"
        " WHERE NOT ended AND due_at_ms >= :now AND due_at_ms < :end GROUP BY minute",
        {"now": now, "end": now + _BARS * _SOON_MS},
    )
    counts = dict.fromkeys(range(_BARS), 0) | {row[0]: row[1] for row in found}
    return tuple(counts[minute] for minute in range(_BARS))


def waiting_on(scene: Scene, topic: str, limit: int, after: int) -> tuple[Waiting, ...]:
    """Return what rests on a topic, by due time."""
    return _waiting(scene, "rests_on = ?", (topic,), limit=limit, after=after)


def waiting_for(scene: Scene, partner_id: str, limit: int) -> tuple[Waiting, ...]:
    """Return what waits for a partner, by due time."""
    return _waiting(scene, "partner_id = ?", (partner_id,), limit=limit, after=0)


def _waiting(
    scene: Scene, where: str, values: tuple[object, ...], *, limit: int, after: int
) -> tuple[Waiting, ...]:
    found = scene.store.rows(
        f"{_WAITING} AND {where} ORDER BY due_at_ms LIMIT ? OFFSET ?",
        (*values, limit, after),
    )
    return tuple(Waiting(**dict(row)) for row in found)


def verdict_on_tiers(shown: tuple[Tier, ...], now_ms: int) -> Sentence:
    """Return what the tiers come to in one sentence."""
    late = [tier for tier in shown if tier.overdue]
    waiting = sum(tier.waiting for tier in shown)
    if late:
        worst = min(late, key=lambda tier: tier.oldest_overdue_ms or now_ms)
        age = duration(now_ms - (worst.oldest_overdue_ms or now_ms))
        names = ", ".join(tier.wait for tier in late)
        count = sum(tier.overdue for tier in late)
        return Sentence(
            whose="us",
            title=f"{plural(count, 'notification')} {verb(count, 'is', 'are')} overdue. This is ours.",
            text=f"Due on {names}, the first for {age}, and not attempted by any worker."
            " Look whether workers with role retry or all are running, and at their logs.",
        )
    if waiting:
        return Sentence(
            whose="nobody",
            title="Nothing is overdue.",
            text=f"{plural(waiting, 'notification')} {verb(waiting, 'waits', 'wait')} for the time agreed with the partner.",
        )
    return Sentence(whose="nobody", title="Nothing waits.", text="No notification is on a tier.")
