"""Receive: a record of a topic becomes a notification, or a settlement without one.

Decides and returns values. Knows the form of our records, the partners file in force and what the lane remembers;
no network, no producer, no metric.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from schemas.attempt_record import Trigger
from schemas.notify_url import check_notify_url
from schemas.trace_context import is_traceparent
from schemas.valueclass import valueclass
from streams.clock import Clock
from streams.kafka.consumer.deduplication import Deduplicator, digest
from streams.kafka.format.decoding import MalformedRecord, NewerRecord, decode_notification
from streams.kafka.format.event_headers import (
    EventSource,
    fresh_event,
    own_key_header,
    put_back_event,
)
from streams.kafka.format.records import InRecord
from streams.mapping.mapping import MappedEvent
from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.intake import (
    Prepared,
    ReadEvent,
    Refused,
    prepare,
    read_event,
    read_members,
)
from streams.notification.notification import Notification
from streams.partners import Partner
from streams.worker.policy import Policy
from streams.worker.settlement import Settlement, Settlements
from streams.worker.unread_records import of_dead_record, of_duplicate_record, of_newer_record

DUE_TOLERANCE_MS = 5_000
"""How far beyond its tier's wait a due time may lie: workers' clocks differ a little, and jitter is at most this."""

SOURCE = "source"
REPLAY = "replay"


@valueclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event as it was read.

    Attributes:
        record: what was read.
        source: where it comes from, and what its headers bring.
        event: its members, or why they can't become a notification.
        identities: keys of the deduplicator, each with what is remembered under it; none of an event that is refused.
    """

    record: InRecord
    source: EventSource
    event: ReadEvent | Refused
    identities: tuple[tuple[bytes, bytes], ...]


