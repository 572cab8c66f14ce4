"""How many records a group handles at once, over all its lanes."""

from collections import deque
from typing import Protocol

_BUSY_SECONDS = 0.003
"""A turn of the event loop that takes longer on average, and everybody waits for processor time: a new payment's first
attempt takes about ten turns."""

_SMOOTHING = 0.1
_SHRINK = 0.97
_GROW = 0.25


class InLine(Protocol):
    """A lane that finds no place."""

    def take_turn(self) -> None:
        """Take places for as long as there are any, and stand in line again for the next."""


class Window:
    """Places for records that are being handled; who finds none waits in line.

    For the group and not for each lane: a backlog on every partition would begin more than the worker can do, and
    what is begun grows old, whereas what is not yet begun costs nothing.

    Args:
        most: records at once.
        least: as many stay where the group gives way to others in a busy process; None where it never does.
    """

    def __init__(self, most: int, least: int | None = None) -> None:
        self._most = self._size = float(most)
        self._least = float(most) if least is None else float(min(least, most))
        self._taken = 0
        self._turn_seconds = 0.0
        self._line: deque[InLine] = deque()
        self._standing: set[InLine] = set()

    @property
    def size(self) -> int:
        """Records at once, as busy as the process is now."""
        return int(self._size)

    def take(self, lane: InLine) -> bool:
        """Take a place. A lane that gets none is called when its turn has come."""
        if self._taken < int(self._size):
            self._taken += 1
            return True
        if lane not in self._standing:
            self._standing.add(lane)
            self._line.append(lane)
        return False

    def give_back(self) -> None:
        """Give a place back; the lanes in line get it by turns."""
        self._taken -= 1
        while self._line and self._taken < int(self._size):
            lane = self._line.popleft()
            self._standing.discard(lane)
            lane.take_turn()

    def note(self, turn_seconds: float) -> None:
        """Take in how long a record waited for the event loop after it was begun: shrink when that is long, else grow."""
        if self._least == self._most:
            return
        self._turn_seconds += (turn_seconds - self._turn_seconds) * _SMOOTHING
        if self._turn_seconds > _BUSY_SECONDS:
            self._size = max(self._least, self._size * _SHRINK)
        else:
            self._size = min(self._most, self._size + _GROW)
