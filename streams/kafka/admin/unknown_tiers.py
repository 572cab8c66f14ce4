"""Retry topics that this version does not know: made for a wait of a newer version, and read by its workers only.

They are what a rollback leaves behind. They must not be ignored in silence: what stands there would wait for ever.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, for_code

from streams.kafka.admin.group_description import describe_group
from streams.kafka.committed_state import CommittedState
from streams.kafka.connection import Connection
from streams.kafka.topics import TopicNames, existing_topics
from streams.notification.ladder import Wait

_COORDINATOR_SECONDS = 20.0
_COORDINATOR_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class UnknownTier:
    """A retry topic of a wait that this version does not have.

    Attributes:
        topic: its name.
        group: the consumer group of the tiers.
        unsettled: records on it that the group has not settled.
        is_read: whether a member of the group reads it; None where the broker does not say.
    """

    topic: str
    group: str
    unsettled: int
    is_read: bool | None

    @property
    def is_stranded(self) -> bool:
        """Whether notifications wait there for nobody."""
        return self.unsettled > 0 and self.is_read is False

    def __str__(self) -> str:
        """Say what is wrong, and what to do."""
        if self.is_read is None:
            readers = "may or may not be read by"
        else:
            readers = f"is read by {'a' if self.is_read else 'no'} member of"
        return (
            f"{self.topic}: unknown to this version, {readers} group {self.group}, {self.unsettled} records not"
            " settled; expected a version that knows this wait: let a worker of it run until they are, then delete the"
            " topic"
        )


async def unknown_tiers(
    connection: Connection,
    admin: AIOKafkaAdminClient,
    names: TopicNames,
    waits: Iterable[Wait],
    group: str,
) -> list[UnknownTier]:
    """Return the retry topics under our prefix that belong to none of these waits.

    Args:
        connection: the brokers.
        admin: the same, connected.
        names: our topics.
        waits: that this version knows.
        group: the consumer group of the tiers.

    Raises:
        KafkaError: the brokers could not be asked.
    """
    known = {names.tier(wait) for wait in waits}
    topics = sorted(
        topic
        for topic in await existing_topics(admin)
        if topic.startswith(names.tiers) and topic not in known
    )
    if not topics:
        return []
    settled, read = await _group(admin, group)
    unsettled = await _unsettled(connection, group, topics, settled)
    return [
        UnknownTier(topic, group, unsettled[topic], None if read is None else topic in read)
        for topic in topics
    ]


async def _group(
    admin: AIOKafkaAdminClient, group: str
) -> tuple[dict[TopicPartition, CommittedState], frozenset[str] | None]:
    """Return what a group has settled, and the topics that its members read, None where that is not told."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _COORDINATOR_SECONDS
    while True:
        try:
            return await _ask_coordinator(admin, group)
        except GroupAuthorizationFailedError:  # a role that has nothing to do with the group
            return {}, None
        except KafkaError as error:
            # A cluster that has never had a group makes the topic for them first; one that has lost a broker moves it.
            if not error.retriable or loop.time() > until:
                raise
        await asyncio.sleep(_COORDINATOR_LOOK_SECONDS)


async def _ask_coordinator(
    admin: AIOKafkaAdminClient, group: str
) -> tuple[dict[TopicPartition, CommittedState], frozenset[str] | None]:
    coordinator = await admin.find_coordinator(group)
    offsets = await admin.list_consumer_group_offsets(group, coordinator)
    described = await describe_group(admin, group, coordinator)
    if described.error:
        raise for_code(described.error)
    settled = {
        partition: CommittedState.read(at.offset, at.metadata or "")
        for partition, at in offsets.items()
        if at.offset >= 0
    }
    return settled, None if described.topics is None else frozenset(described.topics)


async def _unsettled(
    connection: Connection,
    group: str,
    topics: list[str],
    settled: dict[TopicPartition, CommittedState],
) -> dict[str, int]:
    """Return how many records of each topic are not settled."""
    consumer = AIOKafkaConsumer(
        **connection.options(f"{group}-unknown-tiers"),
        enable_auto_commit=False,
        request_timeout_ms=20_000,
    )
    await consumer.start()
    try:
        await consumer._client.set_topics(topics)  # noqa: SLF001  # aiokafka has no public word for it
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        begins, ends = await asyncio.gather(
            consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        )
    finally:
        await consumer.stop()
    unsettled = dict.fromkeys(topics, 0)
    for partition in partitions:
        end = ends[partition]
        done = settled.get(partition, CommittedState(0))
        first = max(begins[partition], done.offset)
        above = sum(first <= offset < end for offset in done.finished)
        unsettled[partition.topic] += max(0, end - first) - above
    return unsettled
