"""What happens to a record, from the source topics to its end: hold -> admit -> call -> decide -> settle.

A notification is at rest in exactly one place, a record on a topic. A stage is a topic and a wait, and every stage does
the same: hold a record until it is due (its lane does that), admit it, make one attempt, decide, settle. When a method
here returns, the record's next place is acknowledged by the broker, and its lane may let the offset move.

No method here raises for anything that a record, a partner or the network does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.attempt_record import Trigger
from schemas.notify_url import check_notify_url
from streams.call.destinations import Destinations
from streams.call.https import Call, Caller
from streams.clock import Clock, due_at_ms
from streams.kafka.records import (
    InRecord,
    MalformedRecord,
    decode_notification,
    header_text,
    unknown_headers,
)
from streams.notification.decision import (
    DeadLetter,
    DeadLetterReason,
    Delivered,
    RetryAfter,
    decide,
)
from streams.notification.intake import Prepared, Refused, prepare, read_event
from streams.notification.ladder import Wait
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, NoResult, describe
from streams.operate.counting import Counting
from streams.partners import Partner
from streams.settle import Settling, fits

DUE_TOLERANCE_MS = 5_000
"""How far beyond its tier's wait a due time may lie: workers' clocks differ a little."""

LONGEST_PARK_SECONDS = 900
SOURCE = "source"
REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that the stage obeys.

    Attributes:
        parking: the waits of parks, first to last; the last is used again and again.
        scale: multiplies every wait.
        give_up_after_ms: the longest life of a notification, from when it was accepted.
        allow_http: whether plain http URLs are taken.
    """

    parking: tuple[Wait, ...]
    scale: float
    give_up_after_ms: int
    allow_http: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """Handles the records of every topic that the notifier reads.

    Attributes:
        clock: the worker's.
        partner_of: the partners file in force, by partner id.
        caller: makes the HTTPS calls.
        destinations: limits calls in flight.
        settling: writes next places.
        counting: metrics.
        policy: settings.
    """

    clock: Clock
    partner_of: Callable[[str], Partner | None]
    caller: Caller
    destinations: Destinations
    settling: Settling
    counting: Counting
    policy: Policy

    async def on_event(self, record: InRecord, tier: str = SOURCE) -> None:
        """Handle a record of a source topic: make its first attempt or dead-letter it."""
        now = self.clock.now_ms()
        prepared = self._prepare(record, now)
        if isinstance(prepared, Refused):
            self.counting.refused(prepared.reason)
            await self.settling.refused_event(record, prepared, now)
        else:
            self.counting.accepted(prepared)
            await self._admit(prepared.notification, tier, "event")
        self.counting.settled(tier, self.clock.now_seconds())

    async def on_tier(self, record: InRecord, wait: Wait) -> None:
        """Handle a record of a retry tier whose due time has come."""
        await self._on_record(
            record, wait.label, self.clock.now_ms() + wait.seconds * 1000 + DUE_TOLERANCE_MS
        )

    async def on_replay(self, record: InRecord) -> None:
        """Handle what an operator put back: a notification, or an event where the header `kind` says so."""
        if ("kind", b"event") in record.headers:
            await self.on_event(record, REPLAY)
        else:
            await self._on_record(record, REPLAY, None)

    async def _on_record(self, record: InRecord, tier: str, latest_due_ms: int | None) -> None:
        try:
            notification = decode_notification(
                record, latest_due_ms=latest_due_ms, check_url=self._check_url
            )
        except MalformedRecord as malformed:
            await self.settling.unreadable_record(
                record, str(malformed), "replay" if tier == REPLAY else "ladder"
            )
        else:
            trigger: Trigger = "park" if notification.last_outcome == "parked" else "ladder"
            await self._admit(notification, tier, "replay" if tier == REPLAY else trigger)
        self.counting.settled(tier, self.clock.now_seconds())

    def _prepare(self, record: InRecord, now_ms: int) -> Prepared | Refused:
        if faults := _unreadable_headers(record):
            return Refused(DeadLetterReason.INVALID_EVENT, faults)
        event = read_event(record.value, allow_http=self.policy.allow_http)
        if isinstance(event, Refused):
            return event
        partner = self.partner_of(event.event.partner_id)
        return prepare(
            event,
            partner.terms if partner else None,
            accepted_at_ms=now_ms,
            origin=record.origin,
            traceparent=header_text(record.headers, "traceparent"),
            extra_headers=unknown_headers(record.headers),
        )

    def _check_url(self, url: str) -> None:
        check_notify_url(url, allow_http=self.policy.allow_http)

    async def _admit(self, notification: Notification, tier: str, trigger: Trigger) -> None:
        """Let a due notification through to its attempt, or settle it without one."""
        partner = self.partner_of(notification.partner_id)
        url = notification.notify_url or (partner.terms.notify_url if partner else None)
        refusal = self._refusal(notification, partner, url)
        if refusal is not None or partner is None or url is None:
            journal = self.settling.journal(notification, trigger)
            await self.settling.dead_letter(notification, refusal or _no_way(partner), journal)
        elif partner.paused:
            await self._park(notification, trigger, "the partner is paused")
        else:
            await self._attempt(notification, partner, url, tier, trigger)

    def _refusal(
        self, notification: Notification, partner: Partner | None, url: str | None
    ) -> DeadLetter | None:
        if partner is None or url is None:
            return _no_way(partner)
        if notification.profile.name not in partner.terms.profiles:
            return DeadLetter(
                DeadLetterReason.INVALID_EVENT, "the partner no longer lists this profile"
            )
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

    async def _park(self, notification: Notification, trigger: Trigger, why: str) -> None:
        """Move it aside without an attempt; each further park of the same record waits longer."""
        wait = self.policy.parking[min(notification.parks, len(self.policy.parking) - 1)]
        due = due_at_ms(self.clock.now_ms(), wait.seconds * self.policy.scale)
        if self._is_too_late(notification, due):
            journal = self.settling.journal(notification, trigger)
            await self.settling.dead_letter(notification, self._expired(), journal)
        else:
            await self.settling.park(notification, wait, due, trigger, why)

    async def _attempt(
        self, notification: Notification, partner: Partner, url: str, tier: str, trigger: Trigger
    ) -> None:
        profile = notification.profile
        async with self.destinations.slot(partner, url):
            call = await self.caller.call(
                partner, url, notification.body, signed_answer=partner.signed_answer(profile)
            )
        attempt = notification.attempt + 1
        decision = decide(call.outcome, attempt, profile)
        next_due = notification.due_at_ms
        if isinstance(decision, RetryAfter):
            next_due = due_at_ms(call.ended_at_ms, decision.wait.seconds * self.policy.scale)
            if self._is_too_late(notification, next_due):
                decision = self._expired()
        if isinstance(call.outcome, Blocked):  # no call was made, so no attempt either
            tried, journal = notification, self.settling.journal(notification, trigger)
        else:
            self.counting.attempt(notification, call, tier, trigger)
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


def _unreadable_headers(record: InRecord) -> str:
    """Return the faults of an event's headers: they are carried along, and header values of ours are UTF-8 text."""
    faults = []
    for name, value in record.headers:
        try:
            value.decode()
        except UnicodeDecodeError:
            faults.append(f"header {name[:64]}: not UTF-8")
    return "; ".join(faults)


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
        case NoResult(failure, claimed, code):
            facts |= {
                "failure": failure.value,
                "result_status": claimed and claimed.value,
                "result_code": code or None,
            }
        case Blocked():
            pass
    return facts
