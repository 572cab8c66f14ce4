"""How many records a group handles at once: `streams.kafka.window`."""

from streams.kafka.window import Window


class Waiter:
    """A lane with records to handle."""

    def __init__(self, window, records=1) -> None:
        self.window, self.left, self.begun = window, records, 0

    def take_turn(self) -> None:
        while self.left and self.window.take(self):
            self.left -= 1
            self.begun += 1


def test_lanes_get_places_by_turns():
    """A lane that wants more than there is goes to the end of the line."""
    window = Window(2)
    greedy, modest = Waiter(window, 10), Waiter(window, 1)
    greedy.take_turn()
    modest.take_turn()
    assert (greedy.begun, modest.begun) == (2, 0)
    window.give_back()
    assert (greedy.begun, modest.begun) == (3, 0)
    window.give_back()
    assert (greedy.begun, modest.begun) == (3, 1)


def test_a_lane_stands_in_line_once():
    """However often it asks."""
    window = Window(1)
    first, second = Waiter(window, 1), Waiter(window, 2)
    for waiter in (first, second, second, second):
        waiter.take_turn()
    window.give_back()
    assert second.begun == 1
    window.give_back()
    assert second.begun == 2
    window.give_back()
    assert window.take(first)


def test_a_window_that_gives_way_shrinks_while_turns_take_long_and_grows_again():
    """Down to its least, and back to its most."""
    window = Window(400, least=8)
    for _ in range(1000):
        window.note(0.02)
    assert window.size == 8
    for _ in range(10_000):
        window.note(0.0005)
    assert window.size == 400


def test_one_long_turn_changes_little():
    """A collection of garbage is no sign of a busy process."""
    window = Window(400, least=8)
    for _ in range(100):
        window.note(0.0)
    window.note(0.1)
    for _ in range(20):
        window.note(0.0)
    assert window.size > 250


def test_a_window_that_never_gives_way_keeps_its_size():
    """First attempts give way to nobody."""
    window = Window(400)
    for _ in range(1000):
        window.note(1.0)
    assert window.size == 400


def test_a_smaller_window_takes_nobody_until_enough_have_ended():
    """What was begun goes on."""
    window = Window(20, least=2)
    many = Waiter(window, 30)
    many.take_turn()
    for _ in range(1000):
        window.note(0.05)
    for _ in range(18):
        window.give_back()
    assert many.begun == 20
    window.give_back()
    assert many.begun == 21
