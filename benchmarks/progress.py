"""What is said while runs are made: each result, how many there are still, and how long they will take."""

import sys
import time

_RUN_SECONDS = 11.0
"""A run with its start, window, end and account, as long as none has been timed."""


class Progress:
    """Says lines on standard output.

    Args:
        runs: how many will be made.
    """

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._made = 0
        self._began = time.monotonic()
        if runs:
            self.say(expected(runs))

    def say(self, text: str) -> None:
        """Say a line at once."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def ran(self, text: str) -> None:
        """Say what a run came to, or why it came to nothing, and how far all is."""
        self._made += 1
        left = max(self._runs - self._made, 0)
        each = (time.monotonic() - self._began) / self._made
        self.say(f"{text}  [{self._made} of {self._runs}, {_minutes(left * each)} left]")


def expected(runs: int) -> str:
    """Return how many runs there are and how long they are expected to take."""
    return f"{runs} runs, {_minutes(runs * _RUN_SECONDS)}"


def _minutes(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 60 else f"about {seconds:.0f} s"  # noqa: PLR2004
