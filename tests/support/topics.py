"""Topics in memory, written as the worker writes them, for the console to read: records, offsets, what is settled."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Self

from streams.kafka.committed_state import CommittedState
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import PartitionId
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.tail import Edges
from streams.notification.ladder import Wait
from streams.notification.notification import Headers
from tests.support.history import NAMES, PARTNER, PROFILE, SOURCE, T0, HistoryBuilder

TAGS: tuple[PartitionId, ...] = (
    (SOURCE, 0),
    (NAMES.tier(Wait.parse("1s")), 0),
    (NAMES.tier(Wait.parse("5m")), 0),
    (NAMES.replay, 0),
    (NAMES.dead_letter, 0),
    (NAMES.attempts, 0),
)


class Topics:
    """What stands on the topics, and a connection to it: what `streams.kafka.reader.tail.Tail` is for the real ones.

    Attributes:
        records: by partition.
        done: what the worker's groups have settled.
        begins: what retention has deleted.
        fault: why the brokers can't be read, or None.
        hang: whether a fetch brings nothing for ever, which `hangs` says then.
        unread: what the next fetch leaves out.
        standing: partitions of which nothing more can be read, each with the reason.
        most: records that one fetch brings.
    """

    def __init__(self) -> None:
        self.records: dict[PartitionId, list[RawRecord]] = {tag: [] for tag in TAGS}
        self.done: dict[PartitionId, CommittedState] = {tag: CommittedState(0) for tag in TAGS}
        self.begins: dict[PartitionId, int] = dict.fromkeys(TAGS, 0)
        self.fault: str | None = None
        self.hang, self.hangs = False, asyncio.Event()
        self.unread: list[RecordId] = []
        self.standing: dict[PartitionId, str] = {}
        self.most = 7  # few, so that every test has several batches
        self._positions: dict[PartitionId, int] = {}
        self._turn = count()

    def write(
        self, topic: str, key: str | None, value: bytes | None, headers: Headers, at_ms: int
    ) -> RecordId:
        """Append a record."""
        there = self.records[topic, 0]
        record = RawRecord(
            topic, 0, len(there), None if key is None else key.encode(), value, headers, at_ms
        )
        there.append(record)
        return record.record_id

    def settle(self, record_id: RecordId) -> None:
        """The worker is done with everything up to this record."""
        before = self.done[record_id.topic, record_id.partition]
        self.done[record_id.topic, record_id.partition] = CommittedState(
            max(before.offset, record_id.offset + 1)
        )

    # --- as the console reads it --------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._positions = {}

    async def look(self) -> dict[PartitionId, Edges]:
        if self.fault is not None:
            raise ReadFailed(self.fault)
        return {tag: Edges(self.begins[tag], len(there)) for tag, there in self.records.items()}

    def follow(self, starts: Mapping[PartitionId, int]) -> None:
        self._positions = dict(starts)

    async def fetch(self) -> list[RawRecord]:
        """Return a few records, in each call of another partition first."""
        while self.hang:
            self.hangs.set()
            await asyncio.sleep(0.01)
        tags = list(self._positions)
        if self.fault is not None:
            raise ReadFailed(self.fault)
        if not tags:
            return []
        first = next(self._turn) % len(tags)
        found: list[RawRecord] = []
        for tag in tags[first:] + tags[:first]:
            if tag in self.standing:
                continue
            begin = self._positions[tag]
            some = self.records[tag][begin : begin + self.most - len(found)]
            self._positions[tag] += len(some)
            found += some
        if not found:
            await asyncio.sleep(0.01)  # as a broker waits for records
        return found

    def left_out(self) -> list[RecordId]:
        found, self.unread = self.unread, []
        return found

    def stands_at(self) -> str | None:
        return next(iter(self.standing.values()), None)

    async def positions(self) -> dict[PartitionId, int]:
        return dict(self._positions)

    async def settled(self, groups: Iterable[str]) -> dict[PartitionId, CommittedState]:
        del groups
        return dict(self.done)


class Payment(HistoryBuilder):
    """One payment in such topics, and what the worker did about it: each step with all that follows from it.

    Args:
        topics: where its records go.
        order_id: of the payment.
        partner: whom it is for.
        at: when its event was written, milliseconds after T0.
    """

    body = b"{}"
    dead_letter_body = b"CANARY-body"
    rests: RecordId

    def __init__(
        self,
        topics: Topics,
        order_id: str,
        partner: str = PARTNER,
        at: int = 0,
        profile: str = PROFILE,
    ) -> None:
        super().__init__(
            notification_id=f"evt-{order_id}", order_id=order_id, partner=partner, profile=profile
        )
        self.topics, self.accepted_ms = topics, T0 + at
        self.event(at)

    def attempt(
        self, began: int, took: int = 40, *, decision: str = "retry", wait: str = "5m", **said: Any
    ) -> Self:
        """An attempt, and what follows from it."""
        ends = (
            {"dead_letter_reason": "rejected", "why": "refused"}
            if decision == "dead-letter"
            else {}
        )
        super().attempt(began, took, decision=decision, wait=wait, **ends | said)
        ended = began + took
        if decision == "retry":
            return self.tier(ended, ended + Wait.parse(wait).seconds * 1000 + 1, wait)
        if decision == "dead-letter":
            return self.dead_letter(ended, said.get("dead_letter_reason", "rejected"))
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
        for_ms = Wait.parse(wait).seconds * 1000
        return self.park(at, for_ms, why, wait).tier(at, at + for_ms, wait, last_outcome="parked")

    def put_back(self, at: int, run: str = "r-1", *, written: bool = True) -> Self:
        """An operator put it back."""
        return self.replayed(at, self.rests.header, run, written=written)

    def _write(self, topic: str, value: bytes, headers: Headers, at_ms: int) -> None:
        record_id = self.topics.write(topic, self.order_id, value, headers, at_ms)
        if topic != NAMES.attempts:
            self.topics.settle(self.rests)
            self.rests = record_id

    def _write_event(self, value: bytes, at_ms: int) -> None:
        self.rests = self.topics.write(SOURCE, self.order_id, value, (), at_ms)
        self.origin = self.rests.header
