"""How far a partition has come: the offset below which all is settled, what is settled above it, and of which topic.

Kafka keeps a text beside each committed offset. What finished behind a record still in flight goes there, so that
the next owner of the partition repeats only what was in flight, and not what came after it; and the topic's id, since
an offset means nothing in another topic of the same name; and which topics the group has read, since a broker that
deletes a topic deletes the group's offsets of it.

The text is `2:ID:RANGES:NAMES`, or `1:RANGES` as the first version wrote it where neither id nor names are known. That
version reads the longer text as none: the offset holds for it too, and what was finished above it it repeats.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

MOST_BYTES: Final = 4000
"""Of the text. The broker takes 4096 unless it is told otherwise (offset.metadata.max.bytes)."""

_MOST_OFFSETS: Final = 65_536  # many times a span; a text that claims more would only cost memory
_MOST_NAMES: Final = (
    100  # 900 bytes; a worker that reads more topics forgets that it has read the others
)
_RANGE: Final = r"[0-9]{1,19}(?:-[0-9]{1,19})?"
_RANGES: Final = rf"{_RANGE}(?:,{_RANGE})*"
_NAME: Final = r"[0-9a-f]{8}"
_TEXT: Final = re.compile(
    rf"1:(?P<old>{_RANGES})"
    rf"|2:(?P<id>[A-Za-z0-9_-]{{22}}@{_NAME})?:(?P<new>{_RANGES})?:(?P<names>{_NAME}(?:,{_NAME})*)?"
)


def short_name(topic: str) -> str:
    """Return what stands for a topic among those that a group has read."""
    return f"{crc32(topic.encode()):08x}"


@dataclass(frozen=True, slots=True)
class CommittedState:
    """What is committed of a partition.

    Attributes:
        offset: everything below is settled.
        finished: offsets from there on that are settled too.
        topic_id: of the topic that they are offsets of, see `streams.kafka.admin.topic_ids`; empty where it is not known.
        have_read: short names of the topics that the group has read.
    """

    offset: int
    finished: frozenset[int] = frozenset()
    topic_id: str = ""
    have_read: frozenset[str] = frozenset()

    def metadata(self, most_bytes: int = MOST_BYTES) -> str:
        """Return the text for Kafka: ranges relative to the offset, the lowest first, as many as it takes.

        Args:
            most_bytes: how long it may be; where not even the id and the names have room, it is empty.
        """
        names = ",".join(sorted(self.have_read)[:_MOST_NAMES])
        head, tail = (f"2:{self.topic_id}:", f":{names}") if self.topic_id or names else ("1:", "")
        room, text, count = most_bytes - len(head) - len(tail), "", 0
        if room < 0:
            return ""
        for first, last in _ranges(self.finished):
            low, high = first - self.offset, last - self.offset
            part = f"{low}-{high}" if high > low else str(low)
            longer = f"{text},{part}" if text else part
            count += high - low + 1
            if len(longer) > room or count > _MOST_OFFSETS:
                break
            text = longer
        return f"{head}{text}{tail}" if tail or text else ""

    @classmethod
    def read(cls, offset: int, metadata: str) -> "CommittedState":
        """Read what was committed. A text that is not ours counts as none."""
        match = _TEXT.fullmatch(metadata)
        if match is None:
            return cls(offset)
        names = match["names"]
        rest = match["id"] or "", frozenset(names.split(",") if names else ())
        finished: set[int] = set()
        for part in (match["old"] or match["new"] or "").split(","):
            if not part:
                continue
            low, _, high = part.partition("-")
            offsets = range(offset + int(low), offset + int(high or low) + 1)
            if not offsets or len(finished) + (offsets.stop - offsets.start) > _MOST_OFFSETS:
                return cls(offset, frozenset(), *rest)
            finished.update(offsets)
        return cls(offset, frozenset(finished), *rest)

    def is_of_another(self, topic_id: str) -> bool:
        """Tell whether it is of another topic of the same cluster: one of the same name that was deleted."""
        if not self.topic_id or not topic_id:
            return False
        (own_topic, cluster), (other_topic, other_cluster) = (
            self.topic_id.split("@"),
            topic_id.split("@"),
        )
        return cluster == other_cluster and own_topic != other_topic

    def within(self, topic_id: str) -> "CommittedState":
        """Return what it says of the topic that has this id.

        All of it, where it is that topic's or nobody knows. Nothing, where it is another's of the same cluster. The
        offset alone, where a mirror copied it from another cluster: that it has translated, the text beside it not.
        """
        if not self.topic_id or not topic_id or self.topic_id == topic_id:
            return self
        offset = 0 if self.is_of_another(topic_id) else self.offset
        return CommittedState(offset, topic_id=topic_id, have_read=self.have_read)


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
