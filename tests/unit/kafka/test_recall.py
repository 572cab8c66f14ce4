"""A new lane remembers what was settled last below its committed offset, and handles none of it."""

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer import recall
from streams.kafka.consumer.recall import starts_of_recall
from tests.support.lanes import TAG, Desk, limits, record
from tests.unit.kit import turns

PARTITION = TopicPartition(*TAG)
LEADERLESS, UNKNOWN = (TopicPartition(TAG[0], number) for number in (7, 8))


@pytest.fixture
def desk():
    made = Desk(limits(recalled=3))
    made.lanes.open(1, {})
    return made


def _brokers(start, end):
    async def beginning_offsets(partitions):
        return dict.fromkeys(partitions, start)

    async def end_offsets(partitions):
        return dict.fromkeys(partitions, end)

    leaders = {LEADERLESS: -1, UNKNOWN: None}
    client = SimpleNamespace(
        leaders=leaders,
        cluster=SimpleNamespace(leader_for_partition=lambda tp: leaders.get(tp, 1)),
        force_metadata_update=lambda: None,
    )
    return SimpleNamespace(
        beginning_offsets=beginning_offsets, end_offsets=end_offsets, _client=client
    )


async def test_what_lies_below_the_committed_offset_is_remembered_and_not_handled(desk):
    """It is settled: no attempt, no place in the lane, and the offset does not go back."""
    assert desk.lanes.recall_before(TAG, 10)
    for offset in (7, 8, 9):
        desk.lanes.admit(record(offset), 1)
    await turns()
    assert (desk.recalled, desk.work.started) == ([7, 8, 9], [])
    assert desk.lanes.progress() == {}
    desk.lanes.admit(record(10), 1)
    await turns()
    assert (desk.recalled, desk.work.started) == ([7, 8, 9], [10])
    assert desk.lanes.progress() == {TAG: CommittedState(10)}
    await desk.end(10)
    assert desk.lanes.progress() == {TAG: CommittedState(11)}


async def test_positions_below_the_committed_offset_are_passed_only_up_to_it(desk):
    """A commit never goes back to what is read again, and settled records that are not read again yet do not count as waiting."""
    assert desk.lanes.recall_before(TAG, 10)
    desk.lanes.pass_to({TAG: (8, 7)})
    assert desk.lanes.progress() == {TAG: CommittedState(10)}
    assert desk.lanes.pending({TAG: (8, 15)}) == {TAG: 5}
    desk.lanes.pass_to({TAG: (12, 9)})  # two markers
    assert desk.lanes.progress() == {TAG: CommittedState(12)}


async def test_only_a_lane_that_is_not_open_yet_recalls(desk):
    """One that is open has a memory, and has read on: from before, its records would be handled twice."""
    desk.lanes.admit(record(10), 1)
    assert not desk.lanes.recall_before(TAG, 10)
    other = ("topic", 1)
    desk.lanes.give_up([other])
    assert not desk.lanes.recall_before(other, 10)
    desk.lanes.stop_starting()
    assert not desk.lanes.recall_before(("topic", 2), 10)
    assert desk.lanes.begins_at(TAG) == 0


async def test_the_next_generation_begins_without_the_offsets_of_the_one_before(desk):
    """They are of partitions that may have moved on since; a partition that is given up begins anew."""
    assert desk.lanes.recall_before(TAG, 10)
    desk.lanes.give_up([TAG])
    assert desk.lanes.begins_at(TAG) == 0
    desk.lanes.close()
    desk.lanes.open(2, {})
    assert desk.lanes.recall_before(TAG, 12)
    desk.lanes.close()
    desk.lanes.open(3, {})
    assert desk.lanes.begins_at(TAG) == 0


@pytest.mark.parametrize(
    ("committed", "start", "end", "expected"),
    [(10, 0, 10, 7), (2, 0, 5, 0), (10, 8, 20, 8), (10, 10, 20, 10), (10, 12, 20, 10)],
)
async def test_so_many_records_are_recalled_and_none_that_is_gone(
    desk, committed, start, end, expected
):
    """Three here; from the begin of the log where there are fewer; never above what is committed."""
    found = await starts_of_recall(_brokers(start, end), desk.lanes, {PARTITION: committed})
    assert found == {PARTITION: expected}


async def test_a_log_that_ends_before_what_is_committed_recalls_nothing(desk):
    """It is not the log that was read: what is written to it next would count as settled, and be lost."""
    assert await starts_of_recall(_brokers(0, 9), desk.lanes, {PARTITION: 10}) == {}


async def test_where_nothing_is_to_be_recalled_nobody_is_asked():
    """Source topics, and partitions of which nothing is settled: a rebalance waits for no answer."""
    desk = Desk()
    assert await starts_of_recall(SimpleNamespace(), desk.lanes, {PARTITION: 10}) == {}
    desk = Desk(limits(recalled=3))
    assert await starts_of_recall(SimpleNamespace(), desk.lanes, {PARTITION: 0}) == {}
    unread = TopicPartition("another", 0)
    assert await starts_of_recall(SimpleNamespace(), desk.lanes, {unread: 10}) == {}


@pytest.mark.parametrize("error", [KafkaConnectionError("away"), TimeoutError()])
async def test_brokers_that_cannot_say_hold_up_no_rebalance(desk, error, caplog):
    """Retries go on without the memory; the log says what that means."""
    brokers = _brokers(0, 10)

    async def fails(_partitions):
        raise error

    brokers.end_offsets = fails
    assert await starts_of_recall(brokers, desk.lanes, {PARTITION: 10}) == {}
    assert "second copies" in caplog.text


async def test_a_partition_without_a_leader_takes_the_memory_of_no_other(desk, caplog, monkeypatch):
    """One whose brokers are away for hours: the copies on all others are recognised."""
    monkeypatch.setattr(recall, "_ELECTION_SECONDS", 0.01)
    committed = dict.fromkeys((LEADERLESS, PARTITION, UNKNOWN), 10)
    brokers = _brokers(0, 10)
    ends = brokers.end_offsets

    async def answers_when_all_have_leaders(partitions):
        assert not {LEADERLESS, UNKNOWN} & set(partitions)
        return await ends(partitions)

    brokers.end_offsets = answers_when_all_have_leaders
    assert await starts_of_recall(brokers, desk.lanes, committed) == {PARTITION: 7}
    assert "second copies" in caplog.text
    assert "2 partitions have no leader" in caplog.text


async def test_a_partition_that_is_getting_a_leader_is_waited_for(desk, caplog):
    """A broker's crash brings the election and the rebalance together, and with them the copies that are to be recognised."""
    brokers = _brokers(0, 10)
    brokers._client.force_metadata_update = lambda: brokers._client.leaders.pop(LEADERLESS, None)
    assert await starts_of_recall(brokers, desk.lanes, {LEADERLESS: 10}) == {LEADERLESS: 7}
    assert not caplog.text


async def test_brokers_that_do_not_answer_hold_up_a_rebalance_for_a_moment(desk, monkeypatch):
    """The wait is bounded."""
    monkeypatch.setattr(recall, "_PATIENCE_SECONDS", 0.01)
    brokers = _brokers(0, 10)

    async def waits(_partitions):
        await turns(10**9)

    brokers.end_offsets = waits
    assert await starts_of_recall(brokers, desk.lanes, {PARTITION: 10}) == {}
