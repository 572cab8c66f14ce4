"""Durations and times as people read them."""

import pytest

from streams.operator.history.text import (
    clock_time,
    distance,
    duration,
    park_reason,
    plural,
    rfc3339,
)

NOW = 1_795_342_530_160  # 2026-11-22T10:15:30.160Z


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (2_540, "2.5 s"),
        (10_000, "10 s"),
        (60_000, "1 min"),
        (332_000, "5 min 32 s"),
        (3_600_000, "1 h"),
        (33_120_000, "9 h 12 min"),
        (273_600_000, "3 d 4 h"),
        (-46, "46 ms"),
    ],
)
def test_durations(ms, text):
    """The two largest units."""
    assert duration(ms) == text


def test_numbers_and_reasons():
    """One thing or several; a reason that we have no words for is said as it stands."""
    assert (plural(1, "attempt"), plural(1200)) == ("1 attempt", "1,200 times")
    assert (plural(1, "event", "waits"), plural(2, "event", "waits")) == (
        "1 event waits",
        "2 events wait",
    )
    assert (plural(1, "event", "is"), plural(0, "event", "is")) == ("1 event is", "0 events are")
    assert park_reason("paused") == "the partner is paused in the partners file"
    assert (park_reason("other"), park_reason(None)) == ("other", "its destination has no room")


def test_times():
    """Today by the clock, other days with the date, always UTC; for programs RFC 3339 with milliseconds."""
    assert clock_time(NOW, NOW) == "10:15:30 UTC"
    assert clock_time(NOW + 86_400_000, NOW) == "2026-11-23 10:15:30 UTC"
    assert rfc3339(NOW) == "2026-11-22T10:15:30.160Z"
    assert rfc3339(10**18) == "9999-12-31T23:59:59.999Z"
    assert distance(NOW + 332_000, NOW) == "in 5 min 32 s"
    assert distance(NOW - 1_560_000, NOW) == "26 min ago"
