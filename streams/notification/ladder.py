"""Waits and ladders: when a notification is told again.

A wait has one spelling (`30s`, `10m`, `6h`), which names its tier's topic too.
"""

import re
from dataclasses import dataclass

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LABEL = re.compile(r"([1-9][0-9]*)([smh])")


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """The pause between the end of one attempt and the earliest start of the next.

    Attributes:
        seconds: its length before `NOTIFIER_LADDER_SCALE`.
        label: its spelling in topic names, headers and tables.
    """

    seconds: int
    label: str

    @classmethod
    def parse(cls, label: str) -> "Wait":
        """Read `1s`, `10m`, `6h`.

        Raises:
            ValueError: the label is no whole number followed by s, m or h.
        """
        match = _LABEL.fullmatch(label)
        if match is None:
            message = (
                f"a wait is a whole number and one of s, m, h (like 30s, 10m, 6h); seen {label!r}"
            )
            raise ValueError(message)
        return cls(int(match[1]) * _UNIT_SECONDS[match[2]], label)


@dataclass(frozen=True, slots=True)
class Ladder:
    """The waits of a profile, first to last. A ladder with one more entry has one more attempt."""

    waits: tuple[Wait, ...]

    @classmethod
    def of(cls, labels: str) -> "Ladder":
        """Read a ladder from its waits, separated by blanks."""
        return cls(tuple(Wait.parse(label) for label in labels.split()))

    @property
    def attempts(self) -> int:
        """Attempts in all, the first included: one more than there are waits."""
        return len(self.waits) + 1

    def wait_after(self, attempt: int) -> Wait | None:
        """Return the wait after an attempt (counted from 1), or None after the last.

        Raises:
            ValueError: the attempt is below 1.
        """
        if attempt < 1:
            message = f"attempts count from 1; seen {attempt}"
            raise ValueError(message)
        return self.waits[attempt - 1] if attempt <= len(self.waits) else None
