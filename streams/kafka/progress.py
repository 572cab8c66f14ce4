"""How far a partition has come: the offset below which all is settled, and what is settled above it.

Kafka keeps a text beside each committed offset. What finished behind a record still in flight goes there, so that
the next owner of the partition repeats only what was in flight, and not what came after it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_FORMAT = "1:"
_MOST_BYTES = 4000  # the broker takes 4096 (offset.metadata.max.bytes)
_MOST_OFFSETS = 65_536  # many times a span; a text that claims more would only cost memory
_RANGE = r"[0-9]{1,19}(-[0-9]{1,19})?"
_TEXT = re.compile(rf"1:{_RANGE}(,{_RANGE})*")


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
        text, count = "", 0
        for first, last in _ranges(self.finished):
            low, high = first - self.offset, last - self.offset
            part = f"{low}-{high}" if high > low else str(low)
            longer = f"{text},{part}" if text else f"{_FORMAT}{part}"
            count += high - low + 1
            if len(longer) > _MOST_BYTES or count > _MOST_OFFSETS:
                break
            text = longer
        return text

    @classmethod
    def read(cls, offset: int, metadata: str) -> "Progress":
        """Read what was committed. A text that is not ours counts as none."""
        if not _TEXT.fullmatch(metadata):
            return cls(offset)
        finished: set[int] = set()
        for part in metadata.removeprefix(_FORMAT).split(","):
            low, _, high = part.partition("-")
            found = range(offset + int(low), offset + int(high or low) + 1)
            if not found or len(finished) + (found.stop - found.start) > _MOST_OFFSETS:
                return cls(offset)
            finished.update(found)
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
