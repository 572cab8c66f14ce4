"""Where a new lane begins to read so that it remembers what was settled last before it was opened.

The memory of settled records goes with its lane. A second copy of a retry that comes after a rebalance would be attempted
again, and one notification would climb two ladders. So a lane of a retry topic reads the last records below its committed
offset again, remembers them, and does nothing else with them.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.member import led
from streams.kafka.format.records import PartitionId

log = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 2.0
"""How long a rebalance waits for the ends of logs; without them lanes begin with no memory."""
_ELECTION_SECONDS: Final = 1.0
"""How long before that it waits for partitions that have no leader."""
_ELECTION_LOOKS: Final = 10


@dataclass(frozen=True, slots=True)
class Starts:
    """Where partitions are to be read from.

    Attributes:
        offsets: what is committed of each; None where nothing is, for its beginning.
        finished: by partition, offsets above the committed one that its former owner has settled.
        recalls: those that are read from further back, and from where.
        topic_ids: of the topics that they are offsets of; empty where it is not known.
    """

    offsets: dict[TopicPartition, int | None]
    finished: dict[PartitionId, frozenset[int]]
    recalls: dict[TopicPartition, int]
    topic_ids: dict[TopicPartition, str]


async def starts_of_recall(
    consumer: AIOKafkaConsumer, lanes: Lanes, committed: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return from where partitions are to be read whose settled records are remembered; without those of which nobody can say now.

    Args:
        consumer: asks the brokers.
        lanes: know how many records are remembered.
        committed: the offset of each partition below which all is settled.
    """
    wanted = [tp for tp, offset in committed.items() if offset and lanes.recalled_of(tp.topic)]
    if not wanted:
        return {}
    asked = await _led_soon(consumer, wanted)
    if len(asked) < len(wanted):
        _say_not_read(f"{len(wanted) - len(asked)} partitions have no leader")
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            begins, ends = await asyncio.gather(
                consumer.beginning_offsets(asked), consumer.end_offsets(asked)
            )
    except (KafkaError, TimeoutError) as error:
        _say_not_read(error or type(error).__name__)
        return {}
    # A log that ends before what is committed is not the one that was read: there nothing counts as settled.
    return {
        tp: min(committed[tp], max(begins[tp], committed[tp] - lanes.recalled_of(tp.topic)))
        for tp in asked
        if committed[tp] <= ends[tp]
    }


async def _led_soon(
    consumer: AIOKafkaConsumer, wanted: list[TopicPartition]
) -> list[TopicPartition]:
    """Return those that have a leader, or get one in a moment: one that is being elected is the reason of many a rebalance."""
    for _ in range(_ELECTION_LOOKS):
        if len(led(consumer, wanted)) == len(wanted):
            break
        consumer._client.force_metadata_update()  # noqa: SLF001  # aiokafka has no public word for it
        await asyncio.sleep(_ELECTION_SECONDS / _ELECTION_LOOKS)
    return led(consumer, wanted)


def _say_not_read(why: object) -> None:
    log.warning(
        "the ends of retry topics can't be read, so second copies of what was settled before may be attempted again: %s",
        why,
    )
