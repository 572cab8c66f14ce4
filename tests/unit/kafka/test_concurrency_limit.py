"""How many records a group handles at once: `streams.kafka.consumer.concurrency_limit`."""

import asyncio

from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit, ConcurrencyPermit
from tests.unit.webhook.virtual_time import in_virtual_time


class Waiter:
    """A lane with records to handle."""

    def __init__(self, window, records=1) -> None:
        self.window, self.left = window, records
        self.places: list[ConcurrencyPermit] = []

    @property
    def begun(self) -> int:
        return len(self.places)

    def take_turn(self) -> None:
        while self.left and (place := self.window.take(self)):
            self.left -= 1
            self.places.append(place)


def test_lanes_get_places_by_turns():
    """A lane that wants more than there is goes to the end of the line."""
    window = ConcurrencyLimit(2)
    greedy, modest = Waiter(window, 10), Waiter(window, 1)
    greedy.take_turn()
    modest.take_turn()
    assert (greedy.begun, modest.begun) == (2, 0)
    greedy.places[0].give_back()
    assert (greedy.begun, modest.begun) == (3, 0)
    greedy.places[1].give_back()
    assert (greedy.begun, modest.begun) == (3, 1)


def test_a_lane_stands_in_line_once():
    """However often it asks."""
    window = ConcurrencyLimit(1)
    first, second, third = Waiter(window), Waiter(window, 2), Waiter(window)
    for waiter in (first, second, second, second, third):
        waiter.take_turn()
    first.places[0].give_back()
    assert (second.begun, third.begun) == (1, 0)
    second.places[0].give_back()
    assert (second.begun, third.begun) == (1, 1)


def test_a_window_that_gives_way_shrinks_while_turns_take_long_and_grows_again():
    """Down to its least, and back to its most."""
    window = ConcurrencyLimit(400, least=8)
    for _ in range(1000):
        window.note(0.02)
    assert window.size == 8
    for _ in range(10_000):
        window.note(0.0005)
    assert window.size == 400


def test_one_long_turn_changes_little():
    """A collection of garbage is no sign of a busy process."""
    window = ConcurrencyLimit(400, least=8)
    for _ in range(100):
        window.note(0.0)
    window.note(0.1)
    for _ in range(20):
        window.note(0.0)
    assert window.size > 250


def test_a_lane_that_takes_a_permit_is_not_given_a_turn_in_between():
    """It stood in the queue and the limit has grown: its turn began the record that it was just asking for, and it failed."""

    async def scenario():
        window = ConcurrencyLimit(400, least=1)
        for _ in range(1000):
            window.note(0.02)
        greedy = Waiter(window, 2)
        greedy.take_turn()
        assert (window.size, greedy.begun) == (1, 1)
        for _ in range(1000):
            window.note(0.0005)
        permit = window.take(greedy)
        assert permit is not None
        assert greedy.begun == 1
        permit.give_back()
        assert greedy.begun == 2
        for place in greedy.places:
            place.give_back()

    asyncio.run(scenario())


def test_a_window_that_never_gives_way_keeps_its_size():
    """First attempts give way to nobody."""
    window = ConcurrencyLimit(400)
    for _ in range(1000):
        window.note(1.0)
    assert window.size == 400


def _busy() -> ConcurrencyLimit:
    window = ConcurrencyLimit(20, least=2)
    for _ in range(1000):
        window.note(0.05)
    return window


@in_virtual_time
async def test_a_busy_window_begins_few_and_goes_on_when_they_end():
    """What is done at once leaves room at once."""
    many = Waiter(_busy(), 30)
    many.take_turn()
    assert many.begun == 2
    many.places[0].give_back()
    assert many.begun == 3
    many.places[1].give_back()
    assert many.begun == 4


@in_virtual_time
async def test_who_waits_for_a_partner_is_not_held_against_the_processor():
    """A busy worker still has many slow calls under way, up to the most there may be at once."""
    many = Waiter(_busy(), 30)
    many.take_turn()
    await asyncio.sleep(0.06)
    assert many.begun == 4
    await asyncio.sleep(1.0)
    assert many.begun == 20
    many.places[0].give_back()
    assert many.begun == 21
    for place in many.places[1:]:
        place.give_back()
    await asyncio.sleep(1.0)
    assert many.begun == 30
    for place in many.places[21:]:
        place.give_back()
    again = Waiter(many.window, 3)
    again.take_turn()
    assert again.begun == 2
