"""The states of the small world, as values that can be hashed.

Partitions and workers are numbers from 0; the partitions that are read come first, those that nobody reads here after
them. Records are the worker's own, by their number in `Records`. Sets of small numbers are frozensets.
"""

from typing import NamedTuple

from tests.model.handling import Memory

At = tuple[int, int]
"""A partition and an offset of it."""


class Flight(NamedTuple):
    """A record of a lane that is not settled.

    Attributes:
        offset: of the record.
        told: what its handler was told so far; nothing: it was not begun, or has not reached the partner yet.
        stored: which records of the write that it waits for the broker has.
    """

    offset: int
    told: tuple[str, ...] = ()
    stored: frozenset[int] = frozenset()


class LaneState(NamedTuple):
    """A partition that a worker holds in one generation.

    Attributes:
        position: the next offset to fetch.
        finished_before: what the committed state said was settled above its offset.
        admitted: offsets that came to the lane.
        settled: those of them that are settled.
        flights: those that are not.
        memory: what its deduplicator remembers.
    """

    position: int
    finished_before: frozenset[int]
    admitted: tuple[int, ...] = ()
    settled: frozenset[int] = frozenset()
    flights: tuple[Flight, ...] = ()
    memory: Memory = frozenset()


Text = tuple[int, str]
"""What Kafka keeps of a partition's commit: the offset and the text beside it."""


class Request(NamedTuple):
    """A commit on its way to the group's coordinator.

    Attributes:
        worker: who sent it.
        generation: that its sender believed in; -1 for none.
        states: what it commits, by partition.
    """

    worker: int
    generation: int
    states: tuple[tuple[int, Text], ...]


class Worker(NamedTuple):
    """A worker as it sees itself.

    Attributes:
        status: `member`; `draining` from hearing of a rebalance until its lanes are closed; `joining` after that;
            `left` when it does not come back; `dead`.
        generation: that it was given partitions in.
        lanes: by partition.
        queue: records fetched and not yet handed to lanes: generation, partition, offset.
        waits: whether it waits for a commit's answer; the commit is the last of its requests.
        last: whether the one commit after the drain was tried.
        noted: what it knows to be committed, by partition.
    """

    status: str
    generation: int = 0
    lanes: tuple[tuple[int, LaneState], ...] = ()
    queue: tuple[tuple[int, int, int], ...] = ()
    waits: bool = False
    last: bool = False
    noted: tuple[tuple[int, Text], ...] = ()


class Late(NamedTuple):
    """A record that was given to the producer and that nobody waits for any more; it may still be stored."""

    at: At
    record: int


class Ledger(NamedTuple):
    """What the judge writes down; no step of the world reads it.

    Attributes:
        begun: records whose handling has reached the partner or a write.
        excused: those of them that may be handled again, since a fault came between.
        moved: records whose next place is stored, or that have none.
        reported: records whose attempts record is stored.
        repeated: notifications that may stand in two places, since a record of them was handled or written again.
        told: attempts that partners have seen: notification and number.
        ended: how often notifications were delivered or dead-lettered, one entry each time.
        fault: the first rule that was broken, or nothing.
    """

    begun: frozenset[At] = frozenset()
    excused: frozenset[At] = frozenset()
    moved: frozenset[At] = frozenset()
    reported: frozenset[At] = frozenset()
    repeated: frozenset[str] = frozenset()
    told: frozenset[tuple[str, int]] = frozenset()
    ended: tuple[str, ...] = ()
    fault: str = ""


class State(NamedTuple):
    """Everything.

    Attributes:
        logs: of each partition, its records by number.
        committed: of each partition that is read.
        generation: of the group.
        members: of the group, as its coordinator knows them.
        joined: those that have joined the next generation; None while there is no rebalance.
        workers: all.
        requests: commits under way, in the order in which they were sent.
        late: writes under way that nobody waits for.
        faults: crashes, rebalances and ended sessions that may still come.
        hitches: smaller faults that may still come.
        ledger: the judge's.
    """

    logs: tuple[tuple[int, ...], ...]
    committed: tuple[Text, ...]
    generation: int
    members: frozenset[int]
    joined: frozenset[int] | None
    workers: tuple[Worker, ...]
    requests: tuple[Request, ...]
    late: frozenset[Late]
    faults: int
    hitches: int
    ledger: Ledger
