"""The verdict on a scenario: the ledger's, and an explanation for every repeated attempt.

A notifier that delivers at least once may repeat an attempt only where something broke: the attempt was in flight
then, or had ended without its offset being committed. Pure: evidence in, verdict out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from schemas.attempt_record import AttemptRecord
from streams.kafka.progress import Progress
from streams.sandbox.inbox import Received
from streams.sandbox.ledger import Fault, FaultKind, Kept, Ledger, Produced, Report

COMMIT_INTERVAL_MS = 250
_LONGEST_FLIGHT_MS = 12_000
"""An attempt's time-out of 5 s, as long again for a machine that is busy, and the time until it is written down."""


class Why(StrEnum):
    """What explains a repeat."""

    IN_FLIGHT = "in flight"
    LAST_COMMIT = "ended within the last commit interval"
    BEHIND_HEAD = "ended before, offset not committed"


@dataclass(frozen=True, slots=True)
class Break:
    """Something that was done to the notifier.

    Attributes:
        from_ms: when it began, milliseconds since the epoch.
        until_ms: when it was over.
        committed: what its groups had committed then, by topic and partition; None where nobody looked.
    """

    from_ms: int
    until_ms: int
    committed: Mapping[tuple[str, int], Progress] | None = None

    def had_committed(self, place: str) -> bool:
        """Tell whether a record (`topic/partition/offset`) was known as settled."""
        topic, partition, offset = place.rsplit("/", 2)
        done = (self.committed or {}).get((topic, int(partition)), Progress(0))
        return int(offset) < done.offset or int(offset) in done.finished


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a scenario.

    Attributes:
        report: the ledger's.
        repeats: how many attempts were made again, by what explains them.
        absorbed: second copies of records that were recognised.
        parks: moves aside without an attempt.
        calls: requests that the partner got.
        faults: the ledger's, and repeats without an explanation.
    """

    report: Report
    repeats: Mapping[Why, int]
    absorbed: int
    parks: int
    calls: int
    faults: tuple[Fault, ...]

    @property
    def lost(self) -> int:
        """Events that are in no place."""
        return self.report.count(FaultKind.LOST)


@dataclass(slots=True)
class _Evidence:
    journal: list[AttemptRecord] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


def judge(ledger: Ledger, breaks: Sequence[Break]) -> Verdict:
    """Reconcile, then look for an explanation of every repeat.

    Args:
        ledger: with as many repeats allowed as there may be; they are judged here. Request-Time must be in
            milliseconds, which names the attempt.
        breaks: what was done.
    """
    report, repeats = ledger.reconcile(), Counter[Why]()
    faults = list(report.faults)
    evidence = _by_origin(ledger)
    for produced in ledger.produced:
        case = evidence[produced.origin]
        for why in _repeats(produced, case, breaks):
            if isinstance(why, Why):
                repeats[why] += 1
            else:
                faults.append(Fault(FaultKind.REPEATED, produced.origin, why))
    entries = [entry for case in evidence.values() for entry in case.journal]
    return Verdict(
        report,
        {why: repeats[why] for why in Why},
        absorbed=sum(entry.decision == "absorbed" for entry in entries),
        parks=sum(entry.kind == "park" for entry in entries),
        calls=len(ledger.requests),
        faults=tuple(faults),
    )


def _by_origin(ledger: Ledger) -> defaultdict[str, _Evidence]:
    found: defaultdict[str, _Evidence] = defaultdict(_Evidence)
    orders = {produced.order_id: produced.origin for produced in ledger.produced}
    for request in ledger.requests:
        found[orders.get(request.order_id, "")].requests.append(request)
    for record in ledger.kept:
        if record.topic == f"{ledger.prefix}-attempts":
            entry = AttemptRecord.model_validate_json(record.value or b"")
            found[entry.origin or ""].journal.append(entry)
        else:
            found[record.origin].kept.append(record)
    return found


def _repeats(produced: Produced, case: _Evidence, breaks: Sequence[Break]) -> Iterator[Why | str]:
    """Yield an explanation, or a sentence where there is none, for each request that repeats another."""
    attempts = sorted(
        (entry for entry in case.journal if entry.kind == "attempt"),
        key=lambda entry: entry.started_at_ms or 0,
    )
    written_down = Counter(str(entry.started_at_ms) for entry in attempts)
    for request in case.requests:
        made = request.headers.get("request-time", "")
        if written_down[made]:
            written_down[made] -= 1
        else:
            yield _unwritten(int(made), breaks)
    visits = _visits(produced, case)
    again: dict[int, Why] = {}
    # what explains that a record was taken up twice, by the attempts that had been made before
    for place, entries in visits.items():
        for first, second in pairwise(entries):
            why = _again(place, first, second, breaks)
            if isinstance(why, Why):
                again[_attempts_before(first)] = why
            else:
                yield why
    yield from _numbers(visits, again)


def _numbers(
    visits: Mapping[str, Sequence[AttemptRecord]], again: Mapping[int, Why]
) -> Iterator[Why | str]:
    """Yield what explains each attempt under a number that was made before."""
    places: defaultdict[int, list[str]] = defaultdict(list)
    for place, entries in visits.items():
        for entry in entries:
            if entry.kind == "attempt":
                places[entry.attempt or 0].append(place)
    for number, made_from in places.items():
        for _ in made_from[1:]:
            if (why_again := again.get(number - 1)) is not None:
                yield why_again
            elif len(set(made_from)) > 1:
                yield f"attempt {number} was made from {' and from '.join(made_from)}: a second ladder"


def _visits(produced: Produced, case: _Evidence) -> dict[str, list[AttemptRecord]]:
    """Return what was done with each record (`topic/partition/offset`), in the order of time: attempts and parks."""
    visits: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
    for entry in sorted(case.journal, key=lambda entry: entry.started_at_ms or entry.at_ms):
        if entry.kind in {"attempt", "park"}:
            visits[_place(entry, produced, case)].append(entry)
    return visits


def _attempts_before(entry: AttemptRecord) -> int:
    return (entry.attempt or 0) - (entry.kind == "attempt")


def _place(entry: AttemptRecord, produced: Produced, case: _Evidence) -> str:
    """Return the record that an attempt or a park was made from."""
    if entry.trigger == "event":
        return produced.origin
    wanted = {
        "attempt": str(_attempts_before(entry)),
        "parks": str((entry.parks or 0) - (entry.kind == "park")),
    }
    if entry.kind == "attempt":
        wanted["due-at-ms"] = str(entry.due_at_ms)
    for record in case.kept:
        if wanted.items() <= record.headers.items() and "dead-letter-reason" not in record.headers:
            return record.place
    return f"nowhere/0/{entry.due_at_ms}"


def _unwritten(made_ms: int, breaks: Sequence[Break]) -> Why | str:
    for what in breaks:
        if what.from_ms - _LONGEST_FLIGHT_MS <= made_ms <= what.until_ms:
            return Why.IN_FLIGHT
    return f"a request made at {made_ms} was never written down, and nothing broke then"


def _again(
    place: str, first: AttemptRecord, second: AttemptRecord, breaks: Sequence[Break]
) -> Why | str:
    """Explain why a record was taken up twice."""
    began, ended = first.started_at_ms or first.at_ms, first.at_ms
    again = second.started_at_ms or second.at_ms
    between = [what for what in breaks if began <= what.until_ms and again >= what.from_ms]
    for what in between:
        if not what.had_committed(place):
            if ended >= what.from_ms:
                return Why.IN_FLIGHT
            if what.from_ms - ended <= COMMIT_INTERVAL_MS:
                return Why.LAST_COMMIT
            return Why.BEHIND_HEAD
    why = "although its offset was committed" if between else "and nothing broke in between"
    return f"{place} was taken up again, {why}"
