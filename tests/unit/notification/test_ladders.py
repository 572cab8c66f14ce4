"""When each profile tells again: the ladders of the contract's five profiles as tables, and what a wait and a ladder are."""

import pytest

from streams.notification import ladders
from streams.notification.ladder import Ladder, Wait
from streams.notification.profiles import PROFILES, TIERS

# Attempt, the wait before it, and the sum of the waits up to it: hours:minutes:seconds.
FIFTEEN_ATTEMPTS = """
     1    -    0:00:00
     2   1s    0:00:01
     3   3s    0:00:04
     4  30s    0:00:34
     5   1m    0:01:34
     6   2m    0:03:34
     7   5m    0:08:34
     8  10m    0:18:34
     9  15m    0:33:34
    10  30m    1:03:34
    11   1h    2:03:34
    12   2h    4:03:34
    13   3h    7:03:34
    14   4h   11:03:34
    15   6h   17:03:34
"""
EIGHT_ATTEMPTS = """
     1    -    0:00:00
     2   2m    0:02:00
     3  10m    0:12:00
     4  10m    0:22:00
     5   1h    1:22:00
     6   2h    3:22:00
     7   6h    9:22:00
     8  15h   24:22:00
"""
LADDERS = {
    "mpp-to-alipay-plus": FIFTEEN_ATTEMPTS,
    "mpp-to-ant": FIFTEEN_ATTEMPTS,
    "acquirer-to-alipay-plus": FIFTEEN_ATTEMPTS,
    "alipay-plus-to-acquirer": EIGHT_ATTEMPTS,
    "alipay-to-merchant": EIGHT_ATTEMPTS,
}


@pytest.mark.parametrize("name", LADDERS)
def test_ladder(name):
    """The profile climbs exactly the rows of its table."""
    ladder, elapsed, climbed = PROFILES[name].ladder, 0, [[1, "-", "0:00:00"]]
    for attempt in range(1, ladder.attempts):
        wait = ladder.wait_after(attempt)
        assert wait is not None
        elapsed += wait.seconds
        minutes, seconds = divmod(elapsed, 60)
        climbed.append([attempt + 1, wait.label, f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"])
    rows = [line.split() for line in LADDERS[name].split("\n") if line]
    assert climbed == [[int(attempt), wait, total] for attempt, wait, total in rows]
    assert ladder.wait_after(ladder.attempts) is None


@pytest.mark.parametrize(
    ("ladder", "table"),
    [(ladders.FIFTEEN_ATTEMPTS, FIFTEEN_ATTEMPTS), (ladders.EIGHT_ATTEMPTS, EIGHT_ATTEMPTS)],
)
def test_a_shared_ladder_stands_once(ladder, table):
    """Profiles that climb the same waits name the same ladder."""
    waits = [row.split()[1] for row in table.strip().split("\n")[1:]]
    assert [wait.label for wait in ladder.waits] == waits
    assert all(p.ladder is ladder for p in PROFILES.values() if p.ladder == ladder)


RELEASED = "1s 3s 30s 1m 2m 5m 10m 15m 30m 1h 2h 3h 4h 6h 15h"
"""Waits on which notifications of a released version may stand. Add those of a new release; take none out."""


def test_every_wait_that_was_ever_released_has_its_tier():
    """Used by a ladder or not: what stands there is read for ever."""
    assert set(RELEASED.split()) <= {wait.label for wait in TIERS}


def test_tiers():
    """One tier for each wait, shortest first, and none without one: each ladder climbs over tiers only."""
    assert list(TIERS) == sorted(set(TIERS))
    assert len({wait.seconds for wait in TIERS}) == len(TIERS)
    assert {wait for profile in PROFILES.values() for wait in profile.ladder.waits} <= set(TIERS)


def test_one_more_rung_is_one_more_entry():
    """A longer ladder is the same list with another wait."""
    assert Ladder.of("1s 3s").attempts == 3
    assert Ladder.of("1s 3s 30s").attempts == 4
    assert Ladder.of("").attempts == 1


@pytest.mark.parametrize(
    ("label", "seconds"), [("1s", 1), ("30s", 30), ("10m", 600), ("15h", 54000)]
)
def test_a_wait_is_a_number_and_a_unit(label, seconds):
    """Seconds, minutes and hours."""
    assert Wait.parse(label) == Wait(seconds, label)


@pytest.mark.parametrize(
    "label", ["", "0s", "01s", "-1s", "1.5h", "1d", "1 s", "s", "1", "\u0661s", "1s\n"]
)
def test_a_wait_has_one_spelling(label):
    """Any other names no tier."""
    with pytest.raises(ValueError, match="a wait is a whole number"):
        Wait.parse(label)


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt):
    """There is no wait after an attempt that can't be."""
    with pytest.raises(ValueError, match="attempts count from 1"):
        PROFILES["mpp-to-ant"].ladder.wait_after(attempt)
