"""Settle: write what a settlement says, and return when the broker has it.

The only file of a worker's way that writes, and what an operator's replays are written by. Every settlement has its record
on the attempts topic; that of a park or a replay is written before its effect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.attempt_record import AttemptReport, render
from schemas.valueclass import valueclass
from streams.kafka.format.records import OutRecord
from streams.kafka.producer import RecordProducer, RecordTooLarge, Written
from streams.notification.decision import DeadLetterReason
from streams.worker.settlement import Settlement, cut_to_fit
from streams.worker.writes import Writes


@valueclass(frozen=True, slots=True)
class Settled:
    """A settlement that the broker has.

    Attributes:
        settlement: what was written: cut, or another one, where the broker refused the first for its size.
        clock_offset_seconds: the broker's clock minus ours, or None where the broker does not say its time.
    """

    settlement: Settlement
    clock_offset_seconds: float | None


@dataclass(frozen=True, slots=True)
class Settler:
    """Writes settlements.

    Attributes:
        producer: writes and waits for acks=all.
        attempts_topic: where reports go.
        now_seconds: the clock.
        writes: those under way.
    """

    producer: RecordProducer
    attempts_topic: str
    now_seconds: Callable[[], float]
    writes: Writes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "writes", Writes(self.now_seconds))

    async def settle(self, settlement: Settlement) -> Settled:
        """Return when the broker has the report and the next record.

        Raises:
            RecordTooLarge: the broker will not take what can be kept of a dead letter, or a replay, or a report.
            asyncio.CancelledError: the caller gave up; records may or may not be stored.
        """
        report, record = self._record_of(settlement.report), settlement.next
        if record is None:
            return Settled(settlement, await self._write(report))
        try:
            if settlement.kind in {"parked", "replayed"}:
                # Before its effect, so that `why` never has to guess.
                offset = await self._write(report)
                await self._write(record)
            else:
                offset = await self._write(record, report)
        except RecordTooLarge as error:  # its topic takes less than we may write
            otherwise = _otherwise(settlement)
            # Where it is the report that is too large, the record stands and needs no second place.
            if error.record is not record or otherwise is None:
                raise
            return await self.settle(otherwise)
        return Settled(settlement, offset)

    def _record_of(self, report: AttemptReport) -> OutRecord:
        order_id = report.get("order_id")
        return OutRecord(
            self.attempts_topic, order_id.encode() if order_id else None, render(report)
        )

    async def _write(self, *records: OutRecord) -> float | None:
        """Return when the broker has these records, with its clock minus ours as the last one shows it."""
        sent = self.now_seconds()
        with self.writes.under_way(*(record.topic for record in records)):
            written = await self.producer.write(*records)
        return _clock_offset(sent, self.now_seconds(), written[-1])


def _otherwise(settlement: Settlement) -> Settlement | None:
    """Return what is written where the broker refuses the next record for its size, or None where nothing can be."""
    if settlement.if_too_large is not None:
        return settlement.if_too_large()
    is_cut = settlement.report.get("dead_letter_reason") == DeadLetterReason.OVERSIZED
    return cut_to_fit(settlement) if settlement.kind == "dead-letter" and not is_cut else None


def _clock_offset(sent: float, heard: float, written: Written) -> float | None:
    # The attempts topic is stamped by the broker: a stamp before we sent, or after we heard of it, is a difference.
    if written.append_time_ms < 0:
        return None
    stamp = written.append_time_ms / 1000
    return max(stamp - heard, 0.0) or min(stamp + 0.001 - sent, 0.0)
