"""The steps of the protocol that can be broken, one by one; unbroken they are the product's own functions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.route import LaneLimits, Route
from streams.kafka.format.records import InRecord, PartitionId
from tests.unit.kit import endless_lease

_TAG: Final = ("topic", 0)
_LIMITS: Final = LaneLimits(max_uncommitted=1000, max_buffered=1000, remembered=1000)


class _Flow:
    """Never stopped: so few records fill no lane."""

    def pause(self, tag: PartitionId) -> None:
        """Fail: a lane was full."""
        raise AssertionError(tag)

    def resume(self, tag: PartitionId) -> None:
        """Fail: a lane was full before."""
        raise AssertionError(tag)


async def _never(*_: object) -> None:
    raise AssertionError


def _record(offset: int) -> InRecord:
    return InRecord(*_TAG, offset, None, None, ())


def _lanes() -> Lanes:
    # A limit of no record at once: lanes begin nothing themselves, so that they need no event loop.
    route = Route("stage", _never, lambda _record: 0, _LIMITS)
    limit = ConcurrencyLimit(0)
    return Lanes({_TAG[0]: route}, limit, _Flow(), lambda: 0, lambda _error: None, endless_lease())


def _lane(
    finished_before: frozenset[int], admitted: tuple[int, ...], settled: frozenset[int]
) -> Lane | None:
    lanes = _lanes()
    lanes.open(1, {_TAG: finished_before})
    for offset in admitted:
        lanes.admit(_record(offset), 1)
    lane = next(iter(lanes), None)
    for slot in tuple(lane._uncommitted) if lane else ():
        if lane and slot.record.offset in settled:
            lane._finish(slot)
    return lane


@cache
def progress(
    finished_before: frozenset[int], admitted: tuple[int, ...], settled: frozenset[int]
) -> CommittedState | None:
    """Return what a lane says may be committed, see `Lane.progress`.

    Args:
        finished_before: what the former owner had settled.
        admitted: what came to the lane since.
        settled: those of them that are settled.
    """
    lane = _lane(finished_before, admitted, settled)
    return lane.progress if lane else None


@cache
def begins(finished_before: frozenset[int], admitted: tuple[int, ...], offset: int) -> bool:
    """Tell whether a lane has a record handled that comes to it; else it takes it for settled, see `Lane.admit`."""
    lane = _lane(finished_before, (*admitted, offset), frozenset())
    return lane is not None and any(slot.record.offset == offset for slot in lane._buffered)


@cache
def admits(generation: int, of: int) -> bool:
    """Tell whether the lanes of a generation take a record that was fetched in another one, see `Lanes.admit`."""
    lanes = _lanes()
    lanes.open(generation, {})
    lanes.admit(_record(0), of)
    return any(lane.held for lane in lanes)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the steps go by.

    Attributes:
        progress: what a lane says may be committed.
        begins: whether a lane has a record handled.
        admits: whether lanes of a generation take a record of another.
        write: an offset and what is finished above it as Kafka keeps it.
        read: the same read back.
        fences: whether the group's coordinator refuses commits of another generation.
        seeks: whether a worker goes to what is committed when it is given partitions.
        drains: whether a worker finishes what is in flight before it lets partitions go.
        commits_after_drain: whether it commits then.
        notes_failed: whether a commit that failed counts as committed.
        commits_old_lanes: whether what lanes said before a rebalance is committed after it.
        settles_when: `written` when every write is acknowledged, `decided` before any is, `stored-first` when the first
            record of a write is stored.
        remembers: whether a deduplicator remembers what was settled.
        locks: whether a second copy waits while the first one is handled.
        counts: whether a record that is written names the attempt that was made.
    """

    progress: Callable[[frozenset[int], tuple[int, ...], frozenset[int]], CommittedState | None] = (
        progress
    )
    begins: Callable[[frozenset[int], tuple[int, ...], int], bool] = begins
    admits: Callable[[int, int], bool] = admits
    write: Callable[[CommittedState], str] = CommittedState.metadata
    read: Callable[[int, str], CommittedState] = CommittedState.read
    fences: bool = True
    seeks: bool = True
    drains: bool = True
    commits_after_drain: bool = True
    notes_failed: bool = False
    commits_old_lanes: bool = False
    settles_when: str = "written"
    remembers: bool = True
    locks: bool = True
    counts: bool = True


OURS: Final = Rules()
"""The product's own steps."""
