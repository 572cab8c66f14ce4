"""What arrives: a record of a topic becomes a notification, a dead letter, or is recognised as a second copy.

The entrance of every lane. When a method here returns, the record is settled and its lane may let the offset move.
None raises for anything that a record, a partner or the network does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from schemas.attempt_record import Trigger
from schemas.notify_url import check_notify_url
from streams.clock import Clock
from streams.kafka.decoding import MalformedRecord, NewerRecord, decode_notification
from streams.kafka.event_headers import EventSource, fresh_event, put_back_event
from streams.kafka.memory import SettledMemory, digest
from streams.kafka.records import InRecord
from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.intake import ReadEvent, Refused, prepare, read_event
from streams.notification.ladder import Wait
from streams.operate.counting import Counting
from streams.partners import Partner
from streams.settle import Settling
from streams.stage import Stage
from streams.unread_records import absorb_record, dead_letter_record

DUE_TOLERANCE_MS = 5_000
"""How far beyond its tier's wait a due time may lie: workers' clocks differ a little, and jitter is at most this."""

SOURCE = "source"
REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Handles the records of every topic that the notifier reads.

    Attributes:
        clock: the worker's.
        partner_of: the partners file in force, by partner id.
        stage: takes a notification from its due time to its next place.
        settling: writes next places.
        counting: metrics.
        allow_http: whether plain http URLs are taken.
    """

    clock: Clock
    partner_of: Callable[[str], Partner | None]
    stage: Stage
    settling: Settling
    counting: Counting
    allow_http: bool

    async def on_event(self, record: InRecord, memory: SettledMemory, tier: str = SOURCE) -> None:
        """Handle a record of a source topic."""
        event = read_event(record.value, allow_http=self.allow_http)
        source = put_back_event(record) if tier == REPLAY else fresh_event(record)
        if source.traceparent_fault is not None:
            self.counting.unreadable_traceparent(source.traceparent_fault)
        if isinstance(event, Refused):
            await self._refuse(record, event, source)
        else:
            identity = digest("event", event.event.event_id)
            order = digest("order", event.order_id)
            async with memory.turn(identity, order):
                what, outcome = digest(record.value or b""), event.event.outcome.encode()
                before = memory.recall(identity)
                if before == what:
                    self.counting.absorbed(tier)
                    await self.settling.absorbed_event(record, event)
                elif before is not None:
                    await self._refuse(
                        record, _conflict(event, "eventId: came before with other bytes"), source
                    )
                elif memory.recall(order) not in {None, outcome}:
                    await self._refuse(
                        record,
                        _conflict(event, "outcome: this order was notified with another one"),
                        source,
                    )
                elif await self._on_new_event(record, event, tier, source):
                    memory.settle(identity, what)
                    memory.settle(order, outcome)
        self.counting.settled(tier, self.clock.now_seconds())

    async def on_tier(self, record: InRecord, memory: SettledMemory, *, wait: Wait) -> None:
        """Handle a record of a retry tier whose due time has come."""
        latest = self.clock.now_ms() + wait.seconds * 1000 + DUE_TOLERANCE_MS
        await self._on_notification(record, memory, wait.label, latest)

    async def on_replay(self, record: InRecord, memory: SettledMemory) -> None:
        """Handle what an operator put back: a notification, or an event where the header `kind` says so."""
        if ("kind", b"event") in record.headers:
            await self.on_event(record, memory, REPLAY)
        else:
            await self._on_notification(record, memory, REPLAY, None)

    async def _on_new_event(
        self, record: InRecord, event: ReadEvent, tier: str, source: EventSource
    ) -> bool:
        """Make the first attempt. Returns False where the event became no notification."""
        partner = self.partner_of(event.event.partner_id)
        prepared = prepare(
            event,
            partner.terms if partner else None,
            accepted_at_ms=self.clock.now_ms(),
            origin=source.origin,
            traceparent=source.traceparent,
            extra_headers=source.carried,
        )
        if isinstance(prepared, Refused):
            await self._refuse(record, prepared, source)
            return False
        self.counting.accepted(prepared)
        notification = prepared.notification
        if source.replays:
            notification = replace(
                notification, replays=source.replays, replay_run=source.replay_run
            )
        await self.stage.run(notification, tier, "replay" if source.replays else "event")
        return True

    async def _refuse(self, record: InRecord, refused: Refused, source: EventSource) -> None:
        self.counting.refused(refused)
        await self.settling.refused_event(record, refused, self.clock.now_ms(), source)

    async def _on_notification(
        self, record: InRecord, memory: SettledMemory, tier: str, latest_due_ms: int | None
    ) -> None:
        trigger: Trigger = "replay" if tier == REPLAY else "ladder"
        try:
            notification = decode_notification(
                record, latest_due_ms=latest_due_ms, check_url=self._check_url
            )
        except NewerRecord as newer:
            await self._on_newer(record, memory, newer, tier, trigger)
        except MalformedRecord as malformed:
            letter = DeadLetter(DeadLetterReason.INVALID_EVENT, str(malformed))
            await dead_letter_record(self.settling, record, letter, trigger)
        else:
            if trigger == "ladder" and notification.last_outcome == "parked":
                trigger = "park"
            n = notification
            copy = digest("copy", n.notification_id, n.replays, n.attempt, n.parks)
            async with memory.turn(copy):
                if memory.recall(copy) is not None:
                    self.counting.absorbed(tier)
                    await self.settling.absorbed(notification, trigger)
                else:
                    await self.stage.run(notification, tier, trigger)
                    memory.settle(copy, b"")
        self.counting.settled(tier, self.clock.now_seconds())

    async def _on_newer(
        self,
        record: InRecord,
        memory: SettledMemory,
        newer: NewerRecord,
        tier: str,
        trigger: Trigger,
    ) -> None:
        # Whatever it means: two records that differ in nothing but when they are due are copies of one.
        said = repr([header for header in record.headers if header[0] != "due-at-ms"])
        copy = digest("newer", record.key or b"", record.value or b"", said)
        async with memory.turn(copy):
            if memory.recall(copy) is not None:
                self.counting.absorbed(tier)
                await absorb_record(self.settling, record, trigger)
            else:
                await self.stage.put_aside(record, newer, trigger)
                memory.settle(copy, b"")

    def _check_url(self, url: str) -> None:
        check_notify_url(url, allow_http=self.allow_http)


def _conflict(event: ReadEvent, fault: str) -> Refused:
    return Refused(
        DeadLetterReason.CONFLICTING_RESULT,
        f"{fault}; an order has one final result, and this one was not sent",
        event.event.event_id,
        event.profile.name,
        event.event.partner_id,
        event.order_id,
    )
