"""One run: a system on a backlog, a warm-up, a window that is measured, an end, and the account of every event."""

import asyncio
import json
import pickle
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.backlog import Backlog, Mould, number_of
from benchmarks.figures import Account, Figures, Latency, Sample, figures
from benchmarks.generator import Plan
from benchmarks.processes import cpu_seconds
from benchmarks.receiver import Manner
from benchmarks.receiver_process import ReceiverProcess
from benchmarks.systems import Running, System, Task

_LOOK_EVERY_SECONDS = 0.05
_START_SECONDS = 60.0
_DRAIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Window:
    """What is measured, and when.

    Attributes:
        warm_up_seconds: from the first receipt to the begin.
        seconds: how long; shorter when the backlog has been delivered before.
    """

    warm_up_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """Events that keep coming while the system runs, at a fixed rate.

    Attributes:
        per_second: the rate.
        moulds: the events without their ids.
    """

    per_second: float
    moulds: list[Mould]


@dataclass(frozen=True, slots=True)
class Around:
    """What a run needs besides its system: the same for all of a session."""

    receiver: ReceiverProcess
    broker_pid: int


@asynccontextmanager
async def administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a client for topics and groups."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def run(  # noqa: PLR0913  # all that makes a run
    system: System,
    task: Task,
    backlog: Backlog,
    around: Around,
    *,
    manner: Manner,
    window: Window,
    load: OpenLoad | None = None,
) -> Figures:
    """Measure a system once.

    With an open load the backlog is only there to wake the system up.

    Raises:
        RuntimeError: it ended by itself or not well, or delivered nothing.
    """
    receiver = around.receiver
    async with administration(task.bootstrap) as admin:
        await task.create_topics(admin, system)
        receiver.begin(manner)
        with Running(system, task) as running:
            await _first_receipt(running, receiver)
            if load is None:
                begin, end = await _closed(running, backlog, around, window)
                stream = None
            else:
                begin, end, stream = await _open(running, task, backlog, around, window, load)
            memory = running.peak_memory_mb()
            await asyncio.to_thread(running.stop)
            running.must_have_ended_well()
        committed = await _committed(admin, task.name, backlog.topic)
        receipts = await asyncio.to_thread(receiver.receipts)
        account, settled = Account.of(receipts), set(backlog.settled(committed))
        standing = (
            await _orders_on(task.bootstrap, task.next_places(system))
            if account.unaccepted(settled)
            else set()
        )
        await task.delete_topics(admin)
    return figures(
        str(system),
        begin=begin,
        end=end,
        account=account,
        receipts=receipts,
        peak_memory_mb=memory,
        settled=settled,
        standing=standing,
        latency=stream.latency(account, begin, end) if stream else None,
        refusals_stand=system.keeps_refusals,
    )


async def _closed(
    running: Running, backlog: Backlog, around: Around, window: Window
) -> tuple[Sample, Sample]:
    await asyncio.sleep(window.warm_up_seconds + running.system.more_warm_up_seconds)
    begin = _sample(running, around)
    deadline = time.monotonic() + window.seconds
    while (left := deadline - time.monotonic()) > 0:
        await asyncio.sleep(min(left, _LOOK_EVERY_SECONDS))
        if around.receiver.count() >= backlog.count:
            break
    return begin, _sample(running, around)


@dataclass(frozen=True, slots=True)
class _Stream:
    """An open load that was written."""

    plan: Plan
    began_ns: int
    behind_ms: float

    def latency(self, account: Account, begin: Sample, end: Sample) -> Latency:
        return account.latency(
            lambda number: self.plan.due_ns(number, self.began_ns),
            range(self.plan.first, self.plan.first + self.plan.count),
            begin.at_ns,
            end.at_ns,
            self.behind_ms,
        )


async def _open(  # noqa: PLR0913, PLR0917  # all that makes an open load
    running: Running,
    task: Task,
    backlog: Backlog,
    around: Around,
    window: Window,
    load: OpenLoad,
) -> tuple[Sample, Sample, _Stream]:
    plan = Plan(
        bootstrap=task.bootstrap,
        topic=backlog.topic,
        partitions=backlog.partitions,
        moulds=load.moulds,
        first=backlog.count,
        per_second=load.per_second,
        seconds=window.warm_up_seconds + window.seconds,
    )
    file = task.directory / "plan.pickle"
    file.write_bytes(pickle.dumps(plan))
    generator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.generator", str(file)),
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 16,
    )
    try:
        began = (await _said(generator))["began_ns"]
        await asyncio.sleep(window.warm_up_seconds)
        begin = _sample(running, around)
        await asyncio.sleep(window.seconds)
        end = _sample(running, around)
        behind = (await _said(generator))["behind_ms"]
        await _all_received(running, around.receiver, plan.first + plan.count)
    finally:
        if generator.returncode is None:
            generator.kill()
        await generator.wait()
    return begin, end, _Stream(plan, began, behind)


async def _said(generator: asyncio.subprocess.Process) -> dict[str, Any]:
    assert generator.stdout is not None  # noqa: S101  # asked for at its start
    text = await generator.stdout.readline()
    if not text:
        message = "the generator ended; its own words are on standard error"
        raise RuntimeError(message)
    said: dict[str, Any] = json.loads(text)
    return said


def _sample(running: Running, around: Around) -> Sample:
    return Sample(
        time.monotonic_ns(),
        running.cpu_seconds(),
        cpu_seconds([around.receiver.pid]),
        cpu_seconds([around.broker_pid]),
    )


async def _first_receipt(running: Running, receiver: ReceiverProcess) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not receiver.count():
        running.must_run()
        if time.monotonic() > deadline:
            message = f"{running.system}: nothing reached the receiver within {_START_SECONDS:g} s of the start"
            raise RuntimeError(message)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _all_received(running: Running, receiver: ReceiverProcess, count: int) -> None:
    """Wait until so many orders were told of, but not for ever: one that misses then counts as one that never came."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while receiver.orders() < count and time.monotonic() < deadline:
        running.must_run()
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _committed(admin: AIOKafkaAdminClient, group: str, topic: str) -> dict[int, int]:
    found = await admin.list_consumer_group_offsets(group)
    return {tag.partition: meta.offset for tag, meta in found.items() if tag.topic == topic}


async def _orders_on(bootstrap: str, topics: Iterable[str]) -> set[int]:
    """Return the numbers of the orders that stand on topics."""
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        tags = [
            TopicPartition(topic, number)
            for topic in topics
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        ends = {tag: end for tag, end in (await consumer.end_offsets(tags)).items() if end}
        found: set[int] = set()
        while ends:
            for tag, records in (await consumer.getmany(timeout_ms=500)).items():
                found.update(number_of(record.key.decode()) for record in records)
                if records[-1].offset + 1 >= ends.get(tag, 0):
                    ends.pop(tag, None)
        return found
    finally:
        await consumer.stop()
