"""What stands beside an event: its own headers, which are never judged, and what a replay says of it.

Payment core's headers are none of our business: each goes on as it came, to the byte, whatever it holds; a name that
means something on our records gets a prefix there. Only `traceparent` is read, and left out where it can't be.
Contract, section 1.
"""

from typing import Final, Literal, get_args

from schemas.trace_context import is_traceparent
from schemas.valueclass import valueclass
from streams.kafka.format.records import (
    FORMAT,
    ORIGIN_LENGTH,
    REPLAY_RUN_LENGTH,
    RESERVED_HEADERS,
    InRecord,
    number_in,
    unknown_headers,
)
from streams.notification.intake import Refused
from streams.notification.notification import Headers

CARRIED_PREFIX: Final = "event."
"""Before the name of an event's header that is called like one of ours: `attempt` is carried as `event.attempt`.

Also before a name that begins so itself: `event.type` is carried as `event.event.type`, or it would come back as `type`.
"""

FUTURE_PREFIX: Final = "notifier-"
"""What the names of our own headers begin with that later versions add."""

OWN_KEY: Final = "notifier-event-key"
"""The key that an event had on its source topic, where it is another than the order id, which is its key on our topics: a
mapping may read members from it. Without a value where it had none."""

HeaderFault = Literal["null", "not-utf8", "malformed", "repeated"]
HEADER_FAULTS: Final[tuple[str, ...]] = get_args(HeaderFault)

_TRACEPARENT: Final = "traceparent"


@valueclass(frozen=True, slots=True)
class EventSource:
    """Where an event comes from (payment core, or an operator who put it back), and what its headers bring.

    Attributes:
        origin: `topic/partition/offset` where it stood first.
        replays: how often it was put back.
        replay_run: the operator's replay that put it back, or None.
        traceparent: its trace context, or None.
        traceparent_fault: why the trace context that it has is left out, or None.
        carried: headers that its notification and its dead letter carry along.
    """

    origin: str
    replays: int = 0
    replay_run: str | None = None
    traceparent: str | None = None
    traceparent_fault: HeaderFault | None = None
    carried: Headers = ()


def fresh_event(record: InRecord) -> EventSource:
    """Return what stands beside an event on a source topic. Every header there is payment core's."""
    if not record.headers:
        return EventSource(record.origin)
    traceparent, fault = _trace_context(record.headers)
    carried = tuple(
        (f"{CARRIED_PREFIX}{name}", value) if _is_renamed(name) else (name, value)
        for name, value in record.headers
        if name != _TRACEPARENT
    )
    return EventSource(
        record.origin, traceparent=traceparent, traceparent_fault=fault, carried=carried
    )


def put_back_event(record: InRecord) -> EventSource:
    """Return what stands beside an event on the replay topic; what can't be read of it is left out."""
    headers = {name: value for name, value in record.headers if value is not None}
    run = headers.get("replay-run", b"").decode("utf-8", "replace")[:REPLAY_RUN_LENGTH]
    traceparent, fault = _trace_context(record.headers)
    return EventSource(
        origin=headers.get("origin", b"").decode("utf-8", "replace")[:ORIGIN_LENGTH]
        or record.origin,
        replays=number_in(headers.get("replays", b"")) or 0,
        replay_run=run or None,
        traceparent=traceparent,
        traceparent_fault=fault,
        carried=unknown_headers(record.headers),
    )


def refused_event_headers(refused: Refused, accepted_at_ms: int, source: EventSource) -> Headers:
    """Return what a dead letter that holds an event says of it: whatever could be read.

    It can be put back through the replay topic as it is.
    """
    ids = refused.event_id, refused.profile, refused.partner_id
    return event_headers(*ids, accepted_at_ms, source)


def event_headers(
    event_id: str | None,
    profile: str | None,
    partner_id: str | None,
    accepted_at_ms: int,
    source: EventSource,
) -> Headers:
    """Return the headers of an event on a topic of ours: its `kind` says that the value is payment core's, as it came."""
    known = {
        "format": FORMAT,
        "kind": "event",
        "notification-id": event_id,
        "profile": profile,
        "partner-id": partner_id,
        "accepted-at-ms": str(accepted_at_ms),
        "origin": source.origin,
        "replays": str(source.replays) if source.replays else None,
        "replay-run": source.replay_run,
        _TRACEPARENT: source.traceparent,
    }
    ours = tuple((name, value.encode()) for name, value in known.items() if value is not None)
    return ours + source.carried


def as_it_came(record: InRecord) -> tuple[bytes | None, Headers]:
    """Return the key and the headers that an event on a topic of ours had on its source topic.

    Only what `fresh_event` renames gets its name back: records of older versions carry `event.type` under that name.
    """
    key = next((value for name, value in record.headers if name == OWN_KEY), record.key)
    headers = tuple(
        (_own_name(name), value)
        for name, value in record.headers
        if name == _TRACEPARENT or not _is_ours(name)
    )
    return key, headers


def own_key_header(record: InRecord, order_id: bytes | None) -> Headers:
    """Return the header that keeps an event's own key, or that it has none, where that is not the order id.

    Args:
        record: the event as it came; one that was put back keeps the header it has.
        order_id: its key on our topics; None where it is not known, and the own key is kept as it is.
    """
    if order_id in {None, record.key}:
        return ()
    if any(name == OWN_KEY for name, _ in record.headers):
        return ()
    return ((OWN_KEY, record.key),)


def _is_ours(name: str) -> bool:
    """Tell whether a name means something on our records, or may in a later version."""
    return name in RESERVED_HEADERS or name.startswith(FUTURE_PREFIX)


def _is_renamed(name: str) -> bool:
    """Tell whether an event's header of this name is carried under another one."""
    return _is_ours(name) or name.startswith(CARRIED_PREFIX)


def _own_name(name: str) -> str:
    """Return the name that a carried header had on its source topic."""
    own = name.removeprefix(CARRIED_PREFIX)
    return own if _is_renamed(own) else name


def _trace_context(headers: Headers) -> tuple[str | None, HeaderFault | None]:
    """Return an event's trace context, or why there is none although it has such a header."""
    given = [value for name, value in headers if name == _TRACEPARENT]
    if not given:
        return None, None
    if len(given) > 1:
        return None, "repeated"
    (value,) = given
    if value is None:
        return None, "null"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None, "not-utf8"
    return (text, None) if is_traceparent(text) else (None, "malformed")
