"""The lives of an order's notifications, folded from facts. Pure: the same facts in any order give the same lives.

A *round* is what follows one event or one replay: its attempts, parks and end. A life is the rounds of one notification
id. Facts may be missing (retention deleted them, a topic was not read) or stand there twice; every mixture of them
has a life.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from schemas.attempt_record import AttemptRecord
from streams.history.facts import Fact
from streams.history.timeline import Entry, ended, entries_of, known, moment_of, time_of
from streams.kafka.raw import Place
from streams.notification.decision import DeadLetterReason
from streams.notification.profiles import PROFILES

Standing = Literal["accepted", "waiting", "parked", "replayed", "delivered", "dead-lettered"]
"""`accepted`: an event of which nothing else is known. `replayed`: put back, and nothing else is known."""

ENDED: Final = frozenset({"delivered", "dead-lettered"})


@dataclass(frozen=True, slots=True)
class Life:
    """What became of one notification. Times are milliseconds since the epoch, UTC; what is unknown is None.

    Attributes:
        order_id: the order.
        notification_id: the event's id; None for an event that could not be read.
        profile: its protocol.
        partner_id: whom it is for.
        url_origin: scheme, host and port that were called.
        result: what the partner is told, like `S:SUCCESS`, or the event's outcome.
        standing: how it stands now.
        since_ms: since when.
        rests: where its record stands, as far as it is known.
        rests_on: the topic where it is at rest; None once delivered.
        due_at_ms: when it is due next.
        attempts: attempts made in the last round.
        attempts_in_all: of the profile.
        parks: moves without an attempt in the last round.
        replays: how often it was put back.
        occurred_at_ms: when the payment became final.
        accepted_at_ms: when the last round began; `NOTIFIER_GIVE_UP_AFTER` counts from here.
        delivered_at_ms: when it was acknowledged first.
        reason: of its dead letter.
        detail: of its dead letter.
        letter: where its dead letter stands.
        event: where its event stands.
        entries: the timeline, oldest first.
        attempts_missing: attempts that were made but have no record here.
    """

    order_id: str
    notification_id: str | None
    profile: str | None
    partner_id: str | None
    url_origin: str | None
    result: str | None
    standing: Standing
    since_ms: int
    rests: Place | None
    rests_on: str | None
    due_at_ms: int | None
    attempts: int
    attempts_in_all: int | None
    parks: int
    replays: int
    occurred_at_ms: int | None
    accepted_at_ms: int | None
    delivered_at_ms: int | None
    reason: str | None
    detail: str | None
    letter: Place | None
    event: Place | None
    entries: tuple[Entry, ...]
    attempts_missing: int

    @property
    def calls(self) -> tuple[AttemptRecord, ...]:
        """The records of its attempts, oldest first."""
        return tuple(
            entry.record
            for entry in self.entries
            if entry.kind == "attempt" and entry.record is not None
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """Where a round stood once a fact came true; the one with the greatest rank is the present."""

    progress: int  # attempts and parks: each move adds one
    finality: int
    at_ms: int
    standing: Standing
    fact: Fact

    @property
    def rank(self) -> tuple[int, int, int, Place]:
        return self.progress, self.finality, self.at_ms, self.fact.place


def lives_of(facts: Iterable[Fact]) -> tuple[Life, ...]:
    """Return the lives that these facts of one order tell, the one that began first before the others.

    Facts that say nothing of a notification (records that can't be read) have none.
    """
    by_id: dict[str, list[Fact]] = {}
    for fact in sorted({fact.place: fact for fact in facts}.values(), key=time_of):
        if fact.unreadable is None or fact.kind == "dead-letter":
            name = fact.notification_id or fact.origin or fact.place.header
            by_id.setdefault(name, []).append(fact)
    lives = [life for mine in by_id.values() if (life := _life(mine)) is not None]
    return tuple(
        sorted(lives, key=lambda life: (life.entries[0].at_ms, life.notification_id or ""))
    )


def _life(facts: list[Fact]) -> Life | None:
    rounds: dict[tuple[str, int], list[Fact]] = {}
    for fact in facts:
        origin = fact.place.header if fact.kind == "event" else fact.origin
        rounds.setdefault((origin or "", fact.replays or 0), []).append(fact)
    folded = [steps for mine in rounds.values() if (steps := _steps(mine))]
    if not folded:
        return None
    # What contradicts the first result was never sent, and changes nothing for it.
    counting = [steps for steps in folded if not _is_conflict(steps[-1].fact)] or folded
    last = max(counting, key=lambda steps: (min(step.at_ms for step in steps), steps[-1].rank))
    return _told(facts, last, entries_of(facts))


def _told(facts: list[Fact], steps: list[_Step], entries: tuple[Entry, ...]) -> Life:
    now, mine = steps[-1], [step.fact for step in steps]
    letter = _latest(fact for fact in mine if fact.kind == "dead-letter")
    dead = now.standing == "dead-lettered"
    profile = PROFILES.get(known(facts, "profile") or "")
    made = max((fact.attempt or 0 for fact in mine), default=0)
    seen = {
        said.attempt
        for fact in mine
        if (said := fact.record) is not None and said.kind == "attempt"
    }
    delivered = [
        ended(said)
        for fact in facts
        if (said := fact.record) is not None and said.decision == "delivered"
    ]
    ends = now.standing in ENDED
    return Life(
        order_id=known(facts, "order_id") or "",
        notification_id=known(facts, "notification_id"),
        profile=known(facts, "profile"),
        partner_id=known(facts, "partner_id"),
        url_origin=known(facts, "url_origin"),
        result=_result(facts),
        standing=now.standing,
        since_ms=now.at_ms,
        rests=_rests(now, mine),
        rests_on=_rests_on(now),
        due_at_ms=None if ends else _due(now),
        attempts=made,
        attempts_in_all=profile.ladder.attempts if profile else None,
        parks=max((fact.parks or 0 for fact in mine), default=0),
        replays=max((fact.replays or 0 for fact in facts), default=0),
        occurred_at_ms=known(facts, "occurred_at_ms"),
        accepted_at_ms=_accepted(mine),
        delivered_at_ms=min(delivered, default=None),
        reason=(now.fact.reason or (letter.reason if letter else None)) if dead else None,
        detail=_detail(now, letter) if dead else None,
        letter=letter.place if dead and letter else None,
        event=_event_place(facts),
        entries=entries,
        attempts_missing=max(0, made - len(seen)),
    )


def _steps(facts: list[Fact]) -> list[_Step]:
    """Return how a round went on, the present last; nothing for a second copy that was absorbed."""
    absorbed = any(fact.record is not None and fact.record.decision == "absorbed" for fact in facts)
    steps = [step for fact in facts if (step := _step(fact)) is not None]
    if absorbed and all(step.standing == "accepted" for step in steps):
        return []
    return sorted(steps, key=lambda step: step.rank)


_DECIDED: Final[dict[str, tuple[Standing, int]]] = {
    "retry": ("waiting", 0),
    "parked": ("parked", 0),
    "replayed": ("replayed", 0),
    "dead-letter": ("dead-lettered", 2),
    "delivered": ("delivered", 3),
}
"""What a decision leads to, and how final that is: the record that it led to (1) says more than the decision."""


def _step(fact: Fact) -> _Step | None:
    progress = (fact.attempt or 0) + (fact.parks or 0)
    said = fact.record
    match fact.kind:
        case "event":
            return _Step(-2, 0, fact.at_ms, "accepted", fact)
        case "replay":
            return _Step(-1, 1, fact.at_ms, "replayed", fact)
        case "tier":
            parked = fact.last_outcome == "parked"
            return _Step(progress, 1, fact.at_ms, "parked" if parked else "waiting", fact)
        case "dead-letter":
            return _Step(progress, 2, fact.at_ms, "dead-lettered", fact)
        case _:
            decided = _DECIDED.get(said.decision or "") if said is not None else None
            if said is None or decided is None:
                return None
            standing, finality = decided
            return _Step(
                -1 if standing == "replayed" else progress, finality, ended(said), standing, fact
            )


def _detail(now: _Step, letter: Fact | None) -> str | None:
    if letter is not None:
        return letter.detail
    return now.fact.record.why if now.fact.record is not None else None


def _result(facts: list[Fact]) -> str | None:
    """Return what the partner is told; the event's outcome where no body was seen."""
    bodies = [fact for fact in facts if fact.kind != "event" and not fact.holds_event]
    result: str | None = known(bodies, "result") or known(facts, "result")
    return result


def _latest(facts: Iterable[Fact]) -> Fact | None:
    return max(facts, key=time_of, default=None)


def _due(now: _Step) -> int | None:
    if now.standing in {"accepted", "replayed"}:
        return now.at_ms
    return now.fact.due_at_ms


def _rests_on(now: _Step) -> str | None:
    said = now.fact.record
    if now.standing == "delivered":
        return None
    if said is None:
        return now.fact.topic
    return said.next_topic


def _rests(now: _Step, mine: list[Fact]) -> Place | None:
    """Return where the record stands that the present step is about."""
    if now.fact.kind != "attempts":
        return now.fact.place
    wanted: dict[Standing, str] = {"dead-lettered": "dead-letter", "replayed": "replay"}
    kind = wanted.get(now.standing, "tier")
    if now.standing == "delivered":
        return None
    same = [
        fact
        for fact in mine
        if fact.kind == kind and moment_of(fact)[1:] == moment_of(now.fact)[1:]
    ]
    found = _latest(same)
    return found.place if found else None


def _accepted(mine: list[Fact]) -> int | None:
    accepted: int | None = known(mine, "accepted_at_ms")
    if accepted is not None:
        return accepted
    # The first attempt of an event is due when it is accepted; a replay starts the count anew.
    first = [
        said.due_at_ms
        for fact in mine
        if (said := fact.record) is not None and said.attempt == 1 and said.due_at_ms is not None
    ]
    put_back = [fact.at_ms for fact in mine if fact.kind == "replay"]
    return min(first or put_back or [time_of(fact)[0] for fact in mine], default=None)


def _event_place(facts: list[Fact]) -> Place | None:
    for fact in facts:
        if fact.kind == "event":
            return fact.place
    for fact in facts:
        if fact.origin:
            try:
                return Place.parse(fact.origin)
            except ValueError:
                continue
    return None


def _is_conflict(fact: Fact) -> bool:
    return fact.reason == DeadLetterReason.CONFLICTING_RESULT.value
