"""Lanes: many records of a partition in flight, acknowledged strictly in offset order.

Faust 0.15.3 commits past a record in flight when acknowledgements come out of order, so nothing here
acknowledges through Faust: a lane knows the one offset below which every record is settled, and only
that offset is ever committed. One lane for each partition and group generation; a lane whose partition
was taken away is closed and can commit nothing any more.

Pure asyncio; knows neither Faust nor aiokafka. A little over 300 lines: what a lane may do next depends on all of its state.
"""

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Protocol

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit, ConcurrencyPermit
from streams.kafka.consumer.deduplication import Deduplicator, Held, Lock
from streams.kafka.consumer.membership import Lease
from streams.kafka.consumer.put_aside import PutAside
from streams.kafka.consumer.route import LaneContext, NotYet, Route
from streams.kafka.format.records import InRecord, PartitionId


class FlowControl(Protocol):
    """Stops and starts the flow of one partition. Nothing that was already fetched may get lost by it."""

    def pause(self, partition: PartitionId) -> None:
        """Fetch no more from the partition."""

    def resume(self, partition: PartitionId) -> None:
        """Fetch again from the partition."""


class _Slot:
    __slots__ = ("done", "due_at_ms", "lock", "record", "started_at_ms")

    def __init__(self, record: InRecord, due_at_ms: int) -> None:
        self.record = record
        self.due_at_ms = due_at_ms
        self.started_at_ms: int | None = None
        self.done = False
        self.lock: Lock | None = None  # for which it waits, or has waited

    def __lt__(self, other: "_Slot") -> bool:
        return (self.due_at_ms, self.record.offset) < (other.due_at_ms, other.record.offset)


