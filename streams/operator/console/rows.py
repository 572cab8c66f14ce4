"""What a batch of facts puts into the tables of the read model. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.facts import Fact
from streams.notification.status import ENDED, STATUS_AFTER
from streams.operator.history.assessment import told_by
from streams.operator.history.notification_history import NotificationHistory
from streams.operator.history.text import short_answer

Row = tuple[Any, ...]

_HANDLED, _ENDED = 1, 2
_LARGEST = 1 << 53  # what JSON's readers agree on
_NUMBERS_OF_FACT = attrgetter("attempt", "parks", "replays", "due_at_ms")
_NUMBERS_OF_RECORD = attrgetter(
    *("at_ms", "started_at_ms", "ended_at_ms", "lateness_ms", "attempt", "parks", "replays"),
    *("due_at_ms", "next_due_at_ms", "http_status"),
)


def rows_of(facts: Iterable[Fact]) -> Mapping[str, list[Row]]:
    """Return what these facts put into the tables: rows by table, in the order of the columns in `schema.sql`.

    Beside the tables: `arrived` and `handled` units, and the places of dead letters that were `put_back`.
    """
    rows: dict[str, list[Row]] = defaultdict(list)
    for fact in map(_bounded, facts):
        rows["facts"].append(_fact_row(fact))
        if fact.order_id is not None:
            rows["touched"].append((fact.order_id,))
        match fact.kind:
            case "event":
                rows["arrived"].append((fact.record_id.header, *fact.record_id, fact.at_ms))
            case "replay":
                rows["arrived"].append((unit_of(fact), *fact.record_id, fact.at_ms))
                if fact.replay_of:
                    rows["put_back"].append((fact.replay_of,))
            case "tier":
                rows["rests"].append((*fact.record_id, unit_of(fact)))
                if fact.partner_id is not None:
                    rows["partners"].append((fact.partner_id,))
            case "dead-letter":
                rows["dead_letters"].append(_dead_letter_row(fact))
            case "attempts":
                _add_attempt(rows, fact)
    return rows


def _bounded(fact: Fact) -> Fact:
    """Return a fact that SQLite can hold: JSON knows numbers of any size, and one such record must not stop the reading."""
    record = fact.record
    numbers: tuple[int | None, ...] = (
        _NUMBERS_OF_FACT(fact) if record is None else _NUMBERS_OF_RECORD(record)
    )
    if all(number is None or abs(number) < _LARGEST for number in numbers):
        return fact
    return Fact(fact.kind, *fact.record_id, fact.at_ms, unreadable="a number is out of range")


def unit_of(fact: Fact) -> str:
    """Return what arrived once and ends once: an event's place, and how often it was put back."""
    origin = fact.origin or fact.record_id.header
    return f"{origin}#{fact.replays}" if fact.replays else origin


def history_row(order_id: str, history: NotificationHistory) -> Row:
    """Return the row of a notification."""
    last = history.last_attempt
    return (
        order_id,
        history.notification_id or (history.event.header if history.event else ""),
        history.notification_id,
        history.profile,
        history.partner_id,
        history.status,
        history.reason,
        told_by(history),
        history.attempts,
        history.parks,
        history.replays,
        history.due_at_ms,
        history.rests_on,
        short_answer(last) if last else None,
        history.since_ms,
        history.accepted_at_ms,
        history.has_ended,
        history.event.header if history.event else None,
    )


def closed_dead_letters(facts: Sequence[Fact]) -> list[tuple[str]]:
    """Return the dead letters of an order that need nobody any more: put back, or delivered some other way."""
    put_back = {fact.replay_of for fact in facts if fact.kind == "replay"}
    rounds: dict[str | None, int] = {}
    delivered: dict[str | None, int] = {}  # the last round that ended so
    for fact in facts:
        record = fact.record
        if record is None or record.kind != "replay":  # a decision alone had no effect yet
            rounds[fact.origin] = max(rounds.get(fact.origin, 0), fact.replays or 0)
        if record is not None and record.decision == "delivered":
            delivered[fact.origin] = max(delivered.get(fact.origin, 0), fact.replays or 0)
    return [
        (fact.record_id.header,)
        for fact in facts
        if fact.kind == "dead-letter"
        and (
            fact.record_id.header in put_back
            or rounds[fact.origin] > (fact.replays or 0)
            # What was delivered first and sent again is another matter: that round ended here.
            or (fact.origin is not None and delivered.get(fact.origin, -1) >= (fact.replays or 0))
        )
    ]


def _add_attempt(rows: dict[str, list[Row]], fact: Fact) -> None:
    record = fact.record
    if record is None:
        return
    # A second copy of a tier record that is absorbed ends nothing: what it is a copy of goes on.
    ended = (
        record.trigger == "event"
        if record.decision == "absorbed"
        else record.decision is not None and STATUS_AFTER[record.decision] in ENDED
    )
    # Of what is put back the effect is the arrival, not the decision.
    if record.decision != "replayed":
        rows["handled"].append((unit_of(fact), _ENDED if ended else _HANDLED))
    if record.kind == "attempt" and record.partner_id is not None:
        rows["attempts"].append((*fact.record_id, *_attempt_row(record)))
        rows["partners"].append((record.partner_id,))


def _fact_row(fact: Fact) -> Row:
    return (
        *fact.record_id,
        fact.kind,
        fact.record.at_ms if fact.record is not None else fact.at_ms,
        fact.order_id,
        fact.notification_id,
        fact.payment_id,
        fact.replay_run,
        fact.replay_of if fact.kind == "replay" else None,
        json.dumps(fact.to_dict(), ensure_ascii=False, separators=(",", ":")),
    )


def _attempt_row(record: AttemptRecord) -> Row:
    started, ended = record.started_at_ms, record.ended_at_ms
    return (
        record.partner_id,
        record.at_ms if ended is None else ended,
        "" if record.failure is not None else record.result_status or "",
        short_answer(record),
        0 if ended is None or started is None else ended - started,
        record.lateness_ms or 0,
        record.order_id,
        record.url_origin,
    )


def _dead_letter_row(fact: Fact) -> Row:
    return (
        *fact.record_id,
        fact.record_id.header,
        fact.at_ms,
        fact.order_id,
        fact.notification_id,
        fact.profile,
        fact.partner_id,
        fact.reason or "unknown",
        fact.last_outcome or "",
        fact.attempt or 0,
        fact.replays or 0,
        True,
    )
