"""How far a partition has come: the offset below which all is settled, and what is settled above it.

Kafka keeps a text beside each committed offset. What finished behind a record still in flight goes there, so that
the next owner of the partition repeats only what was in flight, and not what came after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_FORMAT = "1:"
_MOST_BYTES = 4000  # the broker takes 4096 (offset.metadata.max.bytes)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is committed of a partition.

    Attributes:
        offset: everything below is settled.
        finished: offsets from there on that are settled too.
    """

    offset: int
    finished: frozenset[int] = frozenset()

    def metadata(self) -> str:
        """Return the text for Kafka: ranges relative to the offset, the lowest first, as many as it takes."""
        text = _FORMAT
        for first, last in _ranges(self.finished):
            part = (
                f"{first - self.offset}-{last - self.offset}"
                if last > first
                else str(first - self.offset)
            )
            longer = f"{text}{',' if text != _FORMAT else ''}{part}"
            if len(longer) > _MOST_BYTES:
                break
            text = longer
        return text if text != _FORMAT else ""

    @classmethod
    def read(cls, offset: int, metadata: str) -> "Progress":
        """Read what was committed. A text that is not ours counts as none."""
        if not metadata.startswith(_FORMAT):
            return cls(offset)
        finished: set[int] = set()
        try:
            for part in metadata.removeprefix(_FORMAT).split(","):
                first, _, last = part.partition("-")
                finished.update(range(offset + int(first), offset + int(last or first) + 1))
        except ValueError:
            return cls(offset)
        return cls(offset, frozenset(finished))


def _ranges(offsets: Iterable[int]) -> Iterable[tuple[int, int]]:
    first = last = None
    for offset in sorted(offsets):
        if first is None or last is None:
            first = last = offset
        elif offset == last + 1:
            last = offset
        else:
            yield first, last
            first = last = offset
    if first is not None and last is not None:
        yield first, last
