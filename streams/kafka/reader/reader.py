"""Reads parts of topics once, for commands, as a consumer without a group: nothing is committed.

Where a read ends is fixed before it begins, so that it always ends. Records of aborted transactions are left out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.connection import Connection
from streams.kafka.format.raw import RawRecord, RecordId, raw_record
from streams.kafka.format.unreadable import leave_out
from streams.kafka.reader.failures import ReadFailed, brokers_asked
from streams.kafka.reader.partitioning import where_written

_FETCH_BYTES: Final = 4 * 1024 * 1024
_STALLED_SECONDS: Final = 20.0
_ANSWER_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one partition: from `start` up to, not with, `end`; both are offsets."""

    topic: str
    partition: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """How many offsets it has: at least as many as records."""
        return max(0, self.end - self.start)


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """How far a read has come: offsets passed, of how many."""

    passed: int
    of: int


OnProgress = Callable[[ReadProgress], None]


@dataclass(frozen=True, slots=True)
class KeySpans:
    """Where the records with a key are looked for.

    Attributes:
        likely: where our producer put them, whatever the number of partitions was.
        rest: all the others.
    """

    likely: list[Span]
    rest: list[Span]


class RecordReader:
    """Reads spans of topics, one read at a time.

    Use as an async context manager.

    Args:
        connection: the brokers.
        client_id: as the brokers' logs shall show it.

    Attributes:
        left_out: what could not be read, of all that was asked for so far, in the order in which it was come to.

    Raises:
        ReadFailed: from any method, when no broker answers or none gives the records.
    """

    def __init__(self, connection: Connection, client_id: str) -> None:
        self.left_out: list[Span] = []
        self._connection = connection
        self._client_id = client_id
        self._started: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        with brokers_asked(self._connection):
            consumer = AIOKafkaConsumer(
                **self._connection.options(self._client_id),
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="earliest",  # what retention deleted is passed over
                max_partition_fetch_bytes=_FETCH_BYTES,
                fetch_max_wait_ms=50,
                request_timeout_ms=20_000,
            )
            try:
                await consumer.start()
            except (KafkaError, OSError):
                await consumer.stop()
                raise
        self._started = consumer
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        assert self._started is not None  # noqa: S101  # entered
        return self._started

    async def partitions(self, *topics: str) -> dict[str, list[int]]:
        """Return each topic's partitions, ascending; none for a topic that does not exist. Creates none."""
        consumer = self._consumer
        with brokers_asked(self._connection):
            existing = await consumer.topics()
            known = [topic for topic in topics if topic in existing]
            await consumer._client.set_topics(known)  # noqa: SLF001  # aiokafka has no public method for it
        return {
            topic: sorted(consumer.partitions_for_topic(topic) or ()) if topic in existing else []
            for topic in topics
        }

    async def spans(self, *topics: str, since_ms: int | None = None) -> list[Span]:
        """Return all that stands in topics now, by partition.

        Args:
            topics: their names; one that does not exist has no spans.
            since_ms: only from the first record that is at least as young; milliseconds since the epoch.
        """
        tps = [
            TopicPartition(topic, number)
            for topic, numbers in (await self.partitions(*topics)).items()
            for number in numbers
        ]
        if not tps:
            return []
        with brokers_asked(self._connection):
            begins, ends = await asyncio.gather(
                self._consumer.beginning_offsets(tps), self._consumer.end_offsets(tps)
            )
        starts: dict[Any, int] = dict(begins)
        if since_ms is not None:
            firsts = await self._first_since(dict.fromkeys(tps, since_ms))
            starts = {tp: first.offset if first else ends[tp] for tp, first in firsts.items()}
        return [Span(tp.topic, tp.partition, starts[tp], ends[tp]) for tp in tps]

    async def key_spans(self, *topics: str, key: bytes, since_ms: int | None = None) -> KeySpans:
        """Return all that stands in topics of ours now: where records with a key were written, and the rest.

        The partition of the key for the present number of partitions, those for every smaller number, as far as that may
        have been in force, and all others. Not for source topics, whose writers have rules of their own.

        Args:
            topics: their names; one that does not exist has no spans.
            key: the records'.
            since_ms: only from the first record that is at least as young; milliseconds since the epoch.
        """
        spans = await self.spans(*topics, since_ms=since_ms)
        firsts = await self._first_since(dict.fromkeys(map(_tp, spans), 0))
        ends: dict[TopicPartition, int | None] = {}
        for topic in topics:
            first_ms = [
                None if first is None else first.timestamp
                for _, first in sorted(
                    (tp.partition, first) for tp, first in firsts.items() if tp.topic == topic
                )
            ]
            if first_ms:
                for number, until_ms in where_written(key, first_ms).items():
                    ends[TopicPartition(topic, number)] = until_ms
        bounded = {tp: until_ms for tp, until_ms in ends.items() if until_ms is not None}
        cuts = await self._first_since(bounded)
        likely, rest = [], []
        for span in spans:
            tp, cut = _tp(span), span.end
            if tp not in ends:
                cut = span.start
            elif (at := cuts.get(tp)) is not None:
                cut = min(max(at.offset, span.start), span.end)
            likely.append(replace(span, end=cut))
            rest.append(replace(span, start=cut))
        return KeySpans([s for s in likely if s.length], [s for s in rest if s.length])

    async def oldest_ms(self, topic: str) -> int | None:
        """Return when the oldest record of a topic was written, milliseconds since the epoch; None where there is none."""
        tps = [TopicPartition(topic, number) for number in (await self.partitions(topic))[topic]]
        firsts = (await self._first_since(dict.fromkeys(tps, 0))).values()
        return min((int(first.timestamp) for first in firsts if first is not None), default=None)

    async def _first_since(self, since_ms: Mapping[TopicPartition, int]) -> dict[Any, Any]:
        """Return offset and time of the first record that is at least so young, by partition; None where there is none."""
        if not since_ms:
            return {}
        times = {tp: max(0, at_ms) for tp, at_ms in since_ms.items()}
        with brokers_asked(self._connection):
            return dict(await self._consumer.offsets_for_times(times))

    async def read(
        self, spans: Iterable[Span], on_progress: OnProgress | None = None
    ) -> AsyncIterator[list[RawRecord]]:
        """Yield the records of spans in batches; each partition in its order, the partitions mixed.

        A batch that can't be read is left out, which a warning says.

        Raises:
            ReadFailed: the brokers stopped answering, or where such a batch ends can't be told.
        """
        open_spans = {_tp(s): s for s in spans if s.length}
        of, left = sum(span.length for span in open_spans.values()), -1
        self._consumer.assign(list(open_spans))
        for tp, span in open_spans.items():
            self._consumer.seek(tp, span.start)
        clock = asyncio.get_running_loop().time
        moved = clock()
        while open_spans:
            for tp, batch in (await self._fetch(list(open_spans))).items():
                # Only what lies in the span: the broker gives whole batches.
                span = open_spans[tp]
                records = [
                    raw_record(record) for record in batch if span.start <= record.offset < span.end
                ]
                if records:
                    yield records
            self._leave_out(open_spans)
            left_before, left = left, 0
            for tp, span in list(open_spans.items()):
                # The position also passes what holds no records: markers of transactions, what retention deleted.
                position = await self._consumer.position(tp)
                left += max(0, span.end - position)
                if position >= span.end:
                    self._consumer.pause(tp)
                    del open_spans[tp]
            if left != left_before:
                moved = clock()
            elif clock() - moved > _STALLED_SECONDS:
                silent = ", ".join(f"{tp.topic} {tp.partition}" for tp in open_spans)
                message = f"the brokers gave nothing of {silent} for {_STALLED_SECONDS:g} s"
                raise ReadFailed(message)
            if on_progress is not None:
                on_progress(ReadProgress(of - left, of))

    async def at(self, record_id: RecordId) -> RawRecord | None:
        """Return the record with this id, or None where there is none, or none any more."""
        if record_id.partition not in (await self.partitions(record_id.topic))[record_id.topic]:
            return None
        tp = TopicPartition(record_id.topic, record_id.partition)
        with brokers_asked(self._connection):
            begin = (await self._consumer.beginning_offsets([tp]))[tp]
            end = (await self._consumer.end_offsets([tp]))[tp]
        if not begin <= record_id.offset < end:
            return None
        span = Span(record_id.topic, record_id.partition, record_id.offset, record_id.offset + 1)
        async for batch in self.read([span]):
            for record in batch:
                if record.offset == record_id.offset:
                    return record
        return None

    def _leave_out(self, spans: Mapping[TopicPartition, Span]) -> None:
        """Go on behind batches that can't be read, and note them."""
        for at in leave_out(self._consumer):
            topic, partition, offset = at.record_id
            if at.behind is not None:
                self.left_out.append(Span(topic, partition, offset, at.behind))
                continue
            span = spans.get(TopicPartition(topic, partition))
            if span is not None and offset < span.end:
                message = f"{at.record_id} can't be read, and where its batch ends can't be told: {at.fault}"
                raise ReadFailed(message)

    async def _fetch(self, tps: list[TopicPartition]) -> dict[TopicPartition, list[Any]]:
        with brokers_asked(self._connection):
            records: dict[TopicPartition, list[Any]] = await self._consumer.getmany(
                *tps, timeout_ms=int(_ANSWER_SECONDS * 1000)
            )
        return records


def _tp(span: Span) -> TopicPartition:
    return TopicPartition(span.topic, span.partition)
