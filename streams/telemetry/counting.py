"""Counts what happened: the one place where it becomes metrics, and log lines where they are wanted."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.near_names import NearName
from streams.kafka.format.event_headers import HeaderFault
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Prepared, Refused
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, Failure, NoResult, Status, describe
from streams.notification.profile import SET_UP_FAULTS
from streams.telemetry.health import Health
from streams.telemetry.logs import EveryMinute, LogSample, facts
from streams.telemetry.metrics import DELIVERY_TARGET_SECONDS, Metrics
from streams.webhook.https import AttemptResult

log = logging.getLogger(__name__)

SIGNATURE_FAILURES = (Failure.UNSIGNED_ANSWER, Failure.WRONG_SIGNATURE)

_CLASSES = {"event": "first", "replay": "replay"}
_ANSWERS = {Status.SUCCESS: "acknowledged", Status.FAILED: "refused", Status.UNKNOWN: "unknown"}
_TARGET_MS = int(DELIVERY_TARGET_SECONDS * 1000)


@dataclass(frozen=True, slots=True)
class Counting:
    """Counts what happened to notifications.

    Attributes:
        metrics: where it is counted.
        health: which follows the clock.
        sample: the notifications whose every attempt and decision is logged; none by default.
        unreadable: whether it is time to log again what of a partner's answer was unreadable.
        misnamed: whether it is time to log again that events name a member wrong.
    """

    metrics: Metrics
    health: Health
    sample: LogSample | None = None
    unreadable: EveryMinute = field(default_factory=EveryMinute)
    misnamed: EveryMinute = field(default_factory=EveryMinute)

    def accepted(self, prepared: Prepared) -> None:
        """Count an event that became a notification."""
        metrics, notification = self.metrics, prepared.notification
        profile = notification.profile.name
        metrics.consumed.labels("accepted").inc()
        metrics.arrival_seconds.observe(
            max(0, notification.accepted_at_ms - notification.occurred_at_ms) / 1000
        )
        if prepared.unsent:
            metrics.unsent_members.labels(profile).inc(len(prepared.unsent))
        if notification.near_names:
            self._near_names(notification.near_names, profile)
            for name in notification.near_names:
                key = f"{profile} {name.meant}"
                if self.misnamed.is_due(key, notification.accepted_at_ms / 1000):
                    log.warning("event: %s", name, extra=facts(notification))
        if prepared.unmapped_reason:
            metrics.unmapped_reasons.labels(profile).inc()
        if prepared.unknown_code:
            metrics.unknown_codes.labels(profile).inc()

    def refused(self, refused: Refused) -> None:
        """Count an event that could not become one."""
        self.metrics.consumed.labels(refused.reason.value).inc()
        if refused.near:
            self._near_names(refused.near, refused.profile or "")
        if refused.reason is DeadLetterReason.UNMAPPED_REASON and refused.profile is not None:
            self.metrics.unmapped_reasons.labels(refused.profile).inc()

    def _near_names(self, names: Iterable[NearName], profile: str) -> None:
        for name in names:
            self.metrics.near_names.labels(profile, name.meant).inc()

    def passed_over(self, rule: str) -> None:
        """Count a record that the event mapping passes over."""
        self.metrics.passed_over.labels(rule).inc()

    def registry_asked(self, result: str) -> None:
        """Count a question to the schema registry: `found`, or why there was no schema."""
        self.metrics.registry_requests.labels(result).inc()

    def unreadable_traceparent(self, fault: HeaderFault) -> None:
        """Count an event whose trace context is left out."""
        self.metrics.unreadable_traceparents.labels(fault).inc()

    def absorbed(self, tier: str) -> None:
        """Count a second copy of a record that was settled."""
        self.metrics.repeats.labels(tier).inc()

    def attempt(
        self,
        notification: Notification,
        call: AttemptResult,
        tier: str,
        trigger: str,
        next_due_at_ms: int | None = None,
    ) -> None:
        """Count an attempt at its end; the notification is the one before it.

        Args:
            notification: before the attempt.
            call: the attempt.
            tier: where the notification lay.
            trigger: what made it due.
            next_due_at_ms: when it is attempted again; None where it has come to its end.
        """
        metrics, profile = self.metrics, notification.profile.name
        partner = notification.partner_id
        seconds = (call.ended_at_ms - call.started_at_ms) / 1000
        result = seen = result_of(call)
        metrics.attempts.labels(profile, _CLASSES.get(trigger, "retry"), result).inc()
        metrics.attempt_seconds.labels(profile).observe(seconds)
        metrics.partner_seconds.labels(partner).observe(seconds)
        metrics.signing_seconds.observe(call.signing_seconds)
        metrics.lateness.labels(tier).observe(
            max(0, call.started_at_ms - notification.due_at_ms) / 1000
        )
        if call.stale:
            metrics.stale_answers.labels(partner).inc()
        if call.http_status is not None:
            metrics.responses.labels(str(call.http_status)).inc()
        match call.outcome:
            case Answered(Status.SUCCESS, _):
                metrics.partner_acknowledged.labels(partner).set(call.ended_at_ms / 1000)
            case Answered(Status.FAILED, code) if code in SET_UP_FAULTS:
                seen = "set_up_fault"
                metrics.set_up_faults.labels(profile, code).inc()
                log.error(
                    "partner %s answers F %s: our set-up is at fault",
                    partner,
                    code,
                    extra=facts(notification),
                )
            case NoResult(failure) if failure in SIGNATURE_FAILURES:
                metrics.signature_failures.labels(profile, failure.value).inc()
            case NoResult(failure, detail=detail) if detail:
                if self.unreadable.is_due(partner, call.ended_at_ms / 1000):
                    log.warning(
                        "partner %s: %s: %s",
                        partner,
                        failure.value,
                        detail,
                        extra=facts(notification, attempt=notification.attempt + 1),
                    )
            case _:
                pass
        metrics.partner_attempts.labels(partner, seen).inc()
        self._aim(
            notification,
            our_fault=seen == "set_up_fault",
            acknowledged_at_ms=call.ended_at_ms if seen == "acknowledged" else None,
            next_due_at_ms=next_due_at_ms,
        )
        if self.sample is not None and self.sample.takes(notification.notification_id):
            number = notification.attempt + 1
            more = facts(notification, attempt=number, decision=result)
            log.info("attempt %s: %s", number, _told(call), extra=more)

    def _aim(
        self,
        notification: Notification,
        *,
        our_fault: bool,
        acknowledged_at_ms: int | None,
        next_due_at_ms: int | None,
    ) -> None:
        """Count whether the target was met, once for a notification: in the step that leads across its deadline.

        A step is an attempt or a park, from one due time to the next. The first one counts also where it begins too
        late: no call was made in time then, which is no fault of the partner's.
        """
        if notification.replays:
            return
        deadline_ms = notification.occurred_at_ms + _TARGET_MS
        in_time = notification.due_at_ms < deadline_ms
        if not in_time and (notification.attempt or notification.parks):
            return  # counted before
        if acknowledged_at_ms is not None and acknowledged_at_ms <= deadline_ms:
            result = "met"
        elif next_due_at_ms is not None and next_due_at_ms < deadline_ms:
            return  # still open
        else:
            result = "missed_by_us" if our_fault or not in_time else "missed_by_partner"
        self.metrics.target.labels(notification.profile.name, result).inc()

    def parked(
        self, notification: Notification, why: str, next_due_at_ms: int | None = None
    ) -> None:
        """Count a notification moved aside without an attempt, until it is due again."""
        self.metrics.parks.labels(notification.profile.name, why).inc()
        self.metrics.partner_parks.labels(notification.partner_id).inc()
        if next_due_at_ms is not None:
            our_fault = why == "share"
            self._aim(
                notification,
                our_fault=our_fault,
                acknowledged_at_ms=None,
                next_due_at_ms=next_due_at_ms,
            )
        if self.sample is not None and self.sample.takes(notification.notification_id):
            log.info("parked: %s", why, extra=facts(notification, decision="parked"))

    def parked_newer(self) -> None:
        """Count a record of a newer version that was moved aside as it is."""
        self.metrics.parks.labels("other", "newer-version").inc()

    def ended(self, notification: Notification, outcome: str, now_ms: int) -> None:
        """Count the end of a notification: acknowledged, or a dead letter's reason."""
        metrics, profile = self.metrics, notification.profile.name
        metrics.notifications.labels(profile, outcome).inc()
        metrics.partner_ends.labels(notification.partner_id, outcome).inc()
        metrics.attempts_per_notification.labels(outcome).observe(notification.attempt)
        if outcome == "acknowledged":
            seconds = (now_ms - notification.occurred_at_ms) / 1000
            metrics.acknowledgement_seconds.labels(profile).observe(max(0.0, seconds))
        if self.sample is not None and self.sample.takes(notification.notification_id):
            log.info("ended: %s", outcome, extra=facts(notification, decision=outcome))

    def dead_letter(self, reason: str) -> None:
        """Count a record on the dead-letter topic."""
        self.metrics.dead_letters.labels(reason).inc()

    def settled(self, tier: str, now_seconds: float) -> None:
        """Note that a stage moved on."""
        self.metrics.settled.labels(tier).inc()
        self.metrics.last_processed.labels(tier).set(now_seconds)

    def clock_offset(self, seconds: float) -> None:
        """Note the broker's clock minus ours."""
        self.metrics.clock_offset.set(seconds)
        self.health.clock_offset_seconds = seconds


def _told(call: AttemptResult) -> str:
    detail = call.outcome.detail if isinstance(call.outcome, NoResult) else ""
    return f"{describe(call.outcome)}: {detail}" if detail else describe(call.outcome)


def result_of(call: AttemptResult) -> str:
    """Return the attempt's result as a label."""
    match call.outcome:
        case Answered(status):
            return _ANSWERS[status]
        case NoResult(failure):
            return failure.value
        case Blocked():
            return "blocked"
