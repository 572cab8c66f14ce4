"""How many records a group handles at once, over all its lanes."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

_BUSY_SECONDS = 0.003
"""Where a turn of the event loop takes longer on average, the process is short of processor time: a new payment's first
attempt takes about ten turns."""

_FRESH_SECONDS = 0.05
"""A record that is handled for longer than this waits for its partner, and not for the processor: it is fresh no more."""

_SMOOTHING = 0.1
_SHRINK = 0.97
_GROW = 0.25


class WaitingLane(Protocol):
    """A lane that waits for a permit."""

    def take_turn(self) -> None:
        """Take permits for as long as there are any, and queue again for the next."""


class ConcurrencyLimit:
    """Permits for records to be handled; lanes that get none wait in a queue and are served by turns.

    One limit for the group and not one for each lane: with a backlog on every partition more would be begun than the
    worker can finish in time, and what is not yet begun costs nothing.

    Args:
        most: records at once.
        least: the least number of fresh ones at once, where the group gives way to another in a busy process; None
            where it never does. Records that wait for their partners use no processor and are not counted as fresh.
    """

    def __init__(self, most: int, least: int | None = None) -> None:
        self._most = most
        self._fresh_most = float(most)
        self._fresh_least = None if least is None else float(min(least, most))
        self._taken = self._fresh = 0
        self._turn_seconds = 0.0
        self._queue: deque[WaitingLane] = deque()
        self._queued: set[WaitingLane] = set()

    @property
    def size(self) -> int:
        """Fresh records at once, as busy as the process is now."""
        return int(self._fresh_most)

    def take(self, lane: WaitingLane) -> "ConcurrencyPermit | None":
        """Return a permit, or None: then the lane's `take_turn` is called when its turn has come."""
        if self._has_room():
            # Nobody's turn comes with it, although the limit may have grown while lanes queue: the turn of this very lane
            # would take the record for which it asks here.
            self._taken += 1
            self._fresh += 1
            gives_way = self._fresh_least is not None
            return ConcurrencyPermit(self._count, _FRESH_SECONDS if gives_way else None)
        if lane not in self._queued:
            self._queued.add(lane)
            self._queue.append(lane)
        return None

    def note(self, turn_seconds: float) -> None:
        """Adapt to how long a begun record waited for the event loop: shrink when that is long, else grow."""
        if self._fresh_least is None:
            return
        self._turn_seconds += (turn_seconds - self._turn_seconds) * _SMOOTHING
        if self._turn_seconds > _BUSY_SECONDS:
            self._fresh_most = max(self._fresh_least, self._fresh_most * _SHRINK)
        else:
            self._fresh_most = min(self._most, self._fresh_most + _GROW)

    def _has_room(self) -> bool:
        return self._taken < self._most and self._fresh < int(self._fresh_most)

    def _count(self, taken: int, fresh: int) -> None:
        self._taken += taken
        self._fresh += fresh
        while self._queue and self._has_room():
            lane = self._queue.popleft()
            self._queued.discard(lane)
            lane.take_turn()


class ConcurrencyPermit:
    """One record's share of a limit.

    Args:
        count: adds to the permits in use, and to the fresh ones among them.
        fresh_seconds: how long it is a fresh one; None for always.
    """

    __slots__ = ("_ages", "_count", "_fresh")

    def __init__(self, count: Callable[[int, int], None], fresh_seconds: float | None) -> None:
        self._count = count
        self._fresh = 1
        self._ages: asyncio.TimerHandle | None = None
        if fresh_seconds is not None:
            self._ages = asyncio.get_running_loop().call_later(fresh_seconds, self._age)

    def give_back(self) -> None:
        """Give it back; the lanes in the queue get it by turns."""
        if self._ages is not None:
            self._ages.cancel()
        self._count(-1, -self._fresh)

    def _age(self) -> None:
        self._fresh = 0
        self._count(0, -1)
