import asyncio
import time
from collections import Counter

import pytest

from streams.kafka.connection import Connection
from streams.kafka.consumer.app import build_app
from streams.kafka.consumer.group import ConsumerGroup
from streams.kafka.consumer.route import LaneLimits, Route
from tests.agents.memory_kafka import MemoryKafka, put_in_memory
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import ManualClock


class Work:
    """The handler of every topic: holds what it is told to hold, and remembers everything."""

    def __init__(self):
        self.seen = []
        self.records = {}
        self.finished = []
        self.raises = {}
        self._held = {}
        self._changed = asyncio.Condition()

    def hold(self, *values):
        for value in values:
            self._held[value] = asyncio.Event()

    def let_go(self, *values):
        for value in values or tuple(self._held):
            self._held.pop(value).set()

    async def handle(self, record, _memory):
        self.seen.append(record.value)
        self.records[record.value] = record
        await self._notify()
        if record.value in self._held:
            await self._held[record.value].wait()
        if record.value in self.raises:
            raise self.raises[record.value]
        self.finished.append(record.value)
        await self._notify()

    async def _notify(self):
        async with self._changed:
            self._changed.notify_all()

    async def until(self, predicate):
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(predicate)

    async def until_finished(self, count):
        await self.until(lambda: len(self.finished) >= count)

    @property
    def repeated(self):
        return [value for value, times in Counter(self.finished).items() if times > 1]


class RecordingHost:
    """The process around the application, writing down what it is told."""

    def __init__(self):
        self.told = []
        self.stopping = asyncio.Event()

    async def acquire(self):
        self.told.append("acquire")

    async def release(self):
        self.told.append("release")

    def stop_starting(self):
        self.told.append("stop starting")
        self.stopping.set()
        return time.monotonic()

    def on_commit_error(self):
        self.told.append("commit error")

    def on_crash(self, error, _):
        self.told.append(("crash", error))

    def on_assigned(self, group_id, partitions, of):
        self.told.append(("assigned", group_id, partitions, of))

    def on_revoked(self, group_id):
        self.told.append(("revoked", group_id))

    def on_refused(self, group_id, why):
        self.told.append(("refused", group_id, why))

    def on_forbidden(self, topic):
        self.told.append(("forbidden", topic))

    def on_lost(self, topic, offsets):
        self.told.append(("lost", topic, offsets))

    def on_reset(self, topic):
        self.told.append(("reset", topic))

    def on_missing(self, group_id, topics):
        self.told.append(("missing", group_id, *topics))


class Member:
    """An application, its Kafka and its work."""

    def __init__(self, topics, limits, partitions):
        self.kafka, self.work, self.host = MemoryKafka(partitions), Work(), RecordingHost()
        self.clock = ManualClock()
        self.dues: dict[bytes | None, int] = {}
        self.recalled: list[int] = []
        routes = {
            topic: Route(
                stage="source",
                handle=self.work.handle,
                due_at_ms=lambda record: self.dues.get(record.value, 0),
                limits=limits.get(topic, LaneLimits(2000, 2000, 10)),
                recall=lambda record, _deduplicator: self.recalled.append(record.offset),
            )
            for topic in topics
        }
        self.app = build_app(
            ConsumerGroup("group", routes, 1000, 65_536),
            connection=Connection("127.0.0.1:1"),
            clock=self.clock,
            host=self.host,
        )
        put_in_memory(self.app, self.kafka)

    async def start(self, *partitions):
        starting = asyncio.create_task(self.app.start())  # returns when partitions have come
        await self.kafka.rebalance(*partitions)
        await starting

    async def stop(self):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await self.app.stop()


@pytest.fixture
async def new_member():
    """Makes members, and stops those that run at the end."""
    made = []

    async def make(*partitions, limits=None, count=1):
        topics = sorted({topic for topic, _ in partitions})
        member = Member(topics, limits or {}, count)
        made.append(member)
        await member.start(*partitions)
        return member

    yield make
    for member in made:
        member.work.let_go()
        await member.stop()
