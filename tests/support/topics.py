"""Topics in memory, written as the worker writes them, for the console to read: records, offsets, what is settled."""

import json
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Self

from schemas.attempt_record import AttemptRecord
from streams.kafka.progress import Progress
from streams.kafka.raw import Place, RawRecord
from streams.kafka.reader import ReadFailed
from streams.kafka.records import Tag
from streams.kafka.tail import Edges
from streams.kafka.topics import TopicNames
from streams.notification.ladder import Wait
from streams.notification.notification import Headers

T0 = 1_795_342_530_000  # 2026-11-22T10:15:30Z
SOURCE = "final"
NAMES = TopicNames("pn")
TAGS: tuple[Tag, ...] = (
    (SOURCE, 0),
    (NAMES.tier(Wait.parse("1s")), 0),
    (NAMES.tier(Wait.parse("5m")), 0),
    (NAMES.replay, 0),
    (NAMES.dead_letter, 0),
    (NAMES.attempts, 0),
)


class Topics:
    """What stands on the topics, and a connection to it: what `streams.kafka.tail.Tail` is for the real ones.

    Attributes:
        records: by partition.
        done: what the worker's groups have settled.
        begins: what retention has deleted.
        fault: why the brokers can't be read, or None.
        most: records that one fetch brings.
    """

    def __init__(self) -> None:
        self.records: dict[Tag, list[RawRecord]] = {tag: [] for tag in TAGS}
        self.done: dict[Tag, Progress] = {tag: Progress(0) for tag in TAGS}
        self.begins: dict[Tag, int] = dict.fromkeys(TAGS, 0)
        self.fault: str | None = None
        self.most = 7  # few, so that every test has several batches
        self._positions: dict[Tag, int] = {}
        self._turn = count()

    def write(
        self, topic: str, key: str | None, value: bytes | None, headers: Headers, at_ms: int
    ) -> Place:
        """Append a record."""
        there = self.records[topic, 0]
        record = RawRecord(
            topic, 0, len(there), None if key is None else key.encode(), value, headers, at_ms
        )
        there.append(record)
        return record.place

    def settle(self, place: Place) -> None:
        """The worker is done with everything up to this record."""
        before = self.done[place.topic, place.partition]
        self.done[place.topic, place.partition] = Progress(max(before.offset, place.offset + 1))

    # --- as the console reads it --------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._positions = {}

    async def look(self) -> dict[Tag, Edges]:
        if self.fault is not None:
            raise ReadFailed(self.fault)
        return {tag: Edges(self.begins[tag], len(there)) for tag, there in self.records.items()}

    def follow(self, starts: Mapping[Tag, int]) -> None:
        self._positions = dict(starts)

    async def fetch(self) -> list[RawRecord]:
        """Return a few records, in each call of another partition first."""
        tags = list(self._positions)
        if self.fault is not None:
            raise ReadFailed(self.fault)
        if not tags:
            return []
        first = next(self._turn) % len(tags)
        found: list[RawRecord] = []
        for tag in tags[first:] + tags[:first]:
            begin = self._positions[tag]
            some = self.records[tag][begin : begin + self.most - len(found)]
            self._positions[tag] += len(some)
            found += some
        return found

    async def positions(self) -> dict[Tag, int]:
        return dict(self._positions)

    async def settled(self, groups: Iterable[str]) -> dict[Tag, Progress]:
        del groups
        return dict(self.done)


