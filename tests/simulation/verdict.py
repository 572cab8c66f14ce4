"""The verdict on a world: the ledger's, the judge's over repeats, and whether everything came to its end.

A request that had left when its worker was cut off arrives late; that is no fault. Four things that Kafka lets happen are
no faults either, but named and counted:

- A second copy: the write of a retry record is acknowledged, the commit of what it came from is not, and the next owner
  writes the same step again. The lane that reads both must recognise the second, also where it is new since the first: it
  has recalled what was settled. The notification may climb on from both only where two owners wrote them with a rebalance
  in between and nobody could know of both: they are on different partitions (the first owner moved aside what the second
  attempted), the first was settled more than ten minutes before, no broker could say what there was to recall, or the topic
  was made again in between.
- A worker out of its group: it stood still or was cut off, others have its partitions, and what it had begun goes on. What
  it attempted or moved aside then, the new owner attempts or moves aside as well, and nobody can know of both. It begins
  nothing more once its session must be over.
- An event that payment core writes once more: a lane that has settled it recognises it, one that is new since does not.
- A record that was deleted: somebody deleted its topic before it was settled. Nobody can go on with it, nor write down an
  attempt that was under way.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from schemas.attempt_record import AttemptRecord
from streams.sandbox.ledger import FaultKind, Kept, Ledger
from tests.faults.judge import Why, began_ms, judge
from tests.simulation.evidence import Again
from tests.simulation.kafka.cluster import EPOCH_MS
from tests.simulation.ladders import late, off_the_ladder
from tests.simulation.outcome import Outcome
from tests.simulation.plan import HARMFUL
from tests.simulation.worker import ZERO_SECONDS
from tests.simulation.world import NAMES

_Entries = Sequence[tuple[AttemptRecord, int]]  # each with when the broker had it

_FORKED = {FaultKind.REPEATED, FaultKind.TWO_PLACES, FaultKind.LADDER, FaultKind.EARLY}
"""What two ladders of one notification may look like."""

_OUT_OF_GROUP = {FaultKind.REPEATED, FaultKind.TWO_PLACES}
"""What the attempt of a worker that was out of its group may look like, beside that of the partition's new owner."""

_GONE = {FaultKind.LOST, FaultKind.UNRECORDED, FaultKind.SKIPPED}
"""What an event may look like whose record was deleted before it was settled: an attempt that nobody wrote down and that left
a retry all the same, as a crash does it, is not made again."""


_REMEMBERED_MS = 600_000
"""For so long a lane knows what it has settled (contract, section 6)."""

_SESSION_MS = 10_250
"""For so long after its last heartbeat a worker may take itself for a member of its group."""

_DELAY_WRITES = {
    "worker stands still", "worker cut off", "broker away", "produce refused", "produce lost after the write",
    "produce acknowledged late", "truncated tail", "topic made again", "coordinator moves",
}  # fmt: skip
"""What may keep a write on its way for long."""

_READ_FIRST = {"event", "replay"}
"""What made attempts due whose records the group of the source topics reads: it reads the topic of replays too."""

_AT_ONCE_SECONDS = 0.05
"""Half of the shortest wait of a world, within which no attempt is made again."""


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
        forked: notifications that were attempted from both copies, which nobody could know.
        zombies: attempts that a worker made, or whose outcome it wrote, after it was out of its group.
        again: events that were written once more.
        recognised: how many of these a lane knew, and told nobody of.
        gone: notifications that end nowhere, because a record of theirs was deleted with its topic.
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
    again: int
    recognised: int
    gone: int
    dead_letters: int


