"""The worker's clock: the wall clock at its start, advanced by the monotonic clock.

A step of the machine's clock (NTP, an operator) can then neither hurry nor delay a retry of a running worker.
"""

import math
import time


class Clock:
    """Milliseconds since the epoch, UTC, that never go back."""

    def __init__(self) -> None:
        self._epoch_ns = time.time_ns() - time.monotonic_ns()  # the one place that reads the clock

    def now_ms(self) -> int:
        """Return the present, rounded down: never a millisecond that has not begun."""
        return (self._epoch_ns + time.monotonic_ns()) // 1_000_000

    def now_seconds(self) -> float:
        """Return the present in seconds since the epoch."""
        return (self._epoch_ns + time.monotonic_ns()) / 1e9


def due_at_ms(ended_at_ms: int, wait_seconds: float) -> int:
    """Return the end of an attempt plus a wait, rounded up twice: a retry is never early."""
    return ended_at_ms + 1 + math.ceil(wait_seconds * 1000)
