"""One order: what became of each of its notifications."""

from streams.kafka.format.raw import RecordId
from streams.operator.console.read_model import ReadModel
from streams.operator.console.views import Facts, Order
from streams.operator.did_you_mean import nearest
from streams.operator.history.notification_history import NotificationHistory, histories_of
from streams.operator.history.report import NotificationReport, report_on

_LIKE = 5
_LOOKED_AT = 250  # before and behind in the order of ids
_SHORTEST_START = 3


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
        oldest_ms=read_model.oldest_ms(),
        complete=not read_model.store.left_out(),
        facts=tuple(fact.to_dict() for fact in known),
    )


def find(read_model: ReadModel, asked: str) -> str | None:
    """Return the order that is meant: people search with what they have.

    Args:
        read_model: what is known.
        asked: an order id, an event's id, the payment's other id, or the place of a record, as `TOPIC:PARTITION:OFFSET` or
            as an origin is spelled, with slashes.
    """
    for question in (
        "SELECT order_id FROM facts WHERE order_id = ? LIMIT 1",
        "SELECT order_id FROM notifications WHERE notification_id = ? LIMIT 1",
        "SELECT order_id FROM facts WHERE payment_id = ? AND order_id IS NOT NULL ORDER BY at_ms DESC LIMIT 1",
    ):
        row = read_model.store.row(question, (asked,))
        if row is not None:
            return str(row[0])
    return _order_of_record(read_model, asked)


def _order_of_record(read_model: ReadModel, text: str) -> str | None:
    """Return the order of the record at a place, or of the event that stood there until Kafka deleted it."""
    try:
        place = RecordId.parse(text)
    except ValueError:
        return None
    fact = read_model.store.fact_at(*place)
    if fact is not None and fact.order_id is not None:
        return fact.order_id
    row = read_model.store.row(
        "SELECT order_id FROM notifications WHERE event = ? LIMIT 1", (place.header,)
    )
    return None if row is None else str(row[0])


def like(read_model: ReadModel, text: str) -> tuple[str, ...]:
    """Return the known order ids that look most like this one, among those that begin alike: of a mistyped id some of the start is right."""
    for length in (len(text), len(text) * 3 // 4, len(text) // 2, len(text) // 4):
        start = text[:length]
        if len(start) < _SHORTEST_START:
            break
        rows = read_model.store.rows(
            "SELECT * FROM (SELECT DISTINCT order_id FROM facts WHERE order_id >= :text AND order_id < :end"
            " ORDER BY order_id LIMIT :most) UNION SELECT * FROM (SELECT DISTINCT order_id FROM facts"
            " WHERE order_id < :text AND order_id >= :start ORDER BY order_id DESC LIMIT :most)",
            {"start": start, "text": text, "end": start + "\U0010ffff", "most": _LOOKED_AT},
        )
        if near := nearest(text, (row[0] for row in rows), _LIKE):
            return near
    return ()


def _report(read_model: ReadModel, history: NotificationHistory) -> NotificationReport:
    others = 0
    if history.partner_id is not None and not history.has_ended:
        others = read_model.count(
            "SELECT count(*) - 1 FROM notifications WHERE partner_id = ? AND NOT ended",
            history.partner_id,
        )
    return report_on(
        history,
        read_model.now_ms(),
        read_model.limits,
        # Of what has not ended all is known, however old it is: it rests on a tier.
        known_since_ms=read_model.known_since_ms if history.status == "dead-lettered" else None,
        others_waiting=max(0, others),
    )
