"""Records that are put aside: what they are read with can't be had, and they come again."""

import asyncio

import pytest

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer.deduplication import Held
from streams.kafka.consumer.route import NotYet
from tests.support.lanes import TAG, limits, record
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import turns


async def test_a_record_that_is_put_aside_keeps_no_place_and_comes_again(new_desk):
    """Its offset stays, those behind it go on, and it is begun again when its time has come."""
    desk = new_desk(window=1)
    for offset in range(3):
        desk.lane.admit(record(offset))
    await turns()
    await desk.end(0, error=NotYet(0.05, "unreachable", "schema"))
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


async def test_of_records_that_need_the_same_one_looks_for_it(new_desk):
    """The others are begun once it was found, however often it has to look; each that looks first for another thing too."""
    desk = new_desk(window=300)
    needs = ["a"] * 100 + ["b"] * 100
    for offset in range(200):
        desk.lane.admit(record(offset))
    await turns()
    for offset in range(200):
        await desk.end(offset, error=NotYet(0.1, "unreachable", needs[offset]))
    assert len(desk.work.started) == 200
    for seconds in (0.1, 0.2, 0.4):
        desk.clock.ms += int(seconds * 1000)
        desk.lane._on_timer()
        await turns()
        assert desk.work.started[-2:] == [0, 100]
        for offset in (0, 100):
            await desk.end(offset, error=NotYet(2 * seconds, "unreachable", needs[offset]))
    assert len(desk.work.started) == 200 + 3 * 2
    assert desk.lane.put_aside == {"unreachable": 200}
    desk.clock.ms += 800
    desk.lane._on_timer()
    await turns()
    desk.lane._context.found(0)
    await turns()
    assert desk.work.started[208:] == list(range(1, 100))
    assert desk.lane.put_aside == {"unreachable": 100}
    for offset in range(100):
        await desk.end(offset)
    assert desk.lane.progress == CommittedState(100)
    await desk.end(100)  # settled without a word that it was found
    assert desk.work.started[307:] == list(range(101, 200))
    for offset in range(101, 200):
        await desk.end(offset)
    assert desk.lane.progress == CommittedState(200)
    assert desk.lane.put_aside == {}


async def test_a_record_that_needs_something_else_lets_those_behind_it_go_on(new_desk):
    """Nobody waits behind one that does not look any more."""
    desk = new_desk()
    for offset in range(3):
        desk.lane.admit(record(offset))
    await turns()
    for offset in range(3):
        await desk.end(offset, error=NotYet(0, "unreachable", "a"))
    assert desk.work.started == [0, 1, 2, 0]
    await desk.end(0, error=NotYet(60, "refuses", "b"))
    assert desk.work.started == [0, 1, 2, 0, 1, 2]
    assert desk.lane.put_aside == {"refuses": 1}


async def test_those_behind_a_record_that_waits_for_a_key_go_on(new_desk):
    """It has found what they need, and waits for something of its own."""
    desk = new_desk()
    deduplicator = desk.lane._context.deduplicator
    with deduplicator.lock(7, b"order"):
        for offset in range(2):
            desk.lane.admit(record(offset))
        await turns()
        for offset in range(2):
            await desk.end(offset, error=NotYet(0, "unreachable", "a"))
        with pytest.raises(Held) as held, deduplicator.lock(0, b"order"):
            pass
        await desk.end(0, error=held.value)
        assert desk.work.started == [0, 1, 0, 1]


async def test_what_is_put_aside_fills_the_lane_and_pauses_its_partition(new_desk):
    """A registry that is down must not let a worker read the whole topic."""
    desk = new_desk(limits(waiting=3))
    for offset in range(3):
        desk.lane.admit(record(offset))
    await turns()
    for offset in range(3):
        await desk.end(offset, error=NotYet(60, "unreachable", "schema"))
    desk.lane.admit(record(3, due=desk.clock.ms + 60_000))
    assert desk.flow.turned == [("pause", TAG)]
    assert desk.lane.put_aside == {"unreachable": 3}


async def test_a_record_put_aside_while_the_lane_drains_is_left_to_the_next_owner(new_desk):
    """Nothing is begun again; it stays unacknowledged."""
    desk = new_desk()
    desk.lane.admit(record(0))
    await turns()
    desk.lane.stop_starting()
    await desk.end(0, error=NotYet(0.01, None, "schema"))
    assert desk.lane.next_due_at_ms is None
    assert desk.lane.put_aside == {}
    assert desk.lane.progress == CommittedState(0)


async def test_a_record_that_waits_for_another_one_s_key_keeps_no_place(new_desk):
    """Others are begun meanwhile; it has its turn, before any later one, when the one before it is settled."""
    desk = new_desk(window=2)
    deduplicator = desk.lane._context.deduplicator
    first = deduplicator.lock(0, b"order")
    for offset in range(4):
        desk.lane.admit(record(offset))
    await turns()
    assert desk.work.started == [0, 1]
    with first:
        with pytest.raises(Held) as held, deduplicator.lock(1, b"order"):
            pass
        await desk.end(1, error=held.value)
        assert desk.work.started == [0, 1, 2]
        await desk.end(2)
        assert desk.work.started == [0, 1, 2, 3]
        assert desk.lane.progress == CommittedState(0, frozenset({2}))
        desk.clock.ms += 600_000
        await turns()
        assert desk.work.started == [0, 1, 2, 3]  # nothing is asked again and again
        assert desk.lane.in_flight == 2
    with pytest.raises(Held), deduplicator.lock(3, b"order"):
        pass
    await desk.end(0)
    assert desk.work.started == [0, 1, 2, 3, 1]
    assert desk.lane.progress == CommittedState(1, frozenset({2}))
    await desk.end(1)  # settled without its key: who comes behind it goes on
    with deduplicator.lock(3, b"order"):
        await desk.end(3)
    assert desk.lane.progress == CommittedState(4)
    assert desk.crashes == []


async def test_a_record_whose_turn_comes_while_the_lane_drains_is_left_to_the_next_owner(new_desk):
    """What holds its key is finished, it is not begun any more."""
    desk = new_desk(window=2)
    deduplicator = desk.lane._context.deduplicator
    for offset in range(2):
        desk.lane.admit(record(offset))
    await turns()
    with deduplicator.lock(0, b"order"):
        with pytest.raises(Held) as held, deduplicator.lock(1, b"order"):
            pass
        await desk.end(1, error=held.value)
        desk.lane.stop_starting()
        assert len(desk.lane.tasks()) == 1
    await desk.end(0)
    assert desk.work.started == [0, 1]
    assert desk.lane.progress == CommittedState(1)
