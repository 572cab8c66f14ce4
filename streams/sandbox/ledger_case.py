"""What became of one event of a rehearsal, and every rule by which something about it is a fault.

Pure: evidence about one event in, its account and faults out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.attempt_record import AttemptRecord
from streams.notification.profiles import PROFILES
from streams.sandbox.inbox import Received
from streams.sandbox.ledger_entries import DELIVERED, Account, Fault, FaultKind, Kept, Produced

_OLDEST_SIGNATURE_MS = 11_000  # the longest attempt, and a Request-Time that is cut to the second


@dataclass(frozen=True, slots=True)
class Evidence:
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


class Case:
    """All evidence about one event."""

    def __init__(
        self,
        evidence: Evidence,
        produced: Produced,
        kept: list[Kept],
        journal: list[AttemptRecord],
        requests: list[Received],
    ) -> None:
        self._evidence = evidence
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
        """Return where the event is, and how often the partner was called."""
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
        """Yield everything that is wrong with the event."""
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
        """Yield each retry's start after its due time."""
        for entry in self._attempts:
            if entry.trigger != "event" and entry.started_at_ms and entry.due_at_ms:
                yield max(0, entry.started_at_ms - entry.due_at_ms)

    def _places(self) -> Iterator[str]:
        """Yield where the event is, one entry for each copy that is at rest; after an operator's replay, only what it left."""
        replays = max(
            [0, *map(_replays, self._kept), *(entry.replays or 0 for entry in self._journal)]
        )
        if any(
            entry.decision == "delivered" and (entry.replays or 0) == replays
            for entry in self._journal
        ):
            yield DELIVERED
        reasons = set()
        for record in self._kept:
            if record.topic == f"{self._evidence.prefix}-dead-letter":
                if _replays(record) == replays:
                    reasons.add(record.headers.get("dead-letter-reason", "dead letter"))
            elif record.offset >= self._evidence.committed.get((record.topic, record.partition), 0):
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
        uses: Counter[str] = Counter()
        # The signature is the same where two attempts started in the same millisecond, as a crash and a queue may bring.
        at_once = Counter(entry.started_at_ms for entry in self._attempts)
        for request in self._requests:
            name = f"request {request.number}"
            if not request.signature_valid:
                yield FaultKind.SIGNATURE, name
            elif request.faults:
                yield FaultKind.REQUEST, f"{name}: {'; '.join(request.faults)}"
            else:
                signature = request.headers.get("signature", "")
                request_time = request.headers["request-time"]
                signed_ms, unit_ms = _request_time(request_time)
                if self._arrived_ms(request) - signed_ms > _OLDEST_SIGNATURE_MS:
                    yield FaultKind.STALE, f"{name}: made {request_time}"
                elif unit_ms == 1 and uses[signature] >= max(at_once[int(signed_ms)], 1):
                    yield FaultKind.STALE, f"{name}: used before"
                uses[signature] += 1

    def _of_numbers(self, account: Account) -> Iterator[tuple[FaultKind, str]]:
        if account.repeats > self._evidence.repeats_allowed:
            yield FaultKind.REPEATED, f"{account.repeats} repeats"
        dead_letters = Counter(
            _replays(record)
            for record in self._kept
            if record.topic == f"{self._evidence.prefix}-dead-letter"
        )
        if max(dead_letters.values(), default=0) > 1 + self._evidence.repeats_allowed:
            yield FaultKind.REPEATED, f"{max(dead_letters.values())} dead letters"
        if self._ladder and account.attempts > self._ladder.attempts:
            yield FaultKind.LADDER, f"attempt {account.attempts} of {self._ladder.attempts}"
        for replays in {entry.replays or 0 for entry in self._attempts}:
            numbers = {
                entry.attempt or 0 for entry in self._attempts if (entry.replays or 0) == replays
            }
            if missing := set(range(1, max(numbers))) - numbers:
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
            due = min(ends) + wait.seconds * self._evidence.scale * 1000
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
        return self._evidence.monotonic_zero_ms + request.at_seconds * 1000


def _pair(
    attempts: Sequence[AttemptRecord], requests: Sequence[Received]
) -> tuple[list[tuple[AttemptRecord, Received | None]], list[Received]]:
    """Give each attempts record its request, by the Request-Time, which is the attempt's start; return what is left too."""
    unrecorded = list(requests)
    pairs: list[tuple[AttemptRecord, Received | None]] = []
    for entry in attempts:
        request = next((request for request in unrecorded if _belongs(entry, request)), None)
        if request is not None:
            unrecorded.remove(request)
        pairs.append((entry, request))
    return pairs, unrecorded


def _belongs(entry: AttemptRecord, request: Received) -> bool:
    signed_ms, unit_ms = _request_time(request.headers.get("request-time", ""))
    return signed_ms <= (entry.started_at_ms or 0) < signed_ms + unit_ms


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
