"""The timeline of one notification: what happened, in the order in which it happened."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.attempt_record import AttemptRecord
from streams.history.facts import Fact
from streams.kafka.raw import Place

EntryKind = Literal["final", "event", "attempt", "park", "replay", "dead-letter", "absorbed"]
_ORDER: Final = ("final", "event", "replay", "attempt", "park", "absorbed", "dead-letter")
"""Of what happened in the same millisecond."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline.

    Attributes:
        at_ms: when it began, milliseconds since the epoch, UTC.
        kind: `final` is the payment's own end, `event` our reading of it.
        record: of the attempts topic, where it says this.
        reason: of a dead letter.
        detail: of a dead letter, or why it was parked or put back.
        by: who put it back.
        run: the operator's replay that it belongs to.
        place: where the record stands that says this.
    """

    at_ms: int
    kind: EntryKind
    record: AttemptRecord | None = None
    reason: str | None = None
    detail: str | None = None
    by: str | None = None
    run: str | None = None
    place: Place | None = None


def entries_of(facts: Iterable[Fact]) -> tuple[Entry, ...]:
    """Return the timeline that the facts of one notification tell, oldest first; never an empty one for any fact.

    Args:
        facts: sorted by `time_of`.
    """
    facts = list(facts)
    entries = [*_from_records(facts), *_from_topics(facts)]
    occurred = known(facts, "occurred_at_ms")
    if occurred is not None:
        entries.append(Entry(occurred, "final"))
    if not entries:
        entries = [Entry(fact.at_ms, "event", place=fact.place) for fact in facts[:1]]
    return tuple(sorted(entries, key=lambda entry: (entry.at_ms, _ORDER.index(entry.kind))))


def _from_records(facts: list[Fact]) -> Iterator[Entry]:
    letters = {moment_of(fact): fact for fact in facts if fact.kind == "dead-letter"}
    said_before: set[AttemptRecord] = set()
    for fact in facts:
        said = fact.record
        if (
            said is None or said in said_before
        ):  # a writer that lost an acknowledgement writes again
            continue
        said_before.add(said)
        if said.kind == "attempt":
            at_ms = said.at_ms if said.started_at_ms is None else said.started_at_ms
            yield Entry(at_ms, "attempt", said, place=fact.place)
        match said.decision:
            case "parked":
                yield Entry(said.at_ms, "park", said, detail=said.why, place=fact.place)
            case "absorbed":
                yield Entry(said.at_ms, "absorbed", said, place=fact.place)
            case "replayed":
                yield Entry(
                    said.at_ms, "replay", said, None, said.why, said.by, said.replay_run, fact.place
                )
            case "dead-letter":
                letter = letters.get(moment_of(fact), fact)
                detail = letter.detail or said.why
                reason = fact.reason or letter.reason
                yield Entry(ended(said), "dead-letter", said, reason, detail, place=letter.place)
            case _:
                pass


def _from_topics(facts: list[Fact]) -> Iterator[Entry]:
    """Yield what stands on a topic and has no attempts record (deleted by retention, or not there yet)."""
    recorded = {
        (moment_of(fact), fact.record.decision) for fact in facts if fact.record is not None
    }
    for fact in facts:
        if fact.kind == "dead-letter" and (moment_of(fact), "dead-letter") not in recorded:
            yield Entry(fact.at_ms, "dead-letter", None, fact.reason, fact.detail, place=fact.place)
        elif fact.kind == "replay" and (moment_of(fact), "replayed") not in recorded:
            yield Entry(fact.at_ms, "replay", run=fact.replay_run, place=fact.place)
        elif fact.kind == "event":
            yield Entry(fact.at_ms, "event", place=fact.place)


def moment_of(fact: Fact) -> tuple[Any, ...]:
    """Return what a record and the letter or replay that belongs to it have in common."""
    return fact.origin or "", fact.replays or 0, fact.attempt or 0, fact.parks or 0


def time_of(fact: Fact) -> tuple[int, Place]:
    """Return when a fact came true, by the clock of whoever wrote it, and its place among those of one millisecond."""
    return (fact.record.at_ms if fact.record is not None else fact.at_ms), fact.place


def ended(said: AttemptRecord) -> int:
    """Return when an attempt ended, or when another decision was made."""
    return said.ended_at_ms if said.ended_at_ms is not None else said.at_ms


def known(facts: Iterable[Fact], name: str) -> Any:  # noqa: ANN401  # the fact's own type
    """Return the first that any fact says of this."""
    return next((value for fact in facts if (value := getattr(fact, name)) is not None), None)
