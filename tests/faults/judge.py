"""The verdict on a scenario: the ledger's, and an explanation for every repeated attempt.

A notifier that delivers at least once may repeat an attempt only where something broke: the attempt was in flight
then, or had been settled and its offset could not be committed any more. What was committed when is read from the
broker's own record of commits. Pure: evidence in, verdict out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from schemas.attempt_record import AttemptRecord
from streams.sandbox.inbox import Received
from streams.sandbox.ledger import Fault, FaultKind, Kept, Ledger, Produced, Reconciliation
from tests.faults.commits import Commit, Commits

COMMIT_MS = 250
"""What was settled so shortly before a crash need not have been committed."""

STALLED_MS = 10_000
"""A commit that is so late was not slow, it did not come: twice its time-out."""

_LONGEST_FLIGHT_MS = 12_000
"""An attempt's time-out of 5 s, as long again for a machine that is busy, and the time until it is written down."""


class Why(StrEnum):
    """What explains a repeat."""

    IN_FLIGHT = "in flight"
    LAST_COMMIT = "settled in the last 250 ms"
    BEHIND_HEAD = "settled behind a head in flight, no room in the commit"
    LATE_COMMIT = "settled earlier, the commit was late"


@dataclass(frozen=True, slots=True)
class Break:
    """Something that was done to the notifier.

    Attributes:
        from_ms: when it began, milliseconds since the epoch.
        until_ms: when it was over.
        worker: to which of them, by the name in its attempts records; None for all.
    """

    from_ms: int
    until_ms: int
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a scenario.

    Attributes:
        report: the ledger's.
        repeats: how many attempts were made again, by what explains them.
        latest_commit_ms: the longest time for which something that was repeated had been settled without a commit.
        absorbed: second copies of records that were recognised.
        parks: moves aside without an attempt.
        calls: requests that the partner got.
        forks: attempts that two copies of a record led to, a sentence each: two ladders were climbed.
        faults: the ledger's, and repeats without an explanation.
    """

    report: Reconciliation
    repeats: Mapping[Why, int]
    latest_commit_ms: int
    absorbed: int
    parks: int
    calls: int
    forks: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def lost(self) -> int:
        """Events that are in no place."""
        return self.report.count(FaultKind.LOST)


@dataclass(frozen=True, slots=True)
class _Visit:
    """What was done with a record, and when the broker had it all: an attempt or a park."""

    entry: AttemptRecord
    settled_ms: int

    @property
    def began_ms(self) -> int:
        return began_ms(self.entry)


@dataclass(frozen=True, slots=True)
class _Explained:
    why: Why
    uncommitted_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Fork:
    detail: str


@dataclass(slots=True)
class _Evidence:
    journal: list[tuple[AttemptRecord, int]] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


def judge(ledger: Ledger, breaks: Sequence[Break], commits: Commits) -> Verdict:
    """Reconcile, then look for an explanation of every repeat.

    Args:
        ledger: with as many repeats allowed as there may be; they are judged here. Request-Time must be in
            milliseconds, which names the attempt, and the attempts topic stamped by the broker.
        breaks: what was done.
        commits: every one that the groups made.
    """
    report, repeats = ledger.reconcile(), Counter[Why]()
    forks: list[str] = []
    faults = list(report.faults)
    evidence = _by_origin(ledger)
    latest = 0
    for produced in ledger.produced:
        case = evidence[produced.origin]
        for found in _repeats(produced, case, breaks, commits):
            if isinstance(found, _Explained):
                repeats[found.why] += 1
                latest = max(latest, found.uncommitted_ms)
            elif isinstance(found, _Fork):
                forks.append(f"{produced.origin}: {found.detail}")
            else:
                faults.append(Fault(FaultKind.REPEATED, produced.origin, found))
    entries = [entry for case in evidence.values() for entry, _ in case.journal]
    return Verdict(
        report,
        {why: repeats[why] for why in Why},
        latest,
        absorbed=sum(entry.decision == "absorbed" for entry in entries),
        parks=sum(entry.kind == "park" for entry in entries),
        calls=len(ledger.requests),
        forks=tuple(forks),
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
            found[entry.origin or ""].journal.append((entry, record.timestamp_ms))
        else:
            found[record.origin].kept.append(record)
    return found


def _repeats(
    produced: Produced, case: _Evidence, breaks: Sequence[Break], commits: Commits
) -> Iterator[_Explained | _Fork | str]:
    """Yield an explanation, a fork, or a sentence where there is none, for each request that repeats another."""
    written_down = Counter(
        str(entry.started_at_ms) for entry, _ in case.journal if entry.kind == "attempt"
    )
    for request in case.requests:
        made = request.headers.get("request-time", "")
        if written_down[made]:
            written_down[made] -= 1
        else:
            yield _unwritten(int(made), breaks)
    visits = _visits(produced, case, commits)
    again: dict[tuple[int, int], _Explained] = {}
    # what explains that a record was taken up twice, by replays and by the attempts that had been made before
    for place, entries in visits.items():
        for first, second in pairwise(entries):
            found = _again(place, first, second, breaks, commits)
            if isinstance(found, _Explained):
                again[first.entry.replays or 0, _attempts_before(first.entry)] = found
            else:
                yield found
    yield from _numbers(visits, again)


def _numbers(
    visits: Mapping[str, Sequence[_Visit]], again: Mapping[tuple[int, int], _Explained]
) -> Iterator[_Explained | _Fork]:
    """Yield what explains each attempt under a number that was made before; an operator's replay begins anew."""
    places: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for place, entries in visits.items():
        for visit in entries:
            if visit.entry.kind == "attempt":
                places[visit.entry.replays or 0, visit.entry.attempt or 0].append(place)
    for (replays, number), made_from in places.items():
        for _ in made_from[1:]:
            if (explained := again.get((replays, number - 1))) is not None:
                yield explained
            elif len(set(made_from)) > 1:
                yield _Fork(f"attempt {number} was made from {' and from '.join(made_from)}")


