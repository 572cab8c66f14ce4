"""A record's way, top to bottom: receive, deliver, settle; each step is observed.

When a method here returns, the record is settled and its lane may let the offset move. None raises for anything that a
record, a partner or the network does; only an event whose schema can't be had is put aside (`NotYet`), and a record waits
for one that came before it with the same identity (`Held`). A notification is at rest in exactly one place, a record on a
topic; to settle it is to put it in its next place and to return when the broker has it.
"""

from dataclasses import dataclass

from schemas.attempt_record import Trigger
from streams.kafka.consumer.deduplication import Deduplicator
from streams.kafka.consumer.membership import Lease
from streams.kafka.consumer.route import LaneContext
from streams.kafka.format.records import InRecord
from streams.mapping.mapping import PassedOver
from streams.notification.intake import Prepared
from streams.notification.ladder import Wait
from streams.worker.deliver import Delivery
from streams.worker.mapped import MappedEvents
from streams.worker.observe import Observer
from streams.worker.receive import (
    DUE_TOLERANCE_MS,
    REPLAY,
    SOURCE,
    ReceivedEvent,
    ReceivedRecord,
    Receiver,
)
from streams.worker.settle import Settler
from streams.worker.settlement import Settlement


@dataclass(frozen=True, slots=True)
class RecordHandler:
    """Handles the records of every topic that the notifier reads.

    Attributes:
        receiver: reads.
        delivery: attempts.
        settler: writes.
        observer: counts, logs and traces.
        mapped_events: reads the events of mapped topics; None where there are none.
    """

    receiver: Receiver
    delivery: Delivery
    settler: Settler
    observer: Observer
    mapped_events: MappedEvents | None = None

    async def event(
        self,
        record: InRecord,
        lane: LaneContext,
        stage: str = SOURCE,
        received: ReceivedEvent | None = None,
    ) -> None:
        """Handle an event of a source topic, or one that an operator put back.

        Args:
            record: that holds it.
            lane: of its partition.
            stage: of its topic.
            received: the event where it was read already, of a mapped topic.

        Raises:
            Held: one of the same order, or a copy, is not settled yet.
        """
        if received is None:
            received = self.receiver.read_event(record, put_back=stage == REPLAY)
        deduplicator = lane.deduplicator
        with deduplicator.lock(record.offset, *(key for key, _ in received.identities)):
            self.observer.event_read(received.source)
            decided = self.receiver.receive_event(received, deduplicator)
            if isinstance(decided, Prepared):
                self.observer.accepted(decided)
                trigger: Trigger = "replay" if received.source.replays else "event"
                decided = await self.delivery.deliver(decided.notification, trigger, lane.lease)
            await self._settle(decided, stage, lane.lease)
            # What was refused must go through once it is mended, whichever copy it is.
            if decided.kind != "duplicate" and decided.refused is None:
                _remember(received, deduplicator)
        self.observer.handled(stage)

    async def mapped_event(self, record: InRecord, lane: LaneContext, stage: str = SOURCE) -> None:
        """Handle an event of a mapped topic, or one that an operator put back and that stood on one first.

        Raises:
            NotYet: its schema can't be had now.
        """
        assert self.mapped_events is not None  # noqa: S101  # else no topic is mapped
        put_back = stage == REPLAY
        mapped = await self.mapped_events.read(record, put_back=put_back)
        lane.found(record.offset)
        if isinstance(mapped, PassedOver):
            settlements = self.receiver.settlements
            await self._settle(settlements.of_passed_over(record, mapped.rule), stage, lane.lease)
            self.observer.handled(stage)
            return
        received = self.receiver.read_mapped_event(record, mapped, put_back=put_back)
        await self.event(record, lane, stage, received)

    async def retry(self, record: InRecord, lane: LaneContext, *, wait: Wait) -> None:
        """Handle a record of a retry topic whose due time has come."""
        await self._notification(self._read_retry(record, wait), lane, wait.label)

    def recall(self, record: InRecord, deduplicator: Deduplicator, *, wait: Wait) -> None:
        """Remember a record of a retry topic that was settled before its lane was opened."""
        received = self._read_retry(record, wait)
        _remember(received, deduplicator)

    async def replay(self, record: InRecord, lane: LaneContext) -> None:
        """Handle what an operator put back: a notification, or an event where the header `kind` says so."""
        if ("kind", b"event") in record.headers:
            is_mapped = self.mapped_events is not None and self.mapped_events.maps(record)
            handle = self.mapped_event if is_mapped else self.event
            await handle(record, lane, REPLAY)
        else:
            received = self.receiver.read_record(record, put_back=True, latest_due_ms=None)
            await self._notification(received, lane, REPLAY)

    def _read_retry(self, record: InRecord, wait: Wait) -> ReceivedRecord:
        latest = latest_due_ms(record, wait.seconds, self.receiver.clock.now_ms())
        return self.receiver.read_record(record, put_back=False, latest_due_ms=latest)

    async def _notification(self, received: ReceivedRecord, lane: LaneContext, stage: str) -> None:
        deduplicator = lane.deduplicator
        offset = received.record.offset
        with deduplicator.lock(offset, *(key for key, _ in received.identities)):
            decided = self.receiver.receive_record(received, deduplicator)
            if not isinstance(decided, Settlement):
                decided = await self.delivery.deliver(decided, received.trigger, lane.lease)
            await self._settle(decided, stage, lane.lease)
            if decided.kind != "duplicate":
                _remember(received, deduplicator)
        self.observer.handled(stage)

    async def _settle(self, settlement: Settlement, stage: str, lease: Lease) -> None:
        # Or it would be settled twice, by us and by whoever has the partition now.
        await lease.hold()
        self.observer.decided(settlement, stage)
        self.observer.settled(await self.settler.settle(settlement))


def latest_due_ms(record: InRecord, wait_seconds: int, now_ms: int) -> int:
    """Return the latest due time that a tier's record can honestly have.

    It was written with a wait from then, by whoever it was; the broker's stamp says when, also to a worker whose own clock
    is slow and to which every due time seems too far away.
    """
    return max(now_ms, record.append_time_ms) + wait_seconds * 1000 + DUE_TOLERANCE_MS


def _remember(received: ReceivedEvent | ReceivedRecord, deduplicator: Deduplicator) -> None:
    """Remember that a record was settled."""
    for key, value in received.identities:
        deduplicator.remember(key, value)
