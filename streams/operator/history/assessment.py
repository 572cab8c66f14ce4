"""The assessment of a notification: was the partner told, whose turn is it, and is it late."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from streams.notification.decision import DeadLetterReason
from streams.notification.profile import SET_UP_FAULTS
from streams.notification.status import NEWER_VERSION
from streams.operator.history.notification_history import NotificationHistory
from streams.settings import Settings

Told = Literal["yes", "refused", "perhaps", "no"]
Turn = Literal["partner", "us", "payment core", "nobody"]
FinalState = Literal["delivered", "rejected", "dead-lettered", "expired", "invalid", "unknown"]
"""Nothing more happens by itself."""
State = Literal["waiting", "due", "parked"] | FinalState

FINAL_STATES: Final[frozenset[str]] = frozenset(get_args(FinalState))


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

    @classmethod
    def of(cls, settings: Settings, attempt_timeout_seconds: float = 10.0) -> "Limits":
        """Return the limits; an entry of the partners file may say 10 s at most."""
        return cls(
            overdue_after=int(settings.overdue_after * 1000),
            attempt_timeout=int(attempt_timeout_seconds * 1000),
            give_up_after=int(settings.give_up_after * 1000),
        )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a history comes to now.

    Attributes:
        told: whether the partner knows: `yes` (acknowledged), `refused`, `perhaps`, `no`.
        turn: whose turn it is.
        state: in one word.
        overdue: due, and not begun although a call that began in time would have ended.
        gives_up_at_ms: when it would be given up, where it still may be.
        forgotten: whether it was dead-lettered so long ago that nobody knows what was done about it since.
    """

    told: Told
    turn: Turn
    state: State
    overdue: bool
    gives_up_at_ms: int | None
    forgotten: bool = False

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in FINAL_STATES


def assess(
    history: NotificationHistory,
    now_ms: int,
    limits: Limits,
    *,
    known_since_ms: int | None = None,
) -> Assessment:
    """Return the assessment of a history. Total: every history has one.

    Args:
        history: what is known.
        now_ms: the present, milliseconds since the epoch.
        limits: from the settings.
        known_since_ms: of when the oldest attempts record is that was looked at; an event from before may have had
            attempts that are forgotten.
    """
    told = told_by(history)
    forgotten = _is_forgotten(history, known_since_ms)
    if forgotten and told != "yes":
        told = "perhaps"  # it may have been put back and delivered, whatever came before
    state, overdue = _state(history, now_ms, limits, known_since_ms)
    gives_up_at_ms = None
    if state not in FINAL_STATES and history.accepted_at_ms is not None:
        gives_up_at_ms = history.accepted_at_ms + limits.give_up_after
    turn = _turn(history, state, told, overdue=overdue)
    return Assessment(told, turn, state, overdue, gives_up_at_ms, forgotten)


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


def told_by(history: NotificationHistory) -> Told:
    """Return whether the partner knows, by what its answers say."""
    if history.delivered_at_ms is not None:
        return "yes"
    attempts = history.attempt_records
    if history.reason == DeadLetterReason.REJECTED or any(
        attempt.result_status == "F"
        and attempt.failure is None
        and attempt.result_code not in SET_UP_FAULTS
        for attempt in attempts
    ):
        return "refused"
    # An attempt whose record is gone may have reached it.
    if history.attempts_missing or any(attempt.request_left != "no" for attempt in attempts):
        return "perhaps"
    return "no"


def due_since(history: NotificationHistory) -> int:
    """Return when it is or was due, milliseconds since the epoch."""
    return history.since_ms if history.due_at_ms is None else history.due_at_ms


def parked_because(history: NotificationHistory) -> str | None:
    """Return the reason of the newest park, as its attempts record has it."""
    parks = (entry.detail for entry in reversed(history.entries) if entry.kind == "park")
    return next(parks, None)


def _is_forgotten(history: NotificationHistory, known_since_ms: int | None) -> bool:
    """Tell whether records from after its dead letter may be gone: that of its attempts topic, of the same moment, is."""
    if history.status != "dead-lettered" or known_since_ms is None:
        return False
    last = [entry for entry in history.entries if entry.kind == "dead-letter"]
    return history.since_ms < known_since_ms and not (last and last[-1].record is not None)


def _state(
    history: NotificationHistory, now_ms: int, limits: Limits, known_since_ms: int | None
) -> tuple[State, bool]:
    match history.status:
        case "delivered":
            return "delivered", False
        case "dead-lettered":
            return _dead_state(history), False
        case "accepted" if known_since_ms is not None and history.since_ms < known_since_ms:
            return "unknown", False
        case _:
            late_ms = now_ms - due_since(history)
            if late_ms < 0:
                return ("parked" if history.status == "parked" else "waiting"), False
            return "due", late_ms > limits.overdue_after + limits.attempt_timeout


def _dead_state(history: NotificationHistory) -> State:
    match history.reason:
        case DeadLetterReason.REJECTED:
            return "rejected"
        case DeadLetterReason.EXPIRED:
            return "expired"
        case reason if reason in _NEVER_SENT and not history.attempts:
            return "invalid"
        case _:
            return "dead-lettered"


def _turn(history: NotificationHistory, state: State, told: Told, *, overdue: bool) -> Turn:
    if state == "delivered":
        return "nobody"
    if state in FINAL_STATES:
        if history.reason in _UPSTREAM:
            return "payment core"
        return "us" if history.reason in _OURS or told == "no" else "partner"
    if overdue or (state == "parked" and parked_because(history) == NEWER_VERSION):
        return "us"
    if not history.attempts:
        return "partner" if history.parks and state != "due" else "us"
    last = history.last_attempt
    return "us" if last is not None and last.result_code in SET_UP_FAULTS else "partner"