class Payment:
    """One payment, and what the worker did about it. Times are milliseconds after T0.

    Args:
        topics: where its records go.
        order_id: of the payment.
        partner: whom it is for.
        at: when its event was written.
    """

    def __init__(
        self,
        topics: Topics,
        order_id: str,
        partner: str = "acme",
        at: int = 0,
        profile: str = "mpp-to-alipay-plus",
    ) -> None:
        self.topics, self.order_id, self.partner, self.profile = topics, order_id, partner, profile
        self.event_id = f"evt-{order_id}"
        self.attempts = self.parks = self.replays = 0
        self.accepted = T0 + at
        self.run: str | None = None
        event = {
            "eventId": self.event_id,
            "profile": profile,
            "partnerId": partner,
            "outcome": "SUCCESS",
            "occurredAt": "2026-11-22T10:15:29+00:00",
            "payment": {"paymentRequestId": order_id, "customerId": "CANARY-customer"},
        }
        self.rests = topics.write(SOURCE, order_id, json.dumps(event).encode(), (), T0 + at)
        self.origin = self.rests.header

    def attempt(
        self, at: int, *, took: int = 40, decision: str = "retry", wait: str = "5m", **said: Any
    ) -> Self:
        """An attempt, and what follows from it."""
        self.attempts += 1
        ended = T0 + at + took
        seconds = Wait.parse(wait).seconds
        tier = NAMES.tier(Wait.parse(wait))
        due = ended + seconds * 1000 + 1
        facts: dict[str, Any] = {
            "kind": "attempt",
            "at_ms": ended,
            "trigger": "replay"
            if self.replays and self.attempts == 1
            else "event"
            if self.attempts == 1
            else "ladder",
            "due_at_ms": T0 + at - 5,
            "started_at_ms": T0 + at,
            "ended_at_ms": ended,
            "lateness_ms": 5,
            "request_left": "yes",
            "url_origin": "https://notify.example.com",
            "decision": decision,
        }
        if decision == "retry":
            facts |= {"next_due_at_ms": due, "next_topic": tier}
            self._said(facts | said)
            return self._moves(tier, b"{}", (), T0 + at + took, due)
        if decision == "dead-letter":
            self._said(facts | {"dead_letter_reason": "rejected", "why": "refused"} | said)
            return self.letter(at + took, said.get("dead_letter_reason", "rejected"))
        self._said(facts | said)
        self.topics.settle(self.rests)
        return self

    def delivered(self, at: int, **said: Any) -> Self:
        """An attempt that was acknowledged."""
        answer = {"result_status": "S", "result_code": "SUCCESS", "outcome": "S:SUCCESS"}
        return self.attempt(at, decision="delivered", **(answer | said))

    def unanswered(self, at: int, wait: str = "5m", **said: Any) -> Self:
        """An attempt that brought nothing."""
        return self.attempt(
            at, took=5000, wait=wait, failure="read_timeout", outcome="read_timeout", **said
        )

    def refused(self, at: int, code: str = "RISK_REJECT", **said: Any) -> Self:
        """An attempt with a final F."""
        answer = {"result_status": "F", "result_code": code, "outcome": f"F:{code}"}
        return self.attempt(at, decision="dead-letter", **(answer | said))

    def parked(self, at: int, wait: str = "5m", why: str = "in-flight") -> Self:
        """Moved aside."""
        self.parks += 1
        tier, due = NAMES.tier(Wait.parse(wait)), T0 + at + Wait.parse(wait).seconds * 1000
        self._said(
            {
                "kind": "park",
                "at_ms": T0 + at,
                "decision": "parked",
                "next_due_at_ms": due,
                "next_topic": tier,
                "why": why,
            }
        )
        return self._moves(tier, b"{}", (("last-outcome", b"parked"),), T0 + at, due)

    def letter(self, at: int, reason: str, detail: str = "what was seen") -> Self:
        """It lies on the dead-letter topic."""
        more = (("dead-letter-reason", reason.encode()), ("dead-letter-detail", detail.encode()))
        return self._moves(NAMES.dead_letter, b"CANARY-body", more, T0 + at, T0 + at)

    def put_back(self, at: int, run: str = "r-1", *, written: bool = True) -> Self:
        """An operator put it back."""
        letter = self.rests
        self.replays += 1
        self.attempts = self.parks = 0
        self.run = run
        self._said(
            {"kind": "replay", "at_ms": T0 + at, "decision": "replayed", "replay_of": letter.header, "by": "alice",
             "why": "acme is back", "next_topic": NAMES.replay, "next_due_at_ms": T0 + at}
        )  # fmt: skip
        if written:
            self._moves(
                NAMES.replay, b"{}", (("replay-of", letter.header.encode()),), T0 + at, T0 + at
            )
        return self

    def _said(self, facts: Mapping[str, Any]) -> None:
        record = AttemptRecord(
            **{
                "notification_id": self.event_id,
                "order_id": self.order_id,
                "profile": self.profile,
                "partner_id": self.partner,
                "attempt": self.attempts,
                "parks": self.parks,
                "replays": self.replays,
                "origin": self.origin,
                "replay_run": self.run,
                "worker": "worker-1",
                **facts,
            }
        )
        self.topics.write(NAMES.attempts, self.order_id, record.to_bytes(), (), record.at_ms)

    def _moves(self, topic: str, value: bytes, more: Headers, at_ms: int, due_ms: int) -> Self:
        said: dict[str, object] = {
            "format": 1,
            "notification-id": self.event_id,
            "profile": self.profile,
            "partner-id": self.partner,
            "attempt": self.attempts,
            "parks": self.parks,
            "replays": self.replays,
            "due-at-ms": due_ms,
            "occurred-at-ms": T0 - 1000,
            "accepted-at-ms": self.accepted,
            "last-outcome": "read_timeout",
            "origin": self.origin,
            "replay-run": self.run,
        }
        given = dict(more)
        headers = tuple(
            (name, str(value).encode())
            for name, value in said.items()
            if value is not None and name not in given
        )
        before, self.rests = (
            self.rests,
            self.topics.write(topic, self.order_id, value, headers + more, at_ms),
        )
        self.topics.settle(before)
        return self
