"""A life and its verdict laid out: the rows of the timeline, the facts beside it, and the same for a program."""

from dataclasses import asdict, dataclass
from typing import Any

from streams.history.life import Life
from streams.history.spent import Spent
from streams.history.timeline import Entry
from streams.history.verdict import Verdict
from streams.history.words import (
    answer,
    clock_time,
    distance,
    duration,
    park_reason,
    rfc3339,
    times,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the timeline, in words.

    Attributes:
        at_ms: when, milliseconds since the epoch, UTC.
        what: what happened.
        answer: what came of it.
        late: how late it began; empty where that means nothing.
        then: what was done next.
        ahead: it has not happened yet.
    """

    at_ms: int
    what: str
    answer: str = ""
    late: str = ""
    then: str = ""
    ahead: bool = False


def timeline(life: Life, verdict: Verdict, now_ms: int) -> list[Row]:
    """Return the timeline, oldest first; what is due next stands last."""
    rows = [_row(life, entry) for entry in life.entries]
    if life.due_at_ms is not None and verdict.gives_up_at_ms is not None:
        ahead = life.due_at_ms > now_ms
        what = (
            "looked at again"
            if verdict.state == "parked"
            else f"attempt {_of(life, life.attempts + 1)}"
        )
        since = "overdue since" if verdict.overdue else "due"
        said = (
            f"due {distance(life.due_at_ms, now_ms)}"
            if ahead
            else f"{since} {duration(now_ms - life.due_at_ms)}"
        )
        rows.append(Row(life.due_at_ms, what, said, ahead=True))
    return rows


def _of(life: Life, number: int) -> str:
    return f"{number} of {life.attempts_in_all}" if life.attempts_in_all else str(number)


def _row(life: Life, entry: Entry) -> Row:  # noqa: PLR0911  # one for each kind
    said = entry.record
    match entry.kind:
        case "final":
            return Row(entry.at_ms, "payment became final", life.result or "")
        case "event":
            return Row(entry.at_ms, "event written", str(entry.place or ""))
        case "replay":
            by = f" by {entry.by}" if entry.by else ""
            run = f"run {entry.run}" if entry.run else ""
            return Row(entry.at_ms, f"put back{by}", entry.detail or "", "", run)
        case "park":
            until = (
                f"looked at again after {duration(said.next_due_at_ms - entry.at_ms)}"
                if said is not None and said.next_due_at_ms is not None
                else ""
            )
            return Row(entry.at_ms, "parked, no attempt used", park_reason(entry.detail), "", until)
        case "dead-letter":
            return Row(
                entry.at_ms,
                f"dead letter: {entry.reason}",
                entry.detail or "",
                "",
                str(entry.place or ""),
            )
        case "absorbed":
            return Row(
                entry.at_ms, "second copy, not sent", "", "", said.origin or "" if said else ""
            )
        case "attempt":
            return _attempt_row(life, entry)


def _attempt_row(life: Life, entry: Entry) -> Row:
    said = entry.record
    if said is None:
        return Row(entry.at_ms, "attempt")
    then: str = "given up" if said.decision == "dead-letter" else said.decision or ""
    if (
        said.decision == "retry"
        and said.next_due_at_ms is not None
        and said.ended_at_ms is not None
    ):
        then = f"again after {duration(said.next_due_at_ms - said.ended_at_ms)}"
    late = "" if said.lateness_ms is None else f"{duration(said.lateness_ms)} late"
    return Row(entry.at_ms, f"attempt {_of(life, said.attempt or 0)}", answer(said), late, then)


def spent_words(spent: Spent) -> str:
    """Return where the time went: `Of 15 min 2 s: agreed waits 14 min 34 s, acme 27 s, us 400 ms`."""
    parts = (
        ("before the event was written", spent.upstream),
        ("agreed waits", spent.agreed),
        ("the partner", spent.partner),
        ("parked", spent.parked),
        ("us", spent.us),
        ("set aside as a dead letter", spent.set_aside),
    )
    said = ", ".join(f"{name} {duration(ms)}" for name, ms in parts if ms)
    return f"Of {duration(spent.total)}: {said}" if said else ""


def facts_of(life: Life, verdict: Verdict, now_ms: int) -> list[tuple[str, str]]:
    """Return what else is known, as pairs of a name and its value."""
    rests = str(life.rests) if life.rests else life.rests_on
    pairs = (
        ("told", verdict.told),
        ("whose turn", verdict.turn),
        ("state", f"{verdict.state}, overdue" if verdict.overdue else verdict.state),
        ("result", life.result),
        ("names in the event", "; ".join(_near_names(life)) or None),
        ("profile", life.profile),
        ("partner", life.partner_id),
        ("address", life.url_origin),
        ("notification", life.notification_id),
        ("event", str(life.event) if life.event else None),
        ("at rest on", rests),
        (
            "gives up at",
            clock_time(verdict.gives_up_at_ms, now_ms) if verdict.gives_up_at_ms else None,
        ),
        ("put back", times(life.replays) if life.replays else None),
        ("parked", times(life.parks) if life.parks else None),
        (
            "attempts without a record",
            str(life.attempts_missing) if life.attempts_missing else None,
        ),
    )
    return [(name, value) for name, value in pairs if value]


def _near_names(life: Life) -> list[str]:
    """Return what the event named wrong, perhaps."""
    said = (entry.record.near_names for entry in life.entries if entry.record is not None)
    return list(dict.fromkeys(name for names in said for name in names or ()))


def as_json(life: Life, verdict: Verdict) -> dict[str, Any]:
    """Return a notification's life and verdict for a program. Times are RFC 3339, durations milliseconds."""
    return {
        "notification_id": life.notification_id,
        "told": verdict.told,
        "turn": verdict.turn,
        "state": verdict.state,
        "overdue": verdict.overdue,
        "sentence": verdict.sentence,
        "next": verdict.next,
        "profile": life.profile,
        "partner_id": life.partner_id,
        "url_origin": life.url_origin,
        "result": life.result,
        "event": str(life.event) if life.event else None,
        "near_names": _near_names(life),
        "rests_on": life.rests_on,
        "rests_at": str(life.rests) if life.rests else None,
        "due_at": _time(life.due_at_ms),
        "gives_up_at": _time(verdict.gives_up_at_ms),
        "occurred_at": _time(life.occurred_at_ms),
        "accepted_at": _time(life.accepted_at_ms),
        "delivered_at": _time(life.delivered_at_ms),
        "since": _time(life.since_ms),
        "attempts": life.attempts,
        "attempts_in_all": life.attempts_in_all,
        "attempts_without_record": life.attempts_missing,
        "parks": life.parks,
        "replays": life.replays,
        "reason": life.reason,
        "detail": life.detail,
        "dead_letter": str(life.letter) if life.letter else None,
        "spent_ms": asdict(verdict.spent),
        "timeline": [
            {
                "at": _time(entry.at_ms),
                "kind": entry.kind,
                "reason": entry.reason,
                "detail": entry.detail,
                "by": entry.by,
                "run": entry.run,
                "place": str(entry.place) if entry.place else None,
                "record": entry.record and entry.record.model_dump(exclude_none=True),
            }
            for entry in life.entries
        ],
    }


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
