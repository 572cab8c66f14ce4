"""One order: what became of each of its notifications."""

from streams.kafka.format.raw import RecordId
from streams.operator.console.read_model import ReadModel
from streams.operator.console.views import Facts, Order
from streams.operator.history.notification_history import NotificationHistory, histories_of
from streams.operator.history.report import NotificationReport, report_on

_LIKE = 5


def order(read_model: ReadModel, order_id: str) -> Order | None:
    """Return all about an order, or None where nothing that was read names it."""
    histories = histories_of(read_model.store.facts_of(order_id))
    if not histories:
        return None
    reports = tuple(_report(read_model, history) for history in reversed(histories))
    return Order(order_id=order_id, notifications=reports)


def facts(read_model: ReadModel, order_id: str) -> Facts | None:
    """Return what was read of an order, or None where nothing that was read names it: `notifier why` asks for it."""
    known = read_model.store.facts_of(order_id)
    if not known:
        return None
    return Facts(
        as_of=read_model.as_of(),
        order_id=order_id,
        oldest_ms=oldest_known_ms(read_model),
        facts=tuple(fact.to_dict() for fact in known),
    )


def order_of_notification(read_model: ReadModel, notification_id: str) -> str | None:
    """Return the order that a notification id belongs to: people search with what they have."""
    row = read_model.store.row(
        "SELECT order_id FROM notifications WHERE notification_id = ?", (notification_id,)
    )
    return None if row is None else str(row[0])


def order_of_record(read_model: ReadModel, text: str) -> str | None:
    """Return the order of the record at `TOPIC:PARTITION:OFFSET`, or with slashes as an origin is spelled; None where there is none."""
    try:
        fact = read_model.store.fact_at(*RecordId.parse(text))
    except ValueError:
        return None
    return None if fact is None else fact.order_id


def like(read_model: ReadModel, text: str) -> tuple[str, ...]:
    """Return the first known order ids that begin like this one: of a mistyped or cut id the start is right."""
    for length in (len(text), len(text) * 3 // 4, len(text) // 2):
        start = text[:length]
        if len(start) < _LIKE:
            break
        rows = read_model.store.rows(
            "SELECT DISTINCT order_id FROM notifications WHERE order_id >= ? AND order_id < ? LIMIT ?",
            (start, start + "\U0010ffff", _LIKE),
        )
        if rows:
            return tuple(row[0] for row in rows)
    return ()


def oldest_known_ms(read_model: ReadModel) -> int | None:
    """Return when the first record that was read was written."""
    row = read_model.store.row(
        "SELECT min((SELECT at_ms FROM facts WHERE topic = p.topic AND partition = p.partition ORDER BY offset LIMIT 1))"
        " FROM positions AS p"
    )
    return None if row is None or row[0] is None else int(row[0])


def _report(read_model: ReadModel, history: NotificationHistory) -> NotificationReport:
    others = 0
    if history.partner_id is not None and not history.has_ended:
        others = read_model.count(
            "SELECT count(*) - 1 FROM notifications WHERE partner_id = ? AND NOT ended",
            history.partner_id,
        )
    return report_on(history, read_model.now_ms(), read_model.limits, others_waiting=max(0, others))


def is_known(read_model: ReadModel, order_id: str) -> bool:
    """Tell whether anything that was read names this order."""
    return read_model.store.row("SELECT 1 FROM facts WHERE order_id = ?", (order_id,)) is not None