def verdict(outcome: Outcome) -> Judgement:
    """Judge a world."""
    kept, rewritten = _without_rewritten(outcome.ledger.kept)
    journal = {
        record.place: AttemptRecord.model_validate_json(record.value or b"")
        for record in kept
        if record.topic == NAMES.attempts
    }
    ledger, told_again, faults = _without_second_events(
        outcome, replace(outcome.ledger, kept=kept), journal
    )
    outcome = replace(outcome, ledger=ledger)
    judged = judge(outcome.ledger, outcome.breaks, outcome.commits)
    entries = [
        (journal[record.place], record.timestamp_ms)
        for record in outcome.ledger.kept
        if record.place in journal
    ]
    zombies, begun_out = _zombies(outcome, entries)
    faults += begun_out
    faults += outcome.faults
    forked: set[str] = set()
    gone: set[str] = set()
    out_of_group, repeats = 0, sum(list(judged.repeats.values()))
    for sentence in judged.forks:
        origin = sentence.split(": ")[0]
        if origin in zombies or _is_explained(outcome, entries, sentence):
            forked.add(origin)
        else:
            faults.append(f"a second copy was attempted: {sentence}")
    for fault in judged.faults:
        if fault.kind in _FORKED and fault.origin in forked:
            continue
        if fault.kind in _OUT_OF_GROUP and fault.origin in zombies:
            out_of_group += 1
        elif fault.kind in _GONE and fault.origin in outcome.gone:
            gone.add(fault.origin)
        elif fault.kind is FaultKind.STALE and (
            _was_under_way(outcome.cuts, fault.detail) or _began_at_once(outcome, fault.detail)
        ):
            continue
        else:
            faults.append(f"{fault.kind.value}: {fault.origin}: {fault.detail}")
    faults += _unheard(outcome, entries)
    faults += _left_behind(outcome, entries)
    faults += off_the_ladder([entry for entry, _ in entries], outcome.plan.scale)
    if not outcome.fired and outcome.plan.has_room:
        faults += late(entry for entry, _ in entries)
    if not any(kind in HARMFUL for kind, _ in outcome.fired) and repeats + rewritten:
        faults.append(f"{repeats} repeats and {rewritten} records written twice, and nothing broke")
    return Judgement(
        tuple(faults),
        len(outcome.plan.payments),
        judged.calls,
        judged.repeats,
        _copies(outcome.ledger),
        judged.absorbed,
        len(forked),
        out_of_group,
        len(outcome.again),
        len(outcome.again) - told_again,
        len(gone),
        sum(record.topic == NAMES.dead_letter for record in outcome.ledger.kept),
    )


def _was_under_way(cuts: Sequence[tuple[int, int]], detail: str) -> bool:
    """Tell whether a request had left when its worker was cut off: it comes when the network is whole, as TCP repeats it."""
    _, found, made = detail.rpartition(": made ")
    if not found:
        return False  # another fault of a signature
    made_ms = _request_time_ms(made)
    return any(begin - 1000 <= made_ms <= end for begin, end in cuts)  # it is cut to the second


def _request_time_ms(text: str) -> float:
    return int(text) if text.isdigit() else datetime.fromisoformat(text).timestamp() * 1000


def _began_at_once(outcome: Outcome, detail: str) -> bool:
    """Tell whether a signature was used twice because two attempts began in one millisecond.

    Two copies that are overdue, or two workers that take one to be theirs, begin when it is due; attempts that are never
    written down, of which the ledger can't know, among them. Whoever sends a signature of before sends it a wait later;
    what left while its worker was cut off comes at the end of that.
    """
    name, _, what = detail.partition(": ")
    if what != "used before":
        return False
    requests = outcome.ledger.requests
    this = next(one for one in requests if f"request {one.number}" == name)
    signed_ms = _request_time_ms(this.headers["request-time"])
    came_ms = EPOCH_MS + (this.at_seconds - ZERO_SECONDS) * 1000
    if any(
        begin - 1000 <= signed_ms <= end and came_ms - end < _AT_ONCE_SECONDS * 1000
        for begin, end in outcome.cuts
    ):
        return True
    return any(
        other.headers.get("signature") == this.headers["signature"]
        and abs(other.at_seconds - this.at_seconds) < _AT_ONCE_SECONDS
        for other in requests
        if other is not this
    )


