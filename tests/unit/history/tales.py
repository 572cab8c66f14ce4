"""Records as the worker leaves them, told attempt by attempt: for tests of what is read from them."""

import json

from streams.history.facts import Fact, read_fact
from streams.kafka.raw import RawRecord

T0 = 1_795_342_530_000  # 2026-11-22T10:15:30Z
ORDER, EVENT, PARTNER, PROFILE = "order-1", "evt-1", "acme", "mpp-to-alipay-plus"
ORIGIN = "final/3/42"
PREFIX = "pn"


class Tale:
    """The records about one order, in the order in which they were written."""

    def __init__(
        self, origin: str = ORIGIN, notification_id: str = EVENT, first_offset: int = 1
    ) -> None:
        self.facts: list[Fact] = []
        self.origin, self.notification_id = origin, notification_id
        self.replays = self.attempts = self.parks = 0
        self._offset = first_offset - 1

    def event(self, at: int = 0, occurred: str = "2026-11-22T10:15:29+00:00", **members):
        """Payment core wrote the event."""
        topic, partition, offset = self.origin.split("/")
        value = {
            "eventId": self.notification_id,
            "profile": PROFILE,
            "partnerId": PARTNER,
            "outcome": "SUCCESS",
            "occurredAt": occurred,
            "payment": {"paymentRequestId": ORDER, "customerId": "secret"},
        } | members
        raw = RawRecord(
            topic, int(partition), int(offset), b"any", json.dumps(value).encode(), (), T0 + at
        )
        self.facts.append(read_fact("event", raw))
        return self

    def attempt(self, began: int, took: int = 40, *, decision: str = "retry", wait=1000, **said):
        """We made an attempt; its times are milliseconds after T0."""
        self.attempts += 1
        ended = T0 + began + took
        due = {"next_due_at_ms": ended + wait + 1, "next_topic": f"{PREFIX}-retry-1s"}
        return self.record(
            kind="attempt",
            at_ms=ended,
            attempt=self.attempts,
            trigger="event" if self.attempts == 1 else "ladder",
            due_at_ms=T0 + began - 5,
            started_at_ms=T0 + began,
            ended_at_ms=ended,
            lateness_ms=5,
            decision=decision,
            **(due if decision == "retry" else {}),
            **({"request_left": "yes"} | said),
        )

    def record(self, **said):
        """Something else stands on the attempts topic."""
        members = {
            "v": 1,
            "notification_id": self.notification_id,
            "order_id": ORDER,
            "profile": PROFILE,
            "partner_id": PARTNER,
            "attempt": self.attempts,
            "parks": self.parks,
            "replays": self.replays,
            "origin": self.origin,
        } | said
        return self._add(
            "attempts", f"{PREFIX}-attempts", members["at_ms"], json.dumps(members), ()
        )

    def park(self, at: int, for_ms: int, why: str = "in-flight"):
        """It was moved aside."""
        self.parks += 1
        return self.record(
            kind="park",
            at_ms=T0 + at,
            decision="parked",
            next_due_at_ms=T0 + at + for_ms,
            next_topic=f"{PREFIX}-retry-1s",
            why=why,
        )

    def tier(self, at: int, due: int, **headers):
        """It lies on a tier."""
        return self._notification("tier", f"{PREFIX}-retry-1s", at, due_at_ms=T0 + due, **headers)

    def letter(self, at: int, reason: str = "attempts-exhausted", detail: str = "d", **headers):
        """It lies on the dead-letter topic."""
        return self._notification(
            "dead-letter",
            f"{PREFIX}-dead-letter",
            at,
            dead_letter_reason=reason,
            dead_letter_detail=detail,
            **headers,
        )

    def replayed(self, at: int, of: str, run: str = "r-1", *, decided=True, written=True):
        """An operator put it back."""
        self.replays += 1
        self.attempts = self.parks = 0
        if decided:
            self.record(
                kind="replay",
                at_ms=T0 + at,
                decision="replayed",
                replay_run=run,
                replay_of=of,
                by="alice",
                why="acme is back",
            )
        if written:
            self._notification("replay", f"{PREFIX}-replay", at, replay_of=of, replay_run=run)
        return self

    def _notification(self, stands_on, topic, at, /, **headers):
        said = {
            "format": 1,
            "notification_id": self.notification_id,
            "profile": PROFILE,
            "partner_id": PARTNER,
            "attempt": self.attempts,
            "parks": self.parks,
            "replays": self.replays,
            "due_at_ms": T0 + at,
            "occurred_at_ms": T0 - 1000,
            "accepted_at_ms": T0 + 10,
            "last_outcome": "U",
            "origin": self.origin,
        } | headers
        pairs = tuple(
            (name.replace("_", "-"), str(value).encode())
            for name, value in said.items()
            if value is not None
        )
        result = {"paymentResult": {"resultStatus": "S", "resultCode": "SUCCESS"}}
        return self._add(stands_on, topic, T0 + at, json.dumps(result), pairs)

    def _add(self, kind, topic, at_ms, value, headers):
        self._offset += 1
        raw = RawRecord(topic, 0, self._offset, ORDER.encode(), value.encode(), headers, at_ms)
        self.facts.append(read_fact(kind, raw))
        return self
