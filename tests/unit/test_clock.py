"""The worker's clock and due times."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import Clock, due_at_ms, uptime_seconds


def test_the_clock_shows_the_time_of_day_and_never_goes_back():
    """Milliseconds and seconds agree; the day is the machine's."""
    before = time.time_ns()
    clock = Clock()
    seen = [clock.now_ms() for _ in range(1000)]
    assert seen == sorted(seen)
    assert before // 1_000_000 - 1 <= seen[0]
    assert clock.now_ms() / 1000 <= clock.now_seconds() < before / 1e9 + 60


def test_a_step_of_the_machines_clock_does_not_move_it(monkeypatch):
    """NTP or an operator sets the clock back by an hour: no retry is an hour late."""
    clock = Clock()
    before = clock.now_ms()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000)
    assert before <= clock.now_ms() < before + 60_000


def test_a_suspended_machines_sleep_counts_where_the_platform_says(monkeypatch):
    """Linux has a clock for it; elsewhere the monotonic clock has to do."""
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: {7: 1_234_500_000_000}[clock])
    assert uptime_seconds() == 1234.5
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    before = time.monotonic()
    assert before <= uptime_seconds() <= time.monotonic()


def test_a_suspended_machines_clock_goes_on(monkeypatch):
    """Its due times would be early for every worker whose machine was awake."""
    slept, boot, wall = 0, time.monotonic_ns(), time.time_ns()
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _clock: boot + slept)
    monkeypatch.setattr(time, "time_ns", lambda: wall + slept)
    clock = Clock()
    before = clock.now_ms()
    slept = 900_000_000_000
    assert clock.now_ms() == before + 900_000
    assert abs(clock.stepped_seconds()) < 0.01


@pytest.mark.parametrize("hours", [-1, 1])
def test_it_tells_how_far_the_machines_clock_was_set(monkeypatch, hours):
    """So that a worker that began with a wrong one knows that a new process would read the right one."""
    clock = Clock()
    real = time.time_ns
    assert abs(clock.stepped_seconds()) < 60
    monkeypatch.setattr(time, "time_ns", lambda: real() + hours * 3_600_000_000_000)
    assert abs(clock.stepped_seconds() - hours * 3600) < 60


@given(st.integers(0, 4_102_444_800_000), st.floats(0, 60_000, allow_nan=False))
def test_a_retry_is_never_early_and_at_most_two_milliseconds_late(ended_at_ms, wait_seconds):
    """The end is known to the millisecond, rounded down; so the wait begins with the next one."""
    due = due_at_ms(ended_at_ms, wait_seconds)
    assert due >= ended_at_ms + 1 + wait_seconds * 1000 - 1e-6
    assert due <= ended_at_ms + 1 + math.ceil(wait_seconds * 1000)
    assert isinstance(due, int)
