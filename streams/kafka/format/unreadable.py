"""Holds a partition at a batch that can't be read: no record is skipped, no other partition stops, and it is logged.

aiokafka raises such a batch's error from whichever poll comes to it. That ends a worker, again after each start, and
takes with it the records of other partitions that the same poll had read already. Here the partition stands still, and
is looked at again after a while: the next broker may have the batch whole. `streams.kafka.patches.batch_reading` puts
this in force.

An operator lets a group pass with `notifier unreadable pass`, see docs/runbooks/NotifierUnreadable.md.
"""

import logging
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import cramjam
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from streams.kafka.format.batches import RecordSet, offset_behind
from streams.kafka.format.codecs import BatchTooLarge
from streams.kafka.format.raw import RecordId

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Where a partition stands still, and why.

    Attributes:
        record_id: the first offset that can't be read.
        fault: what is wrong with the batch there, one sentence without a point.
        looks: how often it was looked at.
        behind: the first offset behind the batch, as far as it can be told, or None.
    """

    record_id: RecordId
    fault: str
    looks: int
    behind: int | None = None

    @property
    def pause_seconds(self) -> float:
        """How long until the next look."""
        return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self.looks - 1, 10), _LONGEST_PAUSE_SECONDS)


def fault_of(error: Exception) -> str:
    """Return what is wrong with a batch, from what reading it raised."""
    match error:
        case BatchTooLarge():
            return str(error)
        case UnsupportedCodecError():
            return str(error).removeprefix("UnsupportedCodecError: ")
        case CorruptRecordException():
            return ", ".join(map(str, error.args)) or "damaged"
        case cramjam.DecompressionError() | zlib.error() | EOFError() | ValueError():
            return f"its data can't be decompressed or decoded: {error}"
        case struct.error() | AssertionError() | IndexError():
            return f"its records are not where it says: {error}"
        case _:
            return f"{type(error).__name__}: {error}"


class PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """The records of one partition in a fetch's answer: all up to what can't be read.

    Attributes:
        fault: what is wrong with the batch at `next_fetch_offset`; empty before it was come to, or where there is none.
        behind: the offset behind that batch, as its head says, or None.
        is_wanted: tells of a record, before anything is made of it, whether it is given; None where all are.
    """

    fault = ""
    is_wanted: Callable[[Any], bool] | None = None
    behind: int | None = None
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Any]:
        records: RecordSet = self._records
        try:
            while records.has_next():
                batch = records.next_batch()
                if not self._holds_nothing(batch):
                    for record in _each(records, batch):
                        offset = record.offset
                        if offset < self.next_fetch_offset:
                            continue  # a batch comes whole, also where only its end was asked for
                        self.next_fetch_offset = offset + 1
                        if self.is_wanted is not None and not self.is_wanted(record):
                            continue
                        yield self._consumer_record(self._tp, record)
                # Compaction takes records away and leaves the batch's last offset; what follows begins behind it.
                self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)
        except Exception as error:  # noqa: BLE001  # decoders of five formats, fed with anything: their errors have no root
            self.fault = fault_of(error)
            self.behind = offset_behind(records.last)

    def _holds_nothing(self, batch: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        """Tell whether a batch has no records for us: a marker, or part of a transaction that was aborted."""
        if not batch.validate_crc():
            message = "wrong checksum (CRC)"
            raise CorruptRecordException(message)
        producer = batch.producer_id
        if producer is None:  # versions 0 and 1 know no transactions
            return False
        if batch.next_offset <= batch.base_offset:
            message = "it says that it ends before its beginning"
            raise CorruptRecordException(message)
        if self._isolation_level == fetcher.READ_COMMITTED:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(producer)
            if batch.is_transactional and producer in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


def partition_records(
    tp: TopicPartition,
    raw: bytes,
    offset: int,
    isolation: int,
    aborted: list[tuple[int, int]] | None = None,
) -> PartitionRecords:
    """Return the records of a fetch's answer for a reader that is no consumer: their checksums are checked.

    Args:
        tp: the partition.
        raw: the batches, or what says why none is given.
        offset: the first one that is wanted.
        isolation: aiokafka's `READ_COMMITTED` or `READ_UNCOMMITTED`.
        aborted: producer and first offset of each transaction that was aborted in what is given.
    """
    no_deserializer = None
    return PartitionRecords(
        tp,
        RecordSet(raw),
        aborted,
        offset,
        no_deserializer,
        no_deserializer,
        True,  # noqa: FBT003  # aiokafka's check_crcs
        isolation,
    )


def _each(records: RecordSet, batch: Any) -> Iterator[Any]:  # noqa: ANN401  # aiokafka ships no types
    """Yield a batch's records, whose offsets must rise and lie within the batch: otherwise records would be skipped."""
    last, end = -1, batch.next_offset
    try:
        for record in batch:
            last = _between(last, record.offset, end)
            yield record
    except UnicodeDecodeError:
        for record in records.any_names():
            if record.offset > last:
                last = _between(last, record.offset, end)
                yield record


