"""Which orders stand how: by partner, state, time and text, those that changed last first."""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from streams.operator.console.overdue import OVERDUE, overdue_values
from streams.operator.console.read_model import ReadModel
from streams.operator.console.views import OrderList, OrderRow

State = Literal[
    "", "overdue", "accepted", "waiting", "parked", "replayed", "dead-lettered", "delivered"
]
STATES: Final[tuple[str, ...]] = tuple(filter(None, get_args(State)))

_LAST: Final = "\U0010ffff"  # sorts behind every other character
_COLUMNS: Final = (
    "order_id, notification_id, partner_id, status AS standing, attempts, answer, since_ms, due_at_ms,"
    f" {OVERDUE} AS overdue"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders are listed; an empty text or None takes all.

    Attributes:
        partner: exactly.
        state: `overdue`, or a status of `streams.notification.status`.
        text: what the order id contains, or the notification id begins with.
        since_ms: changed then or later, milliseconds since the epoch.
        until_ms: changed before.
    """

    partner: str = ""
    state: str = ""
    text: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


def order_list(read_model: ReadModel, chosen: Filter, limit: int, after: int = 0) -> OrderList:
    """Return some of the orders that match, the one that changed last first."""
    where, values = _where(read_model, chosen)
    # One row more than asked for tells whether there are others; to count them all would read them all.
    rows = read_model.store.rows(
        f"SELECT {_COLUMNS} FROM notifications WHERE (order_id, notification) IN"  # noqa: S608  # of this file
        f" (SELECT order_id, notification FROM notifications INDEXED BY {_index(chosen)} WHERE {where}"
        " ORDER BY since_ms DESC, order_id LIMIT :most OFFSET :after) ORDER BY since_ms DESC, order_id",
        values | overdue_values(read_model) | {"most": limit + 1, "after": after},
    )
    return OrderList(
        as_of=read_model.as_of(),
        orders=tuple(OrderRow(**dict(row)) for row in rows[:limit]),
        more=len(rows) > limit,
    )


def _index(chosen: Filter) -> str:
    """Return what is looked through: in order of time, or of the few that have not ended by what is asked for."""
    if chosen.state == "overdue":
        return "notifications_open_by_due"
    return "notifications_by_time"


def _where(read_model: ReadModel, chosen: Filter) -> tuple[str, dict[str, Any]]:
    """Return a condition of SQL and its values."""
    values: dict[str, Any] = {
        "partner": chosen.partner,
        "text": chosen.text,
        "text_end": chosen.text + _LAST,
        "since_ms": chosen.since_ms,
        "until_ms": chosen.until_ms,
    }
    asked = []
    if chosen.partner:
        asked.append("partner_id = :partner")
    if chosen.text:
        asked.append(_text_condition(read_model, chosen.text))
    if chosen.since_ms is not None:
        asked.append("since_ms >= :since_ms")
    if chosen.until_ms is not None:
        asked.append("since_ms < :until_ms")
    if chosen.state == "overdue":
        asked.append(f"NOT ended AND {OVERDUE}")  # the first for the index of what has not ended
    elif chosen.state:
        asked.append("status = :state")
        values["state"] = chosen.state
    return " AND ".join(asked) or "1", values


def _text_condition(read_model: ReadModel, text: str) -> str:
    """Return the condition that a text stands for. A million texts take a tenth of a second: no second one is looked at in vain."""
    begins = "notification_id BETWEEN :text AND :text_end"
    known = read_model.store.row(
        f"SELECT 1 FROM notifications WHERE {begins} LIMIT 1",  # noqa: S608  # of this function
        {"text": text, "text_end": text + _LAST},
    )
    return "instr(order_id, :text)" if known is None else f"(instr(order_id, :text) OR {begins})"
