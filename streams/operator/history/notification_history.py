"""Folds the facts about an order into the histories of its notifications. Pure: the order of reading means nothing.

A *round* is what follows one event or one replay: its attempts, parks and end. A history is the rounds of one
notification id. Facts may be missing (retention deleted them, a topic was not read) or stand there twice; every mixture
of them has a history.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.facts import Fact
from streams.kafka.format.raw import RecordId
from streams.notification.decision import DeadLetterReason
from streams.notification.profiles import PROFILES
from streams.notification.status import (
    ENDED,
    RESTS_ON,
    STATUS_AFTER,
    NotificationStatus,
    status_on,
)
from streams.operator.history.timeline import (
    TimelineEntry,
    ended_at,
    entries_of,
    first_known,
    round_position,
    written_at,
)


@dataclass(frozen=True, slots=True)
class NotificationHistory:
    """What became of one notification. Times are milliseconds since the epoch, UTC; what is unknown is None.

    Attributes:
        notification_id: the event's id; None for an event that could not be read.
        url_origin: scheme, host and port that were called.
        result: what the partner is told, like `S:SUCCESS`, or the event's outcome.
        since_ms: when it came to stand as it does.
        rests_at: where its record stands, as far as it is known.
        rests_on: the topic where it is at rest; None once delivered.
        attempts: made in the last round.
        attempts_in_all: of the profile's ladder.
        parks: moves without an attempt in the last round.
        replays: how often it was put back.
        occurred_at_ms: when the payment became final.
        accepted_at_ms: when the last round began; `NOTIFIER_GIVE_UP_AFTER` counts from here.
        delivered_at_ms: when it was acknowledged first.
        reason: of its dead letter; with `detail`.
        entries: the timeline, oldest first.
        attempts_missing: attempts that were made but have no record here.
    """

    order_id: str
    notification_id: str | None
    profile: str | None
    partner_id: str | None
    url_origin: str | None
    result: str | None
    status: NotificationStatus
    since_ms: int
    rests_at: RecordId | None
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
    dead_letter: RecordId | None
    event: RecordId | None
    entries: tuple[TimelineEntry, ...]
    attempts_missing: int

    @property
    def has_ended(self) -> bool:
        """Whether no worker does anything more about it."""
        return self.status in ENDED

    @property
    def attempt_records(self) -> tuple[AttemptRecord, ...]:
        """The records of its attempts, oldest first."""
        return tuple(
            entry.record
            for entry in self.entries
            if entry.kind == "attempt" and entry.record is not None
        )

    @property
    def last_attempt(self) -> AttemptRecord | None:
        """The record of the newest attempt."""
        return next(reversed(self.attempt_records), None)


@dataclass(frozen=True, slots=True)
class _Step:
    """Where a round stood once a fact came true; the one with the greatest rank is the present."""

    progress: int  # attempts and parks: each move adds one
    finality: int
    at_ms: int
    status: NotificationStatus
    fact: Fact

    @property
    def rank(self) -> tuple[int, int, int, RecordId]:
        return self.progress, self.finality, self.at_ms, self.fact.record_id


def histories_of(facts: Iterable[Fact]) -> tuple[NotificationHistory, ...]:
    """Return the histories that these facts of one order tell, the one that began first before the others.

    Facts that say nothing of a notification (records that can't be read) have none.
    """
    by_id: dict[str, list[Fact]] = {}
    for fact in sorted({fact.record_id: fact for fact in facts}.values(), key=written_at):
        if fact.unreadable is None or fact.kind == "dead-letter":
            notification = fact.notification_id or fact.origin or fact.record_id.header
            by_id.setdefault(notification, []).append(fact)
    histories = [history for group in by_id.values() if (history := _history_of(group)) is not None]
    return tuple(
        sorted(histories, key=lambda one: (one.entries[0].at_ms, one.notification_id or ""))
    )


def _history_of(facts: list[Fact]) -> NotificationHistory | None:
    rounds: dict[tuple[str, int], list[Fact]] = {}
    for fact in facts:
        origin = fact.record_id.header if fact.kind == "event" else fact.origin
        rounds.setdefault((origin or "", fact.replays or 0), []).append(fact)
    folded = [steps for group in rounds.values() if (steps := _steps(group))]
    if not folded:
        return None
    # What contradicts the first result was never sent, and changes nothing for it.
    conflict = DeadLetterReason.CONFLICTING_RESULT
    sent = [steps for steps in folded if steps[-1].fact.reason != conflict] or folded
    last = max(sent, key=lambda steps: (min(step.at_ms for step in steps), steps[-1].rank))
    return _fold(facts, last)


def _fold(facts: list[Fact], steps: list[_Step]) -> NotificationHistory:
    """Return the history that all facts of a notification tell, and the steps of its last round."""
    now, last_round = steps[-1], [step.fact for step in steps]
    profile_name = first_known(facts, "profile")
    profile = PROFILES.get(profile_name or "")
    attempts = max((fact.attempt or 0 for fact in last_round), default=0)
    recorded = {
        record.attempt
        for fact in last_round
        if (record := fact.record) is not None and record.kind == "attempt"
    }
    acknowledged = [
        ended_at(record)
        for fact in facts
        if (record := fact.record) is not None and record.decision == "delivered"
    ]
    bodies = [fact for fact in facts if fact.kind != "event" and not fact.holds_event]
    dead_letter = reason = detail = None
    if now.status == "dead-lettered":
        dead_letter = _latest(fact for fact in last_round if fact.kind == "dead-letter")
        reason = now.fact.reason or (dead_letter.reason if dead_letter else None)
        if dead_letter is not None:
            detail = dead_letter.detail
        elif now.fact.record is not None:
            detail = now.fact.record.why
    return NotificationHistory(
        order_id=first_known(facts, "order_id") or "",
        notification_id=first_known(facts, "notification_id"),
        profile=profile_name,
        partner_id=first_known(facts, "partner_id"),
        url_origin=first_known(facts, "url_origin"),
        result=first_known(bodies, "result") or first_known(facts, "result"),
        status=now.status,
        since_ms=now.at_ms,
        rests_at=_rests_at(now, last_round),
        rests_on=_rests_on(now),
        due_at_ms=_due(now),
        attempts=attempts,
        attempts_in_all=profile.ladder.attempts if profile else None,
        parks=max((fact.parks or 0 for fact in last_round), default=0),
        replays=max((fact.replays or 0 for fact in facts), default=0),
        occurred_at_ms=first_known(facts, "occurred_at_ms"),
        accepted_at_ms=_accepted(last_round),
        delivered_at_ms=min(acknowledged, default=None),
        reason=reason,
        detail=detail,
        dead_letter=dead_letter.record_id if dead_letter else None,
        event=_event_place(facts),
        entries=entries_of(facts),
        attempts_missing=max(0, attempts - len(recorded)),
    )


def _steps(facts: list[Fact]) -> list[_Step]:
    """Return how a round went on, the present last; nothing for a second copy that was absorbed."""
    absorbed = any(fact.record is not None and fact.record.decision == "absorbed" for fact in facts)
    steps = [step for fact in facts if (step := _step(fact)) is not None]
    if absorbed and all(step.status == "accepted" for step in steps):
        return []
    return sorted(steps, key=lambda step: step.rank)


def _step(fact: Fact) -> _Step | None:
    record = fact.record
    if fact.kind != "attempts":
        status = status_on(fact.kind, parked=fact.last_outcome == "parked")
        at_ms, finality = fact.at_ms, 1
    elif record is not None and record.decision is not None and record.decision in STATUS_AFTER:
        status = STATUS_AFTER[record.decision]
        at_ms, finality = ended_at(record), 0  # the record that it led to says more
    else:
        return None
    progress = (fact.attempt or 0) + (fact.parks or 0)
    match status:
        case "accepted":
            progress, finality = -2, 0
        case "replayed":
            progress = -1
        case "dead-lettered":
            finality = 2
        case "delivered":
            finality = 3
        case _:
            pass
    return _Step(progress, finality, at_ms, status, fact)


def _latest(facts: Iterable[Fact]) -> Fact | None:
    return max(facts, key=written_at, default=None)


def _due(now: _Step) -> int | None:
    if now.status in ENDED:
        return None
    return now.at_ms if now.status in {"accepted", "replayed"} else now.fact.due_at_ms


def _rests_on(now: _Step) -> str | None:
    if now.status == "delivered":
        return None
    return now.fact.topic if now.fact.record is None else now.fact.record.next_topic


def _rests_at(now: _Step, last_round: list[Fact]) -> RecordId | None:
    """Return where the record stands that the present step is about."""
    if now.fact.kind != "attempts":
        return now.fact.record_id
    same = _latest(
        fact
        for fact in last_round
        if fact.kind == RESTS_ON.get(now.status)
        and round_position(fact)[1:] == round_position(now.fact)[1:]
    )
    return same.record_id if same else None


def _accepted(last_round: list[Fact]) -> int | None:
    accepted: int | None = first_known(last_round, "accepted_at_ms")
    if accepted is not None:
        return accepted
    # The first attempt of an event is due when it is accepted; a replay starts the count anew.
    first = [
        record.due_at_ms
        for fact in last_round
        if (record := fact.record) is not None
        and record.attempt == 1
        and record.due_at_ms is not None
    ]
    put_back = [fact.at_ms for fact in last_round if fact.kind == "replay"]
    return min(first or put_back or [written_at(fact)[0] for fact in last_round], default=None)


def _event_place(facts: list[Fact]) -> RecordId | None:
    for fact in facts:
        if fact.kind == "event":
            return fact.record_id
    for fact in facts:
        if fact.origin:
            try:
                return RecordId.parse(fact.origin)
            except ValueError:
                continue
    return None
