"""What is counted when: the one place where facts become metrics."""

import logging
from dataclasses import dataclass

from streams.call.https import Call
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Prepared, Refused
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, NoResult, Status
from streams.notification.profile import SET_UP_FAULTS
from streams.operate.health import Health
from streams.operate.metrics import SIGNATURE_FAILURES, Metrics

log = logging.getLogger(__name__)

_CLASSES = {"event": "first", "replay": "replay"}
_ANSWERS = {Status.SUCCESS: "acknowledged", Status.FAILED: "refused", Status.UNKNOWN: "unknown"}


@dataclass(frozen=True, slots=True)
class Counting:
    """Counts what happened to notifications.

    Attributes:
        metrics: where it is counted.
        health: which follows the clock.
    """

    metrics: Metrics
    health: Health

    def accepted(self, prepared: Prepared) -> None:
        """Count an event that became a notification."""
        metrics, profile = self.metrics, prepared.notification.profile.name
        metrics.consumed.labels("accepted").inc()
        if prepared.unsent:
            metrics.unsent_members.labels(profile).inc(len(prepared.unsent))
        if prepared.unmapped_reason:
            metrics.unmapped_reasons.labels(profile).inc()
        if prepared.unknown_code:
            metrics.unknown_codes.labels(profile).inc()

    def refused(self, refused: Refused) -> None:
        """Count an event that could not become one."""
        self.metrics.consumed.labels(refused.reason.value).inc()
        if refused.reason is DeadLetterReason.UNMAPPED_REASON and refused.profile is not None:
            self.metrics.unmapped_reasons.labels(refused.profile).inc()

    def absorbed(self, tier: str) -> None:
        """Count a second copy of a record that was settled."""
        self.metrics.repeats.labels(tier).inc()

    def attempt(self, notification: Notification, call: Call, tier: str, trigger: str) -> None:
        """Count an attempt at its end; the notification is the one before it."""
        metrics, profile = self.metrics, notification.profile.name
        metrics.attempts.labels(profile, _CLASSES.get(trigger, "retry"), result_of(call)).inc()
        metrics.attempt_seconds.labels(profile).observe(
            (call.ended_at_ms - call.started_at_ms) / 1000
        )
        metrics.signing_seconds.observe(call.signing_seconds)
        metrics.lateness.labels(tier).observe(
            max(0, call.started_at_ms - notification.due_at_ms) / 1000
        )
        if call.http_status is not None:
            metrics.responses.labels(str(call.http_status)).inc()
        match call.outcome:
            case Answered(Status.FAILED, code) if code in SET_UP_FAULTS:
                metrics.set_up_faults.labels(profile, code).inc()
                log.error(
                    "partner %s answers F %s: our set-up is at fault", notification.partner_id, code
                )
            case NoResult(failure) if failure in SIGNATURE_FAILURES:
                metrics.signature_failures.labels(profile, failure.value).inc()
            case _:
                pass

    def parked(self, notification: Notification, why: str) -> None:
        """Count a notification moved aside without an attempt."""
        self.metrics.parks.labels(notification.profile.name, why).inc()

    def ended(self, notification: Notification, outcome: str, now_ms: int) -> None:
        """Count the end of a notification: acknowledged, or a dead letter's reason."""
        metrics, profile = self.metrics, notification.profile.name
        metrics.notifications.labels(profile, outcome).inc()
        metrics.attempts_per_notification.labels(outcome).observe(notification.attempt)
        if outcome == "acknowledged":
            seconds = (now_ms - notification.occurred_at_ms) / 1000
            metrics.acknowledgement_seconds.labels(profile).observe(max(0.0, seconds))

    def dead_letter(self, reason: DeadLetterReason) -> None:
        """Count a record on the dead-letter topic."""
        self.metrics.dead_letters.labels(reason.value).inc()

    def settled(self, tier: str, now_seconds: float) -> None:
        """Note that a stage moved on."""
        self.metrics.last_processed.labels(tier).set(now_seconds)

    def clock_offset(self, seconds: float) -> None:
        """Note the broker's clock minus ours."""
        self.metrics.clock_offset.set(seconds)
        self.health.clock_offset_seconds = seconds


def result_of(call: Call) -> str:
    """Return the attempt's result as a label."""
    match call.outcome:
        case Answered(status):
            return _ANSWERS[status]
        case NoResult(failure):
            return failure.value
        case Blocked():
            return "blocked"
