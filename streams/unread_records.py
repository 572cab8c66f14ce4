"""Settling of our own records that can't be read here: as they are, headers and all.

A newer version wrote them, or they are broken. What can be read of them all the same, `streams.history.facts` says.
"""

import logging

from schemas.attempt_record import Trigger
from streams.history.facts import Fact, read_fact
from streams.history.text import NEWER_VERSION
from streams.kafka.raw import RawRecord
from streams.kafka.records import InRecord, OutRecord, replace_headers
from streams.notification.decision import DeadLetter
from streams.notification.ladder import Wait
from streams.operate.logs import id_or_none, named
from streams.settle import Journal, Settling

log = logging.getLogger(__name__)


async def park_record(  # noqa: PLR0913, PLR0917  # what a park is made of
    settling: Settling, record: InRecord, parks: int, wait: Wait, due_at_ms: int, trigger: Trigger
) -> None:
    """Move a record of a newer version aside; only what a park changes is changed.

    Args:
        settling: writes.
        record: as read.
        parks: how often it has been moved aside, this time included.
        wait: of the tier that it goes to.
        due_at_ms: when it is due there.
        trigger: what made it due here.

    Raises:
        RecordTooLarge: the broker will not take it again.
    """
    topic = settling.names.tier(wait)
    changed = {"parks": str(parks), "due-at-ms": str(due_at_ms), "last-outcome": "parked"}
    headers = replace_headers(record.headers, changed)
    journal = _journal(settling, record, trigger) | {
        "kind": "park",
        "parks": parks,
        "decision": "parked",
        "next_due_at_ms": due_at_ms,
        "next_topic": topic,
        "why": NEWER_VERSION,
    }
    await settling.write(settling.journal_record(journal))  # before its effect
    await settling.write(OutRecord(topic, record.key, record.value, headers))


async def absorb_record(settling: Settling, record: InRecord, trigger: Trigger) -> None:
    """Settle a second copy of a record that was moved aside."""
    journal = _journal(settling, record, trigger) | {"decision": "absorbed"}
    await settling.write(settling.journal_record(journal))


async def dead_letter_record(
    settling: Settling, record: InRecord, letter: DeadLetter, trigger: Trigger
) -> None:
    """Hand a record to an operator."""
    kept = tuple(header for header in record.headers if not header[0].startswith("dead-letter-"))
    if all(name != "origin" for name, _ in kept):
        kept += (("origin", record.origin.encode()),)
    journal: Journal = {
        "kind": "decision",
        "at_ms": settling.clock.now_ms(),
        "trigger": trigger,
        "origin": record.origin,
        "worker": settling.worker,
    }
    await settling.write_letter(record.key, record.value, kept, letter, journal)
    fact = _fact(record)
    log.warning(
        "dead letter %s: %s at %s: %s",
        letter.reason.value,
        named("record", fact.notification_id, fact.order_id),
        record.origin,
        letter.detail,
        extra={
            "notification_id": id_or_none(fact.notification_id),
            "order_id": id_or_none(fact.order_id),
            "profile": id_or_none(fact.profile),
            "partner": id_or_none(fact.partner_id),
            "attempt": fact.attempt,
            "decision": letter.reason.value,
        },
    )


def _fact(record: InRecord) -> Fact:
    raw = RawRecord(
        record.topic, record.partition, record.offset, record.key, record.value, record.headers
    )
    return read_fact("tier", raw)


def _journal(settling: Settling, record: InRecord, trigger: Trigger) -> Journal:
    fact = _fact(record)
    return {
        "kind": "decision",
        "at_ms": settling.clock.now_ms(),
        "notification_id": fact.notification_id,
        "order_id": fact.order_id,
        "profile": fact.profile,
        "partner_id": fact.partner_id,
        "attempt": fact.attempt,
        "parks": fact.parks,
        "replays": fact.replays,
        "replay_run": fact.replay_run,
        "trigger": trigger,
        "origin": fact.origin or record.origin,
        "worker": settling.worker,
    }
