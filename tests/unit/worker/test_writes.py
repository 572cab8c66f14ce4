"""What waits for the brokers: for how long, and what may be begun meanwhile."""

import asyncio
from contextlib import ExitStack

import pytest

from streams.worker.writes import LATE_SECONDS, REFUSED_SECONDS, Writes
from tests.unit.bench import Bench
from tests.unit.kit import event, read, turns


class World:
    """Writes, and their clock."""

    def __init__(self):
        self.seconds = 1000.0
        self.writes = Writes(lambda: self.seconds)
        self.waiting = ExitStack()

    def wait(self):
        """Have one more write wait."""
        self.waiting.enter_context(self.writes.under_way())

    def take(self):
        """Have the brokers take a write at once."""
        with self.writes.under_way():
            pass


@pytest.fixture
def world():
    return World()


def test_the_oldest_write_tells_how_late_they_are(world):
    """What began later and has ended changes nothing, and what takes a moment is not late."""
    assert (world.writes.oldest_since, world.writes.late_seconds()) == (None, 0)
    world.wait()
    world.seconds += LATE_SECONDS - 0.1
    world.wait()
    world.take()
    assert (world.writes.oldest_since, world.writes.late_seconds()) == (1000.0, 0)
    world.seconds += 0.1
    assert world.writes.late_seconds() == LATE_SECONDS
    world.waiting.close()
    assert (world.writes.oldest_since, world.writes.late_seconds()) == (None, 0)


def test_late_writes_tell_their_topics(world):
    """What was begun lately, and what has ended, is not among them."""
    with world.writes.under_way("gone"):
        pass
    world.waiting.enter_context(world.writes.under_way("t", "u"))
    world.waiting.enter_context(world.writes.under_way("t"))
    world.seconds += LATE_SECONDS
    world.waiting.enter_context(world.writes.under_way("new"))
    assert world.writes.late_topics() == {"t", "u"}
    world.waiting.close()
    assert world.writes.late_topics() == frozenset()


def test_a_refusal_is_remembered_for_a_minute(world):
    """By then a write that is tried again would have been refused once more."""
    assert not world.writes.is_refused()
    world.writes.note_refusal()
    world.seconds += REFUSED_SECONDS - 1
    assert world.writes.is_refused()
    world.seconds += 1
    assert not world.writes.is_refused()


async def test_a_settlement_that_waits_for_the_brokers_is_told():
    """From the first try to the acknowledgement."""
    bench = Bench()
    bench.broker.held = asyncio.Event()
    handled = asyncio.create_task(bench.event(read("source", event())))
    await turns(40)
    bench.clock.ms += 60_000
    assert bench.settler.writes.late_seconds() == 60
    bench.broker.held.set()
    await handled
    assert bench.settler.writes.late_seconds() == 0
