"""Outcome, attempt and profile make a decision."""

import pytest

from streams.notification.decision import (
    DeadLetter,
    DeadLetterReason,
    Delivered,
    RetryAfter,
    decide,
)
from streams.notification.ladder import Wait
from streams.notification.outcome import Answered, Blocked, Failure, NoResult, Status, describe
from streams.notification.profiles import PROFILES

BY_CODE = ["mpp-to-alipay-plus", "mpp-to-ant", "acquirer-to-alipay-plus"]
SET_UP_FAULTS = [
    "INVALID_SIGNATURE",
    "SIGNATURE_INVALID",
    "KEY_NOT_FOUND",
    "INVALID_CLIENT",
    "ACCESS_DENIED",
    "NO_INTERFACE_DEF",
    "METHOD_NOT_SUPPORTED",
    "MEDIA_TYPE_NOT_ACCEPTABLE",
]
OTHER_FAULTS = ["PARAM_ILLEGAL", "PROCESS_FAIL", "REPEAT_REQ_INCONSISTENT", "SOMETHING_NEW", ""]


def decided(name, outcome, attempt=1):
    """Return the decision of a profile: its class, and the reason or the wait."""
    match decide(outcome, attempt, PROFILES[name]):
        case RetryAfter(wait):
            return wait.label
        case DeadLetter(reason):
            return reason
        case Delivered():
            return "delivered"


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("attempt", [1, 8, 15])
def test_s_is_delivered(name, attempt):
    """On whatever attempt it comes, with whatever code."""
    assert decided(name, Answered(Status.SUCCESS, "SUCCESS"), attempt) == "delivered"
    assert decided(name, Answered(Status.SUCCESS, ""), attempt) == "delivered"


@pytest.mark.parametrize("name", BY_CODE)
@pytest.mark.parametrize("code", SET_UP_FAULTS)
def test_by_code_a_fault_of_our_set_up_is_retried(name, code):
    """An operator has hours to mend it."""
    assert decided(name, Answered(Status.FAILED, code)) == "1s"


@pytest.mark.parametrize("name", BY_CODE)
@pytest.mark.parametrize("code", OTHER_FAULTS)
def test_by_code_every_other_f_is_final(name, code):
    """Also a code that nobody has heard of, and none at all."""
    assert decided(name, Answered(Status.FAILED, code)) is DeadLetterReason.REJECTED


@pytest.mark.parametrize("code", [*SET_UP_FAULTS, *OTHER_FAULTS])
def test_an_acquirers_f_is_retried_but_for_process_fail(code):
    """The source says of that one code that it must not be retried."""
    expected = DeadLetterReason.REJECTED if code == "PROCESS_FAIL" else "2m"
    assert decided("alipay-plus-to-acquirer", Answered(Status.FAILED, code)) == expected


@pytest.mark.parametrize("code", [*SET_UP_FAULTS, *OTHER_FAULTS])
def test_a_merchants_f_is_always_retried(code):
    """Until the merchant says SUCCESS."""
    assert decided("alipay-to-merchant", Answered(Status.FAILED, code)) == "2m"


@pytest.mark.parametrize("name", PROFILES)
def test_u_and_no_result_climb_the_ladder(name):
    """Every kind of failure, and U with any code."""
    first = PROFILES[name].ladder.waits[0].label
    assert decided(name, Answered(Status.UNKNOWN, "UNKNOWN_EXCEPTION")) == first
    assert [decided(name, NoResult(failure)) for failure in Failure] == [first] * len(Failure)


@pytest.mark.parametrize("name", PROFILES)
def test_the_last_attempt_ends_it(name):
    """One before it there is a wait, after it there is none."""
    last = PROFILES[name].ladder.attempts
    silence = NoResult(Failure.READ_TIMEOUT)
    assert decided(name, silence, last - 1) == PROFILES[name].ladder.waits[-1].label
    decision = decide(silence, last, PROFILES[name])
    assert decision == DeadLetter(
        DeadLetterReason.ATTEMPTS_EXHAUSTED, f"no acknowledgement after {last} attempts"
    )


def test_what_was_unreadable_stands_in_the_dead_letter():
    """Who looks at it sees what to tell the partner."""
    cut = NoResult(Failure.UNREADABLE_ANSWER, detail="body: empty")
    decision = decide(cut, 15, PROFILES["mpp-to-ant"])
    assert decision == DeadLetter(
        DeadLetterReason.ATTEMPTS_EXHAUSTED,
        "no acknowledgement after 15 attempts; the last brought unreadable_answer: body: empty",
    )


def test_an_s_that_never_counted_is_named():
    """The partner kept saying S without a valid signature: an operator should know."""
    claimed = NoResult(Failure.UNSIGNED_ANSWER, claimed=Status.SUCCESS, code="SUCCESS")
    assert decided("mpp-to-ant", claimed, 15) is DeadLetterReason.UNVERIFIED_ACKNOWLEDGEMENT
    refused = NoResult(Failure.WRONG_SIGNATURE, claimed=Status.FAILED, code="X")
    assert decided("mpp-to-ant", refused, 15) is DeadLetterReason.ATTEMPTS_EXHAUSTED
    assert decided("mpp-to-ant", claimed, 14) == "6h"


@pytest.mark.parametrize("name", PROFILES)
def test_a_blocked_destination_ends_it_at_once(name):
    """The rule that refused it stands in the detail."""
    assert decide(Blocked("a private address"), 1, PROFILES[name]) == DeadLetter(
        DeadLetterReason.BLOCKED_DESTINATION, "a private address"
    )


def test_a_rejection_names_the_code():
    """And ends without a stray blank where there was none."""
    decision = decide(Answered(Status.FAILED, "PARAM_ILLEGAL"), 1, PROFILES["mpp-to-ant"])
    assert isinstance(decision, DeadLetter)
    assert decision.detail == "the partner refused it: F PARAM_ILLEGAL"
    decision = decide(Answered(Status.FAILED, ""), 1, PROFILES["mpp-to-ant"])
    assert isinstance(decision, DeadLetter)
    assert decision.detail == "the partner refused it: F"


def test_a_retry_carries_its_wait():
    """The wait has the length and the spelling of the rung."""
    decision = decide(NoResult(Failure.DNS_ERROR), 3, PROFILES["mpp-to-ant"])
    assert decision == RetryAfter(Wait(30, "30s"))


@pytest.mark.parametrize(
    ("outcome", "token"),
    [
        (Answered(Status.SUCCESS, ""), "S"),
        (Answered(Status.FAILED, "RISK_REJECT"), "F:RISK_REJECT"),
        (NoResult(Failure.READ_TIMEOUT), "read_timeout"),
        (Blocked("a private address"), "blocked"),
    ],
)
def test_an_outcome_is_one_token(outcome, token):
    """For headers, logs and the attempts topic."""
    assert describe(outcome) == token