def _between(last: int, offset: int, end: int) -> int:
    if not last < offset < end:
        message = f"a record says offset {offset}, expected one above {last} and below {end}"
        raise CorruptRecordException(message)
    return offset


class FetchResult(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka ships no types
    """The records of one partition in a fetch's answer. It is kept while its partition is held, and so keeps it held."""

    _next_look: float | None = None
    _partition_records: PartitionRecords | None

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the next records. None while the partition is held."""
        records = self._partition_records
        if self._next_look is not None:
            if self.check_assignment(self._topic_partition) and time.monotonic() > self._next_look:
                self._partition_records = None  # it is fetched again
            return []
        fetched: list[Any] = super().getall(max_records)
        if records is not None and records.fault:
            self._partition_records = records
            self._hold(records)
        return fetched

    def _hold(self, records: PartitionRecords) -> None:
        topic, partition = self._topic_partition
        state = self._assignment.state_value(self._topic_partition)
        record_id = RecordId(topic, partition, records.next_fetch_offset)
        before: Unreadable | None = getattr(state, "unreadable", None)
        looks = before.looks + 1 if before is not None and before.record_id == record_id else 1
        behind = records.behind
        if behind is not None and not record_id.offset < behind <= (state.highwater or 0):
            behind = None
        state.unreadable = Unreadable(record_id, records.fault, looks, behind)
        self._next_look = time.monotonic() + state.unreadable.pause_seconds
        log.error(
            "topic %s, partition %s stands still at offset %s, whose batch can't be read: %s; the next look is in %g s;"
            " see: notifier unreadable show %s",
            *(topic, partition, record_id.offset, records.fault),
            *(state.unreadable.pause_seconds, record_id),
        )


def unreadable_of(consumer: AIOKafkaConsumer) -> list[Unreadable]:
    """Return where a consumer's partitions stand still."""
    subscription = consumer._subscription.subscription  # noqa: SLF001  # aiokafka has no public word for it
    assignment = None if subscription is None else subscription.assignment
    if assignment is None:
        return []
    states = [assignment.state_value(tp) for tp in assignment.tps]
    return [
        state.unreadable
        for state in states
        if (unreadable := getattr(state, "unreadable", None)) is not None
        and state.has_valid_position
        and state.position == unreadable.record_id.offset
    ]


def leave_out(consumer: AIOKafkaConsumer) -> list[Unreadable]:
    """Skip batches that can't be read, where their end is known, with a warning. For readers that settle nothing.

    Returns:
        All of them. The consumer still stands at those without a known end.
    """
    found = unreadable_of(consumer)
    for at in found:
        if at.behind is not None:
            consumer.seek(TopicPartition(at.record_id.topic, at.record_id.partition), at.behind)
            log.warning(
                "offsets %s to %s of topic %s, partition %s are left out of what follows",
                *(at.record_id.offset, at.behind - 1, at.record_id.topic, at.record_id.partition),
            )
    return found
