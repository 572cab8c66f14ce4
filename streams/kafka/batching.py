"""aiokafka's producer with batches of our own: all partitions' records of a moment in one request, one future for a batch.

aiokafka lets each partition's batch linger by itself, so that with twelve partitions and some hundred records a second
nearly every record is a request of its own; and it makes a batch's record metadata for each of its records. Here all
batches that are open leave together (`create_batch` and `send_batch`, aiokafka's public way). A partition has one batch
under way: order, sequence numbers and repeats stay aiokafka's.
"""

import asyncio
import copy
from collections import deque
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.kafka.format.records import PartitionId
from streams.kafka.patches.quick_close import close_quickly

_LOOK_SECONDS: Final = 2.5
"""From one look for batches whose partition is gone to the next; two that find the same give them up."""

_Headers = list[tuple[str, bytes | None]]


class BatchTooLarge(KafkaError):  # type: ignore[misc]  # noqa: N818  # aiokafka ships no types; what the batch is
    """The broker refused several records together for their size; each of them may fit alone."""


class _Batch:
    """Records of one partition that are sent together, and what their writers wait for. The first is taken whatever its size."""

    __slots__ = ("builder", "waiting")

    def __init__(self, builder: Any, *first: Any) -> None:  # noqa: ANN401  # aiokafka ships no types
        self.builder = builder
        self.waiting: list[asyncio.Future[Any]] = []
        self.takes(*first)

    def takes(self, key: bytes | None, value: bytes | None, headers: _Headers) -> bool:
        """Append a record; return False where the batch is full, and takes no more from then on."""
        taken = self.builder.append(timestamp=None, key=key, value=value, headers=headers)
        return taken is not None

    def stored(self, metadata: Any) -> None:  # noqa: ANN401  # aiokafka ships no types
        """Tell the writers that the broker has it, with the metadata of the batch."""
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(metadata)

    def failed(self, error: BaseException) -> None:
        """Tell the writers that it was refused; each gets an exception of its own, whose traceback grows."""
        if isinstance(error, MessageSizeTooLargeError) and len(self.waiting) > 1:
            error = BatchTooLarge(f"{len(self.waiting)} records together are too large")
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_exception(copy.copy(error))


class BatchingProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka ships no types
    """A producer whose `send` resolves with the metadata of the record's batch: topic, partition and time, no offset of its own.

    Args:
        linger_seconds: how long the first record waits for others.
        options: aiokafka's own.
    """

    def __init__(self, *, linger_seconds: float, **options: Any) -> None:  # noqa: ANN401  # aiokafka's
        super().__init__(linger_ms=0, **options)
        self._linger_seconds = linger_seconds
        # The last of each takes further records.
        self._queued: dict[PartitionId, deque[_Batch]] = {}
        self._due: set[PartitionId] = set()  # of these, what has lingered
        self._sending: dict[PartitionId, asyncio.Task[None]] = {}
        self._partitions: dict[str, list[int]] = {}  # of topics; asked anew after each departure
        self._departure: asyncio.TimerHandle | None = None
        self._stopping = False
        self._look_later: asyncio.TimerHandle | None = None
        self._missed: set[PartitionId] = set()

    async def send(  # fewer options than aiokafka's
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: _Headers | None = None,
        *,
        alone: bool = False,
    ) -> "asyncio.Future[Any]":
        """Put a record into the batch of its partition; return what resolves once the broker has acknowledged the batch.

        Args:
            topic: as aiokafka has it; the others too.
            value: of the record.
            key: of the record.
            headers: of the record.
            alone: whether it is to have a batch of its own.

        Raises:
            MessageSizeTooLargeError: it is larger than a request may be.
            KafkaError: its topic's partitions can't be had, or the producer was stopped.
        """
        assert not (value is None and key is None), "Need at least one: key or value"  # noqa: S101  # aiokafka's words
        headers = headers or []
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)
        if size > self._max_request_size:
            message = f"a record of {size} bytes, expected at most {self._max_request_size}"
            raise MessageSizeTooLargeError(message)
        partitions = self._partitions.get(topic)
        if partitions is None:
            partitions = self._partitions[topic] = sorted(await self.partitions_for(topic))
        if self._stopping:
            raise ProducerClosed
        partition = self._partitioner(key, partitions, partitions)
        queue = self._queued.get((topic, partition))
        batch = queue[-1] if queue else None
        if batch is None or alone or not batch.takes(key, value, headers):
            batch = _Batch(self.create_batch(), key, value, headers)
            if alone:
                batch.builder.close()
            self._queued.setdefault((topic, partition), deque()).append(batch)
            if self._departure is None:
                self._departure = self._loop.call_later(self._linger_seconds, self._depart)
        waiter: asyncio.Future[Any] = self._loop.create_future()
        batch.waiting.append(waiter)
        return waiter

    async def stop(self, patience_seconds: float | None = None) -> None:
        """Send what is open, wait for what is under way, and disconnect.

        Args:
            patience_seconds: how long to wait; what is not stored by then fails. As long as it takes where it is None.
        """
        self._stopping = True
        try:
            async with asyncio.timeout(patience_seconds):
                await self._all_sent()
        except TimeoutError:
            self._fail_all()
            self._closed = True  # aiokafka's own stop would wait for the brokers as well
            self._sender.sender_task.cancel()
            close_quickly(self.client)
            await self.client.close()
        if self._look_later is not None:
            self._look_later.cancel()
        await super().stop()

    async def _all_sent(self) -> None:
        while self._queued or self._sending:
            self._depart()
            ends = self._sender.sender_task
            if ends is None or ends.done():  # then nobody sends any more
                self._fail_all()
                break
            await asyncio.wait({*self._sending.values(), ends}, return_when=asyncio.FIRST_COMPLETED)

    def _depart(self) -> None:
        """Send the first batch of every partition; where one is under way, as soon as that has come back."""
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None
        self._partitions.clear()
        if self._look_later is None:
            self._look_later = self._loop.call_later(_LOOK_SECONDS, self._look)
        self._due.update(self._queued)
        for at in [at for at in self._queued if at not in self._sending]:
            self._send_next(at)

    def _send_next(self, at: PartitionId) -> None:
        queue = self._queued[at]
        batch = queue.popleft()
        if not queue:
            del self._queued[at]
            self._due.discard(at)
        self._sending[at] = asyncio.create_task(self._send_batch(at, batch))

    async def _send_batch(self, at: PartitionId, batch: _Batch) -> None:
        topic, partition = at
        # From its first write on a topic is asked for by name. aiokafka forgets the leaders of what an answer does not name, as
        # soon as there is any topic that it has to ask for, and a batch without a leader waits for ever.
        self.client._topics.add(topic)  # noqa: SLF001  # its own `add_topic` asks the brokers at once
        try:
            # aiokafka asserts it; a topic that was made again may have fewer.
            if partition in await self.partitions_for(topic):
                sending = await self.send_batch(batch.builder, topic, partition=partition)
                batch.stored(await sending)
            else:
                batch.failed(UnknownTopicOrPartitionError(topic))
        except asyncio.CancelledError:
            batch.failed(ProducerClosed())
            raise
        except Exception as error:  # noqa: BLE001  # the writers', whatever it is
            batch.failed(error)
        finally:
            del self._sending[at]
            if at in self._due:
                self._send_next(at)

    def _look(self) -> None:
        """Give up what was sent to partitions that do not exist any more: their topic was made again with fewer.

        aiokafka sends an idempotent producer's batch again until it is stored. Nobody knows whether this one was; if so
        it has gone with the partition. A broker that was told late of a new topic is wrong for a moment, so one look
        is not enough.
        """
        self._look_later = None
        gone = {at for at in self._sending if self._is_gone(*at)}
        for at in gone & self._missed:
            for batch in self._message_accumulator._batches.get(TopicPartition(*at), ()):  # noqa: SLF001  # aiokafka has no public word for it
                batch._ttl = 0.0  # noqa: SLF001  # one that has no leader and is past its time fails
        self._missed = gone
        if self._sending:
            self._look_later = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _is_gone(self, topic: str, partition: int) -> bool:
        partitions = self.client.cluster.partitions_for_topic(topic)
        return bool(partitions) and partition not in partitions

    def _fail_all(self) -> None:
        for queue in self._queued.values():
            for batch in queue:
                batch.failed(ProducerClosed())
        self._queued.clear()
        self._due.clear()
        for task in self._sending.values():
            task.cancel()