def _visits(produced: Produced, case: _Evidence, commits: Commits) -> dict[str, list[_Visit]]:
    """Return what was done with each record (`topic/partition/offset`), in the order of time: attempts and parks."""
    visits: defaultdict[str, list[_Visit]] = defaultdict(list)
    met: Counter[tuple[str, str | None]] = Counter()
    for entry, appended_ms in sorted(case.journal, key=lambda pair: began_ms(pair[0])):
        if entry.kind in {"attempt", "park"} or entry.decision == "absorbed":
            place = _place(entry, produced, case, met, commits)
            met[place, entry.worker] += 1
            if entry.kind != "decision":
                settled_ms = max(appended_ms, _parked_ms(entry, case))
                visits[place].append(_Visit(entry, settled_ms))
    return visits


def began_ms(entry: AttemptRecord) -> int:
    """Return when an attempt was begun, or what else was done; milliseconds since the epoch."""
    return entry.started_at_ms or entry.at_ms


def _parked_ms(entry: AttemptRecord, case: _Evidence) -> int:
    """Return when the record was written that a park leaves, which is after its attempts record; 0 for an attempt."""
    if entry.kind != "park":
        return 0
    wanted = {
        "attempt": str(entry.attempt),
        "parks": str(entry.parks),
        "due-at-ms": str(entry.next_due_at_ms),
    }
    return max(
        (record.timestamp_ms for record in case.kept if wanted.items() <= record.headers.items()),
        default=0,
    )


def _attempts_before(entry: AttemptRecord) -> int:
    return (entry.attempt or 0) - (entry.kind == "attempt")


def _place(
    entry: AttemptRecord,
    produced: Produced,
    case: _Evidence,
    met: Counter[tuple[str, str | None]],
    commits: Commits,
) -> str:
    """Return the record that an attempt, a park or the recognition of a copy was made from.

    Of two copies, which a crash leaves, one that was not committed yet; of two such, the one that this worker met less often
    so far, and the first of them: it reads a partition in its order.
    """
    if entry.trigger == "event":
        return produced.origin
    wanted = {
        "attempt": str(_attempts_before(entry)),
        "parks": str((entry.parks or 0) - (entry.kind == "park")),
    }
    if entry.kind == "attempt":
        wanted["due-at-ms"] = str(entry.due_at_ms)
    copies = [
        record
        for record in case.kept
        if wanted.items() <= record.headers.items()
        and "dead-letter-reason" not in record.headers
        and int(record.headers["due-at-ms"]) <= began_ms(entry)
    ]

    def less_likely(record: Kept) -> tuple[bool, int, int]:
        made = commits.get((record.topic, record.partition), ())
        over = any(one.at_ms < began_ms(entry) and one.covers(record.offset) for one in made)
        return over, met[record.place, entry.worker], record.offset

    return min(copies, key=less_likely).place if copies else f"nowhere/0/{entry.due_at_ms}"


def _unwritten(made_ms: int, breaks: Sequence[Break]) -> _Explained | str:
    for what in breaks:
        if what.from_ms - _LONGEST_FLIGHT_MS <= made_ms <= what.until_ms:
            return _Explained(Why.IN_FLIGHT)
    return f"a request made at {made_ms} was never written down, and nothing broke then"


def _again(
    place: str, first: _Visit, second: _Visit, breaks: Sequence[Break], commits: Commits
) -> _Explained | str:
    """Explain why a record was taken up twice."""
    topic, partition, offset = place.rsplit("/", 2)
    made = commits.get((topic, int(partition)), ())
    for commit in made:
        if commit.at_ms < second.began_ms and commit.covers(int(offset)):
            return (
                f"{place} was taken up again, although its offset was committed: by {first.entry.worker} at"
                f" {first.began_ms}, committed at {commit.at_ms}, by {second.entry.worker} at {second.began_ms}"
            )
    between = [
        what
        for what in breaks
        if first.began_ms <= what.until_ms
        and second.began_ms >= what.from_ms
        and what.worker in {None, first.entry.worker}
    ]
    if not between:
        return f"{place} was taken up again, and nothing broke in between that concerned it"
    found = [_cause(first, what, made) for what in between]
    best = min(found, key=lambda explained: list(Why).index(explained.why))
    if best.why is Why.LATE_COMMIT and best.uncommitted_ms > STALLED_MS:
        return f"{place} was taken up again, settled for {best.uncommitted_ms} ms without a commit"
    return best


def _cause(first: _Visit, what: Break, made: Sequence[Commit]) -> _Explained:
    uncommitted_ms = what.from_ms - first.settled_ms
    if uncommitted_ms < 0:
        return _Explained(Why.IN_FLIGHT)
    if uncommitted_ms <= COMMIT_MS:
        return _Explained(Why.LAST_COMMIT, uncommitted_ms)
    before = [commit for commit in made if commit.at_ms <= what.until_ms]
    if before and before[-1].at_ms > first.settled_ms and before[-1].full:
        return _Explained(Why.BEHIND_HEAD, uncommitted_ms)
    return _Explained(Why.LATE_COMMIT, uncommitted_ms)
