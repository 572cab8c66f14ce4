"""What follows an attempt: delivered, retry after a wait, or dead letter. Decides; does not act."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from streams.notification.ladder import Wait
from streams.notification.outcome import Answered, Blocked, NoResult, Outcome, Status
from streams.notification.profile import Profile


class DeadLetterReason(StrEnum):
    """Why a notification or a record ended on the dead-letter topic (contract, section 4)."""

    ATTEMPTS_EXHAUSTED = "attempts-exhausted"
    UNVERIFIED_ACKNOWLEDGEMENT = "unverified-acknowledgement"
    REJECTED = "rejected"
    INVALID_EVENT = "invalid-event"
    UNKNOWN_PARTNER = "unknown-partner"
    UNMAPPED_REASON = "unmapped-reason"
    CONFLICTING_RESULT = "conflicting-result"
    BLOCKED_DESTINATION = "blocked-destination"
    OVERSIZED = "oversized"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The partner acknowledged with S: nothing is left to do."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try again when the wait has passed since the end of this attempt."""

    wait: Wait


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Hand over to an operator.

    Attributes:
        reason: the class, from the contract's list.
        detail: what was seen, without quoting values.
    """

    reason: DeadLetterReason
    detail: str


Decision = Delivered | RetryAfter | DeadLetter


def decide(outcome: Outcome, attempt: int, profile: Profile) -> Decision:
    """Decide what follows an attempt. Total: every outcome of every attempt has a decision.

    Args:
        outcome: what came back.
        attempt: the number of the attempt, the first is 1.
        profile: whose ladder and whose meaning of F apply.
    """
    match outcome:
        case Answered(Status.SUCCESS):
            return Delivered()
        case Answered(Status.FAILED, code) if profile.f_is_final(code):
            return DeadLetter(
                DeadLetterReason.REJECTED, f"the partner refused it: F {code}".rstrip()
            )
        case Blocked(why):
            return DeadLetter(DeadLetterReason.BLOCKED_DESTINATION, why)
        case Answered() | NoResult():
            wait = profile.ladder.wait_after(attempt)
            return RetryAfter(wait) if wait is not None else _exhausted(outcome, attempt)
        case _:  # pragma: no cover
            assert_never(outcome)


def out_of_attempts(attempts: int, profile: Profile) -> DeadLetter | None:
    """Return the dead letter of a notification that waits for an attempt which its ladder, become shorter, no longer has.

    Args:
        attempts: made so far.
        profile: whose ladder applies today.
    """
    if attempts < profile.ladder.attempts:
        return None
    return DeadLetter(
        DeadLetterReason.ATTEMPTS_EXHAUSTED,
        f"no acknowledgement after {attempts} attempts; the ladder has {profile.ladder.attempts} today",
    )


def _exhausted(outcome: Answered | NoResult, attempt: int) -> DeadLetter:
    if isinstance(outcome, NoResult) and outcome.claimed is Status.SUCCESS:
        return DeadLetter(
            DeadLetterReason.UNVERIFIED_ACKNOWLEDGEMENT,
            f"attempt {attempt} of {attempt} was answered S, which does not count: {outcome.failure.value}",
        )
    detail = f"no acknowledgement after {attempt} attempts"
    if isinstance(outcome, NoResult) and outcome.detail:
        detail += f"; the last brought {outcome.failure.value}: {outcome.detail}"
    return DeadLetter(DeadLetterReason.ATTEMPTS_EXHAUSTED, detail)
