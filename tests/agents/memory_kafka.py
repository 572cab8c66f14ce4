"""A Kafka in memory under Faust's real code: only aiokafka's consumer is replaced.

Everything above it runs as it is: our consumer, Faust's, conductor, streams and agents.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.errors import IllegalStateError, IncompatibleBrokerVersion
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata

from streams.kafka.consumer.app import NotifierApp
from streams.kafka.consumer.consumer import Consumer
from streams.kafka.consumer.transport import Transport
from tests.support.waiting import TIMEOUT_SECONDS


class MemoryKafka:
    """Topics, a group's offsets, and the one member that reads them.

    Attributes:
        partitions: of every topic.
        committed: the group's offsets.
        commits: every commit, in order.
        fetches: how often the member asked for records.
        commit_errors: raised by the next commits, one each.
        commits_answered: while it is not set, commits wait for their answer.
        read_errors: raised when the group's offsets are asked for, one each.
        reads_held: what the next questions for the group's offsets wait for, one each; None for nothing.
        configured: the real consumer that our transport would have used.
    """

    def __init__(self, partitions: int = 1) -> None:
        self.partitions = partitions
        self.committed: dict[TopicPartition, OffsetAndMetadata] = {}
        self.rejoins = 0
        self.commits: list[dict[TopicPartition, OffsetAndMetadata]] = []
        self.fetches = 0
        self.commit_errors: list[Exception] = []
        self.commits_answered = asyncio.Event()
        self.commits_answered.set()
        self.read_errors: list[Exception] = []
        self.reads_held: list[asyncio.Event | None] = []
        self.configured: AIOKafkaConsumer | None = None
        self.consumer: MemoryConsumer | None = None
        self.log: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()

    def put(
        self,
        topic: str,
        *values: bytes | None,
        partition: int = 0,
        key: bytes | None = b"k",
        headers: Iterable[tuple[str, bytes | None]] = (),
        appended_ms: int | None = None,
    ) -> None:
        """Append records to a partition; where its topic stamps them, with when that is."""
        log = self.log[TopicPartition(topic, partition)]
        for value in values:
            log.append(
                ConsumerRecord(
                    topic, partition, len(log), appended_ms or 1_795_342_530_000, int(appended_ms is not None), key, value, None,
                    len(key or b""), len(value or b""), cast(Any, tuple(headers)),
                )
            )  # fmt: skip
        if self.consumer is not None:
            self.consumer.wake()

    def changed(self) -> None:
        """Wake whoever waits in `until`; called from the consumer's thread."""

        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        def start() -> None:
            task = self._loop.create_task(notify())
            self._notices.add(task)
            task.add_done_callback(self._notices.discard)

        self._loop.call_soon_threadsafe(start)

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait until something is so; looked at after every fetch, commit and change of the group."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(predicate)

    async def rebalance(self, *partitions: tuple[str, int]) -> None:
        """Take every partition away from the member and give it these."""
        await self.until(lambda: self.consumer is not None and self.consumer.listener is not None)
        assert self.consumer is not None
        wanted = {TopicPartition(*partition) for partition in partitions}
        await self.consumer.run(self.consumer.rebalance(wanted))

    def offset(self, topic: str, partition: int = 0) -> int | None:
        """Return the group's offset."""
        found = self.committed.get(TopicPartition(topic, partition))
        return None if found is None else found.offset


