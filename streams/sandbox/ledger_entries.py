"""The entries of a rehearsal's ledger: what was produced, what stands on topics, what is wrong, what became of an event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DELIVERED = "delivered"


class FaultKind(StrEnum):
    """What can be wrong, each in words for a report."""

    LOST = "in no place"
    WAITING = "still waiting"
    TWO_PLACES = "in more than one place"
    WRONG_PLACE = "in another place than its script demands"
    BODY = "a body that differs from the first"
    EARLY = "an early attempt"
    LADDER = "an attempt beyond the ladder"
    SKIPPED = "an attempt number that was skipped"
    REPEATED = "more repeats than allowed, or a second ladder"
    SIGNATURE = "a wrong signature"
    STALE = "a signature that is not fresh"
    REQUEST = "a request that a strict partner refuses"
    UNRECORDED = "no attempts record"
    UNHEARD = "an answer noted that the partner never gave"
    STRAY = "of no event that was produced"
    UNREADABLE = "an attempts record that breaks its schema"


@dataclass(frozen=True, slots=True)
class Produced:
    """An event that the broker acknowledged.

    Attributes:
        origin: `topic/partition/offset`; names the event in all that follows from it.
        profile: as the event names it, or empty.
        order_id: or empty, where the event has none that can be read.
        expected: the place where it must end (`delivered`, or a dead letter's reason); empty takes any.
    """

    origin: str
    profile: str = ""
    order_id: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it stands on a topic; its timestamp in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    key: bytes | None = None
    timestamp_ms: int = 0

    @property
    def place(self) -> str:
        """Where it stands: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def origin(self) -> str:
        """The event that it came from: its own place where it names none."""
        return self.headers.get("origin", self.place)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and with which event."""

    kind: FaultKind
    origin: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one event.

    Attributes:
        produced: the event.
        places: where it is: `delivered`, a dead letter's reason, `waiting on <topic>`. Exactly one, when all is well.
        calls: requests that the partner got.
        attempts: the highest attempt number.
        repeats: attempts made again under a number that was made before.
    """

    produced: Produced
    places: tuple[str, ...]
    calls: int
    attempts: int
    repeats: int
