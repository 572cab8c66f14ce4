"""Where the time of a notification went: whose each part of it was. The parts add up to the whole."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from schemas.attempt_record import AttemptRecord
from streams.history.life import ENDED, Life

Owner = Literal["upstream", "us", "partner", "agreed", "parked", "set_aside"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds by whose they were.

    Attributes:
        upstream: from the payment's end to its event on Kafka: payment core.
        us: from there to the first attempt, and from due times to starts.
        partner: attempts: connecting, sending, waiting for the answer.
        agreed: waits of the ladder.
        parked: waits for room at the destination.
        set_aside: on the dead-letter topic, or after its end, until an operator put it back.
    """

    upstream: int = 0
    us: int = 0
    partner: int = 0
    agreed: int = 0
    parked: int = 0
    set_aside: int = 0

    @property
    def total(self) -> int:
        """The whole time."""
        return self.upstream + self.us + self.partner + self.agreed + self.parked + self.set_aside


def time_spent(life: Life, now_ms: int) -> Spent:
    """Return where the time went, from the payment's end to the notification's end, or to now."""
    changes = _changes(life)
    end = life.since_ms if life.standing in ENDED else now_ms
    parts: dict[Owner, int] = {}
    # Clocks of several machines: a moment that would lie before the last one counts as the same.
    latest = changes[0][0]
    for (_, owner), (until, _) in pairwise([*changes, (end, "us")]):
        until_then = max(latest, min(until, end))
        parts[owner] = parts.get(owner, 0) + until_then - latest
        latest = until_then
    return Spent(**parts)


def _changes(life: Life) -> list[tuple[int, Owner]]:
    """Return from when on the time was whose, in the order of the timeline; never empty."""
    changes: list[tuple[int, Owner]] = []
    for entry in life.entries:
        said = entry.record
        match entry.kind:
            case "final":
                changes.append((entry.at_ms, "upstream"))
            case "event" | "replay":
                changes.append((entry.at_ms, "us"))
            case "dead-letter":
                changes.append((entry.at_ms, "set_aside"))
            case "attempt" if said is not None:
                changes += _changes_of_attempt(entry.at_ms, said)
            case "park" if said is not None:
                changes.append((entry.at_ms, "parked"))
                if said.next_due_at_ms is not None:
                    changes.append((said.next_due_at_ms, "us"))
            case _:
                pass
    return changes or [(life.since_ms, "us")]


def _changes_of_attempt(began_ms: int, said: AttemptRecord) -> list[tuple[int, Owner]]:
    changes: list[tuple[int, Owner]] = [(began_ms, "partner")]
    if said.trigger == "event" and said.due_at_ms is not None:
        changes.insert(
            0, (said.due_at_ms, "us")
        )  # when we had read it, where the event itself is not known
    ended = began_ms if said.ended_at_ms is None else said.ended_at_ms
    if said.decision != "retry":
        return [*changes, (ended, "set_aside")]
    changes.append((ended, "agreed"))
    if said.next_due_at_ms is not None:
        changes.append((said.next_due_at_ms, "us"))
    return changes
