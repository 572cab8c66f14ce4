"""The records of one notification, as the worker leaves them: the one builder of histories."""

import json
from typing import Any, Self

from streams.kafka.format.facts import Fact, read_fact, topic_kinds
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.topics import TopicNames
from streams.notification.ladder import Wait
from streams.notification.notification import Headers

T0 = 1_795_342_530_000  # 2026-11-22T10:15:30Z
SOURCE = "final"
NAMES = TopicNames("pn")
KINDS = topic_kinds(NAMES, (SOURCE,))
ORDER, EVENT, PARTNER, PROFILE = "order-1", "evt-1", "acme", "mpp-to-alipay-plus"
ORIGIN = f"{SOURCE}/3/42"
RESULT = json.dumps({"paymentResult": {"resultStatus": "S", "resultCode": "SUCCESS"}}).encode()


class HistoryBuilder:
    """Writes records one by one, in the order in which they are asked for. Times are milliseconds after T0.

    Attributes:
        facts: what the records say.
        body: of the notification.
    """

    body = RESULT
    dead_letter_body = RESULT

    def __init__(  # noqa: PLR0913  # what records name
        self,
        origin: str = ORIGIN,
        notification_id: str = EVENT,
        first_offset: int = 1,
        *,
        order_id: str = ORDER,
        partner: str = PARTNER,
        profile: str = PROFILE,
    ) -> None:
        self.facts: list[Fact] = []
        self.origin, self.notification_id, self.order_id = origin, notification_id, order_id
        self.partner, self.profile = partner, profile
        self.replays = self.attempts = self.parks = 0
        self.accepted_ms = T0 + 10
        self.run: str | None = None
        self._offset = first_offset - 1

    def event(
        self, at: int = 0, occurred: str = "2026-11-22T10:15:29+00:00", **members: Any
    ) -> Self:
        """Payment core wrote the event."""
        value = {
            "eventId": self.notification_id,
            "profile": self.profile,
            "partnerId": self.partner,
            "outcome": "SUCCESS",
            "occurredAt": occurred,
            "payment": {"paymentRequestId": self.order_id, "customerId": "CANARY-customer"},
        } | members
        self._write_event(json.dumps(value).encode(), T0 + at)
        return self

    def attempt(
        self, began: int, took: int = 40, *, decision: str = "retry", wait: str = "1s", **said: Any
    ) -> Self:
        """Record an attempt and its decision; what it says of the answer comes as members of the record."""
        self.attempts += 1
        ended = T0 + began + took
        first = "replay" if self.replays else "event"
        members: dict[str, Any] = {
            "kind": "attempt",
            "at_ms": ended,
            "trigger": first if self.attempts == 1 else "ladder",
            "due_at_ms": T0 + began - 5,
            "started_at_ms": T0 + began,
            "ended_at_ms": ended,
            "lateness_ms": 5,
            "request_left": "yes",
            "url_origin": "https://notify.example.com",
            "decision": decision,
        }
        if decision == "retry":
            members["next_due_at_ms"] = ended + _milliseconds(wait) + 1
            members["next_topic"] = _tier(wait)
        return self.record(**members | said)

    def park(self, at: int, for_ms: int, why: str = "in-flight", wait: str = "1s") -> Self:
        """Record that it was moved aside."""
        self.parks += 1
        return self.record(
            kind="park",
            at_ms=T0 + at,
            decision="parked",
            next_due_at_ms=T0 + at + for_ms,
            next_topic=_tier(wait),
            why=why,
        )

    def record(self, **said: Any) -> Self:
        """Write an attempts record."""
        members: dict[str, Any] = {
            "v": 1,
            "notification_id": self.notification_id,
            "order_id": self.order_id,
            "profile": self.profile,
            "partner_id": self.partner,
            "attempt": self.attempts,
            "parks": self.parks,
            "replays": self.replays,
            "origin": self.origin,
            "replay_run": self.run,
            "worker": "worker-1",
        } | said
        known = {name: value for name, value in members.items() if value is not None}
        self._write(NAMES.attempts, json.dumps(known).encode(), (), members["at_ms"])
        return self

    def tier(self, at: int, due: int, wait: str = "1s", **headers: Any) -> Self:
        """Put it on a tier."""
        self._move(_tier(wait), self.body, at, {"due_at_ms": T0 + due} | headers)
        return self

    def dead_letter(
        self,
        at: int,
        reason: str = "attempts-exhausted",
        detail: str = "what was seen",
        **headers: Any,
    ) -> Self:
        """Put it on the dead-letter topic."""
        ends = {"dead_letter_reason": reason, "dead_letter_detail": detail}
        self._move(NAMES.dead_letter, self.dead_letter_body, at, ends | headers)
        return self

    def replayed(
        self, at: int, of: str, run: str = "r-1", *, decided: bool = True, written: bool = True
    ) -> Self:
        """Record that an operator put it back, and put it on the replay topic."""
        self.replays += 1
        self.attempts = self.parks = 0
        self.run = run
        if decided:
            self.record(
                kind="replay",
                at_ms=T0 + at,
                decision="replayed",
                replay_of=of,
                next_topic=NAMES.replay,
                next_due_at_ms=T0 + at,
                by="alice",
                why="acme is back",
            )
        if written:
            self._move(NAMES.replay, self.body, at, {"replay_of": of})
        return self

    def _move(self, topic: str, value: bytes, at: int, more: dict[str, Any]) -> None:
        headers = {
            "format": 1,
            "notification_id": self.notification_id,
            "profile": self.profile,
            "partner_id": self.partner,
            "attempt": self.attempts,
            "parks": self.parks,
            "replays": self.replays,
            "due_at_ms": T0 + at,
            "occurred_at_ms": T0 - 1000,
            "accepted_at_ms": self.accepted_ms,
            "last_outcome": "read_timeout",
            "origin": self.origin,
            "replay_run": self.run,
        } | more
        pairs = tuple(
            (name.replace("_", "-"), str(text).encode())
            for name, text in headers.items()
            if text is not None
        )
        self._write(topic, value, pairs, T0 + at)

    def _write(self, topic: str, value: bytes, headers: Headers, at_ms: int) -> None:
        self._offset += 1
        self._read(RawRecord(topic, 0, self._offset, self.order_id.encode(), value, headers, at_ms))

    def _write_event(self, value: bytes, at_ms: int) -> None:
        self._read(RawRecord(*RecordId.parse(self.origin), b"any", value, (), at_ms))

    def _read(self, record: RawRecord) -> None:
        self.facts.append(read_fact(KINDS[record.topic], record))


def _tier(wait: str) -> str:
    return NAMES.tier(Wait.parse(wait))


def _milliseconds(wait: str) -> int:
    return Wait.parse(wait).seconds * 1000
