"""What was decided after an attempt is judged by the ladders as the protocols have them."""

from typing import Any

import pytest

from schemas.attempt_record import AttemptRecord
from streams.notification.profiles import PROFILES
from tests.simulation.ladders import WAITS, late, off_the_ladder


def entry(**members: Any) -> AttemptRecord:
    """Return the record of an attempt that ended at 5,000 ms."""
    of_all = {"kind": "attempt", "at_ms": 5000, "profile": "mpp-to-ant", "ended_at_ms": 5000}
    return AttemptRecord.model_validate(of_all | members)


@pytest.mark.parametrize(
    ("attempt", "due", "scale", "said"),
    [
        (1, 6001, 1.0, ""),
        (1, 5999, 1.0, "a wait of 999 ms after attempt 1, expected 1000"),
        (1, 6003, 1.0, "a wait of 1003 ms after attempt 1, expected 1000"),
        (2, 5901, 0.3, ""),
        (14, 5000 + 21_600_001, 1.0, ""),
        (15, 6001, 1.0, "a retry after attempt 15 of 15"),
    ],
)
def test_a_retry_is_due_when_the_wait_of_its_step_is_over(attempt, due, scale, said):
    """To the millisecond, rounded up."""
    one = entry(decision="retry", attempt=attempt, next_due_at_ms=due)
    assert [text.partition(":")[0] for text in off_the_ladder([one], scale)] == [said] * bool(said)


@pytest.mark.parametrize(("profile", "last"), [("mpp-to-ant", 15), ("alipay-to-merchant", 8)])
def test_nothing_is_given_up_before_the_last_attempt(profile, last):
    """A refusal may come at any."""
    for attempt in (1, last - 1, last):
        given_up = entry(
            profile=profile,
            attempt=attempt,
            decision="dead-letter",
            dead_letter_reason="attempts-exhausted",
        )
        refused = given_up.model_copy(update={"dead_letter_reason": "rejected"})
        assert bool(list(off_the_ladder([given_up], 1.0))) is (attempt != last)
        assert not list(off_the_ladder([refused], 1.0))


def test_a_retry_long_after_its_due_time_is_late():
    """What was moved aside, or is an event's first attempt, waits for other things."""
    on_time = entry(attempt=2, trigger="ladder", due_at_ms=1000, started_at_ms=2999)
    too_late = entry(
        attempt=2, trigger="ladder", due_at_ms=1000, started_at_ms=3001, origin="p/0/1"
    )
    others = [entry(trigger=why, due_at_ms=1, started_at_ms=9000) for why in ("park", "event")]
    assert list(late([on_time, *others, too_late])) == ["attempt 2 was late by 2001 ms: p/0/1"]


def test_the_judges_ladders_are_those_of_the_worker():
    """Every profile has one, so a new one is not passed over."""
    assert {
        name: tuple(wait.seconds for wait in profile.ladder.waits) for name, profile in PROFILES.items()
    } == WAITS  # fmt: skip
