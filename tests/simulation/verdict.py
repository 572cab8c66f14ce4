"""The verdict on a world: the ledger's, the judge's over repeats, and whether everything came to its end.

Two things that Kafka lets happen are no faults, but named and counted:

- A second copy: the write of a retry record is acknowledged, the commit of what it came from is not. A lane that remembers
  absorbs the copy; a lane that is new since does not, and the notification climbs on from both.
- A worker out of its group: it stood still or was cut off, others have its partitions, and what it had begun goes on.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.attempt_record import AttemptRecord
from streams.kafka.consumer.deduplication import KEEP_MS
from streams.sandbox.ledger import FaultKind
from tests.faults.judge import Why, judge
from tests.simulation.plan import HARMFUL
from tests.simulation.world import NAMES, Outcome

_Entries = Sequence[tuple[AttemptRecord, int]]  # each with when the broker had it

_FORKED = {FaultKind.REPEATED, FaultKind.TWO_PLACES, FaultKind.LADDER, FaultKind.EARLY}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a world came to.

    Attributes:
        faults: what must not be, one sentence each.
        payments: how many there were.
        calls: requests that partners got.
        repeats: attempts made again, by what explains them.
        copies: second copies of a record that were written.
        absorbed: of these, how many a lane recognised.
        forked: notifications that were attempted from both copies.
        zombies: attempts that a worker made, or whose outcome it wrote, after it was out of its group.
        dead_letters: how many.
    """

    faults: tuple[str, ...]
    payments: int
    calls: int
    repeats: Mapping[Why, int]
    copies: int
    absorbed: int
    forked: int
    zombies: int
    dead_letters: int


def verdict(outcome: Outcome) -> Judgement:
    """Judge a world."""
    judged = judge(outcome.ledger, outcome.breaks, outcome.commits)
    entries = [
        (AttemptRecord.model_validate_json(record.value or b""), record.timestamp_ms)
        for record in outcome.ledger.kept
        if record.topic == NAMES.attempts
    ]
    copies = _copies(outcome, entries)
    zombies = _zombies(outcome, entries)
    faults = list(outcome.faults)
    forked: set[str] = set()
    out_of_group, repeats = 0, sum(list(judged.repeats.values()))
    for fault in judged.faults:
        if fault.kind in _FORKED and fault.origin in copies and copies[fault.origin]:
            forked.add(fault.origin)
        elif fault.kind in _FORKED and fault.origin in zombies:
            out_of_group += 1
        else:
            faults.append(f"{fault.kind.value}: {fault.origin}: {fault.detail}")
    faults += _unheard(outcome, entries)
    if not any(kind in HARMFUL for kind, _ in outcome.fired) and repeats:
        faults.append(f"{repeats} repeats, and nothing broke")
    return Judgement(
        tuple(faults),
        len(outcome.ledger.produced),
        judged.calls,
        judged.repeats,
        len(copies),
        judged.absorbed,
        len(forked),
        out_of_group,
        sum(record.topic == NAMES.dead_letter for record in outcome.ledger.kept),
    )


def _unheard(outcome: Outcome, entries: _Entries) -> list[str]:
    """Return deliveries that were written down although the partner did not say S: the partner knows what it said."""
    said = {
        (request.order_id, request.headers.get("request-time", "")): request.answer
        for request in outcome.ledger.requests
    }
    found = []
    for entry, _ in entries:
        if entry.decision == "delivered":
            answer = said.get((entry.order_id or "", str(entry.started_at_ms)), "nothing")
            if answer != "S" and not answer.startswith(("slow:", "unsigned", "drip")):
                found.append(f"delivered, although the partner said {answer}: {entry.origin}")
    return found


def _copies(outcome: Outcome, entries: _Entries) -> dict[str, bool]:
    """Return the events of which a record was written twice, each with whether the lane that has the copies has changed since."""
    seen: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for record in outcome.ledger.kept:
        if "-retry-" in record.topic:
            headers = record.headers
            # A park leaves the attempt's number as it is, and counts on.
            parked = headers.get("parks", "") if headers.get("last-outcome") == "parked" else ""
            key = (record.origin, headers.get("replays", ""), headers.get("attempt", ""), parked)
            seen[key].append(record.timestamp_ms)
    moments = sorted(
        moment
        for group, made in outcome.rebalances.items()
        if group.endswith("-retry")
        for moment in made
    )
    found: dict[str, bool] = {}
    for (origin, *_), times in seen.items():
        if len(times) > 1:
            # From the first copy to the last attempt of the second no lane may have changed, or the memory went with it.
            last = max(
                [
                    entry.started_at_ms or 0
                    for entry, _ in entries
                    if entry.origin == origin and entry.kind == "attempt"
                ],
                default=0,
            )
            changed = any(min(times) <= moment <= last for moment in moments)
            found[origin] = found.get(origin, False) or changed or last - min(times) > KEEP_MS
    return found


def _zombies(outcome: Outcome, entries: _Entries) -> set[str]:
    """Return the events about which a worker made an attempt, or wrote down one or a park, while it was in none of the groups."""
    found = set()
    for entry, appended_ms in entries:
        if entry.kind not in {"attempt", "park"} or not entry.worker:
            continue
        first = entry.trigger == "event"
        moments = (entry.started_at_ms or entry.at_ms, appended_ms)
        if any(_was_out(outcome, entry.worker, moment, first=first) for moment in moments):
            found.add(entry.origin or "")
    return found


def _was_out(outcome: Outcome, worker: str, moment: int, *, first: bool) -> bool:
    members: frozenset[str] | None = None
    for at_ms, group, names in outcome.memberships:
        if at_ms > moment:
            break
        if group.endswith("-retry") is not first:
            members = names
    return members is not None and worker not in members


def total(judgements: Sequence[Judgement]) -> Counter[str]:
    """Return the sums over many worlds."""
    sums: Counter[str] = Counter()
    for one in judgements:
        for name in (
            "payments", "calls", "copies", "absorbed", "forked", "zombies", "dead_letters",
        ):  # fmt: skip
            sums[name] += getattr(one, name)
        for why, count in one.repeats.items():
            sums[f"repeats: {why.value}"] += count
    return sums
