"""Stand-ins that the unit tests share: a clock moved by hand, and a broker in memory."""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.clock import Clock
from streams.kafka.connection import Connection
from streams.kafka.consumer.membership import Membership
from streams.kafka.format.batches import AnyNames
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import InRecord, OutRecord
from streams.kafka.producer import RecordProducer
from streams.kafka.reader.reader import RecordReader, Span
from tests.support.events import EVENTS

NOW_MS = 1_795_342_530_000  # 2026-11-22T10:15:30Z


async def turns(count=20):
    """Let everything run that can run without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


def endless_lease() -> Membership:
    """Return a lease that never runs out."""
    return Membership(1.0, lambda: 0.0, lambda: None)


class ManualClock(Clock):
    """Stands still until it is moved."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def now_seconds(self) -> float:
        return self.ms / 1000


@dataclass
class MemoryBroker:
    """Keeps records by topic, and refuses what aiokafka or a real broker refuses.

    Attributes:
        written: in the order of their acknowledgement.
        errors: raised by the next tries to write, one each.
        max_message_bytes: by topic, where it is less than Kafka's default.
        append_time_ms: what topics with LogAppendTime stamp records with, or None.
        held: while cleared, nothing is acknowledged.
    """

    written: list[OutRecord] = field(default_factory=list)
    errors: deque[Exception] = field(default_factory=deque)
    max_message_bytes: dict[str, int] = field(default_factory=dict)
    append_time_ms: int | None = None
    held: asyncio.Event | None = None
    asked: list[OutRecord] = field(default_factory=list)

    def on(self, topic: str) -> list[OutRecord]:
        """Return what stands on a topic."""
        return [record for record in self.written if record.topic == topic]


class MemoryProducer:
    """What `RecordProducer` uses of an AIOKafkaProducer, with the same refusals."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.stopped = self._closed = False
        self._md_update_fut: asyncio.Future[bool] | None = None
        self._running = asyncio.ensure_future(asyncio.Event().wait())
        self._sync_task = asyncio.ensure_future(asyncio.Event().wait())
        self._sender = SimpleNamespace(sender_task=self._running)
        self.client = self

    async def send(self, topic, value, key, headers, *, alone=False):  # noqa: ARG002  # each is alone here
        assert not (value is None and key is None), "Need at least one: key or value"  # aiokafka's
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)
        if size > 1_048_576:
            raise MessageSizeTooLargeError(size)
        if self.broker.errors:
            raise self.broker.errors.popleft()
        record = OutRecord(topic, key, value, tuple(headers))
        self.broker.asked.append(record)
        return asyncio.shield(self._store(record, size))  # which belongs to its caller

    async def _wait_on_metadata(self, _topic):
        """Know every topic."""

    def _partition(self, *_):
        return 0

    async def send_batch(self, batch, topic, *, partition):
        """Take a batch of one record, reading its bytes as a consumer does."""
        assert partition == 0
        batch._set_producer_state(1, 0, 0)
        ((record,),) = [list(AnyNames(bytes(batch._build())))]
        stored = OutRecord(topic, record.key, record.value, tuple(record.headers))
        self.broker.asked.append(stored)
        return asyncio.shield(self._store(stored, stored.size_bytes))

    async def _store(self, record, size):
        if self.broker.held is not None:
            await self.broker.held.wait()
        if size > self.broker.max_message_bytes.get(record.topic, size):
            raise MessageSizeTooLargeError(size)
        self.broker.written.append(record)
        stamp = self.broker.append_time_ms
        return SimpleNamespace(timestamp=stamp or 0, timestamp_type=1 if stamp is not None else 0)

    def die(self):
        """End the task that sends, as a fatal error of the idempotent producer does."""
        self._running.cancel()

    def learn_nothing_more(self):
        """End the task that asks who leads what."""
        self._sync_task.cancel()

    async def stop(self, _patience_seconds=None):
        self.stopped = self._closed = True
        self._running.cancel()
        self._sync_task.cancel()

    async def close(self):
        await self.stop()


class MemoryRecordProducer(RecordProducer):
    """The real producer over a broker in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.errors: list[str] = []
        self.made: list[MemoryProducer] = []
        self.broker = broker
        super().__init__(Connection("memory:0"), "test", self.errors.append)

    async def _start_new(self) -> AIOKafkaProducer:
        self.made.append(MemoryProducer(self.broker))
        return cast(AIOKafkaProducer, self.made[-1])


class MemoryReader(RecordReader):
    """Gives records that a test wrote down, as the real one does: in batches, within the spans."""

    def __init__(self, *records: RawRecord) -> None:
        self.records = {record.record_id: record for record in records}

    async def spans(self, *topics, **_):
        ends = {
            topic: 1 + max((r.offset for r in self.records if r.topic == topic), default=-1)
            for topic in topics
        }
        return [Span(topic, 0, 0, end) for topic, end in ends.items()]

    async def read(self, spans, *_):
        (span,) = spans
        records = [r for r in self.records.values() if span.start <= r.offset < span.end]
        for at in range(0, len(records), 7):
            yield sorted(records, key=lambda record: record.offset)[at : at + 7]

    async def at(self, record_id):
        return self.records.get(record_id)


def event(name="mpp-to-ant", *, payment=None, **members) -> bytes:
    """Return a sample event's bytes, with some members other than in the sample."""
    changed = EVENTS[name] | members | {"payment": EVENTS[name]["payment"] | (payment or {})}
    return json.dumps(changed, ensure_ascii=False).encode()


def read(  # noqa: PLR0913  # what a record is made of
    topic: str,
    value: bytes | None,
    *,
    key: bytes | None = b"order",
    headers: Iterable[tuple[str, bytes | None]] = (),
    partition: int = 3,
    offset: int = 42,
    append_time_ms: int = -1,
) -> InRecord:
    """Return a record as it is read."""
    return InRecord(
        topic, partition, offset, key, value, tuple(headers), append_time_ms=append_time_ms
    )


def read_back(record: OutRecord, *, offset: int = 7) -> InRecord:
    """Return a record that we wrote as the next stage reads it."""
    return InRecord(record.topic, 0, offset, record.key, record.value, record.headers)


def headers_of(record: OutRecord) -> dict[str, str]:
    """Return the headers as text; every name must stand once."""
    names = [name for name, _ in record.headers]
    assert len(names) == len(set(names)), names
    return {name: value.decode() for name, value in record.headers if value is not None}
