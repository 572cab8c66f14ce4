"""Lanes that end: drains, and generations of a group that are over."""

import asyncio

from streams.kafka.committed_state import CommittedState
from tests.support.lanes import TAG, limits, record
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import turns


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


async def test_nothing_is_begun_while_the_lease_has_run_out(new_desk):
    """Neither what comes nor what becomes due; all of it as soon as the coordinator answers."""
    desk = new_desk()
    desk.lanes.open(1, {})
    desk.silent_seconds = 10.0
    desk.lanes.admit(record(0), 1)
    desk.lanes.admit(record(0, partition=1), 1)
    await turns()
    assert desk.work.started == []
    desk.lease.confirm(10.0)
    await turns()
    assert desk.work.started == [0, 0]


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
