"""What is written to put a record back: the record of the replay topic, and the settlement that it is part of.

The body stays as it was, to the byte. The ladder begins anew: no attempts made, one replay more, a new life of
`NOTIFIER_GIVE_UP_AFTER`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.attempt_record import AttemptReport
from streams.kafka.format.decoding import MalformedRecord, NewerRecord, decode_notification
from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import OutRecord, header_text, replace_headers
from streams.kafka.topics import TopicNames
from streams.notification.body import status_of
from streams.worker.settlement import Settlement

LONGEST_WHY = 500
_DROPPED_HEADERS = frozenset(
    [
        "dead-letter-reason",
        "dead-letter-detail",
        "value-sha256",
        "value-length",
        "first-attempt-at-ms",
    ]
)


class CannotReplay(Exception):  # noqa: N818  # what it is
    """Something can't be put back: why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class ReplayAudit:
    """Who puts something back, and why: it stands in every record of the run.

    Attributes:
        run: the run's id; the same for all that one command puts back, and for its resumption.
        by: who.
        why: in words without customer data.

    Raises:
        ValueError: a text is empty, too long or of more than one line.
    """

    run: str
    by: str
    why: str

    def __post_init__(self) -> None:
        for name, text, most in (
            ("run", self.run, 64),
            ("who", self.by, 64),
            ("why", self.why, LONGEST_WHY),
        ):
            if not 1 <= len(text.strip()) <= most or not text.isprintable():
                message = f"{name}: expected 1 to {most} printable characters in one line, seen {len(text)}"
                raise ValueError(message)


def replay_record(
    names: TopicNames, record: RawRecord, dead_letter: Fact, audit: ReplayAudit, now_ms: int
) -> OutRecord:
    """Return the record of the replay topic that puts a dead letter back."""
    changed = {
        "replays": str((dead_letter.replays or 0) + 1),
        "replay-run": audit.run,
        "replay-of": dead_letter.record_id.header,
    }
    if dead_letter.holds_event:
        changed["origin"] = dead_letter.origin or record.origin
    else:
        now = str(now_ms)
        changed |= {"attempt": "0", "parks": "0", "due-at-ms": now, "accepted-at-ms": now}
        changed["last-outcome"] = ""
    kept = tuple(header for header in record.headers if header[0] not in _DROPPED_HEADERS)
    return OutRecord(names.replay, record.key, record.value, replace_headers(kept, changed))


def replay_settlement(
    replayed: OutRecord, source: Fact, audit: ReplayAudit, now_ms: int
) -> Settlement:
    """Return the settlement that puts something back; its report says who does it and why, and is written first.

    Args:
        replayed: what will be written to the replay topic.
        source: what is put back: a dead letter, or the event of a notification that is sent again.
        audit: who and why.
        now_ms: the present.
    """
    _, _, code = (source.result or "").partition(":")  # of an event only its outcome is known
    report: AttemptReport = {
        "kind": "replay",
        "at_ms": now_ms,
        "notification_id": source.notification_id,
        "order_id": source.order_id,
        "profile": source.profile,
        "partner_id": source.partner_id,
        "attempt": 0,
        "parks": 0,
        "replays": int(header_text(replayed.headers, "replays") or 0),
        "replay_run": audit.run,
        "replay_of": source.record_id.header,
        "sent_result_status": status_of(code) if code else None,
        "sent_result_code": code or None,
        "decision": "replayed",
        "next_due_at_ms": now_ms,
        "next_topic": replayed.topic,
        "origin": source.origin or source.record_id.header,
        "by": audit.by,
        "why": audit.why,
    }
    return Settlement("replayed", report, replayed)


def fault_of(replayed: OutRecord, check_url: Callable[[str], None]) -> str | None:
    """Return why a worker could not read this record as a notification, or None where it can."""
    record = RawRecord(replayed.topic, 0, 0, replayed.key, replayed.value, replayed.headers)
    try:
        decode_notification(record, latest_due_ms=None, check_url=check_url)
    except MalformedRecord as malformed:
        return str(malformed)
    except NewerRecord as newer:
        return f"{newer}: put it back with the command of that version"
    return None
