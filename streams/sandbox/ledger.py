"""The ledger of a rehearsal: what was produced, what the partner got and what the topics hold, brought together.

Pure: evidence in, report out. Three things rest on the attempts topic, so on the notifier's own word: that a
notification was delivered (the partner's record must hold the call, `Produced.expected` what it answered), when an
attempt ended, and lateness.
`streams.sandbox.ledger_evidence` collects the evidence from a broker.

Longer than most files: whoever reads a fault finds every rule of the judgement here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import ceil

from pydantic import ValidationError

from schemas.attempt_record import AttemptRecord
from streams.notification.profiles import PROFILES
from streams.sandbox.inbox import Received

DELIVERED = "delivered"
_OLDEST_SIGNATURE_MS = 11_000  # the longest attempt, and a Request-Time that is cut to the second


class FaultKind(StrEnum):
    """What can be wrong, each in words for a report."""

    LOST = "in no place"
    WAITING = "still waiting"
    TWO_PLACES = "in more than one place"
    WRONG_PLACE = "in another place than its script demands"
    BODY = "a body that differs from the first"
    EARLY = "an early attempt"
    LADDER = "an attempt beyond the ladder"
    SKIPPED = "an attempt number that was skipped"
    REPEATED = "more repeats than allowed, or a second ladder"
    SIGNATURE = "a wrong signature"
    STALE = "a signature that is not fresh"
    REQUEST = "a request that a strict partner refuses"
    UNRECORDED = "no attempts record"
    UNHEARD = "an answer noted that the partner never gave"
    STRAY = "of no event that was produced"
    UNREADABLE = "an attempts record that breaks its schema"


@dataclass(frozen=True, slots=True)
class Produced:
    """An event that the broker acknowledged.

    Attributes:
        origin: `topic/partition/offset`; names the event in all that follows from it.
        profile: as the event names it, or empty.
        order_id: or empty, where the event has none that can be read.
        expected: the place where it must end (`delivered`, or a dead letter's reason); empty takes any.
    """

    origin: str
    profile: str = ""
    order_id: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it stands on a topic; its timestamp in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    key: bytes | None = None
    timestamp_ms: int = 0

    @property
    def place(self) -> str:
        """Where it stands: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def origin(self) -> str:
        """The event that it came from: its own place where it names none."""
        return self.headers.get("origin", self.place)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and with which event."""

    kind: FaultKind
    origin: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one event.

    Attributes:
        produced: the event.
        places: where it is: `delivered`, a dead letter's reason, `waiting on <topic>`. Exactly one, when all is well.
        calls: requests that the partner got.
        attempts: the highest attempt number.
        repeats: attempts made again under a number that was made before.
    """

    produced: Produced
    places: tuple[str, ...]
    calls: int
    attempts: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The reconciliation.

    Attributes:
        accounts: one for each event, in the order of production.
        faults: everything that is wrong; empty when all is well.
        lateness_ms: of each retry, rising: its start after its due time.
    """

    accounts: tuple[Account, ...]
    faults: tuple[Fault, ...]
    lateness_ms: tuple[int, ...]

    def count(self, kind: FaultKind) -> int:
        """Return how many faults are of this kind."""
        return sum(fault.kind is kind for fault in self.faults)

    def lateness_at(self, share: float) -> int:
        """Return the lateness, in milliseconds, that this share of all retries keeps within; 0 without retries."""
        return self.lateness_ms[ceil(share * len(self.lateness_ms)) - 1] if self.lateness_ms else 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """The evidence of a rehearsal that is over.

    Attributes:
        prefix: of our topics.
        produced: every event that the broker acknowledged.
        requests: everything the partner got.
        kept: every record on the source topics and on all of ours.
        committed: the next offset that each topic's group will read, by topic and partition; 0 where it is absent.
        scale: `NOTIFIER_LADDER_SCALE`.
        monotonic_zero_ms: the wall clock at the zero of the partner's monotonic clock, milliseconds since the epoch.
        repeats_allowed: for each event; a crash may cause one.
    """

    prefix: str
    produced: Sequence[Produced]
    requests: Sequence[Received]
    kept: Sequence[Kept]
    committed: Mapping[tuple[str, int], int]
    scale: float
    monotonic_zero_ms: float
    repeats_allowed: int = 0

    def reconcile(self) -> Reconciliation:
        """Bring everything together."""
        faults: list[Fault] = []
        of = _Sorted(self, faults)
        accounts: list[Account] = []
        lateness: list[int] = []
        for produced in self.produced:
            case = _Case(
                self,
                produced,
                of.kept[produced.origin],
                of.journal[produced.origin],
                of.requests[produced.origin],
            )
            account = case.account()
            accounts.append(account)
            faults += case.faults(account)
            lateness += case.lateness_ms()
        return Reconciliation(tuple(accounts), tuple(faults), tuple(sorted(lateness)))


class _Sorted:
    """The evidence by event; what belongs to none is a fault."""

    def __init__(self, ledger: Ledger, faults: list[Fault]) -> None:
        self.kept: defaultdict[str, list[Kept]] = defaultdict(list)
        self.journal: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
        self.requests: defaultdict[str, list[Received]] = defaultdict(list)
        known = {produced.origin for produced in ledger.produced}
        by_order: dict[str, str] = {}
        for produced in ledger.produced:
            by_order.setdefault(produced.order_id, produced.origin)
        for record in ledger.kept:
            if record.topic != f"{ledger.prefix}-attempts":
                origin = record.origin
                self.kept[origin].append(record)
            else:
                try:
                    entry = AttemptRecord.model_validate_json(record.value or b"")
                except ValidationError as error:
                    where = ", ".join(str(fault["loc"]) for fault in error.errors())
                    faults.append(Fault(FaultKind.UNREADABLE, record.place, where))
                    continue
                origin = entry.origin or ""
                self.journal[origin].append(entry)
            if origin not in known:
                faults.append(Fault(FaultKind.STRAY, origin, f"the record at {record.place}"))
        for request in sorted(ledger.requests, key=lambda request: request.at_seconds):
            order = by_order.get(request.order_id, "") if request.order_id else ""
            self.requests[order].append(request)
            if not order:
                faults.append(Fault(FaultKind.STRAY, order, f"request {request.number}"))


class _Case:
    """All evidence about one event."""

    def __init__(
        self,
        ledger: Ledger,
        produced: Produced,
        kept: list[Kept],
        journal: list[AttemptRecord],
        requests: list[Received],
    ) -> None:
        self._ledger = ledger
        self._produced = produced
        self._kept = kept
        self._requests = requests
        self._journal = sorted(journal, key=lambda entry: entry.at_ms)
        self._attempts = sorted(
            (entry for entry in journal if entry.kind == "attempt"),
            key=lambda entry: entry.started_at_ms or 0,
        )
        self._pairs, self._unrecorded = _pair(self._attempts, requests)
        profile = PROFILES.get(produced.profile)
        self._ladder = profile.ladder if profile else None

    def account(self) -> Account:
        numbers = Counter((entry.replays, entry.attempt) for entry in self._attempts)
        return Account(
            self._produced,
            tuple(self._places()),
            calls=len(self._requests),
            attempts=max((entry.attempt or 0 for entry in self._attempts), default=0),
            repeats=max(len(self._requests), len(self._attempts)) - len(numbers)
            if self._attempts
            else len(self._requests),
        )

    def faults(self, account: Account) -> Iterator[Fault]:
        for kind, detail in (
            *self._of_places(account),
            *self._of_bodies(),
            *self._of_requests(),
            *self._of_numbers(account),
            *self._of_times(),
            *self._of_journal(account),
        ):
            yield Fault(kind, self._produced.origin, detail)

    def lateness_ms(self) -> Iterator[int]:
        for entry in self._attempts:
            if entry.trigger != "event" and entry.started_at_ms and entry.due_at_ms:
                yield max(0, entry.started_at_ms - entry.due_at_ms)

    def _places(self) -> Iterator[str]:
        """Yield where the event is, one entry for each copy that is at rest; an operator's replay leaves the past behind."""
        life = max((_replays(record) for record in self._kept), default=0)
        life = max([life, *(entry.replays or 0 for entry in self._journal)])
        if any(
            entry.decision == "delivered" and (entry.replays or 0) == life
            for entry in self._journal
        ):
            yield DELIVERED
        reasons = set()
        for record in self._kept:
            if record.topic == f"{self._ledger.prefix}-dead-letter":
                if _replays(record) == life:
                    reasons.add(record.headers.get("dead-letter-reason", "dead letter"))
            elif record.offset >= self._ledger.committed.get((record.topic, record.partition), 0):
                yield f"waiting on {record.topic}"
        yield from sorted(reasons)

    def _of_places(self, account: Account) -> Iterator[tuple[FaultKind, str]]:
        match account.places:
            case ():
                last = (
                    f"last heard of: {self._journal[-1].decision}" if self._journal else "no trace"
                )
                yield FaultKind.LOST, last
            case (place,) if place.startswith("waiting"):
                yield FaultKind.WAITING, place
            case (place,):
                if self._produced.expected not in {"", place}:
                    yield FaultKind.WRONG_PLACE, f"{place}, expected {self._produced.expected}"
            case places:
                yield FaultKind.TWO_PLACES, ", ".join(places)

    def _of_bodies(self) -> Iterator[tuple[FaultKind, str]]:
        if not self._requests:
            return
        first = self._requests[0].body
        for request in self._requests:
            if request.body != first:
                yield FaultKind.BODY, f"request {request.number}"
        for record in self._kept:
            if "attempt" in record.headers and record.value != first:
                yield FaultKind.BODY, f"the record at {record.place}"

    def _of_requests(self) -> Iterator[tuple[FaultKind, str]]:
        seen: Counter[str] = Counter()
        # The signature is the same where two attempts started in the same millisecond, as a crash and a queue may bring.
        at_once = Counter(entry.started_at_ms for entry in self._attempts)
        for request in self._requests:
            name = f"request {request.number}"
            if not request.signature_valid:
                yield FaultKind.SIGNATURE, name
            elif request.faults:
                yield FaultKind.REQUEST, f"{name}: {'; '.join(request.faults)}"
            else:
                signature, said = (
                    request.headers.get("signature", ""),
                    request.headers["request-time"],
                )
                made_ms, unit_ms = _request_time(said)
                if self._arrived_ms(request) - made_ms > _OLDEST_SIGNATURE_MS:
                    yield FaultKind.STALE, f"{name}: made {said}"
                elif unit_ms == 1 and seen[signature] >= max(at_once[int(made_ms)], 1):
                    yield FaultKind.STALE, f"{name}: used before"
                seen[signature] += 1

    def _of_numbers(self, account: Account) -> Iterator[tuple[FaultKind, str]]:
        if account.repeats > self._ledger.repeats_allowed:
            yield FaultKind.REPEATED, f"{account.repeats} repeats"
        letters = Counter(
            _replays(record)
            for record in self._kept
            if record.topic == f"{self._ledger.prefix}-dead-letter"
        )
        if max(letters.values(), default=0) > 1 + self._ledger.repeats_allowed:
            yield FaultKind.REPEATED, f"{max(letters.values())} dead letters"
        if self._ladder and account.attempts > self._ladder.attempts:
            yield FaultKind.LADDER, f"attempt {account.attempts} of {self._ladder.attempts}"
        for life in {entry.replays or 0 for entry in self._attempts}:
            made = {entry.attempt or 0 for entry in self._attempts if (entry.replays or 0) == life}
            if missing := set(range(1, max(made))) - made:
                yield FaultKind.SKIPPED, ", ".join(str(number) for number in sorted(missing))

    def _of_times(self) -> Iterator[tuple[FaultKind, str]]:
        """Yield attempts before the end of their wait, by the worker's record and by the partner's clock alike.

        An attempt may follow any earlier end of the attempt before it: of a repeat too, and of a request whose
        record a crash prevented, which ended after it arrived.
        """
        lost = [self._arrived_ms(request) for request in self._unrecorded]
        for entry, request in self._pairs:
            number, started = entry.attempt or 0, float(entry.started_at_ms or 0)
            wait = self._ladder.wait_after(number - 1) if self._ladder and number > 1 else None
            if wait is None:
                continue
            ends = [*lost, *(float(end) for end in self._ends(number - 1, entry.replays))]
            if not ends:
                continue  # a skipped number, which is a fault of its own
            due = min(ends) + wait.seconds * self._ledger.scale * 1000
            begun = started if request is None else min(started, self._arrived_ms(request))
            if begun < due:
                yield FaultKind.EARLY, f"attempt {number}, {due - begun:.1f} ms"

    def _ends(self, number: int, replays: int | None) -> Iterator[int]:
        for entry in self._attempts:
            if entry.attempt == number and entry.replays == replays and entry.ended_at_ms:
                yield entry.ended_at_ms

    def _of_journal(self, account: Account) -> Iterator[tuple[FaultKind, str]]:
        decided = {entry.decision for entry in self._journal}
        if any(place != DELIVERED and not place.startswith("waiting") for place in account.places):
            reasons = {entry.dead_letter_reason for entry in self._journal}
            for place in {*account.places} - reasons - {DELIVERED}:
                if not place.startswith("waiting"):
                    yield FaultKind.UNRECORDED, f"of the dead letter {place}"
        if self._requests and not decided:
            yield FaultKind.UNRECORDED, f"of {len(self._requests)} requests"
        for entry, request in self._pairs:
            if request is None and (entry.http_status is not None or entry.decision == "delivered"):
                yield FaultKind.UNHEARD, f"attempt {entry.attempt}"

    def _arrived_ms(self, request: Received) -> float:
        return self._ledger.monotonic_zero_ms + request.at_seconds * 1000


def _pair(
    attempts: Sequence[AttemptRecord], requests: Sequence[Received]
) -> tuple[list[tuple[AttemptRecord, Received | None]], list[Received]]:
    """Give each attempts record its request, by the Request-Time, which is the attempt's start; return what is left too."""
    left = list(requests)
    pairs: list[tuple[AttemptRecord, Received | None]] = []
    for entry in attempts:
        found = next((request for request in left if _belongs(entry, request)), None)
        if found is not None:
            left.remove(found)
        pairs.append((entry, found))
    return pairs, left


def _belongs(entry: AttemptRecord, request: Received) -> bool:
    made_ms, unit_ms = _request_time(request.headers.get("request-time", ""))
    return made_ms <= (entry.started_at_ms or 0) < made_ms + unit_ms


def _request_time(text: str) -> tuple[float, int]:
    """Return the milliseconds since the epoch that a Request-Time says, and its unit in milliseconds."""
    if text.isdigit():
        return float(text), 1
    try:
        return datetime.fromisoformat(text).timestamp() * 1000, 1000
    except ValueError:
        return 0.0, 0


def _replays(record: Kept) -> int:
    text = record.headers.get("replays", "0")
    return int(text) if text.isdigit() else 0
