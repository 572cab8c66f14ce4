"""Lanes: the offset that may be committed, limits, due times, drains and generations."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.route import LaneLimits, NotYet, Route
from streams.kafka.format.records import InRecord
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import ManualClock, turns

TAG = ("topic", 0)


def limits(span=1000, waiting=1000):
    return LaneLimits(span, waiting, remembered=100)


def record(offset, topic="topic", partition=0, due=0):
    return InRecord(topic, partition, offset, None, b"", (("due-at-ms", str(due).encode()),))


def due_at_ms(read):
    return int(read.headers[0][1])


class Work:
    """A handler whose records end when the test says so."""

    def __init__(self):
        self.started = []
        self.cancelled = []
        self.memories = set()
        self._ends = {}
        self._changed = asyncio.Condition()

    async def handle(self, read, memory):
        self.memories.add(memory)
        name = (read.topic, read.partition, read.offset)
        end = self._ends[name] = asyncio.get_running_loop().create_future()
        self.started.append(read.offset)
        async with self._changed:
            self._changed.notify_all()
        try:
            await end
        except asyncio.CancelledError:
            self.cancelled.append(read.offset)
            raise

    def end(self, offset, error=None, topic="topic", partition=0):
        future = self._ends.pop((topic, partition, offset))
        future.set_exception(error) if error else future.set_result(None)

    async def until_started(self, *offsets):
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: set(offsets) <= set(self.started))


class RecordingFlow:
    """Remembers every pause of the flow."""

    def __init__(self):
        self.turned = []

    def pause(self, tag):
        self.turned.append(("pause", tag))

    def resume(self, tag):
        self.turned.append(("resume", tag))


class Desk:
    """A lane, or a member's lanes, with everything around it."""

    def __init__(self, at_most=None, clock=None, window=1000):
        self.work, self.flow, self.clock = Work(), RecordingFlow(), clock or ManualClock(1000)
        self.crashes: list[BaseException] = []
        self.route = Route(
            stage="1s", handle=self.work.handle, due_at_ms=due_at_ms, limits=at_most or limits()
        )
        self.lane = Lane(
            TAG,
            self.route,
            ConcurrencyLimit(window),
            self.flow,
            self.clock.now_ms,
            self.crashes.append,
        )
        self.lanes = Lanes(
            {"topic": self.route, "other": self.route},
            ConcurrencyLimit(window),
            self.flow,
            self.clock.now_ms,
            self.crashes.append,
        )

    async def end(self, *offsets, **where):
        for offset in offsets:
            self.work.end(offset, **where)
            await turns(5)


@pytest.fixture
async def new_desk():
    """Makes desks, and leaves nothing in flight behind."""
    made = []

    def make(*args, **kwargs):
        made.append(Desk(*args, **kwargs))
        return made[-1]

    yield make
    for desk in made:
        desk.lane.abandon()
        desk.lanes.close()
    await turns()


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


class CountingClock(ManualClock):
    """Says when it was asked for the n-th time."""

    def __init__(self, times):
        super().__init__(1000)
        self._left, self.asked = times, asyncio.Event()

    def now_ms(self):
        self._left -= 1
        if self._left == 0:
            self.asked.set()
        return super().now_ms()


async def test_a_timer_that_fires_early_only_sets_another(new_desk):
    """The loop's clock and the worker's are two; a retry is never early."""
    clock = CountingClock(times=4)  # once at the admission, then by three timers
    desk = new_desk(clock=clock)
    desk.lane.admit(record(0, due=1002))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await clock.asked.wait()
    await turns()
    assert desk.work.started == []
    clock.ms = 1002
    await desk.work.until_started(0)


async def test_only_what_is_due_starts(new_desk):
    """The first of two is due, the second waits for its own timer."""
    desk = new_desk()
    desk.lane.admit(record(0, due=1003))
    desk.lane.admit(record(1, due=1010))
    desk.clock.ms = 1003
    await desk.work.until_started(0)
    await turns()
    assert desk.work.started == [0]
    assert desk.lane.next_due_at_ms == 1010
    desk.clock.ms = 1010
    await desk.work.until_started(1)


async def test_a_record_due_earlier_than_those_before_it_starts_first(new_desk):
    """With jitter, due times rise only roughly along a partition; the offset still waits for the first."""
    desk = new_desk()
    desk.lane.admit(record(0, due=60_000))
    desk.lane.admit(record(1, due=1004))
    assert desk.lane.next_due_at_ms == 1004
    desk.clock.ms = 1004
    await desk.work.until_started(1)
    await desk.end(1)
    assert desk.work.started == [1]
    assert desk.lane.next_due_at_ms == 60_000
    assert desk.lane.progress == CommittedState(0, frozenset({1}))