class Lane:
    """One partition during one generation of the group.

    Args:
        partition: its topic and number.
        route: what happens to its records.
        concurrency: how many records the group may handle at once.
        flow: the partition's flow.
        now_ms: the clock.
        on_crash: called once if `handle` raises although it must not: the record stays unacknowledged.
        lease: on the partition; no record is begun without it.
        finished: offsets that the partition's former owner has settled; they may lie far ahead of what was read.
        begins_at: the committed offset; records below it were settled, and are read again only to be remembered.
        on_progress: called when another state than before may be committed.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what it is made of
        self,
        partition: PartitionId,
        route: Route,
        concurrency: ConcurrencyLimit,
        flow: FlowControl,
        now_ms: Callable[[], int],
        on_crash: Callable[[BaseException], None],
        lease: Lease,
        finished: frozenset[int] = frozenset(),
        begins_at: int = 0,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.partition = partition
        self.stage = route.stage
        self._route = route
        self._limits = route.limits
        self._concurrency = concurrency
        self._flow = flow
        self._now_ms = now_ms
        self._on_crash = on_crash
        self._uncommitted: deque[_Slot] = deque()
        # A heap: with jitter, due times rise only roughly along a partition.
        self._buffered: list[_Slot] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timed: _Slot | None = None  # the record that the timer is for
        self._finished: set[int] = set()  # settled, behind one that is not
        self._finished_before = finished
        self._begins_at = begins_at
        self._put_aside = PutAside[_Slot]()
        self._paused = False
        self._draining = False
        self._lease = lease
        self._context = LaneContext(
            Deduplicator(now_ms, route.limits.remembered), lease, self._found
        )
        self._next_offset: int | None = None
        self._on_progress = on_progress

    @property
    def in_flight(self) -> int:
        """Records being handled now."""
        return len(self._tasks)

    @property
    def held(self) -> int:
        """Records read and not yet acknowledged."""
        return len(self._uncommitted)

    @property
    def unsettled(self) -> int:
        """Records read and not yet settled."""
        return len(self._uncommitted) - len(self._finished)

    @property
    def finished_ahead(self) -> frozenset[int]:
        """Offsets that the partition's former owner has settled and this lane has not come to."""
        return self._finished_before

    @property
    def next_due_at_ms(self) -> int | None:
        """The due time of the first record that waits, or None."""
        return self._buffered[0].due_at_ms if self._buffered else None

    def overdue(self, before_ms: int) -> int:
        """Return how many records wait although they were due before this moment; none in a lane without due times."""
        return sum(0 < slot.due_at_ms < before_ms for slot in self._buffered)

    @property
    def put_aside(self) -> Counter[str]:
        """How many records wait for something that is none of theirs, by why."""
        return self._put_aside.by_why

    @property
    def longest_in_flight_ms(self) -> int:
        """How long the record has been in flight that was started first; 0 where none is."""
        started = [
            slot.started_at_ms
            for slot in self._uncommitted
            if slot.started_at_ms is not None and not slot.done
        ]
        return self._now_ms() - min(started) if started else 0

    @property
    def progress(self) -> CommittedState | None:
        """What may be committed, or None before the first record or position."""
        if self._next_offset is None:
            return None
        if self._finished_before:
            # What the former owner settled further on is kept for the next one: this lane may end before it gets there.
            ahead = (offset for offset in self._finished_before if offset >= self._next_offset)
            self._finished_before = frozenset(ahead)
        if not self._uncommitted:
            return CommittedState(self._next_offset, self._finished_before)
        return CommittedState(
            self._uncommitted[0].record.offset, self._finished_before.union(self._finished)
        )

    def admit(self, record: InRecord) -> None:
        """Take a record that was read; records come in offset order. A draining lane drops it: it will be read again."""
        if self._draining:
            return
        if record.offset < self._begins_at:
            self._route.recall(record, self._context.deduplicator)
            return
        slot = _Slot(record, self._route.due_at_ms(record))
        self._next_offset = record.offset + 1
        self._uncommitted.append(slot)
        self._on_progress()
        if record.offset in self._finished_before:
            self._route.recall(record, self._context.deduplicator)
            self._finish(slot)
        else:
            heapq.heappush(self._buffered, slot)
        self._start_due()
        full = (
            len(self._uncommitted) >= self._limits.max_uncommitted
            or len(self._buffered) + self._put_aside.behind >= self._limits.max_buffered
        )
        if full and not self._paused:
            self._paused = True
            self._flow.pause(self.partition)

    def pass_to(self, position: int, last_read: int | None) -> None:
        """Note that all records before this position were admitted: what else lies there is given to no reader.

        Markers of transactions take an offset each, and so do records of aborted ones. Not passed, they would count as
        records that wait.

        Args:
            position: the next offset to read.
            last_read: the last record that was read in this generation, or None; one that has not come here yet counts.
        """
        after = max(self._next_offset or 0, self._begins_at)
        if self._uncommitted or self._draining or (last_read is not None and last_read >= after):
            return
        if self._next_offset != max(after, position):
            self._next_offset = max(after, position)
            self._on_progress()

    def take_turn(self) -> None:
        """Begin what is due for as long as there are permits, and queue again for the next."""
        self._start_due()
        self._maybe_resume()

    def _start_due(self) -> None:
        # One timer, for the record that is due first.
        if self._draining:
            return
        if self._timer is not None:
            if self._buffered and self._buffered[0] is self._timed:
                return
            self._timer.cancel()
            self._timer = None
        while self._buffered:
            early_ms = self._buffered[0].due_at_ms - self._now_ms()
            if early_ms > 0:
                self._timed = self._buffered[0]
                self._timer = asyncio.get_running_loop().call_later(early_ms / 1000, self._on_timer)
                return
            if not self._lease.is_held():
                return
            permit = self._concurrency.take(self)
            if permit is None:
                return
            slot = heapq.heappop(self._buffered)
            slot.started_at_ms = self._now_ms()
            task = asyncio.create_task(self._run(slot, permit, asyncio.get_running_loop().time()))
            self._tasks.add(task)

    def _on_timer(self) -> None:
        self._timer = None
        self._start_due()  # asks the clock again: a timer that fired early only re-arms
        self._maybe_resume()

    async def _run(self, slot: _Slot, permit: ConcurrencyPermit, begun: float) -> None:
        self._concurrency.note(asyncio.get_running_loop().time() - begun)
        try:
            await self._route.handle(slot.record, self._context)
        except asyncio.CancelledError:
            raise
        except NotYet as later:
            self._put_back(slot, later)
        except Held as held:
            self._hold_back(slot, held.lock)
        except BaseException as error:  # noqa: BLE001  # an invariant broke: stop the worker, keep the record
            self._draining = True
            self._on_crash(error)
        else:
            self._finish(slot)
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._tasks.discard(task)
            permit.give_back()
            self._start_due()
            self._maybe_resume()

    def _put_back(self, slot: _Slot, later: NotYet) -> None:
        """Let a record wait for its next turn; where the lane gives up what waits, it will be read again."""
        slot.started_at_ms = None
        if self._put_aside.looks_for_other(slot.record.offset, later.what):
            self._found(slot.record.offset)
        if not self._draining and self._put_aside.add(slot.record.offset, slot, later):
            slot.due_at_ms = self._now_ms() + int(later.seconds * 1000)
            heapq.heappush(self._buffered, slot)

    def _found(self, offset: int) -> None:
        """Let those begin that waited behind a record for what it needed."""
        behind = self._put_aside.found(offset)
        for slot in behind:
            heapq.heappush(self._buffered, slot)
        if behind:
            self._start_due()

    def _hold_back(self, slot: _Slot, lock: Lock) -> None:
        """Let a record wait for another one's key, without a place in the group, until its turn has come."""
        slot.started_at_ms, slot.lock = None, lock
        self._found(slot.record.offset)

        def turn_comes() -> None:
            # Begun when the record that held the key has given its own place back.
            if not self._draining:
                heapq.heappush(self._buffered, slot)

        lock.on_turn = turn_comes

    def _finish(self, slot: _Slot) -> None:
        slot.done = True
        self._found(slot.record.offset)
        if slot.lock is not None:
            slot.lock.leave()  # it may have been settled without its key, as the mapping of its event had changed
        self._finished.add(slot.record.offset)
        uncommitted = self._uncommitted
        while uncommitted and uncommitted[0].done:
            self._finished.discard(uncommitted.popleft().record.offset)
        self._on_progress()

    def _maybe_resume(self) -> None:
        if not self._paused or self._draining:
            return
        # Open at three quarters: the flow takes up to 0.1 s to come back.
        if (
            len(self._uncommitted) <= self._limits.max_uncommitted * 3 // 4
            and len(self._buffered) + self._put_aside.behind <= self._limits.max_buffered * 3 // 4
        ):
            self._paused = False
            self._flow.resume(self.partition)

    def stop_starting(self) -> None:
        """Start nothing new; what is in flight goes on. What waits is dropped: it will be read again."""
        self._draining = True
        self._buffered.clear()
        self._put_aside.clear()
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
