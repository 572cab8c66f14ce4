"""Settling: put a notification in its next place, write down why, and return only when the broker has both.

The next place is nowhere (delivered), a retry tier, or the dead-letter topic. Every decision has its record on the
attempts topic; a park's is written before its effect.
"""

import logging
from dataclasses import dataclass, replace

from schemas.acknowledgement import MAX_CODE_LENGTH
from schemas.attempt_record import Trigger, render
from streams.clock import Clock
from streams.kafka.event_headers import EventSource, refused_event_headers
from streams.kafka.producer import MAX_RECORD_BYTES, RecordProducer, RecordTooLarge, Written
from streams.kafka.records import (
    InRecord,
    OutRecord,
    dead_letter_headers,
    notification_headers,
    notification_record,
)
from streams.kafka.topics import TopicNames
from streams.notification.body import status_of
from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.intake import ReadEvent, Refused
from streams.notification.ladder import Wait
from streams.notification.notification import Headers, Notification
from streams.operate.counting import Counting
from streams.operate.logs import facts, named
from streams.oversized import cut_letter

log = logging.getLogger(__name__)

Journal = dict[str, object]
"""The members of an attempts record, under the names of `AttemptRecord`; None stands for absent."""


def sent_result(code: str | None) -> Journal:
    """Return what an attempts record says of the payment result that the body reports."""
    if code is None:
        return {}
    return {"sent_result_status": status_of(code), "sent_result_code": code[:MAX_CODE_LENGTH]}


