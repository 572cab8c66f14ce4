"""Follows topics for ever, as a consumer without a group: nothing is committed, and where it stands the caller keeps.

For a read model that is built from Kafka and kept up to date. Records of aborted transactions are left out.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.kafka.committed_state import CommittedState
from streams.kafka.connection import Connection
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import PartitionId
from streams.kafka.format.unreadable import leave_out
from streams.kafka.reader.reader import ReadFailed, _cannot, _raw

_FETCH_BYTES: Final = 4 * 1024 * 1024
_MOST_RECORDS: Final = 2000
_FETCH_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Edges:
    """What a partition holds now: offsets from `begin` up to, not with, `end`."""

    begin: int
    end: int


class Tail:
    """Reads every partition of some topics on and on. A batch that can't be read is left out, which a warning says.

    Use as an async context manager.

    Args:
        connection: the brokers.
        client_id: as the brokers' logs shall show it.
        topics: which ones; those that do not exist yet are looked for again by `look`.

    Raises:
        ReadFailed: from any method, when no broker answers or none gives the records.
    """

    def __init__(self, connection: Connection, client_id: str, topics: Iterable[str]) -> None:
        self._connection = connection
        self._client_id = client_id
        self._topics = tuple(topics)
        self._consumer: AIOKafkaConsumer = None
        self._admin: AIOKafkaAdminClient = None

    async def __aenter__(self) -> Self:
        options = self._connection.options(self._client_id)
        try:
            self._consumer = AIOKafkaConsumer(
                **options,
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="earliest",  # what retention deleted is passed over
                max_partition_fetch_bytes=_FETCH_BYTES,
                request_timeout_ms=20_000,
            )
            self._admin = AIOKafkaAdminClient(**options, request_timeout_ms=20_000)
            await self._consumer.start()
            await self._admin.start()
        except (KafkaError, OSError) as error:
            await self.__aexit__()
            raise ReadFailed(_cannot(self._connection, error)) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
        if self._admin is not None:
            await self._admin.close()

    async def look(self) -> dict[PartitionId, Edges]:
        """Return every partition of the topics that exist, and what it holds."""
        try:
            there = await self._consumer.topics()
            topics = [topic for topic in self._topics if topic in there]
            await self._consumer._client.set_topics(topics)  # noqa: SLF001  # aiokafka has no public word for it
            tags = [
                TopicPartition(topic, number)
                for topic in topics
                for number in sorted(self._consumer.partitions_for_topic(topic) or ())
            ]
            if not tags:
                return {}
            begins, ends = await asyncio.gather(
                self._consumer.beginning_offsets(tags), self._consumer.end_offsets(tags)
            )
        except (KafkaError, OSError) as error:
            raise ReadFailed(_cannot(self._connection, error)) from error
        return {(tag.topic, tag.partition): Edges(int(begins[tag]), int(ends[tag])) for tag in tags}

    def follow(self, starts: Mapping[PartitionId, int]) -> None:
        """Read these partitions from now on, each from its offset."""
        tags = {TopicPartition(*tag): offset for tag, offset in starts.items()}
        self._consumer.assign(list(tags))
        for tag, offset in tags.items():
            self._consumer.seek(tag, offset)

    async def fetch(self) -> list[RawRecord]:
        """Return what came, or nothing after half a second; each partition in its order."""
        try:
            found = await self._consumer.getmany(timeout_ms=_FETCH_MS, max_records=_MOST_RECORDS)
        except (KafkaError, OSError) as error:
            raise ReadFailed(_cannot(self._connection, error)) from error
        leave_out(self._consumer)
        return [_raw(record) for records in found.values() for record in records]

    async def positions(self) -> dict[PartitionId, int]:
        """Return the offset that is read next, by partition; past markers of transactions too."""
        found: dict[PartitionId, int] = {}
        for tag in self._consumer.assignment():
            found[tag.topic, tag.partition] = int(await self._consumer.position(tag))
        return found

    async def settled(self, groups: Iterable[str]) -> dict[PartitionId, CommittedState]:
        """Return what consumer groups have settled, by partition: the committed offset and what is finished above it."""
        found: dict[PartitionId, CommittedState] = {}
        try:
            for group in groups:
                offsets: Mapping[Any, Any] = await self._admin.list_consumer_group_offsets(group)
                for tag, at in offsets.items():
                    if at.offset >= 0:
                        found[tag.topic, tag.partition] = CommittedState.read(
                            at.offset, at.metadata or ""
                        )
        except (KafkaError, OSError) as error:
            raise ReadFailed(_cannot(self._connection, error)) from error
        return found
