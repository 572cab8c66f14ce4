"""The verdict on a notification: was the partner told, whose turn is it, and when does it go on. One sentence first."""

from dataclasses import dataclass
from typing import Final, Literal

from schemas.attempt_record import AttemptRecord
from streams.history.life import Life
from streams.history.spent import Spent, time_spent
from streams.history.words import (
    NEWER_VERSION,
    clock_time,
    detailed_answer,
    distance,
    duration,
    park_reason,
    short_answer,
    times,
)
from streams.notification.decision import DeadLetterReason
from streams.notification.profile import SET_UP_FAULTS

Told = Literal["yes", "refused", "perhaps", "no"]
Turn = Literal["partner", "us", "payment core", "nobody"]
State = Literal[
    "waiting",
    "due",
    "delivered",
    "rejected",
    "parked",
    "dead-lettered",
    "expired",
    "invalid",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say, in milliseconds.

    Attributes:
        overdue_after: `NOTIFIER_OVERDUE_AFTER`.
        attempt_timeout: the longest that one attempt may take: the partner's, or the most there is.
        give_up_after: `NOTIFIER_GIVE_UP_AFTER`.
    """

    overdue_after: int = 5_000
    attempt_timeout: int = 10_000
    give_up_after: int = 72 * 3_600_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to say of a notification.

    Attributes:
        told: whether the partner knows: `yes` (acknowledged), `refused`, `perhaps`, `no`.
        turn: whose turn it is.
        state: in one word.
        overdue: due, and not begun although a call that began in time would have ended.
        sentence: told and why, in one or two sentences.
        next: what happens next.
        gives_up_at_ms: when it would be given up, where it still may be.
        spent: where the time went.
    """

    told: Told
    turn: Turn
    state: State
    overdue: bool
    sentence: str
    next: str
    gives_up_at_ms: int | None
    spent: Spent


def verdict_on(
    life: Life, now_ms: int, limits: Limits, *, known_since_ms: int | None = None
) -> Verdict:
    """Return the verdict on a life. Total: every life has one.

    Args:
        life: what is known.
        now_ms: the present, milliseconds since the epoch.
        limits: from the settings.
        known_since_ms: of when the oldest attempts record is that was looked at; an event from before may have had
            attempts that are forgotten.
    """
    told = _told(life)
    state, overdue = _state(life, now_ms, limits, known_since_ms)
    ends = state in _ENDS
    return Verdict(
        told=told,
        turn=_turn(life, state, told, overdue=overdue),
        state=state,
        overdue=overdue,
        sentence=_sentence(life, state, told, now_ms),
        next=_next(life, state, now_ms, limits, overdue=overdue),
        gives_up_at_ms=None
        if ends or life.accepted_at_ms is None
        else life.accepted_at_ms + limits.give_up_after,
        spent=time_spent(life, now_ms),
    )


_ENDS: Final = frozenset(
    {"delivered", "rejected", "dead-lettered", "expired", "invalid", "unknown"}
)
_NEVER_SENT: Final = frozenset(
    {
        DeadLetterReason.INVALID_EVENT,
        DeadLetterReason.UNKNOWN_PARTNER,
        DeadLetterReason.UNMAPPED_REASON,
        DeadLetterReason.CONFLICTING_RESULT,
    }
)
_OURS: Final = frozenset(
    {
        DeadLetterReason.UNKNOWN_PARTNER,
        DeadLetterReason.UNMAPPED_REASON,
        DeadLetterReason.BLOCKED_DESTINATION,
    }
)
_UPSTREAM: Final = frozenset(
    {
        DeadLetterReason.INVALID_EVENT,
        DeadLetterReason.CONFLICTING_RESULT,
        DeadLetterReason.OVERSIZED,
    }
)


def _told(life: Life) -> Told:
    if life.delivered_at_ms is not None:
        return "yes"
    calls = life.calls
    if life.reason == DeadLetterReason.REJECTED or any(
        call.result_status == "F" and call.failure is None and call.result_code not in SET_UP_FAULTS
        for call in calls
    ):
        return "refused"
    # An attempt whose record is gone may have reached it.
    if life.attempts_missing or any(call.request_left != "no" for call in calls):
        return "perhaps"
    return "no"


def _state(
    life: Life, now_ms: int, limits: Limits, known_since_ms: int | None
) -> tuple[State, bool]:
    match life.standing:
        case "delivered":
            return "delivered", False
        case "dead-lettered":
            return _dead_state(life), False
        case "accepted" if known_since_ms is not None and life.since_ms < known_since_ms:
            return "unknown", False
        case _:
            due = life.since_ms if life.due_at_ms is None else life.due_at_ms
            if due > now_ms:
                return ("parked" if life.standing == "parked" else "waiting"), False
            return "due", now_ms - due > limits.overdue_after + limits.attempt_timeout


def _dead_state(life: Life) -> State:
    match life.reason:
        case DeadLetterReason.REJECTED:
            return "rejected"
        case DeadLetterReason.EXPIRED:
            return "expired"
        case reason if reason in _NEVER_SENT and not life.attempts:
            return "invalid"
        case _:
            return "dead-lettered"


def _turn(life: Life, state: State, told: Told, *, overdue: bool) -> Turn:
    if state == "delivered":
        return "nobody"
    if state in _ENDS:
        if life.reason in _UPSTREAM:
            return "payment core"
        return "us" if life.reason in _OURS or told == "no" else "partner"
    if overdue or (state == "parked" and _parked_because(life) == NEWER_VERSION):
        return "us"
    if not life.attempts:
        return "partner" if life.parks and state != "due" else "us"
    ours = life.calls and life.calls[-1].result_code in SET_UP_FAULTS
    return "us" if ours else "partner"


def _sentence(life: Life, state: State, told: Told, now_ms: int) -> str:
    partner = life.partner_id or "the partner"
    if state == "delivered" or (told == "yes" and life.delivered_at_ms is not None):
        return _delivered(life, partner, now_ms)
    if state == "unknown":
        return "What became of it is not known: its event is older than the oldest attempts record that was looked at."
    known = {
        "refused": f"{partner} knows and refused it{'' if state in _ENDS else ' so far'}.",
        "perhaps": f"Not acknowledged; {partner} may have received it.",
        "no": f"{partner} was not told.",
        "yes": "",
    }[told]
    return f"{known} {_why(life, state, partner, now_ms)}".strip()


def _delivered(life: Life, partner: str, now_ms: int) -> str:
    at = life.delivered_at_ms or life.since_ms
    last = next((call for call in life.calls if call.decision == "delivered"), None)
    number = f", attempt {last.attempt}" if last is not None and last.attempt else ""
    after = (
        f", {duration(at - life.occurred_at_ms)} after the payment became final"
        if life.occurred_at_ms is not None
        else ""
    )
    return f"Told. {partner} acknowledged it at {clock_time(at, now_ms)}{number}{after}."


def _why(life: Life, state: State, partner: str, now_ms: int) -> str:
    last = life.calls[-1] if life.calls else None
    if state in _ENDS:
        return _given_up(life, last, now_ms)
    if life.standing == "parked":
        return f"Parked: {park_reason(_parked_because(life))}. No attempt was used up."
    if life.standing == "replayed":
        return "It was put back and not attempted since."
    if last is None:
        return "No attempt was made yet."
    same = _same_in_a_row(life.calls)
    row = f", {same} times in a row" if same > 1 else ""
    return f"{said_by(partner, last)}{row}."


def _parked_because(life: Life) -> str | None:
    return next((entry.detail for entry in reversed(life.entries) if entry.kind == "park"), None)


def _given_up(life: Life, last: AttemptRecord | None, now_ms: int) -> str:
    at = clock_time(life.since_ms, now_ms)
    attempts = f" after {times(life.attempts, 'attempt')}" if life.attempts else ""
    detail = f": {life.detail}" if life.detail else ""
    known = last is None or life.reason == DeadLetterReason.REJECTED  # the detail says it
    known = known or bool(last and last.failure_detail and last.failure_detail in detail)
    answer = "" if last is None or known else f" Last answer: {detailed_answer(last)}."
    return f"Given up at {at}{attempts}, {life.reason or 'for a reason not known'}{detail}.{answer}"


def _same_in_a_row(calls: tuple[AttemptRecord, ...]) -> int:
    last, count = short_answer(calls[-1]), 0
    for call in reversed(calls):
        if short_answer(call) != last:
            break
        count += 1
    return count


def said_by(partner: str, call: AttemptRecord) -> str:
    """Return what a partner did to an attempt, with the partner as the subject: `acme answered HTTP 503`."""
    if call.failure is None and call.result_code in SET_UP_FAULTS:
        return f"{partner} blames our set-up: F {call.result_code}"
    if call.failure == "read_timeout":
        took = (call.ended_at_ms or 0) - (call.started_at_ms or 0)
        return f"{partner} gave no answer within {duration(took)}"
    verb = _VERBS.get(call.failure or "")
    return f"{partner} {f'{verb}:' if verb else 'answered'} {detailed_answer(call)}"


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


def _next(life: Life, state: State, now_ms: int, limits: Limits, *, overdue: bool) -> str:
    if state in _ENDS:
        return _after_the_end(life, state)
    due = life.since_ms if life.due_at_ms is None else life.due_at_ms
    of = f" of {life.attempts_in_all}" if life.attempts_in_all else ""
    attempt = f"Attempt {life.attempts + 1}{of}"
    if overdue:
        return (
            f"{attempt} is overdue by {duration(now_ms - due)}. This is ours: no worker has begun it"
            f"{f' from {life.rests_on}' if life.rests_on else ''}."
        )
    if state == "due":
        most = duration(limits.attempt_timeout)
        return f"{attempt} has been due for {duration(now_ms - due)}; a call may be under way (at most {most})."
    verb = "The destination is looked at again" if state == "parked" else f"{attempt} is due"
    return f"{verb} at {clock_time(due, now_ms)} ({distance(due, now_ms)})."


def _after_the_end(life: Life, state: State) -> str:
    match state:
        case "delivered":
            return "Nothing more will happen."
        case "unknown":
            return "Look further back: a longer --since, or the partner's own records."
        case "rejected":
            return "Nothing more will happen by itself: it will not be asked again; settle it with the partner."
        case _ if life.reason == DeadLetterReason.CONFLICTING_RESULT:
            return "Nothing more will happen by itself: find out which result is true; this one is never sent."
        case _:
            return "Nothing more will happen by itself: mend the reason, then `notifier dead-letters replay`."
