"""Where a group begins that has never read a topic (`NOTIFIER_START_FROM`), written down before anything is consumed.

Left to the consumer's own reset policy, `latest` would begin anew at every restart before the first commit,
and what came in between would be lost. So the beginning is committed once, while the group has no members.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.admin.topic_ids import look_at_topics
from streams.kafka.committed_state import CommittedState, short_name
from streams.kafka.connection import Connection

log = logging.getLogger(__name__)

StartFrom = Literal["earliest", "latest"] | datetime
_TAKEN = (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError)


async def unread_history(
    connection: Connection, group_id: str, topics: Iterable[str], ours: Iterable[str]
) -> int:
    """Return how many offsets are taken in the topics that the group has never read; markers of transactions count too.

    Args:
        connection: the brokers.
        group_id: the group.
        topics: what it reads and others make.
        ours: what it reads besides.
    """
    async with _consumer(connection, group_id) as consumer:
        fresh, _ = await _never_read(consumer, topics, ours)
        if not fresh:
            return 0
        begin, end = await asyncio.gather(
            consumer.beginning_offsets(fresh), consumer.end_offsets(fresh)
        )
        return sum(end[partition] - begin[partition] for partition in fresh)


async def seed_offsets(
    connection: Connection,
    group_id: str,
    topics: Iterable[str],
    ours: Iterable[str],
    start_from: StartFrom,
) -> int:
    """Commit where the group begins in the topics that it has never read. Return in how many partitions that was.

    Does nothing for `earliest`, which is what a worker does by itself, and nothing while the group has members: the
    first of them has seeded it. A topic of which the group has an offset in any partition was read: partitions that
    came later begin at their beginning. So does a topic that was deleted and made again: its brokers deleted the
    group's offsets with it, but the commits in other topics still name it.

    Args:
        connection: the brokers.
        group_id: the group.
        topics: what it reads and others make.
        ours: what it reads besides.
        start_from: where it begins.
    """
    if start_from == "earliest":
        return 0
    async with _consumer(connection, group_id) as consumer:
        fresh, bare = await _never_read(consumer, topics, ours)
        if not fresh:
            return 0
        names = {partition.topic for partition in fresh}
        client = consumer._client  # noqa: SLF001  # aiokafka has no public word for it
        send = partial(client.send, client.get_random_node())
        seen = await look_at_topics(send, (*names, *ours))
        offsets: dict[TopicPartition, int] = await consumer.end_offsets(fresh)
        if isinstance(start_from, datetime):
            at_ms = int(start_from.timestamp() * 1000)
            firsts = await consumer.offsets_for_times(dict.fromkeys(fresh, at_ms))
            offsets |= {partition: at.offset for partition, at in firsts.items() if at is not None}
        begins: dict[TopicPartition, int] = await consumer.beginning_offsets(fresh)
        passed = sum(offset - begins[partition] for partition, offset in offsets.items())
        # Ours are read from their beginning. Written down as well, their commits outlive a source topic that is deleted.
        offsets |= await consumer.beginning_offsets(bare)
        have_read = frozenset(map(short_name, names))
        wanted = {}
        for partition, offset in offsets.items():
            topic_id = seen.id(partition.topic) if seen else ""
            begin = CommittedState(offset, topic_id=topic_id, have_read=have_read)
            wanted[partition] = OffsetAndMetadata(offset, begin.metadata())
        consumer.assign(list(wanted))
        try:
            await consumer.commit(wanted)
        except KafkaError as error:
            if isinstance(error, _TAKEN) or isinstance(error.__cause__, _TAKEN):
                return 0
            raise
        # Brokers forget the offsets of a group that had no members for offsets.retention.minutes; it then looks like new.
        log.warning(
            "group %s has no offsets in %s: it begins there at %s (NOTIFIER_START_FROM) and passes over %s offsets; expected"
            " that only of a group that has never read them, see docs/topics.md",
            group_id,
            ", ".join(sorted(names)),
            start_from,
            passed,
        )
        return len(fresh)


@asynccontextmanager
async def _consumer(connection: Connection, group_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **connection.options(f"{group_id}-start"),
        group_id=group_id,
        enable_auto_commit=False,
        request_timeout_ms=20_000,
        # As the worker reads: the end is before a transaction that is open, whose records come to readers when it ends.
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _never_read(
    consumer: AIOKafkaConsumer, topics: Iterable[str], ours: Iterable[str]
) -> tuple[list[TopicPartition], list[TopicPartition]]:
    """Return all partitions of those topics that the group has never read, and those of ours without an offset."""
    everything = (*topics, *ours)
    # `consumer.topics()` looks at the cluster but keeps nothing for `partitions_for_topic`.
    await consumer._client.set_topics(everything)  # noqa: SLF001  # aiokafka has no public word for it
    partitions = {
        topic: [
            TopicPartition(topic, number)
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        for topic in everything
    }
    # aiokafka's `committed` gives the offset without its text; its coordinator gives both.
    coordinator = consumer._coordinator  # noqa: SLF001
    committed = await coordinator.fetch_committed_offsets(
        [partition for found in partitions.values() for partition in found]
    )
    named = frozenset[str]().union(
        *(CommittedState.read(at.offset, at.metadata).have_read for at in committed.values())
    )
    read = {partition.topic for partition in committed}
    fresh = [
        partition
        for topic in topics
        if topic not in read and short_name(topic) not in named
        for partition in partitions[topic]
    ]
    bare = [
        partition for topic in ours for partition in partitions[topic] if partition not in committed
    ]
    return fresh, bare