def _without_rewritten(kept: Sequence[Kept]) -> tuple[list[Kept], int]:
    """Return what is kept without attempts records that were written a second time, and how many those are.

    A write that is stored while its acknowledgement is lost is made again, and by another producer where the broker has lost
    the sequence of the first: then it stands there twice, byte for byte. That of another attempt has another start.
    """
    seen: set[tuple[bytes | None, bytes | None]] = set()
    once = []
    for record in kept:
        if record.topic == NAMES.attempts:
            if (record.key, record.value) in seen:
                continue
            seen.add((record.key, record.value))
        once.append(record)
    return once, len(kept) - len(once)


def _without_second_events(
    outcome: Outcome, ledger: Ledger, journal: Mapping[str, AttemptRecord]
) -> tuple[Ledger, int, list[str]]:
    """Judge what became of the events that were written once more.

    Args:
        outcome: of the world.
        ledger: its evidence.
        journal: attempts records, by their places.

    Returns:
        The ledger without those, and without all of an event that was told again since nobody could know; how many were told
        again; and what is wrong.
    """
    if not outcome.again:
        return ledger, 0, []
    told: set[str] = set()
    faults = []
    written = {record.place: record.timestamp_ms for record in ledger.kept}
    entries: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
    for entry in journal.values():
        entries[entry.origin or ""].append(entry)
    for one in outcome.again:
        of_it = entries[one.origin]
        if one.origin in outcome.gone and not of_it:
            continue
        decision = "dead-letter, conflicting-result" if one.differs else "absorbed"
        others = [entry for entry in of_it if _decided(entry) != decision]
        if of_it and not others:
            continue
        if others and _is_of_a_new_lane(outcome, one, written[one.first], others):
            told.add(one.order_id)
        else:
            found = "; ".join(map(_decided, of_it)) or "nothing"
            what = f"{one.origin}: expected {decision}, found {found}"
            faults.append(f"an event written once more: {what}")
    left_out = {one.origin for one in outcome.again} | {
        one.origin for one in ledger.produced if one.order_id in told
    }
    return (
        replace(
            ledger,
            produced=[one for one in ledger.produced if one.order_id not in told],
            requests=[one for one in ledger.requests if one.order_id not in told],
            kept=[one for one in ledger.kept if _origin(one, journal) not in left_out],
        ),
        len(told),
        faults,
    )


def _is_of_a_new_lane(
    outcome: Outcome, one: Again, from_ms: int, told: Sequence[AttemptRecord]
) -> bool:
    """Tell whether the lane that told of an event once more may be new since the first: what lanes of events know goes with them."""
    topic = one.origin.partition("/")[0]
    # Of a log that was made again a lane may read the second before the first: it went on where it was in the old one.
    was_made_again = any(record.topic.startswith(f"{topic}~") for record in outcome.ledger.kept)
    until_ms = (max if was_made_again else min)(map(began_ms, told))
    new_log = one.origin.rpartition("/")[0] != one.first.rpartition("/")[0]
    return new_log or any(from_ms <= moment <= until_ms for moment in outcome.new_lanes)


def _origin(record: Kept, journal: Mapping[str, AttemptRecord]) -> str:
    entry = journal.get(record.place)
    return record.origin if entry is None else entry.origin or ""


def _decided(entry: AttemptRecord) -> str:
    return ", ".join(filter(None, (entry.decision, entry.dead_letter_reason)))


def _unheard(outcome: Outcome, entries: _Entries) -> list[str]:
    """Return what was written down as delivered or rejected although the partner said neither S nor F: it knows what it said."""
    said: defaultdict[tuple[str, str], list[str]] = defaultdict(list)  # two may begin at once
    for request in outcome.ledger.requests:
        made = request.order_id, request.headers.get("request-time", "")
        said[made].append(request.answer)
    found = []
    for entry, _ in entries:
        answers = said[entry.order_id or "", str(entry.started_at_ms)]
        heard = ", ".join(answers) or "nothing"
        if entry.decision == "delivered" and not any(
            one == "S" or one.startswith(("slow:", "unsigned", "drip")) for one in answers
        ):
            found.append(f"delivered, although the partner said {heard}: {entry.origin}")
        if entry.dead_letter_reason == "rejected" and not any(
            one.startswith("F:") for one in answers
        ):
            found.append(f"rejected, although the partner said {heard}: {entry.origin}")
    return found


