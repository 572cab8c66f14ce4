"""The timeline in words, one row for each thing that happened; what is due next stands last."""

from itertools import groupby
from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.attempt_record import AttemptRecord
from streams.operator.history.assessment import Assessment
from streams.operator.history.notification_history import NotificationHistory
from streams.operator.history.text import answer, distance, duration, park_reason
from streams.operator.history.timeline import TimelineEntry

Tone = Literal["", "good", "warn", "bad", "us", "next"]


class TimelineRow(BaseModel):
    """A line of a timeline."""

    model_config = ConfigDict(frozen=True, title="Moment")

    at_ms: int
    kind: str
    what: str
    answer: str
    late: str
    then: str
    tone: Tone


def timeline_rows(
    history: NotificationHistory, assessment: Assessment, now_ms: int
) -> tuple[TimelineRow, ...]:
    """Return the timeline, oldest first. Parks one after the other are one row: of an unresponsive server there is one a second."""
    rows: list[TimelineRow] = []
    for kind, group in groupby(history.entries, key=lambda entry: entry.kind):
        entries = list(group)
        if kind == "park":
            rows.append(_parks_row(entries))
        else:
            rows += [_row(history, entry) for entry in entries]
    if history.due_at_ms is not None and not assessment.is_final:
        rows.append(_next_row(history, assessment, history.due_at_ms, now_ms))
    return tuple(rows)


def _line(
    entry: TimelineEntry, what: str, answer: str = "", then: str = "", tone: Tone = ""
) -> TimelineRow:
    return TimelineRow(
        at_ms=entry.at_ms, kind=entry.kind, what=what, answer=answer, late="", then=then, tone=tone
    )


def _next_row(
    history: NotificationHistory, assessment: Assessment, due_at_ms: int, now_ms: int
) -> TimelineRow:
    attempt = f"attempt {_of(history, history.attempts + 1)}"
    what = "looked at again" if assessment.state == "parked" else attempt
    if due_at_ms > now_ms:
        due = f"due {distance(due_at_ms, now_ms)}"
    else:
        due = f"{'overdue since' if assessment.overdue else 'due'} {duration(now_ms - due_at_ms)}"
    return TimelineRow(
        at_ms=due_at_ms, kind="next", what=what, answer=due, late="", then="", tone="next"
    )


def _of(history: NotificationHistory, number: int) -> str:
    return f"{number} of {history.attempts_in_all}" if history.attempts_in_all else str(number)


def _row(  # noqa: PLR0911  # one for each kind
    history: NotificationHistory, entry: TimelineEntry
) -> TimelineRow:
    record, place, detail = entry.record, str(entry.record_id or ""), entry.detail or ""
    match entry.kind:
        case "final":
            return _line(entry, "payment became final", history.result or "")
        case "event":
            return _line(entry, "event written", place)
        case "replay":
            by = f" by {entry.by}" if entry.by else ""
            return _line(
                entry, f"put back{by}", detail, f"run {entry.run}" if entry.run else "", "us"
            )
        case "dead-letter":
            return _line(entry, f"dead letter: {entry.reason}", detail, place, "bad")
        case "absorbed":
            origin = (record.origin or "") if record is not None else ""
            return _line(entry, "second copy, not sent", then=origin)
        case _ if record is not None:
            return _attempt_row(history, entry.at_ms, record)
        case _:
            return _line(entry, "attempt")


def _parks_row(entries: list[TimelineEntry]) -> TimelineRow:
    first, last = entries[0], entries[-1]
    due_at_ms = last.record.next_due_at_ms if last.record is not None else None
    until = "" if due_at_ms is None else f"looked at again after {duration(due_at_ms - last.at_ms)}"
    what = "parked, no attempt used"
    if len(entries) > 1:
        lasted = duration(last.at_ms - first.at_ms)
        what = f"parked {len(entries)} times within {lasted}, no attempt used"
    return _line(first, what, park_reason(last.detail), until, "us")


def _attempt_row(history: NotificationHistory, at_ms: int, record: AttemptRecord) -> TimelineRow:
    tone: Tone = "bad" if record.result_status == "F" and record.failure is None else "warn"
    then: str = record.decision or ""
    match record.decision:
        case "dead-letter":
            then = "given up"
        case "delivered":
            tone = "good"
        case "retry" if record.next_due_at_ms is not None and record.ended_at_ms is not None:
            then = f"again after {duration(record.next_due_at_ms - record.ended_at_ms)}"
        case _:
            pass
    return TimelineRow(
        at_ms=at_ms,
        kind="attempt",
        what=f"attempt {_of(history, record.attempt or 0)}",
        answer=answer(record),
        late="" if record.lateness_ms is None else f"{duration(record.lateness_ms)} late",
        then=then,
        tone=tone,
    )
