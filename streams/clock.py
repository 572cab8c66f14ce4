"""The worker's clock: the wall clock at its start, advanced by the monotonic clock.

A step of the machine's clock (NTP, an operator) can then neither hurry nor delay a retry of a running worker.
"""

import math
import time

_READINGS = 10


def _reading() -> tuple[int, int]:
    """Return how long a reading took and, by it, the wall clock's time when the monotonic clock was zero."""
    before = time.monotonic_ns()
    wall = time.time_ns()
    after = time.monotonic_ns()
    return after - before, wall - (before + after) // 2


def uptime_seconds() -> float:
    """Return seconds since the machine's start that go on while it is suspended, where the platform counts those.

    Linux leaves them out of its monotonic clock: a worker would take what it was told before a sleep for fresh.
    """
    counts_sleep = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if counts_sleep is None else time.clock_gettime(counts_sleep)


class Clock:
    """Milliseconds since the epoch, UTC, that never go back."""

    def __init__(self) -> None:
        # The two clocks can't be read at once; of some tries the one with the least time in between is the truest.
        self._epoch_ns = min(_reading() for _ in range(_READINGS))[1]

    def now_ms(self) -> int:
        """Return the present, rounded down: never a millisecond that has not begun."""
        return (self._epoch_ns + time.monotonic_ns()) // 1_000_000

    def now_seconds(self) -> float:
        """Return the present in seconds since the epoch."""
        return (self._epoch_ns + time.monotonic_ns()) / 1e9

    def stepped_seconds(self) -> float:
        """Return how far the machine's clock was set since the start, and what monotonic clocks don't count: a suspended machine's sleep."""
        return time.time_ns() / 1e9 - self.now_seconds()


def due_at_ms(ended_at_ms: int, wait_seconds: float) -> int:
    """Return the end of an attempt plus a wait, rounded up twice: a retry is never early."""
    return ended_at_ms + 1 + math.ceil(wait_seconds * 1000)