@dataclass(frozen=True, slots=True)
class Settling:
    """Writes next places and attempts records.

    Attributes:
        producer: writes and waits for acks=all.
        names: our topics.
        clock: the worker's.
        counting: metrics.
        worker: this process's name on the attempts topic.
    """

    producer: RecordProducer
    names: TopicNames
    clock: Clock
    counting: Counting
    worker: str

    def journal(self, notification: Notification, trigger: Trigger, **facts: object) -> Journal:
        """Return the attempts record of a decision about a notification, not yet written."""
        return {
            "kind": "decision",
            "at_ms": self.clock.now_ms(),
            "notification_id": notification.notification_id,
            "order_id": notification.order_id,
            "profile": notification.profile.name,
            "partner_id": notification.partner_id,
            "attempt": notification.attempt,
            "parks": notification.parks,
            "replays": notification.replays,
            "replay_run": notification.replay_run,
            **sent_result(notification.result_code),
            "trigger": trigger,
            "near_names": [str(name) for name in notification.near_names] or None,
            "origin": notification.origin,
            "worker": self.worker,
            **facts,
        }

    async def delivered(self, notification: Notification, journal: Journal) -> None:
        """Settle an acknowledged notification: it has no next place."""
        await self.write(self.journal_record({**journal, "decision": "delivered"}))
        self.counting.ended(notification, "acknowledged", self.clock.now_ms())

    async def retry(self, notification: Notification, wait: Wait, journal: Journal) -> None:
        """Settle an attempt by putting the notification on the tier of its next wait."""
        topic = self.names.tier(wait)
        update = {
            "decision": "retry",
            "next_due_at_ms": notification.due_at_ms,
            "next_topic": topic,
        }
        await self.write(
            notification_record(topic, notification),
            self.journal_record({**journal, **update}),
        )

    async def park(
        self, notification: Notification, wait: Wait, due_at_ms: int, trigger: Trigger, why: str
    ) -> None:
        """Settle by moving the notification aside without an attempt."""
        topic = self.names.tier(wait)
        parked = replace(
            notification, parks=notification.parks + 1, due_at_ms=due_at_ms, last_outcome="parked"
        )
        facts = {"decision": "parked", "next_due_at_ms": due_at_ms, "next_topic": topic, "why": why}
        journal = self.journal(parked, trigger, kind="park", **facts)
        await self.write(self.journal_record(journal))  # before its effect
        await self.write(notification_record(topic, parked))

    async def dead_letter(
        self, notification: Notification, letter: DeadLetter, journal: Journal
    ) -> None:
        """Settle by handing the notification to an operator."""
        headers = notification_headers(notification)
        await self.write_letter(
            notification.order_id.encode(), notification.body, headers, letter, journal
        )
        self.counting.ended(notification, letter.reason.value, self.clock.now_ms())
        log.warning(
            "dead letter %s: %s: %s",
            letter.reason.value,
            named("notification", notification.notification_id, notification.order_id),
            letter.detail,
            extra=facts(notification, decision=letter.reason.value),
        )

    async def absorbed(self, notification: Notification, trigger: Trigger) -> None:
        """Settle a second copy of a record that was settled: only its decision is written down."""
        await self.write(
            self.journal_record(self.journal(notification, trigger, decision="absorbed"))
        )

    async def absorbed_event(self, record: InRecord, event: ReadEvent) -> None:
        """Settle an event that came before, byte for byte."""
        journal: Journal = {
            "kind": "decision",
            "at_ms": self.clock.now_ms(),
            "notification_id": event.event.event_id,
            "order_id": event.order_id,
            "profile": event.profile.name,
            "partner_id": event.event.partner_id,
            "trigger": "event",
            "decision": "absorbed",
            "origin": record.origin,
            "worker": self.worker,
        }
        await self.write(self.journal_record(journal))

    async def refused_event(
        self, record: InRecord, refused: Refused, accepted_at_ms: int, source: EventSource
    ) -> None:
        """Settle an event that can't become a notification: its original bytes and every reason."""
        letter = DeadLetter(refused.reason, refused.detail)
        key = refused.order_id.encode() if refused.order_id else record.key
        journal: Journal = {
            "kind": "decision",
            "at_ms": accepted_at_ms,
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
        await self.write_letter(
            key,
            record.value,
            refused_event_headers(refused, accepted_at_ms, source),
            letter,
            journal,
        )
        log.warning(
            "dead letter %s: %s at %s: %s",
            letter.reason.value,
            named("event", refused.event_id, refused.order_id),
            record.origin,
            letter.detail,
            extra={
                "notification_id": refused.event_id,
                "order_id": refused.order_id,
                "profile": refused.profile,
                "partner": refused.partner_id,
                "decision": letter.reason.value,
            },
        )

    async def write_letter(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        letter: DeadLetter,
        journal: Journal,
    ) -> None:
        """Write a dead letter and its decision; cut to what can be kept where it is too large.

        Args:
            key: the order id, or what the record had.
            value: all of it.
            headers: without those of a dead letter.
            letter: why.
            journal: what is known of the decision.
        """
        if key is None and value is None:
            key = b""  # Kafka's client takes no record that has neither
        whole = OutRecord(
            self.names.dead_letter,
            key,
            value,
            headers + dead_letter_headers(letter.reason, letter.detail),
        )
        if whole.size_bytes <= MAX_RECORD_BYTES and letter.reason is not DeadLetterReason.OVERSIZED:
            try:
                await self.write(whole, self._journal_of(journal, letter))
            except RecordTooLarge:  # the topic takes less than Kafka's default
                pass
            else:
                self.counting.dead_letter(letter.reason)
                return
        cut, letter = cut_letter(self.names.dead_letter, key, value, headers, letter)
        await self.write(cut, self._journal_of(journal, letter))
        self.counting.dead_letter(letter.reason)

    def _journal_of(self, journal: Journal, letter: DeadLetter) -> OutRecord:
        update = {
            "decision": "dead-letter",
            "dead_letter_reason": letter.reason.value,
            "why": letter.detail[:1024],
        }
        return self.journal_record({**journal, **update})

    def journal_record(self, journal: Journal) -> OutRecord:
        """Return the record of the attempts topic with these members, keyed by the order id."""
        order_id = journal.get("order_id")
        key = order_id.encode() if isinstance(order_id, str) and order_id else None
        return OutRecord(self.names.attempts, key, render(journal))

    async def write(self, *records: OutRecord) -> None:
        """Return when the broker has these records; one of the attempts topic stands last."""
        sent = self.clock.now_seconds()
        written = await self.producer.write(*records)
        self._compare_clocks(sent, written[-1])

    def _compare_clocks(self, sent: float, written: Written) -> None:
        # The attempts topic is stamped by the broker: a stamp before we sent, or after we heard of it, is a difference.
        if written.append_time_ms >= 0:
            stamp, heard = written.append_time_ms / 1000, self.clock.now_seconds()
            self.counting.clock_offset(max(stamp - heard, 0.0) or min(stamp + 0.001 - sent, 0.0))
