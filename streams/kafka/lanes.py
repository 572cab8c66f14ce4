"""Lanes: many records of a partition in flight, acknowledged strictly in offset order.

Faust 0.15.3 commits past a record in flight when acknowledgements come out of order, so nothing here
acknowledges through Faust: a lane knows the one offset below which every record is settled, and only
that offset is ever committed. One lane for each partition and group generation; a lane whose partition
was taken away is closed and can commit nothing any more.

Pure asyncio; knows neither Faust nor aiokafka.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from streams.kafka.records import InRecord, Tag


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much of a partition may be taken at once.

    Attributes:
        window: records being handled at once.
        span: records read and not yet acknowledged; bounds what a SIGKILL repeats.
        waiting: records held that are not yet due or have no room in the window.
    """

    window: int
    span: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to the records of one topic.

    Attributes:
        handle: settles a record; returns when its next place is acknowledged; never raises.
        due_at_ms: when a record may be handled, milliseconds since the epoch.
        limits: how many at once.
    """

    handle: Callable[[InRecord], Awaitable[None]]
    due_at_ms: Callable[[InRecord], int]
    limits: LaneLimits


class Tap(Protocol):
    """Stops and starts the flow of one partition. Nothing that was already fetched may get lost by it."""

    def close(self, tag: Tag) -> None:
        """Fetch no more from the partition."""

    def open(self, tag: Tag) -> None:
        """Fetch again from the partition."""


class _Slot:
    __slots__ = ("done", "due_at_ms", "record")

    def __init__(self, record: InRecord, due_at_ms: int) -> None:
        self.record = record
        self.due_at_ms = due_at_ms
        self.done = False


class Lane:
    """One partition during one generation of the group.

    Args:
        tag: topic and partition.
        route: what happens to its records.
        tap: the partition's flow.
        now_ms: the clock.
        on_crash: called once if `handle` raises all the same: the record stays unacknowledged.
    """

    def __init__(
        self,
        tag: Tag,
        route: Route,
        tap: Tap,
        now_ms: Callable[[], int],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self.tag = tag
        self._route = route
        self._limits = route.limits
        self._tap = tap
        self._now_ms = now_ms
        self._on_crash = on_crash
        self._span: deque[_Slot] = deque()
        self._waiting: deque[_Slot] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tap_closed = False
        self._draining = False
        self.committable: int | None = None
        """The offset below which every record of this lane is settled, or None before the first."""

    @property
    def in_flight(self) -> int:
        """Records being handled now."""
        return len(self._tasks)

    @property
    def held(self) -> int:
        """Records read and not yet acknowledged."""
        return len(self._span)

    @property
    def next_due_at_ms(self) -> int | None:
        """The due time of the first record that waits, or None."""
        return self._waiting[0].due_at_ms if self._waiting else None

    def admit(self, record: InRecord) -> None:
        """Take a record that was read; records come in offset order. A draining lane drops it: it will be read again."""
        if self._draining:
            return
        slot = _Slot(record, self._route.due_at_ms(record))
        self._span.append(slot)
        self._waiting.append(slot)
        self._start_due()
        full = len(self._span) >= self._limits.span or len(self._waiting) >= self._limits.waiting
        if full and not self._tap_closed:
            self._tap_closed = True
            self._tap.close(self.tag)

    def _start_due(self) -> None:
        # Due times rise along a partition, since nothing but the tier's wait is ever added: only the head needs a timer.
        if self._timer is not None or self._draining:
            return
        while self._waiting and len(self._tasks) < self._limits.window:
            early_ms = self._waiting[0].due_at_ms - self._now_ms()
            if early_ms > 0:
                self._timer = asyncio.get_running_loop().call_later(early_ms / 1000, self._on_timer)
                return
            slot = self._waiting.popleft()
            task = asyncio.create_task(self._run(slot))
            self._tasks.add(task)

    def _on_timer(self) -> None:
        self._timer = None
        self._start_due()  # asks the clock again: a timer that fired early only re-arms
        self._maybe_open_tap()

    async def _run(self, slot: _Slot) -> None:
        try:
            await self._route.handle(slot.record)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # an invariant broke: stop the worker, keep the record
            self._draining = True
            self._on_crash(error)
        else:
            slot.done = True
            self._advance()
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._tasks.discard(task)
            self._start_due()
            self._maybe_open_tap()

    def _advance(self) -> None:
        span = self._span
        while span and span[0].done:
            self.committable = span.popleft().record.offset + 1

    def _maybe_open_tap(self) -> None:
        if not self._tap_closed or self._draining:
            return
        # Open at three quarters: the flow takes up to 0.1 s to come back.
        if (
            len(self._span) <= self._limits.span * 3 // 4
            and len(self._waiting) <= self._limits.waiting * 3 // 4
        ):
            self._tap_closed = False
            self._tap.open(self.tag)

    def stop_starting(self) -> None:
        """Start nothing new; what is in flight goes on. What waits is dropped: it will be read again."""
        self._draining = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tasks(self) -> Iterable[asyncio.Task[None]]:
        """Return the records in flight as tasks."""
        return tuple(self._tasks)

    def abandon(self) -> None:
        """Cancel what is in flight; its records stay unacknowledged."""
        self.stop_starting()
        for task in self.tasks():
            task.cancel()


class Lanes:
    """All lanes of one consumer group member.

    Args:
        routes: by topic.
        tap: the flow of the partitions.
        now_ms: the clock.
        on_crash: see `Lane`.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        tap: Tap,
        now_ms: Callable[[], int],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._routes = routes
        self._tap = tap
        self._now_ms = now_ms
        self._on_crash = on_crash
        self._lanes: dict[Tag, Lane] = {}
        self._generation: int | None = None

    def __iter__(self) -> Iterator[Lane]:
        """Iterate over the open lanes."""
        return iter(tuple(self._lanes.values()))

    def open(self, generation: int) -> None:
        """Begin a generation: from now on its records are taken, and no other's."""
        self._generation = generation

    def admit(self, record: InRecord, generation: int) -> None:
        """Hand a record to the lane of its partition. A record of another generation is dropped: it will be read again."""
        if generation != self._generation:
            return
        tag = (record.topic, record.partition)
        route = self._routes[record.topic]
        lane = self._lanes.get(tag)
        if lane is None:
            lane = Lane(tag, route, self._tap, self._now_ms, self._on_crash)
            self._lanes[tag] = lane
        lane.admit(record)

    def committable(self) -> dict[Tag, int]:
        """Return, for each partition with a settled record, the offset that may be committed."""
        return {
            tag: lane.committable
            for tag, lane in self._lanes.items()
            if lane.committable is not None
        }

    def stop_starting(self) -> None:
        """Start nothing new in any lane; what is in flight goes on."""
        for lane in self._lanes.values():
            lane.stop_starting()

    async def drain(self, timeout_seconds: float) -> int:
        """Start nothing new and wait for what is in flight, but no longer than this. Return how many were not done."""
        self.stop_starting()
        tasks = [task for lane in self._lanes.values() for task in lane.tasks()]
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=timeout_seconds)
        for lane in self._lanes.values():
            lane.abandon()
        return len(late)

    def close(self) -> None:
        """End the generation: the lanes are gone and commit nothing any more."""
        for lane in self._lanes.values():
            lane.abandon()
        self._lanes.clear()
        self._generation = None
