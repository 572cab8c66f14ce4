"""The worker's clock: the wall clock at its start, advanced by a monotonic clock that goes on while the machine is suspended.

A step of the machine's clock (NTP, an operator) can then neither hurry nor delay a retry of a running worker, nor does its sleep make due times that are early for others.
"""

import math
import time

_READINGS = 10


def _reading() -> tuple[int, int]:
    """Return how long a reading took and, by it, the wall clock's time at an uptime of zero."""
    before = _uptime_ns()
    wall = time.time_ns()
    after = _uptime_ns()
    return after - before, wall - (before + after) // 2


def _uptime_ns() -> int:
    # Linux leaves a sleep out of its monotonic clock, and has another one that counts it; elsewhere the first has to do.
    counts_sleep = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if counts_sleep is None else time.clock_gettime_ns(counts_sleep)


def uptime_seconds() -> float:
    """Return seconds since the machine's start that go on while it is suspended, where the platform counts those.

    By the monotonic clock a worker would take what it was told before a sleep for fresh.
    """
    return _uptime_ns() / 1e9


class Clock:
    """Milliseconds since the epoch, UTC, that never go back."""

    def __init__(self) -> None:
        # The two clocks can't be read at once; of some tries the one with the least time in between is the truest.
        self._epoch_ns = min(_reading() for _ in range(_READINGS))[1]

    def now_ms(self) -> int:
        """Return the present, rounded down: never a millisecond that has not begun."""
        return (self._epoch_ns + _uptime_ns()) // 1_000_000

    def now_seconds(self) -> float:
        """Return the present in seconds since the epoch."""
        return (self._epoch_ns + _uptime_ns()) / 1e9

    def stepped_seconds(self) -> float:
        """Return how far the machine's clock was set since the start.

        A pause that the machine was not told of (a virtual machine stopped and resumed) looks the same once its clock is set right.
        """
        return time.time_ns() / 1e9 - self.now_seconds()


def due_at_ms(ended_at_ms: int, wait_seconds: float) -> int:
    """Return the end of an attempt plus a wait, rounded up twice: a retry is never early."""
    return ended_at_ms + 1 + math.ceil(wait_seconds * 1000)
