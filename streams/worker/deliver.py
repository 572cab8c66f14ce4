"""Deliver: a due notification is admitted and attempted once; what follows is returned as a settlement.

Waits for a permit to call its destination and for the partner's answer, and for nothing else. Knows the partners file in
force, the admission of calls and the HTTP client; no producer, no metric.
"""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.attempt_record import Trigger
from streams.admission.admission import Admission
from streams.admission.queue import Denied, Permit
from streams.clock import Clock, due_at_ms
from streams.kafka.consumer.membership import Lease
from streams.notification.decision import (
    DeadLetter,
    DeadLetterReason,
    RetryAfter,
    decide,
    out_of_attempts,
)
from streams.notification.notification import Notification
from streams.notification.outcome import Blocked
from streams.partners import Partner
from streams.webhook.https import AttemptResult, WebhookClient
from streams.worker.observe import Observer
from streams.worker.oversized import fits
from streams.worker.policy import Policy
from streams.worker.settlement import Park, Settlement, Settlements

_UNKNOWN_PARTNER = DeadLetter(
    DeadLetterReason.UNKNOWN_PARTNER, "the partners file no longer has this partner"
)
_NO_URL = DeadLetter(
    DeadLetterReason.INVALID_EVENT, "neither the record nor the partner names a notify URL"
)
_NOT_LISTED = DeadLetter(DeadLetterReason.INVALID_EVENT, "the partner no longer lists this profile")
_TOO_LARGE = DeadLetter(DeadLetterReason.OVERSIZED, "too large to be kept for a retry")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers notifications.

    Attributes:
        clock: the worker's.
        partner_of: the partners file in force, by partner id.
        caller: makes the HTTPS calls.
        admission: gives permits to call.
        settlements: makes settlements.
        policy: settings.
        observer: brackets each attempt with a span, whose id the partner is given.
    """

    clock: Clock
    partner_of: Callable[[str], Partner | None]
    caller: WebhookClient
    admission: Admission
    settlements: Settlements
    policy: Policy
    observer: Observer

    async def deliver(
        self, notification: Notification, trigger: Trigger, lease: Lease
    ) -> Settlement:
        """Make one attempt to deliver a due notification, or decide what becomes of it without one.

        Args:
            notification: as it was received.
            trigger: what made it due.
            lease: on the record's partition; nothing is sent without it.
        """
        partner = self.partner_of(notification.partner_id)
        if partner is None:
            return self.settlements.of_notification(notification, trigger, _UNKNOWN_PARTNER)
        url = notification.notify_url or partner.terms.notify_url
        if url is None:
            return self.settlements.of_notification(notification, trigger, _NO_URL)
        if dead_letter := self._not_attempted(notification, partner):
            return self.settlements.of_notification(notification, trigger, dead_letter)
        if partner.paused:
            return self._park(notification, trigger, Denied("paused", 0.0, escalate=True))
        permit = await self.admission.admit(partner, url, retry=notification.attempt > 0)
        if isinstance(permit, Denied):
            return self._park(notification, trigger, permit)
        call = await self._attempt(notification, partner, url, permit, lease)
        return self._conclude(notification, trigger, call)

    def _not_attempted(self, notification: Notification, partner: Partner) -> DeadLetter | None:
        """Return why no attempt may be made any more, or None where one may."""
        if notification.profile.name not in partner.terms.profiles:
            return _NOT_LISTED
        if exhausted := out_of_attempts(notification.attempt, notification.profile):
            return exhausted
        if not fits(notification):
            return _TOO_LARGE
        return self.policy.expired(notification.accepted_at_ms, self.clock.now_ms())

    def _park(self, notification: Notification, trigger: Trigger, denied: Denied) -> Settlement:
        """Park it: no attempt is made before its destination is expected to have room.

        Where that time is known it becomes the due time, on the next longer tier: rounded up to the tier's wait, whole
        bursts would come back at once and miss their slots. Where it is not known the notification waits for all of the
        tier's wait, and longer with each further park.
        """
        parking, scale = self.policy.parking, self.policy.scale
        needed = denied.expected_at - self.clock.now_seconds()
        last = len(parking) - 1
        rung = next(
            (index for index, wait in enumerate(parking) if wait.seconds * scale >= needed), last
        )
        if denied.escalate:
            rung = max(rung, min(notification.parks, last))
        wait = parking[rung]
        # With a scaled ladder the longest wait may be shorter than what is needed; then what is needed counts.
        seconds = max(wait.seconds * scale, needed) if denied.escalate else needed
        due = due_at_ms(self.clock.now_ms(), min(max(seconds, 0.0), wait.seconds))
        if expired := self.policy.expired(notification.accepted_at_ms, due):
            return self.settlements.of_notification(notification, trigger, expired)
        return self.settlements.of_notification(
            notification, trigger, Park(wait, denied.reason), due
        )

    async def _attempt(
        self, notification: Notification, partner: Partner, url: str, permit: Permit, lease: Lease
    ) -> AttemptResult:
        call = None
        span = self.observer.attempt_begins(notification)
        try:
            call = await self.caller.call(
                partner,
                url,
                notification.body,
                signed_answer=partner.signed_answer(notification.profile),
                traceparent=span.traceparent if span else notification.traceparent,
                still_ours=lease.hold,
            )
        finally:
            self.admission.give_back(permit, call)
            if span:
                self.observer.attempt_ended(span, call)
        return call

    def _conclude(
        self, notification: Notification, trigger: Trigger, call: AttemptResult
    ) -> Settlement:
        profile = notification.profile
        decision = decide(call.outcome, notification.attempt + 1, profile)
        next_due = notification.due_at_ms
        if isinstance(decision, RetryAfter):
            seconds = decision.wait.seconds * self.policy.scale
            seconds += profile.jitter_seconds * self.policy.jitter()
            next_due = due_at_ms(call.ended_at_ms, seconds)
            decision = self.policy.expired(notification.accepted_at_ms, next_due) or decision
        # Where the egress rules forbid the destination, nothing was sent, so that it is no attempt.
        attempt = None if isinstance(call.outcome, Blocked) else call
        return self.settlements.of_notification(notification, trigger, decision, next_due, attempt)
