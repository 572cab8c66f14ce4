"""Lanes with a handler that finishes when a test says so."""

import asyncio

from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.membership import Membership
from streams.kafka.consumer.route import LaneLimits, Route
from streams.kafka.format.records import InRecord
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import ManualClock, turns

TAG = ("topic", 0)


def limits(span=1000, waiting=1000, recalled=0):
    return LaneLimits(span, waiting, remembered=100, recalled=recalled)


def record(offset, topic="topic", partition=0, due=0):
    return InRecord(topic, partition, offset, None, b"", (("due-at-ms", str(due).encode()),))


def due_at_ms(read):
    return int(read.headers[0][1])


class Work:
    """A handler whose records end when the test says so."""

    def __init__(self):
        self.started = []
        self.cancelled = []
        self.memories = set()
        self._ends = {}
        self._changed = asyncio.Condition()

    async def handle(self, read, lane):
        self.memories.add(lane.deduplicator)
        name = (read.topic, read.partition, read.offset)
        end = self._ends[name] = asyncio.get_running_loop().create_future()
        self.started.append(read.offset)
        async with self._changed:
            self._changed.notify_all()
        try:
            await end
        except asyncio.CancelledError:
            self.cancelled.append(read.offset)
            raise

    def end(self, offset, error=None, topic="topic", partition=0):
        future = self._ends.pop((topic, partition, offset))
        future.set_exception(error) if error else future.set_result(None)

    async def until_started(self, *offsets):
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: set(offsets) <= set(self.started))


class RecordingFlow:
    """Remembers every pause of the flow."""

    def __init__(self):
        self.turned = []

    def pause(self, tag):
        self.turned.append(("pause", tag))

    def resume(self, tag):
        self.turned.append(("resume", tag))


class Desk:
    """A lane, or a member's lanes, with everything around it."""

    def __init__(self, at_most=None, clock=None, window=1000):
        self.work, self.flow, self.clock = Work(), RecordingFlow(), clock or ManualClock(1000)
        self.crashes: list[BaseException] = []
        self.recalled: list[int] = []
        self.silent_seconds = 0.0
        self.lease = Membership(10.0, lambda: self.silent_seconds, self._regained)
        self.route = Route(
            stage="1s",
            handle=self.work.handle,
            due_at_ms=due_at_ms,
            limits=at_most or limits(),
            recall=lambda read, _deduplicator: self.recalled.append(read.offset),
        )
        self.lane = Lane(
            TAG,
            self.route,
            ConcurrencyLimit(window),
            self.flow,
            self.clock.now_ms,
            self.crashes.append,
            self.lease,
        )
        self.lanes = Lanes(
            {"topic": self.route, "other": self.route},
            ConcurrencyLimit(window),
            self.flow,
            self.clock.now_ms,
            self.crashes.append,
            self.lease,
        )

    def _regained(self):
        self.lanes.take_turns()

    async def end(self, *offsets, **where):
        for offset in offsets:
            self.work.end(offset, **where)
            await turns(5)
