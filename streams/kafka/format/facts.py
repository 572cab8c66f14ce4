"""What one record on one of our topics says, compact: no body, no key, no customer data.

Facts are all that the command line and the console know. They can be kept as JSON and read back.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, Final, Literal

from pydantic import ValidationError

from schemas.attempt_record import AttemptRecord
from schemas.event import EventMembers, short_text
from schemas.notify_url import known_origin
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.topics import TopicNames
from streams.notification.notification import Headers
from streams.notification.profiles import TIERS, order_id_in, result_in
from streams.notification.status import TopicKind

Kind = TopicKind | Literal["attempts"]

_LONGEST_TEXT: Final = 4096
_LONGEST_NUMBER: Final = 15


@dataclass(frozen=True, slots=True)
class Fact:
    """What a record says. Everything but the first five may be unknown. Times are milliseconds since the epoch, UTC.

    Attributes:
        kind: of the topic.
        topic: where it stands; with partition and offset.
        at_ms: the record's own timestamp; -1 without one.
        order_id: the order that it is about: the key, on our topics.
        payment_id: the other side's id of the payment (`paymentId`), where it is not the order id itself.
        unreadable: what is wrong with it, in words, where it can't be read as what it should be.
        notification_id: the event's id.
        partner_id: the entry of the partners file.
        url_origin: scheme, host and port of the notify URL, where the record names one.
        result: what the partner is told: `S:SUCCESS`, `F:RISK_REJECT`; of an event its outcome, like `FAILED`.
        attempt: attempts made.
        parks: moves without an attempt.
        replays: how often an operator put it back.
        last_outcome: what the last attempt or park brought.
        origin: `topic/partition/offset` of the event.
        replay_run: the operator's replay that it belongs to.
        replay_of: the place of the dead letter or event that was put back.
        holds_event: the value is an event, not a notification's body.
        reason: of a dead letter.
        detail: of a dead letter.
        value_bytes: length of the value; None for a tombstone.
        value_sha256: of a dead letter's value.
        record: all of an attempts record.
    """

    kind: Kind
    topic: str
    partition: int
    offset: int
    at_ms: int
    order_id: str | None = None
    payment_id: str | None = None
    unreadable: str | None = None
    notification_id: str | None = None
    profile: str | None = None
    partner_id: str | None = None
    url_origin: str | None = None
    result: str | None = None
    attempt: int | None = None
    parks: int | None = None
    replays: int | None = None
    due_at_ms: int | None = None
    occurred_at_ms: int | None = None
    accepted_at_ms: int | None = None
    first_attempt_at_ms: int | None = None
    last_outcome: str | None = None
    origin: str | None = None
    replay_run: str | None = None
    replay_of: str | None = None
    holds_event: bool = False
    reason: str | None = None
    detail: str | None = None
    value_bytes: int | None = None
    value_sha256: str | None = None
    record: AttemptRecord | None = None

    @property
    def record_id(self) -> RecordId:
        """The record's topic, partition and offset."""
        return RecordId(self.topic, self.partition, self.offset)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, without what is unknown."""
        members = {
            name: value
            for name in _NAMES
            if (value := getattr(self, name)) is not None and value is not False
        }
        if self.record is not None:
            members["record"] = self.record.model_dump(exclude_none=True)
        return members

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> "Fact":
        """Read what `to_dict` returned."""
        record = members.get("record")
        return cls(
            **{
                **members,
                "record": None if record is None else AttemptRecord.model_validate(record),
            }
        )


# Asked for with every fact that is kept.
_NAMES: Final = tuple(field.name for field in fields(Fact))


def _own_form(record: RawRecord) -> bytes | None:
    return record.value


def topic_kinds(names: TopicNames, source_topics: Iterable[str] = ()) -> dict[str, Kind]:
    """Return our topics, and payment core's where they are given, each with its kind."""
    kinds: dict[str, Kind] = dict.fromkeys(source_topics, "event")
    kinds |= {names.tier(wait): "tier" for wait in TIERS}
    kinds |= {
        names.replay: "replay",
        names.dead_letter: "dead-letter",
        names.attempts: "attempts",
    }
    return kinds


