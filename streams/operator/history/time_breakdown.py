"""Where the time of a notification went: whose each part of it was. The parts add up to the whole."""

from itertools import pairwise
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.attempt_record import AttemptRecord
from streams.operator.history.notification_history import NotificationHistory
from streams.operator.history.text import duration

Part = Literal["upstream", "agreed", "partner", "parked", "us", "set_aside"]

_TEXTS: Final[dict[Part, str]] = {
    "upstream": "before the event was written",
    "agreed": "agreed waits",
    "partner": "the partner",
    "parked": "parked",
    "us": "us",
    "set_aside": "set aside as a dead letter",
}


class TimeBreakdown(BaseModel):
    """Where the time went, in milliseconds; the parts add up to the whole."""

    model_config = ConfigDict(frozen=True, title="Spent")

    total: int
    agreed: int = Field(description="waits of the ladder")
    partner: int = Field(description="calls: what the partner took to answer, or not to")
    us: int = Field(description="late starts")
    parked: int = Field(description="waits for room at the destination")
    upstream: int = Field(description="from the payment's end to its event")
    set_aside: int = Field(description="dead letter until put back")

    def parts(self) -> list[tuple[Part, str, int]]:
        """Return the parts that took any time: name, text, milliseconds."""
        parts = ((part, text, int(getattr(self, part))) for part, text in _TEXTS.items())
        return [part for part in parts if part[2]]

    def text(self) -> str:
        """Return it in one line: `Of 15 min 2 s: agreed waits 14 min 34 s, the partner 27 s`; empty without any time."""
        listed = ", ".join(f"{text} {duration(ms)}" for _, text, ms in self.parts())
        return f"Of {duration(self.total)}: {listed}" if listed else ""


def time_breakdown(history: NotificationHistory, now_ms: int) -> TimeBreakdown:
    """Return where the time went, from the payment's end to the notification's end, or to now."""
    changes = _changes(history)
    end = history.since_ms if history.has_ended else now_ms
    parts: dict[Part | None, int] = dict.fromkeys(_TEXTS, 0)
    parts[None] = 0
    # Clocks of several machines: a moment that would lie before the last one counts as the same.
    latest = changes[0][0]
    for (_, part), (until, _) in pairwise([*changes, (end, "us")]):
        until_then = max(latest, min(until, end))
        parts[part] += until_then - latest
        latest = until_then
    counted = {part: parts[part] for part in _TEXTS}
    return TimeBreakdown(total=sum(counted.values()), **counted)


def _changes(history: NotificationHistory) -> list[tuple[int, Part | None]]:
    """Return from when on the time was whose, in the order of the timeline; never empty. None: nobody waited."""
    changes: list[tuple[int, Part | None]] = []
    for entry in history.entries:
        record = entry.record
        match entry.kind:
            case "final":
                changes.append((entry.at_ms, "upstream"))
            case "event" | "replay":
                changes.append((entry.at_ms, "us"))
            case "dead-letter":
                changes.append((entry.at_ms, "set_aside"))
            case "attempt" if record is not None:
                changes += _changes_of_attempt(entry.at_ms, record)
            case "park" if record is not None:
                changes.append((entry.at_ms, "parked"))
                if record.next_due_at_ms is not None:
                    changes.append((record.next_due_at_ms, "us"))
            case _:
                pass
    return changes or [(history.since_ms, "us")]


def _changes_of_attempt(began_ms: int, record: AttemptRecord) -> list[tuple[int, Part | None]]:
    changes: list[tuple[int, Part | None]] = [(began_ms, "partner")]
    if record.trigger == "event" and record.due_at_ms is not None:
        # When we had read it, where the event itself is not known.
        changes.insert(0, (record.due_at_ms, "us"))
    ended = began_ms if record.ended_at_ms is None else record.ended_at_ms
    if record.decision != "retry":
        # Between an acknowledgement and an operator's resend nobody waits for anything.
        return [*changes, (ended, None if record.decision == "delivered" else "set_aside")]
    changes.append((ended, "agreed"))
    if record.next_due_at_ms is not None:
        changes.append((record.next_due_at_ms, "us"))
    return changes
