"""All lanes of one member of a consumer group: opened with a generation, drained, and closed. Pure asyncio."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.lane import FlowControl, Lane
from streams.kafka.consumer.membership import Lease
from streams.kafka.consumer.route import Route
from streams.kafka.format.records import InRecord, PartitionId


class Lanes:
    """All lanes of one consumer group member.

    Attributes:
        generation: whose records are taken; None between two.
        changes: counts up whenever `progress` may have become another; while it stays the same, so does that.
        changed: set at each of them; whoever waits for one clears it.

    Args:
        routes: by topic.
        concurrency: how many records may be handled at once, over all lanes.
        flow: the flow of the partitions.
        now_ms: the clock.
        on_crash: see `Lane`.
        lease: of the member on its partitions.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what each lane is made of
        self,
        routes: Mapping[str, Route],
        concurrency: ConcurrencyLimit,
        flow: FlowControl,
        now_ms: Callable[[], int],
        on_crash: Callable[[BaseException], None],
        lease: Lease,
    ) -> None:
        self._routes = routes
        self._concurrency = concurrency
        self._flow = flow
        self._now_ms = now_ms
        self._on_crash = on_crash
        self._lease = lease
        self._lanes: dict[PartitionId, Lane] = {}
        self.generation: int | None = None
        self._finished_before: Mapping[PartitionId, frozenset[int]] = {}
        self._begins_at: dict[PartitionId, int] = {}
        self._given_up: dict[PartitionId, Lane | None] = {}
        self._retired = False
        self.changes = 0
        self.changed = asyncio.Event()

    def _note_change(self) -> None:
        self.changes += 1
        self.changed.set()

    def __iter__(self) -> Iterator[Lane]:
        """Iterate over the open lanes."""
        return iter(tuple(self._lanes.values()))

    def open(self, generation: int, finished: Mapping[PartitionId, frozenset[int]]) -> None:
        """Begin a generation: from now on its records are taken, and no other's.

        Args:
            generation: of the group.
            finished: for each partition, offsets above the committed one that its former owner has settled.
        """
        if not self._retired:
            self._note_change()
            self.generation = generation
            self._finished_before = finished

    def recalled_of(self, topic: str) -> int:
        """Return how many records below what is committed a new lane of a topic reads again, to remember them."""
        route = self._routes.get(topic)
        return 0 if route is None else route.limits.recalled

    def recall_before(self, partition: PartitionId, committed: int) -> bool:
        """Let a lane that is not open yet only remember the records below what is committed.

        Returns:
            Whether the partition may be read from before: a lane that is open has a memory, and has read on.
        """
        if self.generation is None or partition in self._lanes or partition in self._given_up:
            return False
        self._begins_at[partition] = committed
        return True

    def admit(self, record: InRecord, generation: int) -> None:
        """Hand a record to the lane of its partition. A record of another generation is dropped: it will be read again."""
        partition = (record.topic, record.partition)
        if generation == self.generation and partition not in self._given_up:
            self._lane(partition).admit(record)

    def _lane(self, partition: PartitionId) -> Lane:
        lane = self._lanes.get(partition)
        if lane is None:
            route = self._routes[partition[0]]
            finished = self._finished_before.get(partition, frozenset())
            lane = Lane(
                partition,
                route,
                self._concurrency,
                self._flow,
                self._now_ms,
                self._on_crash,
                self._lease,
                finished,
                self.begins_at(partition),
                self._note_change,
            )
            self._lanes[partition] = lane
        return lane

    def pass_to(self, positions: Mapping[PartitionId, tuple[int, int | None]]) -> None:
        """Take note of how far each partition was read, see `Lane.pass_to`. Nothing happens between two generations."""
        if self.generation is None:
            return
        for partition, (position, last_read) in positions.items():
            if partition not in self._given_up:
                self._lane(partition).pass_to(position, last_read)

    def give_up(self, partitions: Iterable[PartitionId]) -> None:
        """Commit nothing more of partitions in this generation and take no more of their records.

        What is in flight goes on; `drain` waits for it.
        """
        self._note_change()
        for partition in partitions:
            if partition in self._given_up:
                continue
            lane = self._lanes.pop(partition, None)
            if lane is not None:
                lane.stop_starting()
            self._given_up[partition] = lane
            self._begins_at.pop(partition, None)

    def begins_at(self, partition: PartitionId) -> int:
        """Return the offset below which all is settled, where a partition is read from before it; else 0."""
        return self._begins_at.get(partition, 0)

    def is_given_up(self, partition: PartitionId) -> bool:
        """Tell whether a partition was given up in this generation."""
        return partition in self._given_up

    def settled_between(self, partition: PartitionId, first: int, end: int) -> int:
        """Return how many offsets from the first up to, not with, the end the partition's former owner has settled."""
        lane = self._lanes.get(partition)
        ahead = lane.finished_ahead if lane else self._finished_before.get(partition, frozenset())
        return sum(first <= offset < end for offset in ahead)

    def _all(self) -> list[Lane]:
        return [*self._lanes.values(), *(lane for lane in self._given_up.values() if lane)]

    def progress(self) -> dict[PartitionId, CommittedState]:
        """Return, for each partition of which records were read, what may be committed."""
        states = ((partition, lane.progress) for partition, lane in self._lanes.items())
        return {partition: state for partition, state in states if state is not None}

    def pending(self, ends: Mapping[PartitionId, tuple[int, int]]) -> dict[PartitionId, int]:
        """Return how many records are not settled, by partition.

        Markers of transactions count only where they stand in what was not read yet: nobody knows them before.

        Args:
            ends: for each partition, the next offset to read and the one after its last record.
        """
        return {
            partition: self._unsettled(partition, position, end)
            for partition, (position, end) in ends.items()
        }

    def _unsettled(self, partition: PartitionId, position: int, end: int) -> int:
        lane = self._lanes.get(partition)
        position = max(position, self.begins_at(partition))
        unread = end - position - self.settled_between(partition, position, end)
        return (lane.unsettled if lane else 0) + max(0, unread)

    def stage_of(self, topic: str) -> str:
        """Return the name that a topic's stage has in metrics."""
        return self._routes[topic].stage

    def retire(self) -> None:
        """Start nothing new any more, whatever the group assigns: the worker is about to stop."""
        self._retired = True
        self.stop_starting()

    def take_turns(self) -> None:
        """Begin what is due in every lane: the lease that kept them from it is held again."""
        for lane in self:
            lane.take_turn()

    def stop_starting(self) -> None:
        """Start nothing new in this generation; what is in flight goes on."""
        self.generation = None  # or a partition not met so far would begin
        for lane in self._all():
            lane.stop_starting()

    async def drain(self, timeout_seconds: float) -> int:
        """Start nothing new and wait for what is in flight, but no longer than this. Return how many were not done."""
        self.stop_starting()
        tasks = [task for lane in self._all() for task in lane.tasks()]
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=timeout_seconds)
        for lane in self._all():
            lane.abandon()
        return len(late)

    def close(self) -> None:
        """End the generation: the lanes are gone and commit nothing any more."""
        for lane in self._all():
            lane.abandon()
        self._note_change()
        self._lanes.clear()
        self._given_up.clear()
        self._begins_at.clear()
        self._finished_before = {}
        self.generation = None
