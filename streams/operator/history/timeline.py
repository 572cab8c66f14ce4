"""The timeline of one notification: what happened, in the order in which it happened."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RecordId

EntryKind = Literal["final", "event", "attempt", "park", "replay", "dead-letter", "absorbed"]
_ORDER: Final = ("final", "event", "replay", "attempt", "park", "absorbed", "dead-letter")
"""Of what happened in the same millisecond."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened.

    Attributes:
        at_ms: when it began, milliseconds since the epoch, UTC.
        kind: `final` is the payment's own end, `event` our reading of it.
        record: of the attempts topic, where it says this.
        reason: of a dead letter.
        detail: of a dead letter, or why it was parked or put back.
        by: who put it back.
        run: the operator's replay that it belongs to.
        place: of the record that says this.
    """

    at_ms: int
    kind: EntryKind
    record: AttemptRecord | None = None
    reason: str | None = None
    detail: str | None = None
    by: str | None = None
    run: str | None = None
    record_id: RecordId | None = None


def entries_of(facts: Iterable[Fact]) -> tuple[TimelineEntry, ...]:
    """Return the timeline that the facts of one notification tell, oldest first; never an empty one for any fact.

    Args:
        facts: sorted by `written_at`.
    """
    facts = list(facts)
    entries = [*_from_records(facts), *_from_topics(facts)]
    occurred = first_known(facts, "occurred_at_ms")
    if occurred is not None:
        entries.append(TimelineEntry(occurred, "final"))
    if not entries:
        entries = [
            TimelineEntry(fact.at_ms, "event", record_id=fact.record_id) for fact in facts[:1]
        ]
    return tuple(sorted(entries, key=lambda entry: (entry.at_ms, _ORDER.index(entry.kind))))


def _from_records(facts: list[Fact]) -> Iterator[TimelineEntry]:
    dead_letters = {round_position(fact): fact for fact in facts if fact.kind == "dead-letter"}
    seen: set[AttemptRecord] = set()
    for fact in facts:
        record = fact.record
        if record is None or record in seen:  # a writer that lost an acknowledgement writes again
            continue
        seen.add(record)
        if record.kind == "attempt":
            at_ms = record.at_ms if record.started_at_ms is None else record.started_at_ms
            yield TimelineEntry(at_ms, "attempt", record, record_id=fact.record_id)
        match record.decision:
            case "parked":
                yield TimelineEntry(
                    record.at_ms, "park", record, detail=record.why, record_id=fact.record_id
                )
            case "absorbed":
                yield TimelineEntry(record.at_ms, "absorbed", record, record_id=fact.record_id)
            case "replayed":
                yield TimelineEntry(
                    record.at_ms,
                    "replay",
                    record,
                    None,
                    record.why,
                    record.by,
                    record.replay_run,
                    fact.record_id,
                )
            case "dead-letter":
                dead_letter = dead_letters.get(round_position(fact), fact)
                detail = dead_letter.detail or record.why
                reason = fact.reason or dead_letter.reason
                yield TimelineEntry(
                    ended_at(record),
                    "dead-letter",
                    record,
                    reason,
                    detail,
                    record_id=dead_letter.record_id,
                )
            case _:
                pass


def _from_topics(facts: list[Fact]) -> Iterator[TimelineEntry]:
    """Yield what stands on a topic and has no attempts record (deleted by retention, or not there yet)."""
    recorded = {
        (round_position(fact), fact.record.decision) for fact in facts if fact.record is not None
    }
    for fact in facts:
        if fact.kind == "dead-letter" and (round_position(fact), "dead-letter") not in recorded:
            yield TimelineEntry(
                fact.at_ms, "dead-letter", None, fact.reason, fact.detail, record_id=fact.record_id
            )
        elif fact.kind == "replay" and (round_position(fact), "replayed") not in recorded:
            yield TimelineEntry(fact.at_ms, "replay", run=fact.replay_run, record_id=fact.record_id)
        elif fact.kind == "event":
            yield TimelineEntry(fact.at_ms, "event", record_id=fact.record_id)


def round_position(fact: Fact) -> tuple[Any, ...]:
    """Return what a record and the dead letter or replay that belongs to it have in common."""
    return fact.origin or "", fact.replays or 0, fact.attempt or 0, fact.parks or 0


def written_at(fact: Fact) -> tuple[int, RecordId]:
    """Return when a fact came true, by the clock of whoever wrote it, and its place among those of one millisecond."""
    return (fact.record.at_ms if fact.record is not None else fact.at_ms), fact.record_id


def ended_at(record: AttemptRecord) -> int:
    """Return when an attempt ended, or when another decision was made."""
    return record.ended_at_ms if record.ended_at_ms is not None else record.at_ms


def first_known(facts: Iterable[Fact], name: str) -> Any:  # noqa: ANN401  # the fact's own type
    """Return the first that any fact says of this."""
    return next((value for fact in facts if (value := getattr(fact, name)) is not None), None)
