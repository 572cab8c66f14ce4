"""Asks a broker for the batches of a partition: their bytes, and those records in them that are wanted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import NotLeaderForPartitionError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest

from streams.kafka.format.batches import NotGiven
from streams.kafka.format.raw import RawRecord, raw_record
from streams.kafka.format.unreadable import partition_records
from streams.kafka.reader.failures import ReadFailed, brokers_asked
from streams.kafka.reader.reader import OnProgress, ReadProgress, RecordReader, Span

log = logging.getLogger(__name__)

_PARTITION_BYTES: Final = 4 * 1024 * 1024
_ANSWER_BYTES: Final = 50 * 1024 * 1024
_WAIT_MS: Final = 500
_STALLED_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What a broker gives of one partition.

    Attributes:
        offset: the first one that was asked for.
        code: Kafka's error code; 0 where there is none.
        end: the offset behind the last record that there is.
        aborted: producer and first offset of each transaction that was aborted in what is given.
        records: the batches, from the one that holds the offset asked for; the last may be cut off.
    """

    offset: int
    code: int
    end: int
    aborted: list[tuple[int, int]]
    records: bytes


async def fetch_raw(
    reader: RecordReader, tp: TopicPartition, offset: int, isolation: int
) -> RawAnswer:
    """Fetch once from the partition's leader.

    Args:
        reader: its connections are used.
        tp: the partition.
        offset: the first one wanted.
        isolation: aiokafka's `READ_COMMITTED` or `READ_UNCOMMITTED`.

    Raises:
        ReadFailed: the brokers can't be asked.
    """
    client: Any = reader._consumer._client  # noqa: SLF001  # aiokafka has no public word for it
    leader = client.cluster.leader_for_partition(tp)
    if leader is None or leader < 0:
        return RawAnswer(offset, NotLeaderForPartitionError.errno, 0, [], b"")
    wanted = [(tp.topic, [(tp.partition, offset, _PARTITION_BYTES)])]
    request = FetchRequest(_WAIT_MS, 1, _ANSWER_BYTES, isolation, wanted, rack_id="")
    with brokers_asked(reader._connection):  # noqa: SLF001  # the same package
        answer = await client.send(leader, request)
    ((_, ((_, code, end, *_, aborted, _, records),)),) = answer.topics
    return RawAnswer(offset, code, end, aborted or [], records or b"")


async def answer_at(
    reader: RecordReader, tp: TopicPartition, offset: int, end: int
) -> RawAnswer | None:
    """Return an answer with committed records from an offset, or from where retention begins meanwhile.

    None where nothing before `end` is there any more.

    Raises:
        ReadFailed: the brokers can't be asked, or give nothing for some time.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        answer = await fetch_raw(reader, tp, offset, READ_COMMITTED)
        if answer.code == OffsetOutOfRangeError.errno:
            with brokers_asked(reader._connection):  # noqa: SLF001  # the same package
                begin = (await reader._consumer.beginning_offsets([tp]))[tp]  # noqa: SLF001  # the same package
            if not offset < begin < end:
                return None
            offset = begin
            continue
        if not answer.code and (answer.records or isinstance(answer.records, NotGiven)):
            return answer
        error = for_code(answer.code)
        if answer.code and not error.retriable:
            with brokers_asked(reader._connection):  # noqa: SLF001  # the same package
                raise error
        if clock() - began > _STALLED_SECONDS:
            message = (
                f"the brokers gave nothing of {tp.topic} {tp.partition} for {_STALLED_SECONDS:g} s"
            )
            raise ReadFailed(message)
        await asyncio.sleep(_PAUSE_SECONDS)
        await reader._consumer._client.force_metadata_update()  # noqa: SLF001  # aiokafka has no public word for it


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was wanted of an answer.

    Attributes:
        records: those.
        behind: the offset to go on at.
        left_out: the batch before it that can't be read, which a warning says; None where there is none.
    """

    records: list[RawRecord]
    behind: int
    left_out: Span | None


def decode(
    tp: TopicPartition, answer: RawAnswer, is_wanted: Callable[[Any], bool] | None
) -> Decoded:
    """Return the records that are wanted, from the offset that was asked for; no object is made of any other.

    Args:
        tp: the partition.
        answer: the broker's.
        is_wanted: given aiokafka's record, with `key`, `value` and `headers`; None where all are.

    Raises:
        ReadFailed: no batch came whole, or where one that can't be read ends can't be told.
    """
    batches = partition_records(tp, answer.records, answer.offset, READ_COMMITTED, answer.aborted)
    batches.is_wanted = is_wanted
    records = [raw_record(record) for record in batches]
    at = batches.next_fetch_offset
    if not batches.fault and at <= answer.offset:
        message = f"{tp.topic} {tp.partition}: at offset {at} comes no whole batch"
        raise ReadFailed(message)
    if not batches.fault:
        return Decoded(records, at, None)
    if batches.behind is None or batches.behind <= answer.offset:
        message = f"{tp.topic}:{tp.partition}:{at} can't be read, and where its batch ends can't be told: {batches.fault}"
        raise ReadFailed(message)
    log.warning(
        "offsets %s to %s of topic %s, partition %s are left out of what follows: %s",
        *(at, batches.behind - 1, *tp, batches.fault),
    )
    return Decoded(records, batches.behind, Span(tp.topic, tp.partition, at, batches.behind))


async def scan(
    reader: RecordReader,
    spans: Iterable[Span],
    is_wanted: Callable[[Any], bool] | None,
    on_progress: OnProgress | None = None,
) -> AsyncIterator[list[RawRecord]]:
    """Yield the records of spans that are wanted (None: all), one partition after the other, each in its order.

    Some ten times faster than `RecordReader.read` where few are, and in the memory of one answer.

    Raises:
        ReadFailed: as `answer_at` and `decode` do.
    """
    spans = [span for span in spans if span.length]
    of, before = sum(span.length for span in spans), 0
    await reader.partitions(*{span.topic for span in spans})  # learns of their leaders
    if on_progress is not None and of:
        on_progress(ReadProgress(0, of))
    for span in spans:
        tp, at = TopicPartition(span.topic, span.partition), span.start
        while at < span.end and (answer := await answer_at(reader, tp, at, span.end)) is not None:
            decoded = decode(tp, answer, is_wanted)
            if decoded.left_out is not None and decoded.left_out.start < span.end:
                reader.left_out.append(decoded.left_out)
            yield [record for record in decoded.records if record.offset < span.end]
            at = decoded.behind
            if on_progress is not None:
                on_progress(ReadProgress(before + min(at, span.end) - span.start, of))
        before += span.length