def _left_behind(outcome: Outcome, entries: _Entries) -> list[str]:
    """Return what an operator put back and was not delivered then, although its partner takes it."""
    delivered = {
        entry.order_id for entry, _ in entries if entry.decision == "delivered" and entry.replays
    }
    return [
        f"put back, and not delivered: {one.origin}"
        for one in outcome.ledger.produced
        if one.order_id in outcome.put_back - delivered and one.origin not in outcome.gone
    ]


def _copies(ledger: Ledger) -> int:
    """Return how many records of a step of a ladder were written that had been written before."""
    steps: Counter[tuple[str, ...]] = Counter()
    for record in ledger.kept:
        if "-retry-" in record.topic:
            steps[(record.origin, *_step(record))] += 1
    return sum(count - 1 for count in steps.values())


def _step(record: Kept) -> tuple[str, str, str]:
    """Return the step of its ladder that a retry record stands for: the same for two copies of one."""
    headers = record.headers
    # A park leaves the attempt's number as it is, and counts on.
    parked = headers.get("parks", "") if headers.get("last-outcome") == "parked" else ""
    return headers.get("replays", ""), headers.get("attempt", ""), parked


def _is_explained(outcome: Outcome, entries: _Entries, fork: str) -> bool:
    """Tell whether an attempt may have been made from several records: two owners, a rebalance, and nobody who could know.

    Args:
        outcome: of the world.
        entries: attempts records.
        fork: as the judge says it: `ORIGIN: attempt NUMBER was made from PLACE and from PLACE`.
    """
    origin, _, detail = fork.partition(": ")
    number = int(detail.split()[1])
    places = {part.removesuffix(" and") for part in detail.split(" from ")[1:]}
    kept = {record.place: record for record in outcome.ledger.kept}
    records = sorted(
        (kept[place] for place in places if place in kept and place != origin),
        key=lambda record: record.timestamp_ms,
    )
    if len(records) + (origin in places) < len(places) or not records:
        return False
    if _was_under_way_elsewhere(outcome, entries, origin, number):
        return True
    last = max(
        entry.started_at_ms or 0
        for entry, _ in entries
        if entry.origin == origin and entry.attempt == number
    )
    of_step = [
        record
        for record in kept.values()
        if record.origin == origin and record.headers.get("attempt") == str(number - 1)
    ]
    # The event and what it was moved to stand apart: no lane sees both.
    return (
        all(_may_both_be_attempted(outcome, *pair, of_step, last) for pair in pairwise(records))
        if len(records) > 1
        else _was_rebalanced(outcome, records[0].timestamp_ms, last)
    )


def _was_under_way_elsewhere(outcome: Outcome, entries: _Entries, origin: str, number: int) -> bool:
    """Tell whether each attempt was not written down yet when a rebalance gave its record to a new lane, which made the next.

    What is under way in one generation no later one can know, of whichever copies both were made.
    """
    made = sorted(
        (entry.started_at_ms or 0, appended_ms)
        for entry, appended_ms in entries
        if entry.origin == origin and entry.attempt == number and entry.kind == "attempt"
    )
    return len(made) > 1 and all(
        began < later < written and _was_rebalanced(outcome, began, later)
        for (began, written), (later, _) in pairwise(made)
    )


def _may_both_be_attempted(
    outcome: Outcome, first: Kept, second: Kept, of_step: Sequence[Kept], last_ms: int
) -> bool:
    """Tell whether two owners may have written both, or two records from which both were moved aside later."""
    lines = [_moved_from(record, of_step) for record in (first, second)]
    pairs = [(first, second)] + [
        (one, other)
        for one in lines[0]
        for other in lines[1]
        if one.place != other.place and _step(one) == _step(other)
    ]
    return any(_are_of_two_owners(outcome, *pair, last_ms) for pair in pairs)