async def test_a_lane_can_tell_how_long_its_oldest_call_has_been_under_way(new_desk):
    """What hangs for minutes makes the worker not live."""
    desk = new_desk()
    assert desk.lane.longest_in_flight_ms == 0
    desk.lane.admit(record(0))
    desk.clock.ms += 500
    desk.lane.admit(record(1))
    desk.lane.admit(record(2, due=99_999))
    await turns()
    desk.clock.ms += 500
    assert desk.lane.longest_in_flight_ms == 1000
    await desk.end(0)
    assert desk.lane.longest_in_flight_ms == 500
    await desk.end(1)
    assert desk.lane.longest_in_flight_ms == 0


async def test_a_lane_counts_what_is_overdue(new_desk):
    """What waits for the window although its time has come; records without a due time are never late."""
    desk = new_desk(window=1)
    for offset, due in enumerate((500, 700, 900, 5000, 0)):
        desk.lane.admit(record(offset, due=due))
    await turns()
    assert [desk.lane.overdue(before) for before in (700, 701, 901, 9999)] == [0, 1, 2, 3]
    assert desk.lane.stage == "1s"


async def test_what_the_former_owner_finished_is_not_handled_again(new_desk):
    """It stands beside the committed offset; only what was in flight is repeated."""
    desk = new_desk()
    desk.lanes.open(2, {TAG: frozenset({11, 12, 14})})
    for offset in range(10, 16):
        desk.lanes.admit(record(offset), 2)
    desk.lanes.admit(record(11, partition=1), 2)
    await turns()
    assert sorted(desk.work.started) == [10, 11, 13, 15]
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


async def test_due_records_start_as_the_window_allows(new_desk):
    """The due time opens the way, the window still counts."""
    desk = new_desk(window=1)
    desk.lane.admit(record(0))
    desk.lane.admit(record(1, due=1004))
    await turns()
    await desk.end(0)
    assert desk.work.started == [0]
    desk.clock.ms = 1004
    await desk.work.until_started(1)


async def test_a_drain_drops_what_waits_and_finishes_what_is_in_flight(new_desk):
    """What was dropped is read again; what was finished is committed."""
    desk = new_desk(window=2)
    desk.lanes.open(1, {})
    for offset in range(5):
        desk.lanes.admit(record(offset), 1)
    await turns()
    drain = asyncio.create_task(desk.lanes.drain(TIMEOUT_SECONDS))
    await turns()
    desk.lanes.admit(record(5), 1)
    await desk.end(0, 1)
    assert await drain == 0
    assert desk.work.started == [0, 1]
    assert desk.lanes.progress() == {TAG: CommittedState(2)}


async def test_a_drain_with_nothing_in_flight_returns_at_once(new_desk):
    """And what waits for its time is given up."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.admit(record(0, due=9_999_999), 1)
    assert await desk.lanes.drain(0) == 0
    assert desk.lanes.progress() == {TAG: CommittedState(0)}
    (lane,) = desk.lanes
    assert lane.next_due_at_ms is None


async def test_what_outlasts_a_drain_is_cancelled_and_stays_unacknowledged(new_desk):
    """It will be repeated; better than to hang a rebalance."""
    desk = new_desk()
    desk.lanes.open(1, {})
    for offset in range(3):
        desk.lanes.admit(record(offset), 1)
    await turns()
    await desk.end(0, 2)
    assert await desk.lanes.drain(0) == 1
    await turns()
    assert desk.work.cancelled == [1]
    assert desk.lanes.progress() == {TAG: CommittedState(1, frozenset({2}))}


async def test_a_draining_member_starts_nothing_in_a_partition_that_it_has_not_met(new_desk):
    """Records keep coming while calls are awaited; a new partition is no way around the drain."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.admit(record(0), 1)
    await turns()
    drain = asyncio.create_task(desk.lanes.drain(TIMEOUT_SECONDS))
    await turns()
    desk.lanes.admit(record(7, partition=1), 1)
    await turns()
    started = list(desk.work.started)
    await desk.end(0)
    await drain
    assert started == [0]


