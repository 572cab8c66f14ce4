"""Lanes of the tiers: when a record that is due later is started, and in which order."""

import asyncio

from streams.kafka.committed_state import CommittedState
from tests.support.lanes import record
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import ManualClock, turns


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
