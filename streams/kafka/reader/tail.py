"""Follows topics continuously, as a consumer without a group: nothing is committed, the caller keeps the positions.

For a read model that is built from Kafka and kept up to date. Records of aborted transactions are left out.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.kafka.committed_state import CommittedState
from streams.kafka.connection import Connection
from streams.kafka.format.raw import RawRecord, RecordId, raw_record
from streams.kafka.format.records import PartitionId
from streams.kafka.format.unreadable import Unreadable, leave_out
from streams.kafka.reader.failures import brokers_asked

_FETCH_BYTES: Final = 4 * 1024 * 1024
_MOST_RECORDS: Final = 2000
_FETCH_MS: Final = 500
_FIRSTS_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Edges:
    """What a partition holds now: offsets from `begin` up to, not with, `end`."""

    begin: int
    end: int


class Tail:
    """Reads every partition of some topics continuously. A batch that can't be read is left out, which a warning says.

    `left_out` says where. Where the end of such a batch can't be told its partition stands still before it: `stands_at`.
    Use as an async context manager.

    Args:
        connection: the brokers.
        client_id: as the brokers' logs shall show it.
        topics: which ones; those that do not exist yet are looked for again by `look`.
        kept: of which of them only the younger records are read.
        since_ms: how young they are, milliseconds since the epoch; asked again every ten minutes.

    Raises:
        ReadFailed: from any method, when no broker answers or none gives the records.
    """

    def __init__(
        self,
        connection: Connection,
        client_id: str,
        topics: Iterable[str],
        kept: Iterable[str] = (),
        since_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._connection = connection
        self._client_id = client_id
        self._topics = tuple(topics)
        self._kept = frozenset(kept)
        self._since_ms = since_ms
        self._firsts: dict[TopicPartition, int] = {}
        self._firsts_until = 0.0
        self._consumer: AIOKafkaConsumer = None
        self._admin: AIOKafkaAdminClient = None
        self._unreadable: list[Unreadable] = []  # that the last fetch came to

    async def __aenter__(self) -> Self:
        options = self._connection.options(self._client_id)
        with brokers_asked(self._connection):
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
            except (KafkaError, OSError):
                await self.__aexit__()
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
        if self._admin is not None:
            await self._admin.close()

    async def look(self) -> dict[PartitionId, Edges]:
        """Return every partition of the topics that exist, and what it holds of records that are young enough."""
        with brokers_asked(self._connection):
            existing = await self._consumer.topics()
            topics = [topic for topic in self._topics if topic in existing]
            await self._consumer._client.set_topics(topics)  # noqa: SLF001  # aiokafka has no public method for it
            tps = [
                TopicPartition(topic, number)
                for topic in topics
                for number in sorted(self._consumer.partitions_for_topic(topic) or ())
            ]
            if not tps:
                return {}
            begins, ends = await asyncio.gather(
                self._consumer.beginning_offsets(tps), self._consumer.end_offsets(tps)
            )
            await self._find_firsts(tps)
        return {
            (tp.topic, tp.partition): Edges(
                min(max(int(begins[tp]), self._firsts.get(tp, 0)), int(ends[tp])), int(ends[tp])
            )
            for tp in tps
        }

    async def _find_firsts(self, tps: Iterable[TopicPartition]) -> None:
        """Find the first record of each partition that is young enough, unless that was done lately."""
        wanted = [tp for tp in tps if tp.topic in self._kept]
        now = asyncio.get_running_loop().time()
        if not wanted or (now < self._firsts_until and self._firsts.keys() >= set(wanted)):
            return
        found = await self._consumer.offsets_for_times(dict.fromkeys(wanted, self._since_ms()))
        # A partition without a younger record: what it holds now is too old, what comes is not.
        ends = await self._consumer.end_offsets(wanted)
        self._firsts = {tp: int(ends[tp] if at is None else at.offset) for tp, at in found.items()}
        self._firsts_until = now + _FIRSTS_SECONDS

    def follow(self, starts: Mapping[PartitionId, int]) -> None:
        """Read these partitions from now on, each from its offset."""
        offsets = {TopicPartition(*partition): offset for partition, offset in starts.items()}
        self._consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)

    async def fetch(self) -> list[RawRecord]:
        """Return what came, or nothing after half a second; each partition in its order."""
        with brokers_asked(self._connection):
            fetched = await self._consumer.getmany(timeout_ms=_FETCH_MS, max_records=_MOST_RECORDS)
        self._unreadable = leave_out(self._consumer)
        return [raw_record(record) for records in fetched.values() for record in records]

    def left_out(self) -> list[RecordId]:
        """Return the first offsets of what can't be read and was left out by the last `fetch`."""
        return [at.record_id for at in self._unreadable if at.behind is not None]

    def stands_at(self) -> str | None:
        """Return where a partition stands still and why, one sentence without a point; None where none does."""
        at = next((at for at in self._unreadable if at.behind is None), None)
        if at is None:
            return None
        return (
            f"{at.record_id} can't be read, and where its batch ends can't be told: {at.fault}; see:"
            f" notifier unreadable show {at.record_id}"
        )

    async def positions(self) -> dict[PartitionId, int]:
        """Return the offset that is read next, by partition; past markers of transactions too."""
        return {
            (tp.topic, tp.partition): int(await self._consumer.position(tp))
            for tp in self._consumer.assignment()
        }

    async def settled(self, groups: Iterable[str]) -> dict[PartitionId, CommittedState]:
        """Return what consumer groups have settled, by partition: the committed offset and what is finished above it."""
        states: dict[PartitionId, CommittedState] = {}
        with brokers_asked(self._connection):
            for group in groups:
                offsets: Mapping[Any, Any] = await self._admin.list_consumer_group_offsets(group)
                for tp, stored in offsets.items():
                    if stored.offset >= 0:
                        states[tp.topic, tp.partition] = CommittedState.read(
                            stored.offset, stored.metadata or ""
                        )
        return states
