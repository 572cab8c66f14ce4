"""A batch as it stands on its topic: its bytes, what its head says of it, and what is wrong with it, if anything."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED
from aiokafka.errors import OffsetOutOfRangeError, for_code

from streams.kafka.format.batches import NotGiven, RecordSet
from streams.kafka.format.raw import RecordId
from streams.kafka.format.unreadable import partition_records
from streams.kafka.reader.failures import brokers_asked
from streams.kafka.reader.raw_fetch import fetch_raw
from streams.kafka.reader.reader import RecordReader

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_OLD_HEAD: Final = struct.Struct(">qiIbb")
_MAGIC_AT: Final = 16
_PRESENT: Final = 2
_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass(frozen=True, slots=True)
class RawBatch:
    """One batch.

    Attributes:
        record_id: the offset that was asked for, or the first behind it that can't be read.
        raw: its bytes; none where the broker gives an error instead.
        fault: what is wrong with it; empty where every record of it can be read.
        behind: the first offset behind it, where that can be told.
        head: what its head says, by name; of a damaged one that may be wrong.
    """

    record_id: RecordId
    raw: bytes
    fault: str
    behind: int | None
    head: dict[str, str]


async def batch_at(reader: RecordReader, record_id: RecordId) -> RawBatch | None:
    """Return the batch that holds an offset, or None where there is none.

    Raises:
        ReadFailed: the brokers can't be asked.
    """
    answer = await _answer_at(reader, record_id)
    if answer is None:
        return None
    records, end = answer
    raw = _first(records)
    offset, fault, behind = _tried(
        record_id, raw if raw or not isinstance(records, NotGiven) else records
    )
    if fault and behind is not None and not await _begins(reader, record_id, behind, end):
        behind = None
    return RawBatch(record_id._replace(offset=offset), raw, fault, behind, dict(_head(raw)))


async def _answer_at(reader: RecordReader, record_id: RecordId) -> tuple[bytes, int] | None:
    """Return what a broker answers to a fetch from an offset, undecoded, and the end of what it gives from there.

    The answer begins with the batch that holds the offset. None where there is no such batch, or none any more.
    """
    if record_id.partition not in (await reader.partitions(record_id.topic))[record_id.topic]:
        return None
    tp = TopicPartition(record_id.topic, record_id.partition)
    answer = await fetch_raw(reader, tp, record_id.offset, READ_UNCOMMITTED)
    if answer.code == OffsetOutOfRangeError.errno or (not answer.code and not answer.records):
        return None
    with brokers_asked(reader._connection):  # noqa: SLF001  # the same package
        if answer.code:
            raise for_code(answer.code)
    return answer.records, answer.end


def _first(records: bytes) -> bytes:
    batches = RecordSet(records)
    with suppress(Exception):  # that it can't be read is why we are here
        batches.next_batch()
    return batches.last


def _tried(record_id: RecordId, raw: bytes) -> tuple[int, str, int | None]:
    """Return the first offset from this one that can't be read, what is wrong there, and the offset behind the batch."""
    tp = TopicPartition(record_id.topic, record_id.partition)
    records = partition_records(tp, raw, record_id.offset, READ_UNCOMMITTED)
    for _ in records:
        pass
    if records.fault:
        return records.next_fetch_offset, records.fault, records.behind
    return record_id.offset, "", records.next_fetch_offset


async def _begins(reader: RecordReader, record_id: RecordId, behind: int, end: int) -> bool:
    """Tell whether the log agrees that a damaged batch ends there: with its end, or with a batch that begins there or later."""
    if behind <= record_id.offset or behind > end:
        return False
    if behind == end:
        return True
    answer = await _answer_at(reader, record_id._replace(offset=behind))
    if answer is None:
        return False
    raw = _first(answer[0])
    return len(raw) > _MAGIC_AT and (
        raw[_MAGIC_AT] != _PRESENT or _HEAD.unpack_from(raw)[0] >= behind
    )


def _head(raw: bytes) -> Iterator[tuple[str, str]]:
    yield "bytes", str(len(raw))
    if len(raw) <= _MAGIC_AT + 1:
        return
    magic = raw[_MAGIC_AT]
    yield "version of records", str(magic)
    if magic != _PRESENT:
        offset, _, crc, _, attributes = _OLD_HEAD.unpack_from(raw)
        yield "last offset", str(offset)
        yield "compression", _codec(attributes)
        yield "checksum", f"{crc:#010x}"
    elif len(raw) >= _HEAD.size:
        (first, _, epoch, _, crc, attributes, more, first_ms, last_ms, producer, _, _, count) = (
            _HEAD.unpack_from(raw)
        )
        yield "first offset", str(first)
        yield "last offset", str(first + more)
        yield "records", str(count)
        yield "compression", _codec(attributes)
        yield "checksum", f"{crc:#010x}"
        yield "transaction", "yes" if attributes & 0x10 else "no"
        yield "first time", str(first_ms)
        yield "last time", str(last_ms)
        yield "producer id", str(producer)
        yield "leader epoch", str(epoch)


def _codec(attributes: int) -> str:
    number = attributes & 7
    return _CODECS[number] if number < len(_CODECS) else f"{number}, which nobody knows"
