"""Which partition a key goes to, and where its records may stand in a topic whose partitions were added to.

Our own records are always spread by Kafka's usual rule (murmur2 of the key). A source topic is written by others, and
their clients have other rules (librdkafka's usual one is CRC-32): nobody may look for a key there by this one.
"""

from collections.abc import Sequence

from aiokafka.partitioner import murmur2

STALE_MS = 600_000
"""So long a producer may go on with the old number of partitions: it looks for news every 5 minutes."""


def partition_of(key: bytes, count: int) -> int:
    """Return the partition to which our producer (and Java's) writes a key, of so many."""
    return _hash(key) % count


def where_written(key: bytes, first_ms: Sequence[int | None]) -> dict[int, int | None]:
    """Return the partitions in which our records with a key may stand, each with the time until which; None has no end.

    A topic doesn't tell how many partitions it had before. But a partition's first record shows that it was there by
    then: a smaller number was in force at most until that time.

    Args:
        key: the records'.
        first_ms: by partition, the time of the first record that it still has, milliseconds since the epoch; None where
            it has none.
    """
    number, count = _hash(key), len(first_ms)
    limits: dict[int, int | None] = {number % count: None}
    until: int | None = None
    for smaller in range(count - 1, 0, -1):
        first = first_ms[smaller]
        if first is not None:
            until = first if until is None else min(until, first)
        partition, limit = number % smaller, None if until is None else until + STALE_MS
        if partition not in limits:
            limits[partition] = limit
        elif (before := limits[partition]) is not None:
            limits[partition] = None if limit is None else max(before, limit)
    return limits


def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF
