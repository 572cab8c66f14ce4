"""What a batch of facts puts into the tables of the read model. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.attempt_record import AttemptRecord
from streams.history.assessment import told_by
from streams.history.facts import Fact
from streams.history.notification_history import NotificationHistory
from streams.history.text import short_answer

Row = tuple[Any, ...]

_HANDLED, _ENDED = 1, 2
_LARGEST = 1 << 53  # what JSON's readers agree on
_FINAL = frozenset({"delivered", "dead-letter", "absorbed"})


@dataclass(slots=True)
class Rows:
    """Rows by table, in the order of their columns in `schema.sql`; and places of letters that were put back."""

    facts: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    letters: list[Row] = field(default_factory=list)
    rests: list[Row] = field(default_factory=list)
    touched: list[Row] = field(default_factory=list)
    partners: list[Row] = field(default_factory=list)
    arrived: list[Row] = field(default_factory=list)
    handled: list[Row] = field(default_factory=list)
    put_back: list[str] = field(default_factory=list)


def rows_of(facts: Iterable[Fact]) -> Rows:
    """Return what these facts put into the tables."""
    rows = Rows()
    for fact in map(_bounded, facts):
        rows.facts.append(_fact_row(fact))
        if fact.order_id is not None:
            rows.touched.append((fact.order_id,))
        match fact.kind:
            case "event":
                rows.arrived.append((fact.place.header, *fact.place, fact.at_ms))
            case "replay":
                rows.arrived.append((unit_of(fact), *fact.place, fact.at_ms))
                if fact.replay_of:
                    rows.put_back.append(fact.replay_of)
            case "tier":
                rows.rests.append((*fact.place, unit_of(fact)))
                if fact.partner_id is not None:
                    rows.partners.append((fact.partner_id,))
            case "dead-letter":
                rows.letters.append(_letter_row(fact))
            case "attempts":
                _add_attempt(rows, fact)
    return rows


def _bounded(fact: Fact) -> Fact:
    """Return a fact that SQLite can hold: JSON knows numbers of any size, and one such record must not stop the reading."""
    said = fact.record
    numbers = (
        (fact.attempt, fact.parks, fact.replays, fact.due_at_ms)
        if said is None
        else (
            said.at_ms,
            said.started_at_ms,
            said.ended_at_ms,
            said.lateness_ms,
            said.attempt,
            said.parks,
            said.replays,
            said.due_at_ms,
            said.next_due_at_ms,
            said.http_status,
        )
    )
    if all(number is None or abs(number) < _LARGEST for number in numbers):
        return fact
    return Fact(fact.kind, *fact.place, fact.at_ms, unreadable="a number is out of range")


def unit_of(fact: Fact) -> str:
    """Return what arrived once and ends once: an event's place, and how often it was put back."""
    origin = fact.origin or fact.place.header
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
    )


def _add_attempt(rows: Rows, fact: Fact) -> None:
    said = fact.record
    if said is None:
        return
    # A second copy of a tier record that is absorbed ends nothing: what it is a copy of goes on.
    final = said.decision in _FINAL and not (
        said.decision == "absorbed" and said.trigger != "event"
    )
    if (
        said.decision != "replayed"
    ):  # of what is put back the effect is the arrival, not the intention
        rows.handled.append((unit_of(fact), _ENDED if final else _HANDLED))
    if said.kind == "attempt" and said.partner_id is not None:
        rows.attempts.append((*fact.place, *_attempt_row(said)))
        rows.partners.append((said.partner_id,))


def _fact_row(fact: Fact) -> Row:
    return (
        *fact.place,
        fact.kind,
        fact.record.at_ms if fact.record is not None else fact.at_ms,
        fact.order_id,
        fact.notification_id,
        fact.replay_run,
        fact.replay_of if fact.kind == "replay" else None,
        json.dumps(fact.to_dict(), ensure_ascii=False, separators=(",", ":")),
    )


def _attempt_row(said: AttemptRecord) -> Row:
    started, ended = said.started_at_ms, said.ended_at_ms
    return (
        said.partner_id,
        said.at_ms if ended is None else ended,
        "" if said.failure is not None else said.result_status or "",
        short_answer(said),
        0 if ended is None or started is None else ended - started,
        said.lateness_ms or 0,
        said.order_id,
        said.url_origin,
    )


def _letter_row(fact: Fact) -> Row:
    return (
        *fact.place,
        fact.place.header,
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
