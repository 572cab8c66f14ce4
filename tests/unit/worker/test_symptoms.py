"""What looks dead about a worker beside its consumers: its producer, and a clock that a new process would not have."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from streams.telemetry.health import Health
from streams.worker.background import symptoms
from streams.worker.writes import Writes


def seen(
    offset: float, stepped: float, *, alive: bool = True, waited: float | None = None
) -> list[str]:
    """Return the symptoms of a worker whose clock is so far behind the broker's, and behind the machine's."""
    producer: Any = SimpleNamespace(alive=alive)
    clock: Any = SimpleNamespace(stepped_seconds=lambda: stepped)
    now = 1000.0
    writes = Writes(lambda: now)
    with nullcontext() if waited is None else writes.under_way("t"):
        now += waited or 0.0
        return symptoms([], producer, writes, Health(clock_offset_seconds=offset), clock)


@pytest.mark.parametrize("seconds", [30.0, -30.0, 3600.0])
def test_a_clock_that_was_set_right_after_the_start_is_a_reason_to_start_again(seconds):
    """The worker keeps the one that it began with; the machine's and the broker's agree."""
    (symptom,) = seen(seconds, seconds + 0.4)
    assert "began with a wrong clock" in symptom


@pytest.mark.parametrize(
    ("offset", "stepped"),
    [
        (0.0, 0.0),
        (0.0, 3600.0),  # somebody set the machine's clock wrong: ours is right
        (30.0, 0.0),  # the machine's clock is wrong, and would be after a new start
        (30.0, -30.0),
        (0.9, 0.9),  # within what is allowed
    ],
)
def test_where_a_new_start_would_not_help_there_is_none(offset, stepped):
    """A worker that is started again and again helps nobody."""
    assert seen(offset, stepped) == []


def test_a_producer_that_died_and_is_not_replaced_is_a_symptom():
    """Nothing could be written any more."""
    assert seen(0.0, 0.0, alive=False, waited=10.0) == ["the producer has died"]


@pytest.mark.parametrize(("alive", "waited"), [(False, None), (False, 9.9), (True, 10.0)])
def test_a_producer_that_died_is_none_where_nothing_waits_for_it(alive, waited):
    """The next write replaces it: a worker that has nothing to write is well. Where it lives, the writes are the brokers'."""
    assert seen(0.0, 0.0, alive=alive, waited=waited) == []
