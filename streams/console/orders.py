"""One order: what became of each of its notifications."""

from streams.console.model import Facts, Order
from streams.console.scene import Scene
from streams.history.notification_history import NotificationHistory, histories_of
from streams.history.report import NotificationReport, report_on

_LIKE = 5


def order(scene: Scene, order_id: str) -> Order | None:
    """Return all about an order, or None where nothing that was read names it."""
    histories = histories_of(scene.store.facts_of(order_id))
    if not histories:
        return None
    reports = tuple(_report(scene, history) for history in reversed(histories))
    return Order(order_id=order_id, notifications=reports)


def facts(scene: Scene, order_id: str) -> Facts | None:
    """Return what was read of an order, or None where nothing that was read names it: `notifier why` asks for it."""
    found = scene.store.facts_of(order_id)
    if not found:
        return None
    return Facts(
        as_of=scene.as_of(),
        order_id=order_id,
        oldest_ms=oldest_known_ms(scene),
        facts=tuple(fact.to_dict() for fact in found),
    )


def order_of_notification(scene: Scene, notification_id: str) -> str | None:
    """Return the order that a notification id belongs to: people search with what they have."""
    found = scene.store.row(
        "SELECT order_id FROM lives WHERE notification_id = ?", (notification_id,)
    )
    return None if found is None else str(found[0])


def like(scene: Scene, text: str) -> tuple[str, ...]:
    """Return the first known order ids that begin like this one: of a mistyped or cut id the start is right."""
    for length in (len(text), len(text) * 3 // 4, len(text) // 2):
        start = text[:length]
        if len(start) < _LIKE:
            break
        found = scene.store.rows(
            "SELECT DISTINCT order_id FROM lives WHERE order_id >= ? AND order_id < ? LIMIT ?",
            (start, start + "\U0010ffff", _LIKE),
        )
        if found:
            return tuple(row[0] for row in found)
    return ()


def oldest_known_ms(scene: Scene) -> int | None:
    """Return when the first record that was read was written."""
    found = scene.store.row(
        "SELECT min(at_ms) FROM (SELECT at_ms FROM facts AS f JOIN positions AS p USING (topic, partition)"
        " WHERE f.offset = (SELECT min(offset) FROM facts WHERE topic = p.topic AND partition = p.partition))"
    )
    return None if found is None or found[0] is None else int(found[0])


def _report(scene: Scene, history: NotificationHistory) -> NotificationReport:
    others = 0
    if history.partner_id is not None and not history.has_ended:
        (others,) = scene.store.row(
            "SELECT count(*) - 1 FROM lives WHERE partner_id = ? AND NOT ended",
            (history.partner_id,),
        )
    return report_on(history, scene.now_ms(), scene.limits, others_waiting=max(0, others))


def is_known(scene: Scene, order_id: str) -> bool:
    """Tell whether anything that was read names this order."""
    return scene.store.row("SELECT 1 FROM facts WHERE order_id = ?", (order_id,)) is not None
