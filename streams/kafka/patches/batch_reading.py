"""Reads every batch that Kafka allows, and holds a partition at one that can't be read.

Upstream: aiokafka's issue 321 (a corrupt batch ends consumption). None filed known for logs that change from old versions
of records to the present one, for header names that are no UTF-8, and for reading behind the end of a damaged batch.

Why: see `streams.kafka.format.batches` for what aiokafka's reader can't do, `streams.kafka.format.unreadable` for what it raises: the
error of one batch ends a worker, again after each start, and takes with it records of other partitions that were read.

Remove when: aiokafka reads batches of all versions in one answer, gives header names as bytes, and tells of a batch that
it can't read without losing what it has read of other partitions.
"""

from typing import Final

from aiokafka.consumer import fetcher

from streams.kafka.format.batches import RecordSet
from streams.kafka.format.unreadable import FetchResult, PartitionRecords

REPLACES: Final = tuple(
    f"aiokafka.consumer.fetcher.{name}"
    for name in ("MemoryRecords", "PartitionRecords", "FetchResult")
)


def apply() -> None:
    """Make every consumer of this process read so. Calling it again does no harm."""
    fetcher.MemoryRecords = RecordSet
    fetcher.PartitionRecords = PartitionRecords
    fetcher.FetchResult = FetchResult
