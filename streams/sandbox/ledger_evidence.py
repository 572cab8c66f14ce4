"""The evidence for a ledger, from a real broker: what was written to it, what its topics hold, how far groups have read."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.clock import Clock
from streams.sandbox.ledger import Kept

_POLL_MS = 250
_READINGS = 9
_LOOK_EVERY_SECONDS = 0.2


@asynccontextmanager
async def reading(bootstrap: str, names: Sequence[str]) -> AsyncIterator["Reader"]:
    """Read these topics from their beginning, without a group.

    Raises:
        KafkaError: the broker refused.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = await admin.describe_topics(list(names))
    finally:
        await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in topics
            for partition in topic["partitions"]
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        yield Reader(consumer, partitions)
    finally:
        await consumer.stop()


class Reader:
    """Reads on from where it stands."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    async def more(self) -> list[Kept]:
        """Return the records that came since; after a quarter of a second without any, none."""
        batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        return [_kept(record) for batch in batches.values() for record in batch]

    async def ends(self) -> dict[tuple[str, int], int]:
        """Return the offset after the last record of each partition."""
        ends = await self._consumer.end_offsets(self._partitions)
        return {(tp.topic, tp.partition): offset for tp, offset in ends.items()}

    async def to_the_end(self) -> list[Kept]:
        """Return every record up to the ends that the partitions have now."""
        ends = await self.ends()
        records: list[Kept] = []
        behind = {tp for tp in self._partitions if ends[tp.topic, tp.partition] > 0}
        while behind:
            records += await self.more()
            behind = {
                tp
                for tp in behind
                if await self._consumer.position(tp) < ends[tp.topic, tp.partition]
            }
        return records


async def read_topics(bootstrap: str, names: Sequence[str]) -> list[Kept]:
    """Return every record of these topics, each partition's in its order.

    Raises:
        KafkaError: the broker refused.
    """
    async with reading(bootstrap, names) as reader:
        return await reader.to_the_end()


async def topics_with_prefix(bootstrap: str, prefix: str) -> list[str]:
    """Return the names of the topics that begin with a prefix and a dash.

    Raises:
        KafkaError: the broker refused.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return sorted(name for name in await admin.list_topics() if name.startswith(f"{prefix}-"))
    finally:
        await admin.close()


async def committed_offsets(bootstrap: str, groups: Iterable[str]) -> dict[tuple[str, int], int]:
    """Return the next offset that these groups will read, by topic and partition; no two may read the same topic.

    Raises:
        KafkaError: the broker refused.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets: dict[tuple[str, int], int] = {}
        for group in groups:
            for tp, committed in (await admin.list_consumer_group_offsets(group)).items():
                if committed.offset >= 0:
                    offsets[tp.topic, tp.partition] = committed.offset
        return offsets
    finally:
        await admin.close()


async def settled_offsets(
    bootstrap: str, groups: Sequence[str], kept: Iterable[Kept], timeout_seconds: float
) -> dict[tuple[str, int], int]:
    """Return what groups have committed, when that is all of these records or the time is over.

    A worker that runs commits a moment after it has settled a record.

    Args:
        bootstrap: the brokers.
        groups: as for `committed_offsets`.
        kept: records that the groups read.
        timeout_seconds: how long to wait.

    Raises:
        KafkaError: the broker refused.
    """
    ends: dict[tuple[str, int], int] = {}
    for record in kept:
        tp = (record.topic, record.partition)
        ends[tp] = max(ends.get(tp, 0), record.offset + 1)
    deadline = time.monotonic() + timeout_seconds
    while True:
        committed = await committed_offsets(bootstrap, groups)
        if time.monotonic() > deadline or all(
            committed.get(tp, 0) >= end for tp, end in ends.items()
        ):
            return committed
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def write_records(
    bootstrap: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]
) -> list[str]:
    """Write keys and values as they are, acks=all; return where each stands, `topic/partition/offset`.

    Raises:
        KafkaError: the broker did not take one.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        pending = [await producer.send(topic, value, key) for key, value in records]
        written = await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return [f"{place.topic}/{place.partition}/{place.offset}" for place in written]


def monotonic_zero_ms() -> float:
    """Return the wall clock at the zero of the machine's monotonic clock, milliseconds since the epoch.

    A clock that was interrupted while it was read is slow, never fast: the fastest of some readings is right.
    """
    return max((Clock().now_seconds() - time.monotonic()) * 1000 for _ in range(_READINGS))


def _kept(record: Any) -> Kept:  # noqa: ANN401  # aiokafka ships no types
    return Kept(
        record.topic,
        record.partition,
        record.offset,
        record.value,
        {name: (value or b"").decode(errors="replace") for name, value in record.headers},
        record.key,
        record.timestamp,
    )