async def test_a_new_generation_takes_records_again_after_a_drain(new_desk):
    """The drain belongs to the generation that ended."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.admit(record(0), 1)
    await turns()
    await desk.end(0)
    await desk.lanes.drain(TIMEOUT_SECONDS)
    desk.lanes.close()
    desk.lanes.open(2, {})
    desk.lanes.admit(record(1), 2)
    await turns()
    assert desk.work.started == [0, 1]


async def test_a_member_that_retired_takes_nothing_of_a_generation_to_come(new_desk):
    """A rebalance in the midst of a stop gives partitions to a worker that is about to go."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.admit(record(0), 1)
    await turns()
    desk.lanes.retire()
    await desk.end(0)
    assert desk.lanes.progress() == {TAG: CommittedState(1)}
    desk.lanes.close()
    desk.lanes.open(2, {})
    desk.lanes.admit(record(1), 2)
    await turns()
    assert desk.work.started == [0]


async def test_a_closed_tap_stays_closed_in_a_drain(new_desk):
    """Nothing new is fetched into lanes that end."""
    desk = new_desk(limits(span=2))
    desk.lanes.open(1, {})
    desk.lanes.admit(record(0), 1)
    desk.lanes.admit(record(1), 1)
    await turns()
    desk.lanes.stop_starting()
    await desk.end(0, 1)
    assert desk.flow.turned == [("pause", TAG)]
    assert desk.lanes.progress() == {TAG: CommittedState(2)}


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


async def test_records_of_another_generation_are_dropped(new_desk):
    """They were fetched before a rebalance and will be read again by whoever owns them."""
    desk = new_desk()
    desk.lanes.admit(record(0), 1)
    desk.lanes.open(2, {})
    desk.lanes.admit(record(1), 1)
    desk.lanes.admit(record(2), 3)
    await turns()
    assert (desk.work.started, list(desk.lanes)) == ([], [])
    desk.lanes.admit(record(3), 2)
    await turns()
    assert desk.work.started == [3]


async def test_a_closed_generation_commits_nothing_and_takes_nothing(new_desk):
    """The partition is somebody else's now."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.lanes.admit(record(0), 1)
    desk.lanes.admit(record(1), 1)
    await turns()
    await desk.end(0)
    assert desk.lanes.progress() == {TAG: CommittedState(1)}
    desk.lanes.close()
    await turns()
    assert desk.work.cancelled == [1]
    assert desk.lanes.progress() == {}
    desk.lanes.admit(record(2), 1)
    await turns()
    assert desk.work.started == [0, 1]


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


async def test_a_record_that_is_put_aside_keeps_no_place_and_comes_again(new_desk):
    """Its offset stays, those behind it go on, and it is begun again when its time has come."""
    desk = new_desk(window=1)
    for offset in range(3):
        desk.lane.admit(record(offset))
    await turns()
    await desk.end(0, error=NotYet(0.05, "unreachable"))
    assert desk.work.started == [0, 1]
    await desk.end(1)
    await desk.end(2)
    assert desk.lane.progress == CommittedState(0, frozenset({1, 2}))
    assert desk.lane.put_aside == {"unreachable": 1}
    assert (desk.lane.in_flight, desk.lane.longest_in_flight_ms) == (0, 0)
    desk.clock.ms += 50
    async with asyncio.timeout(TIMEOUT_SECONDS), desk.work._changed:
        await desk.work._changed.wait_for(lambda: desk.work.started.count(0) == 2)
    await desk.end(0)
    assert desk.lane.progress == CommittedState(3)
    assert desk.lane.put_aside == {}
    assert desk.crashes == []


async def test_what_is_put_aside_fills_the_lane_and_pauses_its_partition(new_desk):
    """A registry that is down must not let a worker read the whole topic."""
    desk = new_desk(limits(waiting=3))
    for offset in range(3):
        desk.lane.admit(record(offset))
    await turns()
    for offset in range(3):
        await desk.end(offset, error=NotYet(60, "unreachable"))
    desk.lane.admit(record(3, due=desk.clock.ms + 60_000))
    assert desk.flow.turned == [("pause", TAG)]
    assert desk.lane.put_aside == {"unreachable": 3}


async def test_a_record_put_aside_while_the_lane_drains_is_left_to_the_next_owner(new_desk):
    """Nothing is begun again; it stays unacknowledged."""
    desk = new_desk()
    desk.lane.admit(record(0))
    await turns()
    desk.lane.stop_starting()
    await desk.end(0, error=NotYet(0.01, None))
    assert desk.lane.next_due_at_ms is None
    assert desk.lane.put_aside == {}
    assert desk.lane.progress == CommittedState(0)
