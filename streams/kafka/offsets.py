"""Where a group without offsets begins (`NOTIFIER_START_FROM`), written down before anything is consumed.

Left to the consumer's own reset policy, `latest` would begin anew at every restart before the first commit,
and what came in between would be lost. So the beginning is committed once, while the group has no members.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from streams.kafka.connection import Connection

StartFrom = Literal["earliest", "latest"] | datetime
_TAKEN = (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError)


async def unread_history(connection: Connection, group_id: str, topics: Iterable[str]) -> int:
    """Return how many records stand in partitions for which the group has no offset yet."""
    consumer = _consumer(connection, group_id)
    await consumer.start()
    try:
        bare = await _without_offset(consumer, topics)
        if not bare:
            return 0
        beginning, end = await asyncio.gather(
            consumer.beginning_offsets(bare), consumer.end_offsets(bare)
        )
        return sum(end[partition] - beginning[partition] for partition in bare)
    finally:
        await consumer.stop()


async def seed_offsets(
    connection: Connection, group_id: str, topics: Iterable[str], start_from: StartFrom
) -> int:
    """Commit where the group begins in every partition for which it has no offset. Return how many that were.

    Does nothing for `earliest`, which is what a consumer does by itself, and nothing while the group has
    members: the first of them has seeded it.
    """
    if start_from == "earliest":
        return 0
    consumer = _consumer(connection, group_id)
    await consumer.start()
    try:
        bare = await _without_offset(consumer, topics)
        if not bare:
            return 0
        end = await consumer.end_offsets(bare)
        offsets = dict(end)
        if isinstance(start_from, datetime):
            at_ms = int(start_from.timestamp() * 1000)
            found = await consumer.offsets_for_times(dict.fromkeys(bare, at_ms))
            offsets |= {
                partition: seen.offset for partition, seen in found.items() if seen is not None
            }
        consumer.assign(bare)
        try:
            await consumer.commit(offsets)
        except KafkaError as error:
            if isinstance(error, _TAKEN) or isinstance(error.__cause__, _TAKEN):
                return 0
            raise
        return len(bare)
    finally:
        await consumer.stop()


def _consumer(connection: Connection, group_id: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **connection.options(f"{group_id}-start"),
        group_id=group_id,
        enable_auto_commit=False,
        request_timeout_ms=20_000,
    )


async def _without_offset(
    consumer: AIOKafkaConsumer, topics: Iterable[str]
) -> list[TopicPartition]:
    bare = []
    for topic in topics:
        numbers = await _partitions(consumer, topic)
        partitions = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(partitions)
        bare += [
            partition for partition in partitions if await consumer.committed(partition) is None
        ]
    return bare


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    numbers = consumer.partitions_for_topic(topic)
    if numbers is None:
        # `consumer.topics()` looks at the cluster but keeps nothing for `partitions_for_topic`.
        await consumer._client.set_topics([topic])  # noqa: SLF001  # aiokafka has no public word for it
        numbers = consumer.partitions_for_topic(topic)
    return sorted(numbers or ())
