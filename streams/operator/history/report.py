"""All that is said of a notification, once: `notifier why`, its JSON, the API and the pages only choose a form for it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from streams.operator.history.assessment import Limits, assess
from streams.operator.history.notification_history import NotificationHistory
from streams.operator.history.sentences import current_state, next_step
from streams.operator.history.text import clock_time, plural, rfc3339
from streams.operator.history.time_breakdown import TimeBreakdown, time_breakdown
from streams.operator.history.timeline_rows import TimelineRow, timeline_rows


class NotificationReport(BaseModel):
    """One notification of an order, from its event to now."""

    model_config = ConfigDict(frozen=True, title="Notification")

    notification_id: str | None
    profile: str | None
    partner_id: str | None
    url_origin: str | None
    result: str | None
    state: str
    told: str
    turn: str
    overdue: bool
    sentence: str
    next: str
    attempts: int
    attempts_in_all: int | None
    parks: int
    replays: int
    due_at_ms: int | None
    gives_up_at_ms: int | None
    rests: str | None = Field(description="TOPIC:PARTITION:OFFSET")
    letter: str | None = Field(description="its dead letter, where it is one now")
    spent: TimeBreakdown
    others_waiting: int = Field(description="other notifications of this partner that wait")
    timeline: tuple[TimelineRow, ...]


def report_on(
    history: NotificationHistory,
    now_ms: int,
    limits: Limits,
    *,
    known_since_ms: int | None = None,
    others_waiting: int = 0,
) -> NotificationReport:
    """Return the report on a notification.

    Args:
        history: what is known of it.
        now_ms: the present, milliseconds since the epoch.
        limits: from the settings.
        known_since_ms: of when the oldest attempts record is that was looked at.
        others_waiting: other notifications of its partner that wait, where that is known.
    """
    assessment = assess(history, now_ms, limits, known_since_ms=known_since_ms)
    return NotificationReport(
        notification_id=history.notification_id,
        profile=history.profile,
        partner_id=history.partner_id,
        url_origin=history.url_origin,
        result=history.result,
        state=assessment.state,
        told=assessment.told,
        turn=assessment.turn,
        overdue=assessment.overdue,
        sentence=current_state(history, assessment, now_ms),
        next=next_step(history, assessment, now_ms, limits),
        attempts=history.attempts,
        attempts_in_all=history.attempts_in_all,
        parks=history.parks,
        replays=history.replays,
        due_at_ms=history.due_at_ms,
        gives_up_at_ms=assessment.gives_up_at_ms,
        rests=_text(history.rests_at) or history.rests_on,
        letter=_text(history.dead_letter),
        spent=time_breakdown(history, now_ms),
        others_waiting=others_waiting,
        timeline=timeline_rows(history, assessment, now_ms),
    )


def details(
    history: NotificationHistory, report: NotificationReport, now_ms: int
) -> list[tuple[str, str]]:
    """Return what `notifier why` lists beside the timeline, as pairs of a name and its value."""
    gives_up = report.gives_up_at_ms
    pairs = (
        ("told", report.told),
        ("whose turn", report.turn),
        ("state", f"{report.state}, overdue" if report.overdue else report.state),
        ("result", report.result),
        ("names in the event", "; ".join(_near_names(history))),
        ("profile", report.profile),
        ("partner", report.partner_id),
        ("address", report.url_origin),
        ("notification", report.notification_id),
        ("event", _text(history.event)),
        ("at rest on", report.rests),
        ("gives up at", clock_time(gives_up, now_ms) if gives_up else None),
        ("put back", plural(report.replays) if report.replays else None),
        ("parked", plural(report.parks) if report.parks else None),
        ("attempts without a record", str(history.attempts_missing or "")),
    )
    return [(name, value) for name, value in pairs if value]


_OTHERWISE_IN_JSON = {"due_at_ms", "gives_up_at_ms", "rests", "letter", "spent", "timeline"}


def as_json(history: NotificationHistory, report: NotificationReport) -> dict[str, Any]:
    """Return what `notifier why --json` says of a notification. Times are RFC 3339, durations milliseconds."""
    return {
        **report.model_dump(exclude={*_OTHERWISE_IN_JSON, "others_waiting"}),
        "event": _text(history.event),
        "near_names": _near_names(history),
        "rests_on": history.rests_on,
        "rests_at": _text(history.rests_at),
        "due_at": _time(history.due_at_ms),
        "gives_up_at": _time(report.gives_up_at_ms),
        "occurred_at": _time(history.occurred_at_ms),
        "accepted_at": _time(history.accepted_at_ms),
        "delivered_at": _time(history.delivered_at_ms),
        "since": _time(history.since_ms),
        "attempts_without_record": history.attempts_missing,
        "reason": history.reason,
        "detail": history.detail,
        "dead_letter": _text(history.dead_letter),
        "spent_ms": report.spent.model_dump(exclude={"total"}),
        "timeline": [
            {
                "at": _time(entry.at_ms),
                "kind": entry.kind,
                "reason": entry.reason,
                "detail": entry.detail,
                "by": entry.by,
                "run": entry.run,
                "place": _text(entry.record_id),
                "record": entry.record and entry.record.model_dump(exclude_none=True),
            }
            for entry in history.entries
        ],
    }


def _near_names(history: NotificationHistory) -> list[str]:
    """Return what the event named wrong, perhaps."""
    records = (entry.record for entry in history.entries if entry.record is not None)
    return list(dict.fromkeys(name for record in records for name in record.near_names or ()))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
