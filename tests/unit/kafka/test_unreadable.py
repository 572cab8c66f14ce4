"""A partition stands still at a batch that can't be read, and nothing else does: `streams.kafka.format.unreadable`."""

import struct
import zlib
from types import SimpleNamespace

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from streams.kafka.format import unreadable
from streams.kafka.format.batches import RecordSet
from streams.kafka.format.codecs import BatchTooLarge
from streams.kafka.format.raw import RecordId
from streams.kafka.format.unreadable import FetchResult, PartitionRecords, fault_of, unreadable_of
from tests.support.batches import batch, flipped, rows

CHECKED = True
TAG = TopicPartition("final", 3)


class Partition:
    """aiokafka's own state of a partition, and what fetches bring of it."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(unreadable, "time", SimpleNamespace(monotonic=lambda: self.now))
        self._subscription = SubscriptionState()
        self._subscription.assign_from_user({TAG})
        self.assignment = self._subscription.subscription.assignment
        self.state = self.assignment.state_value(TAG)
        self.state.reset_to(0)
        self.state.highwater = 100

    def fetched(self, raw):
        """Return what a fetch from the present position brings."""
        records = PartitionRecords(
            TAG, RecordSet(raw), None, self.state.position, None, None, CHECKED, READ_COMMITTED
        )
        return FetchResult(TAG, assignment=self.assignment, partition_records=records, backoff=0.1)

    @property
    def unreadable(self):
        """Where it stands still."""
        return unreadable_of(self)


@pytest.fixture
async def partition(monkeypatch):
    """A partition that stands at 0."""
    return Partition(monkeypatch)


DAMAGED = batch(rows(3)) + flipped(batch(rows(4), 3), 80) + batch(rows(3), 7)


async def test_it_gives_what_stands_before_and_holds(partition, caplog):
    """The records before the batch, then none; it stays where it is, which keeps aiokafka from fetching it again."""
    result = partition.fetched(DAMAGED)
    assert [seen.offset for seen in result.getall(2)] == [0, 1]
    assert partition.unreadable == []
    assert [seen.offset for seen in result.getall(500)] == [2]
    for _ in range(3):
        assert result.getall(500) == []
        assert result.has_more()
        assert result.calculate_backoff() < 0.2
    assert partition.state.position == 3
    (found,) = partition.unreadable
    assert (found.record_id, found.fault, found.behind) == (
        RecordId("final", 3, 3),
        "wrong checksum (CRC)",
        7,
    )
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    for text in ("final, partition 3", "offset 3", "wrong checksum", "final:3:3"):
        assert text in caplog.text


async def test_it_is_looked_at_again_more_and_more_seldom(partition, caplog):
    """After 1, 2, 4 and at most 60 s, and each look says so once more."""
    partition.fetched(DAMAGED).getall()
    pauses = []
    for _ in range(9):
        result = partition.fetched(DAMAGED[len(batch(rows(3))) :])
        assert result.getall() == []
        pause = partition.unreadable[0].pause_seconds
        partition.now += pause - 0.01
        assert result.getall() == []
        assert result.has_more()
        partition.now += 0.02
        assert result.getall() == []
        assert not result.has_more()
        pauses.append(pause)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert len(caplog.records) == 10


async def test_it_goes_on_when_the_batch_is_whole_again(partition):
    """As after the partition's leader moved to a broker that has it whole."""
    partition.fetched(DAMAGED).getall()
    whole = partition.fetched(batch(rows(4), 3) + batch(rows(3), 7))
    assert [seen.offset for seen in whole.getall()] == list(range(3, 10))
    assert partition.unreadable == []
    assert not whole.has_more()


async def test_a_hold_ends_with_its_position(partition):
    """A group that was sent elsewhere, or lost the partition, is not held by what was there."""
    result = partition.fetched(DAMAGED)
    result.getall()
    partition.state.seek(7)
    assert partition.unreadable == []
    assert result.getall() == []
    assert not result.has_more()


async def test_an_end_that_cannot_be_right_is_not_told(partition):
    """Beyond what the broker has, or not behind the place."""
    partition.state.highwater = 6
    partition.fetched(DAMAGED).getall()
    assert partition.unreadable[0].behind is None


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BatchTooLarge(), "decompresses to more than 64 MiB"),
        (UnsupportedCodecError("Unknown compression codec 0x05"), "Unknown compression codec 0x05"),
        (CorruptRecordException("Can't read"), "Can't read"),
        (CorruptRecordException(), "damaged"),
        (cramjam.DecompressionError("bad"), "its data can't be decompressed or decoded: bad"),
        (zlib.error("bad"), "its data can't be decompressed or decoded: bad"),
        (struct.error("short"), "its records are not where it says: short"),
        (MemoryError("no"), "MemoryError: no"),
    ],
)
def test_every_error_is_one_sentence(error, says):
    """Whatever a decoder raises."""
    assert fault_of(error) == says
