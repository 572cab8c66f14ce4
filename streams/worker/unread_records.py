"""Settlements of our own records that can't be read here: as they are, headers and all.

A newer version wrote them, or they are broken. `streams.kafka.format.facts` reads what can be read of them.
Decides and returns values; knows the policy, the form of our records and the names of our topics.
"""

from dataclasses import replace
from functools import partial

from schemas.attempt_record import AttemptReport, Trigger
from schemas.event import short_text
from streams.clock import due_at_ms
from streams.kafka.format.decoding import NewerRecord
from streams.kafka.format.facts import Fact, read_fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import InRecord, OutRecord, replace_headers, too_large
from streams.notification.decision import DeadLetter, DeadLetterReason
from streams.notification.status import NEWER_VERSION
from streams.worker.policy import Policy
from streams.worker.settlement import Settlement, Settlements


def of_newer_record(
    settlements: Settlements, policy: Policy, record: InRecord, newer: NewerRecord, trigger: Trigger
) -> Settlement:
    """Move a record of a newer version aside as it is, for a worker that knows it; each further time for longer.

    This version can't tell what it means, so no attempt is made and none is counted. It expires as any other does, and
    only the headers that a park sets are changed.
    """
    wait = policy.parking[min(newer.parks, len(policy.parking) - 1)]
    due = due_at_ms(settlements.now_ms(), wait.seconds * policy.scale)
    if expired := policy.expired(newer.accepted_at_ms, due):
        return of_dead_record(settlements, record, expired, trigger)
    topic, parks = settlements.names.tier(wait), newer.parks + 1
    changed = {"parks": str(parks), "due-at-ms": str(due), "last-outcome": "parked"}
    parked = OutRecord(topic, record.key, record.value, replace_headers(record.headers, changed))
    report = _report(settlements, record, trigger)
    report["kind"] = "park"
    report["parks"] = parks
    report["decision"] = "parked"
    report["next_due_at_ms"] = due
    report["next_topic"] = topic
    report["why"] = NEWER_VERSION
    oversized = DeadLetter(DeadLetterReason.OVERSIZED, too_large(parked))
    return Settlement(
        "parked",
        report,
        parked,
        record=record,
        if_too_large=partial(of_dead_record, settlements, record, oversized, trigger),
    )


def of_duplicate_record(settlements: Settlements, record: InRecord, trigger: Trigger) -> Settlement:
    """Return the settlement of a second copy of a record that was moved aside."""
    report = _report(settlements, record, trigger)
    report["decision"] = "absorbed"
    return Settlement("duplicate", report, record=record)


def of_dead_record(
    settlements: Settlements, record: InRecord, dead_letter: DeadLetter, trigger: Trigger
) -> Settlement:
    """Return the settlement that hands a record to an operator."""
    kept = tuple(header for header in record.headers if not header[0].startswith("dead-letter-"))
    if all(name != "origin" for name, _ in kept):
        kept += (("origin", record.origin.encode()),)
    report = _report(settlements, record, trigger)
    settlement = settlements.of_dead_letter(record.key, record.value, kept, dead_letter, report)
    return replace(settlement, record=record)


def fact_of(record: InRecord) -> Fact:
    """Return what can be read of a record of ours, whatever it holds."""
    raw = RawRecord(
        record.topic, record.partition, record.offset, record.key, record.value, record.headers
    )
    return read_fact("tier", raw)


def _report(settlements: Settlements, record: InRecord, trigger: Trigger) -> AttemptReport:
    """Return a report that belongs to the notification as far as the record says which: it ends what the event began."""
    fact = fact_of(record)
    return {
        "kind": "decision",
        "at_ms": settlements.now_ms(),
        "notification_id": fact.notification_id,
        "order_id": short_text(
            fact.order_id
        ),  # a key of a megabyte would leave no room for the report
        "profile": fact.profile,
        "partner_id": fact.partner_id,
        "attempt": fact.attempt,
        "parks": fact.parks,
        "replays": fact.replays,
        "replay_run": fact.replay_run,
        "trigger": trigger,
        "origin": fact.origin or record.origin,
        "worker": settlements.worker,
    }