def read_fact(
    kind: Kind, record: RawRecord, event_of: Callable[[RawRecord], bytes | None] = _own_form
) -> Fact:
    """Return what a record says. Never raises, whatever the record holds.

    Args:
        kind: of its topic.
        record: as it was read.
        event_of: returns the event that a record of a source topic is, in our own form; None where it is none.
    """
    read = (kind, record.topic, record.partition, record.offset, record.timestamp_ms)
    if kind == "attempts":
        members = _of_attempt(record)
    elif kind == "event":
        members = _of_event(event_of(record)) | {"value_bytes": _length(record.value)}
    else:
        members = _of_notification(kind, record)
    if kind != "event" and (key := _text(record.key)):
        members["order_id"] = key
    return Fact(*read, **members)


_MEMBERS: Final = (
    *("order_id", "notification_id", "profile", "partner_id", "url_origin"),
    *("attempt", "parks", "replays", "origin", "replay_run"),
)
"""Of an attempts record: those that a fact names in the same way."""
_TEXT_HEADERS: Final = (
    *("notification-id", "profile", "partner-id", "last-outcome"),
    *("origin", "replay-run", "replay-of"),
)
_NUMBER_HEADERS: Final = (
    *("attempt", "parks", "replays"),
    *("due-at-ms", "occurred-at-ms", "accepted-at-ms", "first-attempt-at-ms"),
)


def _of_attempt(raw: RawRecord) -> dict[str, Any]:
    try:
        record = AttemptRecord.model_validate_json(raw.value or b"")
    except ValidationError as error:
        return {"unreadable": f"no attempts record of version 1 ({error.error_count()} faults)"}
    code = record.sent_result_code
    return {name: getattr(record, name) for name in _MEMBERS} | {
        "result": code and f"{record.sent_result_status}:{code}",
        "due_at_ms": record.next_due_at_ms,
        "reason": record.dead_letter_reason,
        "record": record,
    }


def _of_notification(kind: Kind, record: RawRecord) -> dict[str, Any]:
    headers = _headers(record.headers)
    holds_event = headers.get("kind") == "event"
    members: dict[str, Any] = {
        **{name.replace("-", "_"): headers.get(name) for name in _TEXT_HEADERS},
        **{name.replace("-", "_"): _number(headers.get(name)) for name in _NUMBER_HEADERS},
        "url_origin": known_origin(headers.get("notify-url")),
        "holds_event": holds_event,
        "value_bytes": _length(record.value),
    }
    if holds_event:
        event = _of_event(record.value)
        event.pop("unreadable", None)  # the dead letter's detail says it better
        members |= {name: value for name, value in event.items() if members.get(name) is None}
    else:
        body = _object(record.value) or {}
        members["result"] = result_in(body, headers.get("profile"))
        members["payment_id"] = _payment_id(body, headers.get("profile"))
        if record.key is None:
            members["order_id"] = order_id_in(body, headers.get("profile"))
    if kind == "dead-letter":
        members["reason"] = headers.get("dead-letter-reason")
        members["detail"] = headers.get("dead-letter-detail")
        members["value_sha256"] = sha256(record.value or b"").hexdigest()
        if members["reason"] is None:
            members["unreadable"] = "a dead letter without its reason"
    elif not holds_event and (members["notification_id"] is None or members["attempt"] is None):
        members["unreadable"] = "headers of a notification are missing"
    return members


def _of_event(value: bytes | None) -> dict[str, Any]:
    members = _object(value)
    if members is None:
        return {"unreadable": "no JSON object"}
    event = EventMembers(members)
    return {
        "order_id": order_id_in(event.payment, event.profile),
        "payment_id": _payment_id(event.payment, event.profile),
        "notification_id": event.event_id,
        "profile": event.profile,
        "partner_id": event.partner_id,
        "url_origin": event.url_origin,
        "result": event.outcome,
        "occurred_at_ms": event.occurred_at_ms,
    }


def _payment_id(members: Mapping[str, Any] | None, profile: str | None) -> str | None:
    payment_id = short_text((members or {}).get("paymentId"))
    return None if payment_id == order_id_in(members, profile) else payment_id


def _length(value: bytes | None) -> int | None:
    return None if value is None else len(value)


def _object(value: bytes | None) -> dict[str, Any] | None:
    try:
        members = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def _headers(headers: Headers) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, raw in headers:
        text = _text(raw)
        if text is not None:
            texts.setdefault(name, text[:_LONGEST_TEXT])
    return texts


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        return None
    return int(text)
