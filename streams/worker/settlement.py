"""A settlement: what is decided about a record, as a value, before any of it is done.

Knows the rules, the form of our records and the names of our topics. Writes nothing and counts nothing; the clock is
read for the time of a report only.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from schemas.attempt_record import AttemptReport, Trigger
from schemas.valueclass import valueclass
from streams.kafka.format.event_headers import EventSource, refused_event_headers
from streams.kafka.format.records import (
    InRecord,
    OutRecord,
    dead_letter_headers,
    notification_headers,
    notification_record,
    too_large,
)
from streams.kafka.sizes import MAX_RECORD_BYTES
from streams.kafka.topics import TopicNames
from streams.notification.decision import (
    DeadLetter,
    DeadLetterReason,
    Delivered,
    RetryAfter,
)
from streams.notification.intake import ReadEvent, Refused
from streams.notification.ladder import Wait
from streams.notification.notification import Headers, Notification
from streams.notification.outcome import describe
from streams.notification.status import PASSED_OVER
from streams.webhook.https import AttemptResult
from streams.worker.oversized import cut_dead_letter
from streams.worker.report import add_attempt, as_dead_letter, report_of


@valueclass(frozen=True, slots=True)
class Settlement:
    """What is decided about a record.

    Attributes:
        kind: what becomes of it.
        report: what the attempts record says.
        next: the record that is written next, on a retry, replay or dead-letter topic; None for nowhere.
        record: what was read; None where it was a notification.
        received: the notification as it was read; None where the record became none.
        notification: the same as it goes on: with the attempt or the park that this settlement stands for.
        attempt: the attempt that was made, or None.
        dead_letter: why it becomes a dead letter, or None. Where it is cut for its size too, the report says that.
        refused: why an event did not become a notification, or None.
        rule: of the event mapping, by which a record was passed over; None where it was not.
        if_too_large: returns what is decided where the broker refuses `next` for its size; None where nothing can be but to
            cut it, or to say so.
    """

    kind: Literal[
        "delivered", "retry", "parked", "dead-letter", "duplicate", "passed-over", "replayed"
    ]
    report: AttemptReport
    next: OutRecord | None = None
    record: InRecord | None = None
    received: Notification | None = None
    notification: Notification | None = None
    attempt: AttemptResult | None = None
    dead_letter: DeadLetter | None = None
    refused: Refused | None = None
    rule: str | None = None
    if_too_large: "Callable[[], Settlement] | None" = None


@dataclass(frozen=True, slots=True)
class Park:
    """The decision to move a notification aside without an attempt.

    Attributes:
        wait: of the tier that it goes to.
        why: in one token, also a metric label.
    """

    wait: Wait
    why: str


@dataclass(frozen=True, slots=True)
class Settlements:
    """Makes settlements.

    Attributes:
        names: our topics.
        now_ms: the clock.
        worker: this process's name on the attempts topic.
    """

    names: TopicNames
    now_ms: Callable[[], int]
    worker: str

    def of_notification(
        self,
        received: Notification,
        trigger: Trigger,
        decision: Delivered | RetryAfter | Park | DeadLetter,
        due_at_ms: int | None = None,
        attempt: AttemptResult | None = None,
    ) -> Settlement:
        """Return the settlement of a notification.

        Args:
            received: as it was read.
            trigger: what made it due.
            decision: what follows.
            due_at_ms: when it is due next; None leaves its due time as it is.
            attempt: the attempt that was made, if one was.
        """
        if due_at_ms is None:
            due_at_ms = received.due_at_ms
        if attempt is None:
            notification = received
        else:
            notification = received.after_attempt(
                started_at_ms=attempt.started_at_ms,
                last_outcome=describe(attempt.outcome),
                due_at_ms=due_at_ms,
            )
        if isinstance(decision, Park):
            notification = replace(
                notification,
                parks=notification.parks + 1,
                due_at_ms=due_at_ms,
                last_outcome="parked",
            )
        report = report_of(notification, trigger, self.now_ms(), self.worker)
        if attempt is not None:
            add_attempt(report, attempt, received.due_at_ms)
        kind: Literal["delivered", "retry", "parked"]
        record = if_too_large = None
        match decision:
            case DeadLetter():
                return replace(
                    self.of_dead_letter(
                        notification.order_id.encode(),
                        notification.body,
                        notification_headers(notification),
                        decision,
                        report,
                    ),
                    received=received,
                    notification=notification,
                    attempt=attempt,
                )
            case Delivered():
                kind = report["decision"] = "delivered"
            case RetryAfter(wait) | Park(wait):
                record = notification_record(self.names.tier(wait), notification)
                kind = report["decision"] = "parked" if isinstance(decision, Park) else "retry"
                report["next_due_at_ms"] = due_at_ms
                report["next_topic"] = record.topic
                if_too_large = partial(self._of_too_large, record, received, notification, trigger)
                if isinstance(decision, Park):
                    report["kind"] = "park"
                    report["why"] = decision.why
        return Settlement(
            kind,
            report,
            record,
            received=received,
            notification=notification,
            attempt=attempt,
            if_too_large=if_too_large,
        )

    def _of_too_large(
        self,
        refused: OutRecord,
        received: Notification,
        notification: Notification,
        trigger: Trigger,
    ) -> Settlement:
        """Return the settlement of a notification whose tier will not take it.

        It can't wait anywhere, so an operator gets what can be kept. An attempt that was made has its report already.
        """
        settlement = self.of_dead_letter(
            notification.order_id.encode(),
            notification.body,
            notification_headers(notification),
            DeadLetter(DeadLetterReason.OVERSIZED, too_large(refused)),
            report_of(notification, trigger, self.now_ms(), self.worker),
        )
        return replace(settlement, received=received, notification=notification)

    def of_duplicate(self, notification: Notification, trigger: Trigger) -> Settlement:
        """Return the settlement of a second copy of a notification that was settled."""
        report = report_of(notification, trigger, self.now_ms(), self.worker)
        report["decision"] = "absorbed"
        return Settlement("duplicate", report, received=notification, notification=notification)

    def of_duplicate_event(self, record: InRecord, event: ReadEvent) -> Settlement:
        """Return the settlement of an event that came before, byte for byte."""
        report: AttemptReport = {
            "kind": "decision",
            "at_ms": self.now_ms(),
            "notification_id": event.event.event_id,
            "order_id": event.order_id,
            "profile": event.profile.name,
            "partner_id": event.event.partner_id,
            "trigger": "event",
            "decision": "absorbed",
            "origin": record.origin,
            "worker": self.worker,
        }
        return Settlement("duplicate", report, record=record)

    def of_passed_over(self, record: InRecord, rule: str) -> Settlement:
        """Return the settlement of a record that the event mapping lists as not ours or not final.

        It ends where it stands, as a second copy does: no partner is told of it, and the reconciliation counts it.
        """
        report: AttemptReport = {
            "kind": "decision",
            "at_ms": self.now_ms(),
            "trigger": "event",
            "decision": "absorbed",
            "origin": record.origin,
            "worker": self.worker,
            "why": f"{PASSED_OVER}{rule}",
        }
        return Settlement("passed-over", report, record=record, rule=rule)

    def of_refused_event(
        self, record: InRecord, refused: Refused, source: EventSource
    ) -> Settlement:
        """Return the settlement of an event that can't become a notification: its original bytes and every reason."""
        now_ms = self.now_ms()
        report: AttemptReport = {
            "kind": "decision",
            "at_ms": now_ms,
            "notification_id": refused.event_id,
            "order_id": refused.order_id,
            "profile": refused.profile,
            "partner_id": refused.partner_id,
            "replays": source.replays or None,
            "trigger": "replay" if source.replays else "event",
            "replay_run": source.replay_run,
            "origin": source.origin,
            "worker": self.worker,
        }
        settlement = self.of_dead_letter(
            refused.order_id.encode() if refused.order_id else record.key,
            record.value,
            refused_event_headers(refused, now_ms, source),
            DeadLetter(refused.reason, refused.detail),
            report,
        )
        return replace(settlement, record=record, refused=refused)

    def of_dead_letter(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        dead_letter: DeadLetter,
        report: AttemptReport,
    ) -> Settlement:
        """Return the settlement that hands something to an operator, cut to what can be kept where it is too large.

        Args:
            key: the order id, or what the record had.
            value: all of it.
            headers: without those of a dead letter.
            dead_letter: why.
            report: what else is known of the decision.
        """
        if key is None and value is None:
            key = b""  # Kafka's client takes no record that has neither
        record = OutRecord(
            self.names.dead_letter,
            key,
            value,
            headers + dead_letter_headers(dead_letter.reason, dead_letter.detail),
        )
        settlement = Settlement(
            "dead-letter", as_dead_letter(report, dead_letter), record, dead_letter=dead_letter
        )
        oversized = dead_letter.reason is DeadLetterReason.OVERSIZED
        return (
            cut_to_fit(settlement)
            if oversized or record.size_bytes > MAX_RECORD_BYTES
            else settlement
        )


def cut_to_fit(settlement: Settlement) -> Settlement:
    """Return the settlement of a dead letter cut to what can be kept; why it is one stands in the report's words."""
    if settlement.next is None or settlement.dead_letter is None:
        message = f"only a dead letter can be cut; this settlement is of kind {settlement.kind}"
        raise ValueError(message)
    record, oversized = cut_dead_letter(settlement.next, settlement.dead_letter)
    return replace(settlement, next=record, report=as_dead_letter(settlement.report, oversized))
