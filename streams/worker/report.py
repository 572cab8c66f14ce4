"""What the attempts record says of a decision: the members of a report, and where each comes from. Pure."""

from schemas.acknowledgement import MAX_CODE_LENGTH
from schemas.attempt_record import AttemptReport, Trigger
from streams.notification.body import status_of
from streams.notification.decision import DeadLetter
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, NoResult, describe
from streams.webhook.https import AttemptResult


def report_of(
    notification: Notification, trigger: Trigger, now_ms: int, worker: str
) -> AttemptReport:
    """Return what is known of a notification, whatever is decided about it.

    Args:
        notification: as it goes on.
        trigger: what made it due.
        now_ms: when it is decided.
        worker: this process's name on the attempts topic.
    """
    report: AttemptReport = {
        "kind": "decision",
        "at_ms": now_ms,
        "notification_id": notification.notification_id,
        "order_id": notification.order_id,
        "profile": notification.profile.name,
        "partner_id": notification.partner_id,
        "attempt": notification.attempt,
        "parks": notification.parks,
        "replays": notification.replays,
        "replay_run": notification.replay_run,
    }
    code = notification.result_code
    if code is not None:
        report["sent_result_status"] = status_of(code)
        report["sent_result_code"] = code[:MAX_CODE_LENGTH]
    report["trigger"] = trigger
    if notification.near_names:
        report["near_names"] = [str(name) for name in notification.near_names]
    report["origin"] = notification.origin
    report["worker"] = worker
    return report


def as_dead_letter(report: AttemptReport, dead_letter: DeadLetter) -> AttemptReport:
    """Return the report of what becomes a dead letter."""
    return {
        **report,
        "decision": "dead-letter",
        "dead_letter_reason": dead_letter.reason.value,
        "why": dead_letter.detail[:1024],
    }


def add_attempt(report: AttemptReport, attempt: AttemptResult, due_at_ms: int) -> None:
    """Add what is said of an attempt; no body, no key, no URL but its origin."""
    report["kind"] = "attempt"
    report["url_origin"] = attempt.url_origin
    report["due_at_ms"] = due_at_ms
    report["started_at_ms"] = attempt.started_at_ms
    report["ended_at_ms"] = attempt.ended_at_ms
    report["lateness_ms"] = max(0, attempt.started_at_ms - due_at_ms)
    report["request_left"] = attempt.request_left.value
    report["http_status"] = attempt.http_status
    report["outcome"] = describe(attempt.outcome)
    match attempt.outcome:
        case Answered(status, code):
            report["result_status"] = status.value
            report["result_code"] = code or None
        case NoResult(failure, claimed, code, detail):
            report["failure"] = failure.value
            report["failure_detail"] = detail or None
            report["result_status"] = claimed.value if claimed else None
            report["result_code"] = code or None
        case Blocked():  # pragma: no cover  # then there was no attempt
            pass
