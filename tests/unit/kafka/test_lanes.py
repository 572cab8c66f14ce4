"""Lanes: the offset that may be committed, the limits of what is read, buffered and handled at once."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.committed_state import CommittedState
from tests.support.lanes import TAG, Desk, limits, record
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import turns


@given(data=st.data())
def test_whatever_the_order_of_completion_the_offset_stays_at_the_first_unfinished(data):
    """The one promise that everything else stands on; offsets may have holes (compaction, transactions)."""
    offsets = sorted(data.draw(st.sets(st.integers(0, 60), min_size=1, max_size=12)))
    window = data.draw(st.integers(1, 12))

    async def complete(desk):
        coming = list(offsets)
        finished: set[int] = set()
        while len(finished) < len(offsets):
            under_way = [n for n in desk.work.started if n not in finished]
            if coming and (not under_way or data.draw(st.booleans())):
                desk.lane.admit(record(coming.pop(0)))
            else:
                offset = data.draw(st.sampled_from(under_way))
                desk.work.end(offset)
                finished.add(offset)
            await turns(4)
            assert desk.lane.in_flight <= window
            read = [n for n in offsets if n not in coming]
            first = next((n for n in read if n not in finished), None)
            assert desk.lane.progress == (
                CommittedState(read[-1] + 1)
                if first is None
                else CommittedState(first, frozenset(n for n in finished if n > first))
            )
        assert desk.lane.progress == CommittedState(offsets[-1] + 1)
        assert desk.lane.held == desk.lane.in_flight == 0

    async def run():
        desk = Desk(window=window)
        try:
            await complete(desk)
        finally:
            desk.lane.abandon()
            await turns()

    asyncio.run(run())


async def test_two_hundred_in_flight_and_the_head_held(new_desk):
    """Faust would commit 200 here (its issue 606)."""
    desk = new_desk()
    for offset in range(200):
        desk.lane.admit(record(offset))
    await desk.work.until_started(*range(200))
    await desk.end(*range(1, 200))
    assert desk.lane.progress == CommittedState(0, frozenset(range(1, 200)))
    assert (desk.lane.held, desk.lane.in_flight) == (200, 1)
    await desk.end(0)
    assert desk.lane.progress == CommittedState(200)


async def test_the_window_bounds_what_is_handled_at_once(new_desk):
    """The next starts when one has ended."""
    desk = new_desk(window=2)
    for offset in range(4):
        desk.lane.admit(record(offset))
    await turns()
    assert desk.work.started == [0, 1]
    await desk.end(1)
    assert desk.work.started == [0, 1, 2]
    await desk.end(0)
    assert desk.work.started == [0, 1, 2, 3]


async def test_lanes_share_the_window_by_turns(new_desk):
    """What comes free goes to the lane that has waited longest, and a full lane does not keep the others out."""
    desk = new_desk(window=2)
    desk.lanes.open(1, {})
    for offset in range(3):
        desk.lanes.admit(record(offset), 1)
    for offset in range(10, 13):
        desk.lanes.admit(record(offset, partition=1), 1)
    await turns()
    assert desk.work.started == [0, 1]
    await desk.end(0)
    await desk.end(1)
    assert desk.work.started == [0, 1, 2, 10]
    await desk.end(2)
    await desk.end(10, partition=1)
    assert desk.work.started == [0, 1, 2, 10, 11, 12]


async def test_a_lane_that_drains_in_line_lets_the_next_one_by(new_desk):
    """Its turn is nobody's loss."""
    desk = new_desk(window=1)
    desk.lanes.open(1, {})
    desk.lanes.admit(record(0), 1)
    desk.lanes.admit(record(10, partition=1), 1)
    desk.lanes.admit(record(20, topic="other"), 1)
    await turns()
    leaving = next(lane for lane in desk.lanes if lane.partition == ("topic", 1))
    leaving.stop_starting()
    await desk.end(0)
    assert desk.work.started == [0, 20]


async def test_the_span_closes_the_tap_and_opens_it_at_three_quarters(new_desk):
    """Hysteresis: a flow that stopped at every record would stop the flow for 0.1 s each time."""
    desk = new_desk(limits(span=8))
    for offset in range(10):  # two were on their way when the flow was paused
        desk.lane.admit(record(offset))
    await turns()
    assert desk.flow.turned == [("pause", TAG)]
    assert desk.work.started == list(range(10))
    await desk.end(0, 1, 2)
    assert desk.flow.turned == [("pause", TAG)]
    await desk.end(3)
    assert desk.lane.held == 6
    assert desk.flow.turned == [("pause", TAG), ("resume", TAG)]
    for offset in (10, 11):
        desk.lane.admit(record(offset))
    assert desk.flow.turned[2:] == [("pause", TAG)]


