"""Asks a broker for the batches of a partition and returns their bytes, undecoded."""

from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.fetch import FetchRequest

from streams.kafka.reader.failures import brokers_asked
from streams.kafka.reader.reader import RecordReader

_PARTITION_BYTES: Final = 4 * 1024 * 1024
_ANSWER_BYTES: Final = 50 * 1024 * 1024
_WAIT_MS: Final = 500


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What a broker gives of one partition.

    Attributes:
        code: Kafka's error code; 0 where there is none.
        end: the offset behind the last record that there is.
        aborted: producer and first offset of each transaction that was aborted in what is given.
        records: the batches, from the one that holds the offset asked for; the last may be cut off.
    """

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
        return RawAnswer(NotLeaderForPartitionError.errno, 0, [], b"")
    wanted = [(tp.topic, [(tp.partition, offset, _PARTITION_BYTES)])]
    request = FetchRequest(_WAIT_MS, 1, _ANSWER_BYTES, isolation, wanted, rack_id="")
    with brokers_asked(reader._connection):  # noqa: SLF001  # the same package
        answer = await client.send(leader, request)
    ((_, ((_, code, end, *_, aborted, _, records),)),) = answer.topics
    return RawAnswer(code, end, aborted or [], records or b"")
