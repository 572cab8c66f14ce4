"""What every stage does to a notification: hold -> admit -> call -> decide -> settle.

A notification is at rest in exactly one place, a record on a topic. A stage is a topic and a wait; each holds a record
until it is due (its lane does that), admits it, makes one attempt, decides, and settles: puts it in its next place and
returns when the broker has it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.attempt_record import Trigger
from streams.admission.admission import Admission, Denied
from streams.admission.queue import Permit
from streams.call.https import Call, Caller
from streams.clock import Clock, due_at_ms
from streams.kafka.decoding import NewerRecord
from streams.kafka.producer import RecordTooLarge
from streams.kafka.records import InRecord
from streams.notification.decision import (
    DeadLetter,
    DeadLetterReason,
    Delivered,
    RetryAfter,
    decide,
    out_of_attempts,
)
from streams.notification.ladder import Wait
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, NoResult, describe
from streams.operate.counting import Counting
from streams.oversized import fits
from streams.partners import Partner
from streams.settle import Settling
from streams.unread_records import dead_letter_record, park_record

if TYPE_CHECKING:  # OpenTelemetry comes with an extra
    from streams.operate.tracing import Tracing

LONGEST_PARK_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that the stage obeys.

    Attributes:
        parking: the waits of parks, first to last; the last is used again and again.
        scale: multiplies every wait.
        give_up_after_ms: the longest life of a notification, from when it was accepted.
        jitter: draws from 0 to 1, for profiles that spread their due times.
    """

    parking: tuple[Wait, ...]
    scale: float
    give_up_after_ms: int
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Stage:
    """Takes a notification from its due time to its next place.

    Attributes:
        clock: the worker's.
        partner_of: the partners file in force, by partner id.
        caller: makes the HTTPS calls.
        admission: gives permits to call.
        settling: writes next places.
        counting: metrics.
        policy: settings.
        tracing: makes spans of the attempts, where that is set.
    """

    clock: Clock
    partner_of: Callable[[str], Partner | None]
    caller: Caller
    admission: Admission
    settling: Settling
    counting: Counting
    policy: Policy
    tracing: "Tracing | None" = None

    async def run(self, notification: Notification, tier: str, trigger: Trigger) -> None:
        """Admit a due notification, attempt it, and settle it; or settle it without an attempt.

        Args:
            notification: as it lay on its topic.
            tier: where that was: `source`, `replay` or a wait.
            trigger: what made it due.
        """
        partner = self.partner_of(notification.partner_id)
        url = notification.notify_url or (partner.terms.notify_url if partner else None)
        refusal = self._refusal(notification, partner, url)
        if refusal is not None or partner is None or url is None:
            journal = self.settling.journal(notification, trigger)
            await self.settling.dead_letter(notification, refusal or _no_way(partner), journal)
        elif partner.paused:
            await self._park(notification, trigger, Denied("paused", 0.0, escalate=True))
        else:
            permit = await self.admission.admit(partner, url, retry=notification.attempt > 0)
            if isinstance(permit, Denied):
                await self._park(notification, trigger, permit)
            else:
                call = await self._call(notification, partner, url, permit)
                await self._conclude(notification, call, tier, trigger)

    def _refusal(
        self, notification: Notification, partner: Partner | None, url: str | None
    ) -> DeadLetter | None:
        if partner is None or url is None:
            return _no_way(partner)
        if notification.profile.name not in partner.terms.profiles:
            return DeadLetter(
                DeadLetterReason.INVALID_EVENT, "the partner no longer lists this profile"
            )
        if exhausted := out_of_attempts(notification.attempt, notification.profile):
            return exhausted
        if not fits(notification):
            return DeadLetter(DeadLetterReason.OVERSIZED, "too large to be kept for a retry")
        if self._is_too_late(notification, self.clock.now_ms()):
            return self._expired()
        return None

    def _is_too_late(self, notification: Notification, at_ms: int) -> bool:
        return at_ms >= notification.accepted_at_ms + self.policy.give_up_after_ms

    def _expired(self) -> DeadLetter:
        hours = self.policy.give_up_after_ms / 3_600_000
        return DeadLetter(
            DeadLetterReason.EXPIRED,
            f"not acknowledged within {hours:g} h (NOTIFIER_GIVE_UP_AFTER)",
        )

    async def _park(self, notification: Notification, trigger: Trigger, denied: Denied) -> None:
        """Move it aside without an attempt, until its destination expects room.

        Where that is known, it is due exactly then, on the next longer tier: rounded up, whole bursts would come back
        together and miss their slots. Where nobody knows, it waits for the tier's whole wait, and longer at each
        further park.
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
        if self._is_too_late(notification, due):
            journal = self.settling.journal(notification, trigger)
            await self.settling.dead_letter(notification, self._expired(), journal)
        else:
            self.counting.parked(notification, denied.reason, due)
            await self.settling.park(notification, wait, due, trigger, denied.reason)

    async def put_aside(self, record: InRecord, newer: NewerRecord, trigger: Trigger) -> None:
        """Move a record of a newer version aside as it is, for a worker that knows it; each further time for longer.

        Nobody here can tell what it wants, so no attempt is made and none is counted. It lives as long as any other.
        """
        parking = self.policy.parking
        wait = parking[min(newer.parks, len(parking) - 1)]
        due = due_at_ms(self.clock.now_ms(), wait.seconds * self.policy.scale)
        if due >= newer.accepted_at_ms + self.policy.give_up_after_ms:
            await dead_letter_record(self.settling, record, self._expired(), trigger)
            return
        try:
            await park_record(self.settling, record, newer.parks + 1, wait, due, trigger)
        except RecordTooLarge as error:
            letter = DeadLetter(DeadLetterReason.OVERSIZED, str(error))
            await dead_letter_record(self.settling, record, letter, trigger)
        else:
            self.counting.parked_newer()

    async def _call(
        self, notification: Notification, partner: Partner, url: str, permit: Permit
    ) -> Call:
        call = None
        traced = self.tracing and self.tracing.begin(notification, self.clock.now_ms())
        try:
            call = await self.caller.call(
                partner,
                url,
                notification.body,
                signed_answer=partner.signed_answer(notification.profile),
                traceparent=traced.traceparent if traced else notification.traceparent,
            )
        finally:
            self.admission.give_back(permit, call)
        if traced:
            traced.end(call)
        return call

    async def _conclude(
        self, notification: Notification, call: Call, tier: str, trigger: Trigger
    ) -> None:
        profile = notification.profile
        decision = decide(call.outcome, notification.attempt + 1, profile)
        next_due = notification.due_at_ms
        if isinstance(decision, RetryAfter):
            wait_seconds = decision.wait.seconds * self.policy.scale
            next_due = due_at_ms(
                call.ended_at_ms, wait_seconds + profile.jitter_seconds * self.policy.jitter()
            )
            if self._is_too_late(notification, next_due):
                decision = self._expired()
        if isinstance(call.outcome, Blocked):  # no call was made, so no attempt either
            tried, journal = notification, self.settling.journal(notification, trigger)
        else:
            again = next_due if isinstance(decision, RetryAfter) else None
            self.counting.attempt(notification, call, tier, trigger, again)
            tried = notification.after_attempt(
                started_at_ms=call.started_at_ms,
                last_outcome=describe(call.outcome),
                due_at_ms=next_due,
            )
            journal = self.settling.journal(tried, trigger, **_facts(call, notification.due_at_ms))
        match decision:
            case Delivered():
                await self.settling.delivered(tried, journal)
            case RetryAfter(wait):
                await self.settling.retry(tried, wait, journal)
            case DeadLetter():
                await self.settling.dead_letter(tried, decision, journal)


def _no_way(partner: Partner | None) -> DeadLetter:
    if partner is None:
        return DeadLetter(
            DeadLetterReason.UNKNOWN_PARTNER, "the partners file no longer has this partner"
        )
    return DeadLetter(
        DeadLetterReason.INVALID_EVENT, "neither the record nor the partner names a notify URL"
    )


def _facts(call: Call, due_at: int) -> Mapping[str, object]:
    """Return what the attempts record says of a call; no body, no key, no URL but its origin."""
    facts: dict[str, object] = {
        "kind": "attempt",
        "url_origin": call.url_origin,
        "due_at_ms": due_at,
        "started_at_ms": call.started_at_ms,
        "ended_at_ms": call.ended_at_ms,
        "lateness_ms": max(0, call.started_at_ms - due_at),
        "request_left": call.request_left.value,
        "http_status": call.http_status,
        "outcome": describe(call.outcome),
    }
    match call.outcome:
        case Answered(status, code):
            facts |= {"result_status": status.value, "result_code": code or None}
        case NoResult(failure, claimed, code, detail):
            facts |= {
                "failure": failure.value,
                "failure_detail": detail or None,
                "result_status": claimed and claimed.value,
                "result_code": code or None,
            }
        case Blocked():  # pragma: no cover  # then there was no call
            pass
    return facts