async def test_a_held_head_keeps_the_tap_closed_however_much_is_done_behind_it(new_desk):
    """The span bounds what a SIGKILL repeats."""
    desk = new_desk(limits(span=4))
    for offset in range(4):
        desk.lane.admit(record(offset))
    await turns()
    await desk.end(1, 2, 3)
    assert desk.flow.turned == [("pause", TAG)]
    await desk.end(0)
    assert desk.flow.turned == [("pause", TAG), ("resume", TAG)]


async def test_what_waits_closes_the_tap_and_its_start_opens_it(new_desk):
    """A tier holds few records in memory, the millions stay in Kafka."""
    desk = new_desk(limits(waiting=4))
    for offset in range(4):
        desk.lane.admit(record(offset, due=1005))
    await turns()
    assert desk.work.started == []
    assert desk.flow.turned == [("pause", TAG)]
    assert desk.lane.next_due_at_ms == 1005
    desk.clock.ms = 1005
    await desk.work.until_started(0, 1, 2, 3)
    assert desk.flow.turned == [("pause", TAG), ("resume", TAG)]
    assert desk.lane.next_due_at_ms is None


async def test_what_the_former_owner_finished_is_not_handled_again(new_desk):
    """It stands beside the committed offset; only what was in flight is repeated."""
    desk = new_desk()
    desk.lanes.open(2, {TAG: frozenset({11, 12, 14})})
    for offset in range(10, 16):
        desk.lanes.admit(record(offset), 2)
    desk.lanes.admit(record(11, partition=1), 2)
    await turns()
    assert sorted(desk.work.started) == [10, 11, 13, 15]
    assert desk.recalled == [11, 12, 14]
    assert desk.lanes.progress()[TAG] == CommittedState(10, frozenset({11, 12, 14}))
    await desk.end(10)
    assert desk.lanes.progress()[TAG] == CommittedState(13, frozenset({14}))
    await desk.end(15, 13)
    assert desk.lanes.progress()[TAG] == CommittedState(16)


async def test_what_the_former_owner_finished_further_on_is_not_forgotten(new_desk):
    """This owner's commits said nothing of what it had not read yet; after its end that was attempted again."""
    desk = new_desk()
    desk.lanes.open(2, {TAG: frozenset({11, 14, 15})})
    desk.lanes.admit(record(10), 2)
    await turns()
    assert desk.lanes.progress()[TAG] == CommittedState(10, frozenset({11, 14, 15}))
    await desk.end(10)
    assert desk.lanes.progress()[TAG] == CommittedState(11, frozenset({11, 14, 15}))
    desk.lanes.admit(record(16), 2)  # 11 to 15 were compacted away, or are markers of transactions
    assert desk.lanes.progress()[TAG] == CommittedState(16)


async def test_a_lane_has_one_memory_and_no_other_lane_has_it(new_desk):
    """Copies stand on the same partition; what is remembered goes with it."""
    desk = new_desk()
    desk.lanes.open(1, {})
    for partition in (0, 1):
        desk.lanes.admit(record(0, partition=partition), 1)
        desk.lanes.admit(record(1, partition=partition), 1)
    await turns()
    assert len(desk.work.memories) == 2


@pytest.mark.parametrize("error", [ValueError("broken"), AssertionError(), SystemExit(3)])
async def test_a_handler_that_raises_crashes_the_worker_and_keeps_its_record(new_desk, error):
    """An invariant broke. The record is read again after the restart; those around it are unharmed."""
    desk = new_desk()
    for offset in range(3):
        desk.lane.admit(record(offset))
    await turns()
    desk.work.end(1, error)
    await turns()
    assert desk.crashes == [error]
    desk.lane.admit(record(3))
    await desk.end(0, 2)
    assert desk.work.started == [0, 1, 2]
    assert desk.lane.progress == CommittedState(1, frozenset({2}))
    assert desk.lane.held == 2


