"""Records of a lane that are put aside: what they need can't be had now.

Of those that need the same thing one looks for it, again and again, and the others come once it was found: all of them
would else be begun at the same moment, only to be put aside again.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from streams.kafka.consumer.route import NotYet

T = TypeVar("T")


@dataclass(slots=True)
class _Group(Generic[T]):
    """Records that need one thing.

    Attributes:
        looks: the offset of the one that looks for it.
        why: what it found last.
        behind: the others.
    """

    looks: int
    why: str | None
    behind: list[T] = field(default_factory=list)


class PutAside(Generic[T]):
    """What of a lane is put aside. Whoever asks for it keeps the record that looks; the others are kept here."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group[T]] = {}  # by what they need
        self._looking: dict[int, Hashable] = {}  # what the record at an offset looks for

    @property
    def by_why(self) -> Counter[str]:
        """How many records are put aside, by why; without those that wait for a moment only."""
        found = Counter[str]()
        for group in self._groups.values():
            if group.why is not None:
                found[group.why] += 1 + len(group.behind)
        return found

    @property
    def behind(self) -> int:
        """How many are kept here."""
        return sum(len(group.behind) for group in self._groups.values())

    def add(self, offset: int, slot: T, later: NotYet) -> bool:
        """Note that a record is put aside; return whether it is the one that has to look again."""
        group = self._groups.setdefault(later.what, _Group(offset, later.why))
        group.why = later.why
        if group.looks != offset:
            group.behind.append(slot)
            return False
        self._looking[offset] = later.what
        return True

    def looks_for_other(self, offset: int, what: Hashable) -> bool:
        """Tell whether a record was put aside to look for something else than this."""
        return self._looking.get(offset, what) != what

    def found(self, offset: int) -> list[T]:
        """Return those that waited behind a record, which needs nothing any more."""
        if offset not in self._looking:
            return []
        return self._groups.pop(self._looking.pop(offset)).behind

    def clear(self) -> None:
        """Forget all of it."""
        self._groups.clear()
        self._looking.clear()
