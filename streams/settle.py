"""Settling: put a notification in its next place, write down why, and return only when the broker has both.

The next place is nowhere (delivered), a retry tier, or the dead-letter topic. Every decision has its record on the
attempts topic; a park's is written before its effect.
"""

import hashlib
import logging
from dataclasses import dataclass, replace

from schemas.attempt_record import Trigger, render
from streams.clock import Clock
from streams.kafka.event_headers import EventSource, refused_event_headers
from streams.kafka.producer import MAX_RECORD_BYTES, RecordProducer, RecordTooLarge, Written
from streams.kafka.records import (
    RESERVED_HEADERS,
    InRecord,
    OutRecord,
    dead_letter_headers,
    header_size,
    notification_headers,
    notification_record,
)
from streams.kafka.topics import TopicNames
from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.intake import ReadEvent, Refused
from streams.notification.ladder import Wait
from streams.notification.notification import Headers, Notification
from streams.operate.counting import Counting
from streams.operate.logs import facts

log = logging.getLogger(__name__)

OVERSIZED_KEPT_BYTES = 65_536
_HEADER_ROOM_BYTES = (
    16_384  # what later records of the same notification may add: outcome, reason, detail, digest
)
_SURELY_FITS_BYTES = 256 * 1024
_KEPT_HEADERS = 64
_KEPT_HEADER_BYTES = 4096


Journal = dict[str, object]
"""The members of an attempts record, under the names of `AttemptRecord`; None stands for absent."""


def fits(notification: Notification) -> bool:
    """Tell whether every later record of this notification will be within what the broker takes."""
    if len(notification.body) < _SURELY_FITS_BYTES and not notification.extra_headers:
        return True  # all that is left has bounds of its own
    return notification_record("", notification).size_bytes <= MAX_RECORD_BYTES - _HEADER_ROOM_BYTES


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
            "trigger": trigger,
            "origin": notification.origin,
            "worker": self.worker,
            **facts,
        }

    async def delivered(self, notification: Notification, journal: Journal) -> None:
        """Settle an acknowledged notification: it has no next place."""
        await self._write(self._journal_record({**journal, "decision": "delivered"}))
        self.counting.ended(notification, "acknowledged", self.clock.now_ms())

    async def retry(self, notification: Notification, wait: Wait, journal: Journal) -> None:
        """Settle an attempt by putting the notification on the tier of its next wait."""
        topic = self.names.tier(wait)
        update = {
            "decision": "retry",
            "next_due_at_ms": notification.due_at_ms,
            "next_topic": topic,
        }
        await self._write(
            notification_record(topic, notification),
            self._journal_record({**journal, **update}),
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
        await self._write(self._journal_record(journal))  # before its effect
        await self._write(notification_record(topic, parked))

    async def dead_letter(
        self, notification: Notification, letter: DeadLetter, journal: Journal
    ) -> None:
        """Settle by handing the notification to an operator."""
        headers = notification_headers(notification)
        await self._dead_letter(
            notification.order_id.encode(), notification.body, headers, letter, journal
        )
        self.counting.ended(notification, letter.reason.value, self.clock.now_ms())
        log.warning(
            "dead letter %s: notification %s: %s",
            letter.reason.value,
            notification.notification_id,
            letter.detail,
            extra=facts(notification, decision=letter.reason.value),
        )

    async def absorbed(self, notification: Notification, trigger: Trigger) -> None:
        """Settle a second copy of a record that was settled: only its decision is written down."""
        await self._write(
            self._journal_record(self.journal(notification, trigger, decision="absorbed"))
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
        await self._write(self._journal_record(journal))

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
        await self._dead_letter(
            key,
            record.value,
            refused_event_headers(refused, accepted_at_ms, source),
            letter,
            journal,
        )
        log.warning(
            "dead letter %s: event at %s: %s",
            letter.reason.value,
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

    async def unreadable_record(self, record: InRecord, detail: str, trigger: Trigger) -> None:
        """Settle a record of ours that can't be read: as it is, headers and all."""
        letter = DeadLetter(DeadLetterReason.INVALID_EVENT, detail)
        kept = tuple(
            header for header in record.headers if not header[0].startswith("dead-letter-")
        )
        if all(name != "origin" for name, _ in kept):
            kept += (("origin", record.origin.encode()),)
        journal: Journal = {
            "kind": "decision",
            "at_ms": self.clock.now_ms(),
            "trigger": trigger,
            "origin": record.origin,
            "worker": self.worker,
        }
        await self._dead_letter(record.key, record.value, kept, letter, journal)
        log.warning(
            "dead letter %s: record at %s: %s", letter.reason.value, record.origin, letter.detail
        )

    async def _dead_letter(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        letter: DeadLetter,
        journal: Journal,
    ) -> None:
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
                await self._write(whole, self._journal_of(journal, letter))
            except RecordTooLarge:  # the topic takes less than Kafka's default
                pass
            else:
                self.counting.dead_letter(letter.reason)
                return
        cut, letter = _cut(self.names.dead_letter, key, value, headers, letter)
        await self._write(cut, self._journal_of(journal, letter))
        self.counting.dead_letter(letter.reason)

    def _journal_of(self, journal: Journal, letter: DeadLetter) -> OutRecord:
        update = {
            "decision": "dead-letter",
            "dead_letter_reason": letter.reason.value,
            "why": letter.detail[:1024],
        }
        return self._journal_record({**journal, **update})

    def _journal_record(self, journal: Journal) -> OutRecord:
        order_id = journal.get("order_id")
        key = order_id.encode() if isinstance(order_id, str) and order_id else None
        return OutRecord(self.names.attempts, key, render(journal))

    async def _write(self, *records: OutRecord) -> None:
        sent = self.clock.now_seconds()
        written = await self.producer.write(*records)
        self._compare_clocks(sent, written[-1])

    def _compare_clocks(self, sent: float, written: Written) -> None:
        # The attempts topic is stamped by the broker: a stamp before we sent, or after we heard of it, is a difference.
        if written.append_time_ms >= 0:
            stamp, heard = written.append_time_ms / 1000, self.clock.now_seconds()
            self.counting.clock_offset(max(stamp - heard, 0.0) or min(stamp + 0.001 - sent, 0.0))


def _cut(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers, letter: DeadLetter
) -> tuple[OutRecord, DeadLetter]:
    """Return the dead letter of a record that is too large: the first 64 KiB, and what the whole was."""
    whole = value or b""
    digest = hashlib.sha256(whole).hexdigest()
    detail = f"{letter.detail}; the whole value has {len(whole)} bytes and SHA-256 {digest}"
    # Headers can be what is too large: ours are short and come first, the origin before all.
    short = [header for header in headers if header_size(header) <= _KEPT_HEADER_BYTES]
    short.sort(key=lambda header: (header[0] != "origin", header[0] not in RESERVED_HEADERS))
    kept = tuple(short[:_KEPT_HEADERS])
    kept += (("value-sha256", digest.encode()), ("value-length", str(len(whole)).encode()))
    kept += dead_letter_headers(DeadLetterReason.OVERSIZED, detail)
    key = key if key is None or len(key) <= _KEPT_HEADER_BYTES else None
    return OutRecord(topic, key, whole[:OVERSIZED_KEPT_BYTES], kept), DeadLetter(
        DeadLetterReason.OVERSIZED, detail
    )
