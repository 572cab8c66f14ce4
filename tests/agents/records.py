"""Records that tests write to the Kafka in memory, and what was committed of them."""

from aiokafka import TopicPartition

from streams.kafka.consumer.route import LaneLimits

A, B = ("a", 0), ("b", 0)
TIGHT = LaneLimits(max_uncommitted=10, max_buffered=1000, remembered=10)


def values(name, count, first=0):
    """Return the values of so many records, in order."""
    return [f"{name}{number}".encode() for number in range(first, first + count)]


def offsets(member, topic="a"):
    """Return every offset that was ever committed for a partition, in order."""
    partition = TopicPartition(topic, 0)
    return [commit[partition].offset for commit in member.kafka.commits if partition in commit]
