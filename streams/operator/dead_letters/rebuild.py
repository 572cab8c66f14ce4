"""Putting a notification back from its event, where that can still be read at its origin.

With a body made anew, for one that was wrong when it was made (a reason that was mapped to the wrong code, a profile that
was mended); or as the event itself, of which a worker makes the body, for one that is not kept because it was delivered.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from streams.kafka.format.event_headers import (
    EventSource,
    event_headers,
    fresh_event,
    own_key_header,
    put_back_event,
)
from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import OutRecord, notification_record
from streams.kafka.reader.reader import RecordReader
from streams.kafka.topics import TopicNames
from streams.notification.intake import ReadEvent, Refused, prepare, read_event
from streams.notification.notification import Notification
from streams.operator.dead_letters.replay_record import CannotReplay, ReplayAudit
from streams.operator.history.mapped_events import EventOf, EventReader
from streams.partners import Partner


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Puts notifications back from their events.

    Attributes:
        reader: of the brokers; not the one that reads at the same time.
        names: our topics.
        source_topics: where events may stand.
        partner_of: the partners file in force.
        allow_http: whether plain http notify URLs will do.
        event_of: reads events that are not of our own form.
    """

    reader: RecordReader
    names: TopicNames
    source_topics: tuple[str, ...]
    partner_of: Callable[[str], Partner | None]
    allow_http: bool
    event_of: EventOf = field(default_factory=lambda: EventReader(None))

    async def record(self, known: Fact, audit: ReplayAudit, now_ms: int) -> OutRecord:
        """Return the record of the replay topic that puts a notification back as its event has it today.

        Args:
            known: what is put back: its place, its origin and, where they are known, its ids and replays.
            audit: who and why.
            now_ms: the present.

        Raises:
            CannotReplay: its event can't be read any more, or became another.
        """
        made = replace(
            await self.notification(known),
            due_at_ms=now_ms,
            accepted_at_ms=now_ms,
            replays=(known.replays or 0) + 1,
            replay_run=audit.run,
        )
        record = notification_record(self.names.replay, made)
        of = (("replay-of", known.record_id.header.encode()),)
        return replace(record, headers=record.headers + of)

    async def event_record(self, known: Fact, audit: ReplayAudit, now_ms: int) -> OutRecord:
        """Return the record of the replay topic that puts an event back as it came: a worker makes it a notification.

        Args:
            known: see `record`.
            audit: who and why.
            now_ms: the present.

        Raises:
            CannotReplay: the event can't be read any more, or became another.
        """
        record, event, source = await self._event(known)
        source = replace(source, replays=(known.replays or 0) + 1, replay_run=audit.run)
        headers = event_headers(
            event.event.event_id, event.profile.name, event.event.partner_id, now_ms, source
        )
        of = (("replay-of", known.record_id.header.encode()),)
        key = event.order_id.encode()
        return OutRecord(
            self.names.replay, key, record.value, headers + of + own_key_header(record, key)
        )

    async def notification(self, known: Fact) -> Notification:
        """Return the notification that an event becomes today.

        Raises:
            CannotReplay: the event can't be read, or is not the one that is meant.
        """
        record, event, source = await self._event(known)
        partner = self.partner_of(event.event.partner_id)
        prepared = prepare(
            event,
            partner.terms if partner else None,
            accepted_at_ms=record.timestamp_ms,
            origin=record.origin,
            traceparent=source.traceparent,
            extra_headers=source.carried,
        )
        if isinstance(prepared, Refused):
            message = (
                f"its event becomes no notification: {prepared.reason.value}: {prepared.detail}"
            )
            raise CannotReplay(message)
        return prepared.notification

    async def _event(self, known: Fact) -> tuple[RawRecord, ReadEvent, EventSource]:
        record_id = _origin(known)
        if record_id.topic not in {*self.source_topics, self.names.replay}:
            message = f"its origin {record_id} is on none of the topics that events stand on (NOTIFIER_SOURCE_TOPICS)"
            raise CannotReplay(message)
        record = await self.reader.at(record_id)
        if record is None:
            message = (
                f"its event at {record_id} is not there any more (retention of the source topic): ask payment core to"
                " write the event again, with a new eventId"
            )
            raise CannotReplay(message)
        event = read_event(
            await asyncio.to_thread(self.event_of, record), allow_http=self.allow_http
        )
        if isinstance(event, Refused):
            message = f"the event at {record_id} breaks a rule: {event.detail}"
            raise CannotReplay(message)
        known_as = known.notification_id or event.event.event_id, known.order_id
        if (event.event.event_id, event.order_id) != known_as:
            message = f"the event at {record_id} is another one; was the topic created anew?"
            raise CannotReplay(message)
        put_back = record_id.topic == self.names.replay
        return record, event, put_back_event(record) if put_back else fresh_event(record)


def _origin(known: Fact) -> RecordId:
    try:
        return RecordId.parse(known.origin or "")
    except ValueError:
        message = "where its event stood is not known"
        raise CannotReplay(message) from None