class MemoryConsumer:
    """What Faust and our transport use of an AIOKafkaConsumer."""

    def __init__(self, kafka: MemoryKafka) -> None:
        self.kafka = kafka
        self.listener: Any = None
        self.loop = asyncio.get_running_loop()
        self._topics: set[str] = set()
        self._assigned: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._more = asyncio.Event()
        self._closed = False
        self._max_poll_records = 500
        self.heartbeats_begun = 0
        self._fetcher = self
        self._records: dict[TopicPartition, object] = {}
        # What the transport wraps of aiokafka's fetcher; there is one broker here, and nobody asks.
        self._proc_offset_request: Any = None
        self._update_preferred_read_replica: Any = None
        self._proc_fetch_request: Any = None
        self._subscriptions = SimpleNamespace(fetch_context=nullcontext)
        self._client = self
        self.cluster = SimpleNamespace(
            brokers=lambda: {"the one"}, leader_for_partition=lambda _partition: 1
        )
        self._coordination_task = self.loop.create_future()
        self._fetch_task, self._sync_task = self.loop.create_future(), self.loop.create_future()
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=None))
        self._coordinator = SimpleNamespace(
            _group_subscription=None,
            generation=-1,
            member_id="member-1",
            coordinator_id=1,
            _coordination_task=self._coordination_task,
            fetch_committed_offsets=self._fetch_committed,
            _do_commit_offsets=self._commit,
            _do_heartbeat=self._heartbeat,
            _start_heartbeat_task=self._begin_heartbeats,
            _send_req=None,  # nor is this
            _closing=self._coordination_task,
            _push_error_to_user=None,
            request_rejoin=self._rejoin,
            close=self.close,
        )

    def _rejoin(self) -> None:
        self.kafka.rejoins += 1

    async def run(self, coroutine: Any) -> Any:
        """Run in the consumer's thread."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def wake(self) -> None:
        """Let a fetch that waits look again; called from any thread."""
        self.loop.call_soon_threadsafe(self._more.set)

    async def rebalance(self, wanted: set[TopicPartition]) -> None:
        await self.listener.on_partitions_revoked(set(self._assigned))
        self._assigned = wanted
        self._positions = {partition: self._start(partition) for partition in wanted}
        self._coordinator.generation = 1  # a member that does not lead may be given the same again
        await self.listener.on_partitions_assigned(set(wanted))
        self.kafka.changed()

    def _start(self, partition: TopicPartition) -> int:
        committed = self.kafka.committed.get(partition)
        return 0 if committed is None else committed.offset

    # --- what aiokafka's consumer has -----------------------------------------------------------

    async def start(self) -> None:
        self.kafka.changed()
        self._heartbeats = self.loop.create_task(self._send_heartbeats())

    async def _send_heartbeats(self) -> None:
        while True:
            await self._coordinator._do_heartbeat()
            await asyncio.sleep(1)

    def _begin_heartbeats(self) -> None:
        self.heartbeats_begun += 1  # they are sent from the start

    async def _heartbeat(self) -> bool:
        return True

    async def stop(self) -> None:
        self._closed = True
        self._heartbeats.cancel()
        self._coordination_task.cancel()

    async def close(self) -> None:
        await self.stop()

    def subscribe(self, topics: Iterable[str], listener: Any) -> None:
        self._topics, self.listener = set(topics), listener
        self.kafka.changed()

    def subscription(self) -> frozenset[str]:
        return frozenset(self._topics)

    def assignment(self) -> set[TopicPartition]:
        return set(self._assigned)

    def partitions_for_topic(self, topic: str) -> set[int]:
        assert topic in self._topics
        return set(range(self.kafka.partitions))

    def highwater(self, partition: TopicPartition) -> int:
        return len(self.kafka.log[TopicPartition(*partition)])

    async def beginning_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self.highwater(partition) for partition in partitions}

    async def position(self, partition: TopicPartition) -> int:
        return self._positions[TopicPartition(*partition)]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[TopicPartition(*partition)] = offset
        self._more.set()

    def request_offset_reset(self, partitions: Iterable[TopicPartition], strategy: int) -> None:
        assert strategy == OffsetResetStrategy.EARLIEST
        for partition in partitions:
            self.seek(partition, 0)

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        assignment = SimpleNamespace(active=True)
        await asyncio.shield(self._coordinator._do_commit_offsets(assignment, offsets))

    async def _commit(
        self, _assignment: object, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> None:
        await self.kafka.commits_answered.wait()
        if self.kafka.commit_errors:
            raise self.kafka.commit_errors.pop(0)
        if not set(offsets) <= self._assigned:
            raise IllegalStateError(offsets)
        self.kafka.committed.update(offsets)
        self.kafka.commits.append(dict(offsets))
        self.kafka.changed()

    async def _fetch_committed(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        held = self.kafka.reads_held.pop(0) if self.kafka.reads_held else None
        self.kafka.changed()
        if held is not None:
            await held.wait()
        if self.kafka.read_errors:
            raise self.kafka.read_errors.pop()
        known = self.kafka.committed
        return {partition: known[partition] for partition in partitions if partition in known}

    def get_random_node(self) -> int:
        return 1

    async def send(self, _node: int, _request: Any) -> Any:
        """Answer like a broker that knows no topic ids."""
        raise IncompatibleBrokerVersion

    async def fetched_records(
        self,
        partitions: Iterable[Any],
        timeout: float = 0,  # noqa: ASYNC109  # aiokafka's
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Any]]:
        self.kafka.fetches += 1
        self.kafka.changed()
        found = self._take(partitions, max_records or 500)
        if not found:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), timeout)
            except TimeoutError:
                return {}
            found = self._take(partitions, max_records or 500)
        return found

    def _take(self, partitions: Iterable[Any], most: int) -> dict[TopicPartition, list[Any]]:
        found = {}
        for partition in sorted(TopicPartition(*tp) for tp in partitions):
            position = self._positions[partition]
            batch = self.kafka.log[partition][position : position + most]
            if batch:
                found[partition] = batch
                self._positions[partition] += len(batch)
                most -= len(batch)
        return found


class _Consumer(Consumer):
    """Our consumer over a consumer in memory."""

    _last_poll = 0.0

    @property
    def last_poll(self) -> float:  # a property, so that a test can wait for it
        """When it last polled, in seconds of the loop."""
        return self._last_poll

    @last_poll.setter
    def last_poll(self, at: float) -> None:
        self._last_poll = at
        cast(Any, self.app).memory_kafka.changed()

    def make(self) -> AIOKafkaConsumer:
        kafka: MemoryKafka = cast(Any, self.app).memory_kafka
        kafka.configured = super().make()
        kafka.configured._closed = True  # was never started
        kafka.consumer = MemoryConsumer(kafka)
        return cast(AIOKafkaConsumer, kafka.consumer)


class MemoryTransport(Transport):
    """Our transport over a Kafka in memory."""

    Consumer = _Consumer


def put_in_memory(app: NotifierApp, kafka: MemoryKafka) -> None:
    """Let an application read this Kafka."""
    cast(Any, app).memory_kafka = kafka
    app.transport = MemoryTransport(app.conf.broker_consumer, app)
    app.producer_transport = app.transport
    app.in_worker = True