def _moved_from(record: Kept, of_step: Sequence[Kept]) -> list[Kept]:
    """Return a record, and those from which it may have been moved aside, one after the other."""
    line = [record]
    for moved in line:
        line += [
            before
            for before in of_step
            if int(before.headers["parks"]) == int(moved.headers["parks"]) - 1
            and int(before.headers["due-at-ms"]) <= moved.timestamp_ms
            and before not in line
        ]
    return line


def _are_of_two_owners(outcome: Outcome, one: Kept, other: Kept, last_ms: int) -> bool:
    first, second = sorted((one, other), key=lambda record: record.timestamp_ms)
    if first.topic != second.topic and _name(first) == _name(second):
        return True  # the log of the first is gone, and with it what a new lane could recall
    if (first.topic, first.partition) != (second.topic, second.partition):
        return _was_rebalanced(outcome, first.timestamp_ms, last_ms)
    if not _was_rebalanced(outcome, first.timestamp_ms, second.timestamp_ms):
        return False
    due_ms = [int(record.headers["due-at-ms"]) for record in (first, second)]
    return due_ms[1] - due_ms[0] > _REMEMBERED_MS or any(
        moment >= first.timestamp_ms for moment in outcome.without_recall
    )


def _name(record: Kept) -> str:
    """Return the name of a record's topic, whichever of that name it was."""
    return record.topic.partition("~")[0]


def _was_rebalanced(outcome: Outcome, from_ms: int, until_ms: int) -> bool:
    return any(
        from_ms <= moment <= until_ms for made in outcome.rebalances.values() for moment in made
    )


def _zombies(outcome: Outcome, entries: _Entries) -> tuple[set[str], list[str]]:
    """Return what workers did that were in none of the groups.

    Returns:
        The events about which one made an attempt, or wrote down one or a park; and a sentence for each attempt or write
        that it began when it could not take itself for a member any more.
    """
    found, faults = set(), []
    fired = {kind for kind, _ in outcome.fired}
    # A coordinator that is loading takes nobody into the group, and whoever hears that of it goes on.
    judged = set() if "coordinator moves" in fired else {"began"}
    judged |= set() if fired & _DELAY_WRITES else {"wrote"}
    for entry, appended_ms in entries:
        if entry.kind not in {"attempt", "park"} or not entry.worker:
            continue
        first = entry.trigger in _READ_FIRST
        for moment, what in ((began_ms(entry), "began"), (appended_ms, "wrote")):
            out_ms = _out_for_ms(outcome, entry.worker, moment, first=first)
            if out_ms is not None:
                found.add(entry.origin or "")
                if out_ms > _SESSION_MS and what in judged:
                    faults.append(
                        f"{entry.worker} {what} an attempt or a park {out_ms} ms after it was out of its group: {entry.origin}"
                    )
    return found, faults


def _out_for_ms(outcome: Outcome, worker: str, moment: int, *, first: bool) -> int | None:
    """Return for how long a worker had been out of its group; None where it was a member, or had never been one."""
    since: int | None = None
    for at_ms, group, names in outcome.memberships:
        if at_ms > moment:
            break
        if group.endswith("-retry") is first:
            continue
        if worker in names:
            since = None
        elif since is None:
            since = at_ms
    return None if since is None else moment - since


def total(judgements: Sequence[Judgement]) -> Counter[str]:
    """Return the sums over many worlds."""
    sums: Counter[str] = Counter()
    for one in judgements:
        for name in (
            "payments", "calls", "copies", "absorbed", "forked", "zombies", "again", "recognised", "gone",
            "dead_letters",
        ):  # fmt: skip
            sums[name] += getattr(one, name)
        for why, count in one.repeats.items():
            sums[f"repeats: {why.value}"] += count
    return sums
