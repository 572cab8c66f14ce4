"""What a lane is told of its topic: who handles the records, when they are due, and how many there may be at once."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from streams.kafka.consumer.deduplication import Deduplicator
from streams.kafka.consumer.membership import Lease
from streams.kafka.format.records import InRecord


class NotYet(Exception):  # noqa: N818  # what it says
    """Raised by who handles a record: it can't be handled now, through no fault of its own, and is begun again later.

    The record keeps no place meanwhile, and the offset of its partition stays before it.
    Of a lane's records that wait for the same thing one is begun again, to look for it, and the others once it was found:
    thousands would else look at the same moment, again and again.

    Attributes:
        seconds: until it is begun again.
        why: in one token; None where it waits only for a moment.
        what: it waits for.
    """

    def __init__(self, seconds: float, why: str | None, what: Hashable) -> None:
        self.seconds = seconds
        self.why = why
        self.what = what
        super().__init__(f"not for {seconds:g} s: {why}")


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much of a partition may be taken at once.

    Attributes:
        max_uncommitted: records read and not yet acknowledged; bounds what a SIGKILL repeats.
        max_buffered: records held that are not yet due or not yet begun.
        remembered: settled records whose copies are recognised.
        recalled: records below the committed offset that a new lane reads again, to remember them.
    """

    max_uncommitted: int
    max_buffered: int
    remembered: int
    recalled: int = 0


def _note_nothing(_offset: int) -> None:
    """Of a lane in which nothing waits."""


@dataclass(frozen=True, slots=True)
class LaneContext:
    """What a lane gives to whoever handles its records.

    Attributes:
        deduplicator: of the lane's settled records.
        lease: on the lane's partition.
        found: to be called with a record's offset once it needs wait for nothing any more, see `NotYet`.
    """

    deduplicator: Deduplicator
    lease: Lease
    found: Callable[[int], None] = _note_nothing


def _remember_nothing(_record: InRecord, _deduplicator: Deduplicator) -> None:
    """Let a new lane begin without a memory."""


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to the records of one topic.

    Attributes:
        stage: its name in metrics.
        handle: settles a record; returns when its next place is acknowledged; raises nothing but `NotYet`, and `Held`
            where it is begun again in its turn.
        due_at_ms: when a record may be handled, milliseconds since the epoch.
        limits: how many at once.
        recall: remembers a record that was settled before the lane was opened, so that a second copy is recognised, and
            does nothing else with it.
    """

    stage: str
    handle: Callable[[InRecord, LaneContext], Awaitable[None]]
    due_at_ms: Callable[[InRecord], int]
    limits: LaneLimits
    recall: Callable[[InRecord, Deduplicator], None] = _remember_nothing
