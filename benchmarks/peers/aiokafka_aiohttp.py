"""A consumer as a good engineer writes it for speed: aiokafka, aiohttp, uvloop, a sliding window of calls.

Commits once a second what is settled without a gap, and in order when partitions move or the process ends.
With `BENCH_DUTIES` it does what the notifier does besides, before a record counts as settled.
"""

import asyncio
import json
import signal
from collections.abc import Iterable

import aiohttp
import uvloop
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)

from benchmarks.peers.common import COUNT, RECORD, TIMEOUT_SECONDS, VALIDATE, Answer, Desk, Request
from benchmarks.peers.duties import Attempt, AttemptsLog, Metrics, attempts_record, validated

_COMMIT_EVERY_SECONDS = 1.0
_RECORDS_PER_CALL = 2
"""In hand for each call at once where attempts records are written: the others wait for the broker. As the notifier has it."""
_MOST_BATCH_BYTES = 256 * 1024


class Window(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """What is in flight, and up to where each partition is settled."""

    def __init__(self, desk: Desk, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        per_call = _RECORDS_PER_CALL if RECORD in desk.duties else 1
        self._room = asyncio.Semaphore(per_call * desk.in_flight)
        self._open: dict[TopicPartition, dict[int, None]] = {}
        self._read: dict[TopicPartition, int] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._count = 0

    async def enter(self, partition: TopicPartition, offset: int) -> None:
        """Wait for room, then note a record as in flight."""
        await self._room.acquire()
        self._open.setdefault(partition, {})[offset] = None
        self._read[partition] = offset + 1
        self._count += 1
        self._idle.clear()

    def leave(self, partition: TopicPartition, offset: int) -> None:
        """Note a record as settled."""
        self._open[partition].pop(offset, None)
        self._room.release()
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def commit(self) -> None:
        """Commit up to the first record that is in flight."""
        offsets = {
            partition: next(iter(self._open[partition]), read)
            for partition, read in self._read.items()
        }
        if offsets:
            await self._consumer.commit(offsets)

    async def drain(self) -> None:
        """Wait until nothing is in flight, and commit."""
        await self._idle.wait()
        await self.commit()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Give partitions away settled."""
        await self.drain()
        for partition in revoked:
            self._read.pop(partition, None)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing to do."""


class Deliverer:
    """Tells partners.

    Args:
        desk: builds requests and reads answers.
        session: makes calls.
        producer: writes.
        window: is told what is settled.
    """

    def __init__(
        self,
        desk: Desk,
        session: aiohttp.ClientSession,
        producer: AIOKafkaProducer,
        window: Window,
    ) -> None:
        self._desk = desk
        self._session = session
        self._producer = producer
        self._window = window
        self._calls = asyncio.Semaphore(desk.in_flight)
        duties = desk.duties
        self._read = validated if VALIDATE in duties else json.loads
        self._log = AttemptsLog(producer, desk.attempts_topic) if RECORD in duties else None
        self._metrics = Metrics() if COUNT in duties else None
        if self._metrics is not None:
            self._metrics.serve()

    async def deliver(self, partition: TopicPartition, record: ConsumerRecord) -> None:
        """Tell the partner, or leave it to the retry topic."""
        due_ms = self._desk.now_ms()
        try:
            event = self._read(record.value)
        except ValueError:  # no partner can be told
            await self._producer.send_and_wait(self._desk.retry_topic, record.value, record.key)
        else:
            async with self._calls:
                request = self._desk.request(event)
                started_ms = self._desk.now_ms()
                answer = await self._call(request)
                ended_ms = self._desk.now_ms()
            if not answer.settles:
                await self._producer.send_and_wait(
                    self._desk.retry_topic, record.value, request.order.encode()
                )
            if self._log is not None or self._metrics is not None:
                origin = f"{record.topic}/{record.partition}/{record.offset}"
                await self._account(
                    Attempt(event, request, origin, due_ms, started_ms, ended_ms, answer)
                )
        self._window.leave(partition, record.offset)

    async def _call(self, request: Request) -> Answer:
        try:
            async with self._session.post(
                request.url, data=request.body, headers=request.headers
            ) as answer:
                return self._desk.answer(
                    request, answer.status, answer.headers, await answer.read()
                )
        except (aiohttp.ClientError, TimeoutError):
            return Answer()

    async def _account(self, attempt: Attempt) -> None:
        """Write and count an attempt, as far as that is a duty."""
        if self._metrics is not None:
            self._metrics.count(attempt)
        if self._log is not None:
            value = attempts_record(attempt, self._desk.retry_topic)
            await self._log.write(attempt.request.order.encode(), value)
        if self._metrics is not None:
            self._metrics.settled()


async def main() -> None:
    """Consume until SIGTERM."""
    desk = Desk()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=desk.brokers,
        group_id=desk.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    window = Window(desk, consumer)
    consumer.subscribe([desk.topic], listener=window)
    connector = aiohttp.TCPConnector(limit=desk.in_flight, ssl=desk.tls())
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with (
        consumer,
        AIOKafkaProducer(
            bootstrap_servers=desk.brokers,
            acks="all",
            enable_idempotence=RECORD in desk.duties,
            max_batch_size=_MOST_BATCH_BYTES,
        ) as producer,
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as tasks,
    ):
        deliver = Deliverer(desk, session, producer, window).deliver
        committer = tasks.create_task(commit_regularly(window))
        while not stopped.is_set():
            batch = await consumer.getmany(timeout_ms=500, max_records=desk.in_flight)
            for partition, records in batch.items():
                for record in records:
                    await window.enter(partition, record.offset)
                    tasks.create_task(deliver(partition, record))
        await window.drain()
        committer.cancel()


async def commit_regularly(window: Window) -> None:
    """Commit once a second."""
    while True:
        await asyncio.sleep(_COMMIT_EVERY_SECONDS)
        await window.commit()


if __name__ == "__main__":
    uvloop.run(main())
