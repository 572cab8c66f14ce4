"""The assessment in sentences: what is known and why, and what happens next."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Final

from schemas.attempt_record import AttemptRecord
from streams.notification.decision import DeadLetterReason
from streams.notification.profile import SET_UP_FAULTS
from streams.operator.history.assessment import Assessment, Limits, due_since, parked_because
from streams.operator.history.notification_history import NotificationHistory
from streams.operator.history.text import (
    clock_time,
    detailed_answer,
    distance,
    duration,
    park_reason,
    plural,
    short_answer,
)


def current_state(history: NotificationHistory, assessment: Assessment, now_ms: int) -> str:
    """Return whether the partner was told, and why, in one or two sentences."""
    partner = history.partner_id or "the partner"
    if assessment.told == "yes":
        return _delivered(history, partner, now_ms)
    if assessment.state == "unknown":
        return "What became of it is not known: its event is older than the oldest attempts record that was looked at."
    if assessment.forgotten:
        return (
            f"{_given_up(history, now_ms)} What was done about it since is not known any more:"
            f" {partner} may have been told."
        )
    known = {
        "refused": f"{partner} knows and refused it{'' if assessment.is_final else ' so far'}.",
        "perhaps": f"Not acknowledged; {partner} may have received it.",
        "no": f"{partner} was not told.",
    }[assessment.told]
    return f"{known} {_why(history, assessment, partner, now_ms)}"


def _delivered(history: NotificationHistory, partner: str, now_ms: int) -> str:
    at = history.delivered_at_ms or history.since_ms
    attempt = next((a for a in history.attempt_records if a.decision == "delivered"), None)
    number = f", attempt {attempt.attempt}" if attempt is not None and attempt.attempt else ""
    after = (
        f", {duration(at - history.occurred_at_ms)} after the payment became final"
        if history.occurred_at_ms is not None
        else ""
    )
    more = "".join(f" {sentence}" for sentence in _since_delivered(history, at, now_ms))
    return f"Told. {partner} acknowledged it at {clock_time(at, now_ms)}{number}{after}.{more}"


def _since_delivered(history: NotificationHistory, at_ms: int, now_ms: int) -> Iterator[str]:
    """Yield what happened after the first acknowledgement: sent again, acknowledged again, contradicted."""
    resent = [entry for entry in history.entries if entry.kind == "replay" and entry.at_ms > at_ms]
    again = [a for a in history.attempt_records if a.decision == "delivered"][1:]
    if resent:
        by = f" by {resent[-1].by}" if resent[-1].by else ""
        answered = (
            "acknowledged again"
            if any(a.at_ms >= resent[-1].at_ms for a in again)
            else "not acknowledged again"
        )
        yield f"Sent again at {clock_time(resent[-1].at_ms, now_ms)}{by}, {answered}."
    elif again:
        yield f"Acknowledged again at {clock_time(again[-1].at_ms, now_ms)}: it was told more than once."
    for entry in history.entries:
        if entry.reason == DeadLetterReason.CONFLICTING_RESULT:
            yield f"A result that contradicts it came at {clock_time(entry.at_ms, now_ms)} and was not sent."
            break


def _why(history: NotificationHistory, assessment: Assessment, partner: str, now_ms: int) -> str:
    if assessment.is_final:
        return _given_up(history, now_ms)
    if history.status == "parked":
        return f"Parked: {park_reason(parked_because(history))}. No attempt was used up."
    if history.status == "replayed":
        return "It was put back and not attempted since."
    last = history.last_attempt
    if last is None:
        return "No attempt was made yet."
    answer = short_answer(last)
    same = takewhile(lambda a: short_answer(a) == answer, reversed(history.attempt_records))
    count = sum(1 for _ in same)
    return f"{answer_of(partner, last)}{f', {count} times in a row' if count > 1 else ''}."


def _given_up(history: NotificationHistory, now_ms: int) -> str:
    last = history.last_attempt
    attempts = f" after {plural(history.attempts, 'attempt')}" if history.attempts else ""
    detail = f": {history.detail}" if history.detail else ""
    in_detail = history.reason == DeadLetterReason.REJECTED or bool(
        last and last.failure_detail and last.failure_detail in detail
    )
    answer = "" if last is None or in_detail else f" Last answer: {detailed_answer(last)}."
    return (
        f"Given up at {clock_time(history.since_ms, now_ms)}{attempts},"
        f" {history.reason or 'for a reason not known'}{detail}.{answer}"
    )


def answer_of(partner: str, attempt: AttemptRecord) -> str:
    """Return what a partner did to an attempt, with the partner as the subject: `acme answered HTTP 503`."""
    if attempt.failure is None and attempt.result_code in SET_UP_FAULTS:
        return f"{partner} blames our set-up: F {attempt.result_code}"
    if attempt.failure == "read_timeout":
        took = (attempt.ended_at_ms or 0) - (attempt.started_at_ms or 0)
        return f"{partner} gave no answer within {duration(took)}"
    verb = _VERBS.get(attempt.failure or "")
    return f"{partner} {f'{verb}:' if verb else 'answered'} {detailed_answer(attempt)}"


_VERBS: Final = {
    "dns_error": "can't be reached",
    "connect_error": "can't be reached",
    "connect_timeout": "can't be reached",
    "tls_error": "can't be reached safely",
    "tls_incomplete_chain": "can't be reached safely",
    "broken_connection": "gave no answer",
    "unreadable_answer": "answered, but not in a form that counts",
    "oversized_answer": "answered, but not in a form that counts",
    "unsigned_answer": "answered, but without a signature that counts",
    "wrong_signature": "answered, but not signed by a key that we know",
    "stale_answer": "answered, but with a time too far from ours",
}


def next_step(
    history: NotificationHistory, assessment: Assessment, now_ms: int, limits: Limits
) -> str:
    """Return what happens next, and when."""
    if assessment.is_final:
        return _after_the_end(history, assessment)
    due = due_since(history)
    of = f" of {history.attempts_in_all}" if history.attempts_in_all else ""
    attempt = f"Attempt {history.attempts + 1}{of}"
    if assessment.overdue:
        return (
            f"{attempt} is overdue by {duration(now_ms - due)}. This is ours: no worker has begun it"
            f"{f' from {history.rests_on}' if history.rests_on else ''}."
        )
    if assessment.state == "due":
        longest = duration(limits.attempt_timeout)
        return f"{attempt} has been due for {duration(now_ms - due)}; a call may be under way (at most {longest})."
    event = (
        "The destination is looked at again"
        if assessment.state == "parked"
        else f"{attempt} is due"
    )
    return f"{event} at {clock_time(due, now_ms)} ({distance(due, now_ms)})."


def _after_the_end(history: NotificationHistory, assessment: Assessment) -> str:
    match assessment.state:
        case "delivered":
            return "Nothing more will happen."
        case _ if assessment.forgotten:
            return (
                "Look further back: `notifier why` without --since, or the partner's own records."
            )
        case "unknown":
            return "Look further back: a longer --since, or the partner's own records."
        case "rejected":
            return "Nothing more will happen by itself: it will not be asked again; settle it with the partner."
        case _ if history.reason == DeadLetterReason.CONFLICTING_RESULT:
            return "Nothing more will happen by itself: find out which result is true; this one is never sent."
        case _:
            return "Nothing more will happen by itself: remove the cause, then `notifier dead-letters replay`."
