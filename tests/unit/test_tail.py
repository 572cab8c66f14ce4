"""What `notifier tail` shows of a record, and which records."""

import pytest

from schemas.attempt_record import AttemptRecord
from streams.operator.commands.tail import Filter, line_of

ATTEMPT = AttemptRecord(
    v=1,
    kind="attempt",
    at_ms=1_795_342_530_000,
    partner_id="acme",
    order_id="o-1",
    profile="mpp-to-ant",
    attempt=3,
    result_status="U",
    result_code="UNKNOWN_EXCEPTION",
    decision="retry",
    next_due_at_ms=1_795_342_560_000,
)


def test_a_record_is_one_line():
    """When, whom, which order, what was done, what came back, what follows and when."""
    assert line_of(ATTEMPT) == (
        "2026-11-22T10:15:30.000Z  acme  o-1  attempt 3  U UNKNOWN_EXCEPTION  retry  next 2026-11-22T10:16:00.000Z"
    )


@pytest.mark.parametrize(
    ("chosen", "changes", "fits"),
    [
        (Filter(), {}, True),
        (Filter(partner="acme", order="o-1", profile="mpp-to-ant"), {}, True),
        (Filter(partner="other"), {}, False),
        (Filter(order="o-2"), {}, False),
        (Filter(profile="alipay-to-merchant"), {}, False),
        (Filter(not_acknowledged=True), {}, True),
        (Filter(not_acknowledged=True), {"result_status": "S"}, False),
        (Filter(not_acknowledged=True), {"result_status": "S", "failure": "wrong_signature"}, True),
        (Filter(not_acknowledged=True), {"kind": "park"}, False),
        (Filter(not_acknowledged=True), {"kind": "decision", "dead_letter_reason": "invalid-event"}, True),
    ],
)  # fmt: skip
def test_records_are_filtered(chosen, changes, fits):
    """Every given member must fit; an S that does not count is none."""
    assert chosen.fits(ATTEMPT.model_copy(update=changes)) is fits
