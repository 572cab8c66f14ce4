"""The record of the attempts topic."""

import json

import pytest
from pydantic import ValidationError

from schemas.attempt_record import AttemptRecord
from streams.notification.decision import DeadLetterReason
from streams.notification.outcome import Failure, RequestLeft, Status


def test_a_record_of_an_invalid_event_is_short():
    """What isn't known is not written."""
    record = AttemptRecord(kind="decision", at_ms=5, decision="dead-letter")
    assert record.to_bytes() == b'{"v":1,"kind":"decision","at_ms":5,"decision":"dead-letter"}'


def test_the_rules_words_are_the_records_words():
    """Enumerations of the rules go in as they are and come out as text."""
    record = AttemptRecord(
        kind="attempt",
        at_ms=5,
        request_left=RequestLeft.PERHAPS.value,
        failure=Failure.READ_TIMEOUT,
        result_status=Status.UNKNOWN.value,
        dead_letter_reason=DeadLetterReason.REJECTED,
    )
    assert json.loads(record.to_bytes()) == {
        "v": 1,
        "kind": "attempt",
        "at_ms": 5,
        "request_left": "perhaps",
        "failure": "read_timeout",
        "result_status": "U",
        "dead_letter_reason": "rejected",
    }


def test_bytes_come_back_as_the_same_record():
    """Also with text beyond ASCII, and with members of a later version."""
    record = AttemptRecord(kind="replay", at_ms=5, by="jané", why="支付", attempt=0, parks=2)
    assert AttemptRecord.model_validate_json(record.to_bytes()) == record
    later = record.to_bytes().replace(b'{"v":1,', b'{"v":1,"later":{},')
    assert AttemptRecord.model_validate_json(later) == record


@pytest.mark.parametrize(
    "member",
    [{"kind": "guess"}, {"at_ms": -1}, {"at_ms": "5"}, {"attempt": -1}, {"decision": "maybe"}],
)
def test_a_record_that_would_mislead_is_not_made(member):
    """Kinds and decisions are those of the contract; times and counts are not negative."""
    with pytest.raises(ValidationError):
        AttemptRecord.model_validate({"kind": "attempt", "at_ms": 5} | member)
