"""A record as a plain reader sees it, and its id. No Kafka client is needed for either."""

from typing import Any, Final, NamedTuple

from schemas.valueclass import valueclass
from streams.kafka.format.records import InRecord

_MOST_DIGITS: Final = 19  # of an offset, 64 bits


class RecordId(NamedTuple):
    """Topic, partition and offset of a record; partitions and offsets count from 0."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> "RecordId":
        """Read `TOPIC:PARTITION:OFFSET`, or the same with slashes as headers have it.

        Raises:
            ValueError: it is neither.
        """
        for separator in (":", "/"):
            topic, *numbers = text.rsplit(separator, 2)
            if not topic or len(numbers) != 2:  # noqa: PLR2004  # partition, offset
                continue
            partition, offset = numbers
            if _is_number(partition, below=1 << 31) and _is_number(offset, below=1 << 63):
                return cls(topic, int(partition), int(offset))
        message = "expected TOPIC:PARTITION:OFFSET"
        raise ValueError(message)

    @property
    def header(self) -> str:
        """The id as headers and attempts records spell it."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


def _is_number(text: str, *, below: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) < below


@valueclass(frozen=True, slots=True)
class RawRecord(InRecord):
    """A record as it was read, with its time.

    Attributes:
        timestamp_ms: the broker's for topics that are stamped at append, else the writer's; -1 without one.
    """

    timestamp_ms: int = -1

    @property
    def record_id(self) -> RecordId:
        """Its topic, partition and offset."""
        return RecordId(self.topic, self.partition, self.offset)


def raw_record(record: Any) -> RawRecord:  # noqa: ANN401  # aiokafka ships no types
    """Return a record of aiokafka's as ours."""
    return RawRecord(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
        -1 if record.timestamp is None else record.timestamp,
    )
