"""What every clock keeps, the worker's and the one that tests move by hand."""

import math

import pytest

from streams.clock import Clock
from tests.unit.kit import ManualClock


@pytest.fixture(params=[Clock, ManualClock])
def clock(request):
    """A clock of each kind."""
    return request.param()


def test_both_units_say_the_same(clock):
    """Milliseconds are the seconds, rounded down: a due time is never reached in one unit and not in the other."""
    before, seconds, after = clock.now_ms(), clock.now_seconds(), clock.now_ms()
    assert before <= math.floor(seconds * 1000 + 0.001)
    assert math.floor(seconds * 1000 - 0.001) <= after


def test_it_never_goes_back(clock):
    """Due times and leases are compared with it."""
    readings = [clock.now_ms() for _ in range(1000)]
    assert readings == sorted(readings)


def test_it_counts_from_the_epoch(clock):
    """In UTC, as every time in a record does: after 2026 and before the year 33658 that headers have room for."""
    assert 1_767_225_600_000 <= clock.now_ms() < 10**15
    assert isinstance(clock.now_ms(), int)
