"""The table of what each record says of its notification."""

from typing import get_args

from schemas.attempt_record import RecordedDecision
from streams.notification.status import (
    ENDED,
    RESTS_ON,
    STATUS_AFTER,
    NotificationStatus,
    TopicKind,
    status_on,
)


def test_every_decision_but_that_on_a_second_copy_has_a_status():
    """So that a new decision can't be forgotten in the table."""
    assert set(get_args(RecordedDecision)) - set(STATUS_AFTER) == {"absorbed"}
    assert {"accepted", *STATUS_AFTER.values()} == set(get_args(NotificationStatus))


def test_a_notification_at_rest_is_found_where_its_status_says():
    """The topic of each status gives that status back; what was delivered rests nowhere."""
    for status, kind in RESTS_ON.items():
        assert status_on(kind, parked=status == "parked") == status
    assert set(RESTS_ON.values()) == set(get_args(TopicKind))
    assert set(get_args(NotificationStatus)) - set(RESTS_ON) == {"delivered"}
    assert {"delivered", "dead-lettered"} == ENDED