@valueclass(frozen=True, slots=True)
class ReceivedRecord:
    """A record of a retry topic or of the replay topic as it was read.

    Attributes:
        record: what was read.
        trigger: what made it due.
        content: the notification, or why it can't be read.
        identities: see `ReceivedEvent`; none of a record that is broken.
    """

    record: InRecord
    trigger: Trigger
    content: Notification | NewerRecord | MalformedRecord
    identities: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Receives the records of every topic that the notifier reads.

    Attributes:
        clock: the worker's.
        partner_of: the partners file in force, by partner id.
        settlements: makes settlements.
        policy: settings.
        allow_http: whether plain http URLs are taken.
    """

    clock: Clock
    partner_of: Callable[[str], Partner | None]
    settlements: Settlements
    policy: Policy
    allow_http: bool

    def read_event(self, record: InRecord, *, put_back: bool) -> ReceivedEvent:
        """Read an event.

        Args:
            record: of a source topic or of the replay topic.
            put_back: whether an operator put it on the replay topic.
        """
        event = read_event(record.value, allow_http=self.allow_http)
        source = put_back_event(record) if put_back else fresh_event(record)
        return _received(record, source, event, record.value or b"")

    def read_mapped_event(
        self, record: InRecord, mapped: MappedEvent, *, put_back: bool
    ) -> ReceivedEvent:
        """Read an event of a mapped topic; second copies and conflicts are judged on what was made of it.

        Args:
            record: of a source topic or of the replay topic.
            mapped: our event.
            put_back: whether an operator put it on the replay topic.
        """
        event = read_members(mapped.members, dict(mapped.faults), allow_http=self.allow_http)
        source = put_back_event(record) if put_back else fresh_event(record)
        order = event.order_id.encode() if event.order_id is not None else None
        if own_key := own_key_header(record, order):
            source = replace(source, carried=source.carried + own_key)
        if mapped.traceparent is not None and source.traceparent is None:
            readable = is_traceparent(mapped.traceparent)
            source = replace(
                source,
                traceparent=mapped.traceparent if readable else None,
                traceparent_fault=source.traceparent_fault if readable else "malformed",
            )
        return _received(record, source, event, mapped.canonical)

    def receive_event(
        self, received: ReceivedEvent, deduplicator: Deduplicator
    ) -> Prepared | Settlement:
        """Make an event a notification, while its identities are held in the deduplicator."""
        record, event, source = received.record, received.event, received.source
        prepared: Prepared | Refused
        if isinstance(event, Refused):
            prepared = event
        else:
            (identity, value), (order, outcome) = received.identities
            before = deduplicator.get(identity)
            if before == value:
                return self.settlements.of_duplicate_event(record, event)
            if before is not None:
                prepared = _conflict(event, "eventId: came before with other bytes")
            elif deduplicator.get(order) not in {None, outcome}:
                prepared = _conflict(event, "outcome: this order was notified with another one")
            else:
                prepared = self._prepare(event, source)
        if isinstance(prepared, Refused):
            return self.settlements.of_refused_event(record, prepared, source)
        return prepared

    def _prepare(self, event: ReadEvent, source: EventSource) -> Prepared | Refused:
        partner = self.partner_of(event.event.partner_id)
        prepared = prepare(
            event,
            partner.terms if partner else None,
            accepted_at_ms=self.clock.now_ms(),
            origin=source.origin,
            traceparent=source.traceparent,
            extra_headers=source.carried,
        )
        if isinstance(prepared, Refused) or not source.replays:
            return prepared
        notification = replace(
            prepared.notification, replays=source.replays, replay_run=source.replay_run
        )
        return replace(prepared, notification=notification)

    def read_record(
        self, record: InRecord, *, put_back: bool, latest_due_ms: int | None
    ) -> ReceivedRecord:
        """Read a notification's record.

        Args:
            record: of a retry topic or of the replay topic.
            put_back: whether an operator put it on the replay topic.
            latest_due_ms: the latest due time that is honest, milliseconds since the epoch; None for any.
        """
        trigger: Trigger = "replay" if put_back else "ladder"
        try:
            notification = decode_notification(
                record, latest_due_ms=latest_due_ms, check_url=self._check_url
            )
        except NewerRecord as newer:
            # Whatever it means, two records that differ only in their due time are copies of one.
            headers = repr([header for header in record.headers if header[0] != "due-at-ms"])
            copy = digest("newer", record.key or b"", record.value or b"", headers)
            return ReceivedRecord(record, trigger, newer, ((copy, b""),))
        except MalformedRecord as malformed:
            return ReceivedRecord(record, trigger, malformed, ())
        if not put_back and notification.last_outcome == "parked":
            trigger = "park"
        n = notification
        # An attempt leaves one record, however often the notification was parked before it: a repeat of the attempt may
        # have been parked more often than the first, and what both leave is the same step of the ladder.
        parks = n.parks if n.last_outcome == "parked" else ""
        copy = digest("copy", n.notification_id, n.replays, n.attempt, parks)
        return ReceivedRecord(record, trigger, notification, ((copy, b""),))

    def receive_record(
        self, received: ReceivedRecord, deduplicator: Deduplicator
    ) -> Notification | Settlement:
        """Return the notification of a record, while its identity is held in the deduplicator; or its settlement."""
        record, content, trigger = received.record, received.content, received.trigger
        if isinstance(content, MalformedRecord):
            broken = DeadLetter(DeadLetterReason.INVALID_EVENT, str(content))
            return of_dead_record(self.settlements, record, broken, trigger)
        ((identity, _),) = received.identities
        is_copy = deduplicator.get(identity) is not None
        if isinstance(content, NewerRecord):
            if is_copy:
                return of_duplicate_record(self.settlements, record, trigger)
            return of_newer_record(self.settlements, self.policy, record, content, trigger)
        return self.settlements.of_duplicate(content, trigger) if is_copy else content

    def _check_url(self, url: str) -> None:
        check_notify_url(url, allow_http=self.allow_http)


def _received(
    record: InRecord, source: EventSource, event: ReadEvent | Refused, value: bytes
) -> ReceivedEvent:
    """Return an event as it was read; its value tells second copies from others of the same id."""
    if isinstance(event, Refused):
        return ReceivedEvent(record, source, event, ())
    # Each time that it is put back it is another one, and two records of the same time are copies.
    times = (source.replays,) if source.replays else ()
    partner_id = event.event.partner_id
    identities = (
        (digest("event", event.event.event_id, *times), digest(value)),
        # Merchants number their orders themselves: two of them may use the same number.
        (digest("order", partner_id, event.order_id), event.event.outcome.encode()),
    )
    return ReceivedEvent(record, source, event, identities)


def _conflict(event: ReadEvent, fault: str) -> Refused:
    return Refused(
        DeadLetterReason.CONFLICTING_RESULT,
        f"{fault}; an order has one final result, and this one was not sent",
        event.event.event_id,
        event.profile.name,
        event.event.partner_id,
        event.order_id,
    )