async def test_an_old_lane_has_no_say_in_the_offset_of_a_new_one(new_desk):
    """The same partition comes back with the next generation and begins anew."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.admit(record(5), 1)
    await turns()
    desk.lanes.close()
    desk.lanes.open(2, {})
    await turns()
    desk.lanes.admit(record(3), 2)
    await turns()
    await desk.end(3)
    assert desk.lanes.progress() == {TAG: CommittedState(4)}


async def test_each_partition_has_a_lane_of_its_own(new_desk):
    """A held head holds up its own partition only."""
    desk = new_desk()
    desk.lanes.open(1, {})
    for topic, partition in (("topic", 0), ("topic", 1), ("other", 0)):
        desk.lanes.admit(record(10, topic, partition), 1)
        desk.lanes.admit(record(11, topic, partition), 1)
    await turns()
    await desk.end(11)
    await desk.end(10, 11, topic="topic", partition=1)
    await desk.end(10, topic="other")
    assert desk.lanes.progress() == {
        ("topic", 0): CommittedState(10, frozenset({11})),
        ("topic", 1): CommittedState(12),
        ("other", 0): CommittedState(11, frozenset()),
    }
    assert sorted(lane.partition for lane in desk.lanes) == [
        ("other", 0),
        ("topic", 0),
        ("topic", 1),
    ]


async def test_what_no_reader_is_given_is_passed(new_desk):
    """Markers behind the last record are no work: they are committed with it, once it is settled and nothing else was read."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.pass_to({TAG: (0, None), ("other", 0): (7, None)})
    assert desk.lanes.progress() == {TAG: CommittedState(0), ("other", 0): CommittedState(7)}
    desk.lanes.admit(record(0), 1)
    await turns()
    desk.lanes.pass_to({TAG: (2, 0)})
    assert desk.lanes.progress()[TAG] == CommittedState(0)
    assert desk.lanes.pending({TAG: (2, 2)}) == {TAG: 1}
    await desk.end(0)
    desk.lanes.pass_to({TAG: (4, 2)})  # a record was read that has not come here yet
    assert desk.lanes.progress()[TAG] == CommittedState(1)
    desk.lanes.pass_to({TAG: (2, 0)})
    assert desk.lanes.progress()[TAG] == CommittedState(2)
    desk.lanes.pass_to({TAG: (1, 0)})
    assert desk.lanes.progress()[TAG] == CommittedState(2)
    assert desk.lanes.pending({TAG: (2, 2)}) == {TAG: 0}


async def test_nothing_is_passed_before_a_record_that_was_read_first(new_desk):
    """The position is behind it already, and it is on its way to its lane."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.pass_to({TAG: (9, 8)})
    assert desk.lanes.progress() == {}
    await desk.lanes.drain(0)
    desk.lanes.pass_to({TAG: (9, None)})
    assert desk.lanes.progress() == {}


async def test_what_the_former_owner_settled_is_not_pending(new_desk):
    """Only what lies ahead of the position: what was read is in the lane."""
    desk = new_desk()
    desk.lanes.open(1, {TAG: frozenset({3, 5})})
    assert desk.lanes.pending({TAG: (2, 8)}) == {TAG: 4}
    assert desk.lanes.settled_between(TAG, 2, 5) == 1
    for offset in (2, 3, 4):
        desk.lanes.admit(record(offset), 1)
    assert desk.lanes.pending({TAG: (5, 8)}) == {TAG: 2 + 2}


async def test_a_partition_that_is_given_up_commits_nothing_more(new_desk):
    """Its records are of a log that is gone: those that come are dropped, those in flight end, and a drain waits for them."""
    desk = new_desk(window=1)
    desk.lanes.open(1, {})
    for offset in range(3):
        desk.lanes.admit(record(offset), 1)
    desk.lanes.admit(record(0, topic="other"), 1)
    await turns()
    desk.lanes.give_up([TAG])
    desk.lanes.give_up([TAG])
    assert desk.lanes.is_given_up(TAG)
    desk.lanes.admit(record(3), 1)
    desk.lanes.pass_to({TAG: (4, None)})
    assert desk.lanes.progress() == {("other", 0): CommittedState(0)}
    drain = asyncio.create_task(desk.lanes.drain(TIMEOUT_SECONDS))
    await turns()
    assert not drain.done()
    await desk.end(0)
    assert await drain == 0
    assert desk.work.started == [0]
    desk.lanes.close()
    desk.lanes.open(2, {})
    desk.lanes.admit(record(0), 2)
    await turns()
    assert desk.lanes.progress() == {TAG: CommittedState(0)}


async def test_whoever_commits_knows_when_there_may_be_something():
    """As long as the count of changes stays the same, so does what may be committed: else a commit would be left out for ever."""
    desk = Desk()
    lanes = desk.lanes
    seen: dict[str, Any] = {}

    def look(what, *, changes):
        now = lanes.changes, lanes.progress()
        assert (now[0] != seen.get("changes")) == changes, what
        if now[0] == seen.get("changes"):
            assert now[1] == seen["progress"], what
        seen.update(changes=now[0], progress=now[1])

    lanes.open(1, {TAG: frozenset({8, 30})})
    look("opened", changes=True)
    for offset in (5, 6, 7, 8):
        lanes.admit(record(offset), 1)
        look(f"read {offset}", changes=True)
    lanes.admit(record(9), 0)
    look("of another generation", changes=False)
    await turns(5)
    look("begun", changes=False)
    for offset in (6, 5, 7):
        await desk.end(offset)
        look(f"settled {offset}", changes=True)
    assert seen["progress"] == {TAG: CommittedState(9, frozenset({30}))}
    lanes.pass_to({TAG: (12, 8)})
    look("passed markers", changes=True)
    lanes.pass_to({TAG: (12, 8)})
    look("passed nothing", changes=False)
    lanes.give_up([TAG])
    look("given up", changes=True)
    lanes.close()
    look("closed", changes=True)
