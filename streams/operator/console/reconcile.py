"""The reconciliation: what was accepted must have ended or must be waiting. Computed from the topics alone.

Read what the groups have settled first and the topics after it. A record that is settled then has what follows from it
on the topics already: the offset moves last. So the sum needs no tolerance and no patience; what is missing is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from streams.kafka.committed_state import CommittedState
from streams.kafka.format.records import PartitionId
from streams.operator.console.store import ReadModelStore

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The sum. A unit is one arrival on a source topic or on the replay topic.

    Attributes:
        at_ms: when it was made, milliseconds since the epoch.
        since_ms: arrivals from then on are counted: before, the attempts topic no longer says how they ended.
        accepted: units that a worker has taken and settled.
        ended: those of them that were delivered, dead-lettered or absorbed.
        waiting: those that stand on a tier, or on the replay topic after it, and are not settled there.
        arriving: units that no worker has settled yet; no part of the sum.
        oldest_arriving_ms: when the first of them was written, or None.
        missing: units that neither ended nor wait, `topic/partition/offset` of the first ones.
    """

    at_ms: int
    since_ms: int
    accepted: int
    ended: int
    waiting: int
    arriving: int
    oldest_arriving_ms: int | None
    missing: tuple[str, ...]

    @property
    def difference(self) -> int:
        """Accepted minus ended minus waiting; 0, or something is lost or counted twice."""
        return self.accepted - self.ended - self.waiting


def reconcile(
    store: ReadModelStore,
    settled: Mapping[PartitionId, CommittedState],
    begins: Mapping[PartitionId, int],
    at_ms: int,
) -> Reconciliation:
    """Make the sum.

    Args:
        store: has read everything that stood on the topics after `settled` was asked for.
        settled: what the worker's groups have settled, by partition.
        begins: the first offset of each partition of the attempts topic.
        at_ms: the present.
    """
    since = _known_since(store, begins)
    firsts = {tag: _first_handled(store, tag) for tag in settled}
    accepted = ended = waiting = arriving = 0
    oldest: int | None = None
    missing: list[str] = []
    for tag, progress in sorted(settled.items()):
        taken, done = _counts(store, tag, progress, since, firsts.get(tag))
        accepted, ended = accepted + taken, ended + done
    for topic, partition, offset, unit, written in store.rows(
        "SELECT topic, partition, offset, unit, at_ms FROM units WHERE stage < 2 AND topic IS NOT NULL AND at_ms >= ?",
        (since,),
    ):
        tag = (topic, partition)
        if not _is_settled(settled.get(tag), offset):
            arriving += 1
            oldest = written if oldest is None else min(oldest, written)
        elif (first := firsts[tag]) is not None and offset >= first:
            if _is_waiting(store, settled, unit):
                waiting += 1
            elif _was_absorbed(store, f"{topic}/{partition}/{offset}"):
                ended += 1
            else:
                missing.append(f"{topic}/{partition}/{offset}")
    return Reconciliation(
        at_ms, since, accepted, ended, waiting, arriving, oldest, tuple(missing[:_SHOWN])
    )


def _is_waiting(
    store: ReadModelStore, settled: Mapping[PartitionId, CommittedState], unit: str
) -> bool:
    """Tell whether some record of a unit on a tier is not settled."""
    rests = store.rows("SELECT topic, partition, offset FROM rests WHERE unit = ?", (unit,))
    return any(
        not _is_settled(settled.get((topic, partition)), offset)
        for topic, partition, offset in rests
    )


def _was_absorbed(store: ReadModelStore, place: str) -> bool:
    """Tell whether an event that was put back came to nothing as a second copy: that is said of its new place."""
    return store.row("SELECT 1 FROM units WHERE unit = ? AND stage = 2", (place,)) is not None


def _counts(
    store: ReadModelStore,
    tag: PartitionId,
    progress: CommittedState,
    since_ms: int,
    first: int | None,
) -> tuple[int, int]:
    """Return how many arrivals of a partition are settled, and how many of these have ended."""
    if first is None:
        return 0, 0
    taken, done = store.row(
        "SELECT count(*), coalesce(sum(stage = 2), 0) FROM units"
        " WHERE topic = ? AND partition = ? AND offset >= ? AND offset < ? AND at_ms >= ?",
        (*tag, first, progress.offset, since_ms),
    )
    for offset in sorted(progress.finished):
        unit = store.row(
            "SELECT stage = 2 FROM units WHERE topic = ? AND partition = ? AND offset = ? AND at_ms >= ?",
            (*tag, offset, since_ms),
        )
        if unit is not None and offset >= first:
            taken, done = taken + 1, done + unit[0]
    return int(taken), int(done)


def _first_handled(store: ReadModelStore, tag: PartitionId) -> int | None:
    """Return the first offset of a partition of arrivals about which the attempts topic says anything.

    A group may have begun in the middle of a topic (`NOTIFIER_START_FROM`); what stood there before was never accepted.
    """
    row = store.row(
        "SELECT offset FROM units WHERE topic = ? AND partition = ? AND stage > 0 ORDER BY offset LIMIT 1",
        tag,
    )
    return None if row is None else int(row[0])


def _known_since(store: ReadModelStore, begins: Mapping[PartitionId, int]) -> int:
    """Return from when on every attempts record is kept: the latest first record of a partition that lost some."""
    firsts: Iterable[int | None] = (
        store.row(
            "SELECT at_ms FROM facts WHERE topic = ? AND partition = ? ORDER BY offset LIMIT 1", tag
        )[0]
        for tag, begin in begins.items()
        if begin > 0
        and store.row("SELECT 1 FROM facts WHERE topic = ? AND partition = ? LIMIT 1", tag)
    )
    return max((at for at in firsts if at is not None), default=0)


def _is_settled(progress: CommittedState | None, offset: int) -> bool:
    return progress is not None and (offset < progress.offset or offset in progress.finished)
