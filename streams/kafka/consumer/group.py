"""A consumer group as the worker describes it; what the process does for its application, and that for its consumer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from streams.kafka.connection import Connection
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.membership import Membership
from streams.kafka.consumer.route import Route


class Host(Protocol):
    """What the process around the applications does for them."""

    async def acquire(self) -> None:
        """Start what the applications share, or count one more user of it."""

    async def release(self) -> None:
        """Count one user less; the last stops what is shared."""

    def stop_starting(self) -> float:
        """Begin no new attempt in any application: the worker is about to stop. Returns since when, monotonic seconds."""

    def on_commit_error(self) -> None:
        """Count a commit that failed."""

    def on_crash(self, error: BaseException, what: str) -> None:
        """Note that a handler or a lane raised although it must not; the process ends with 1 and the record is read again.

        Args:
            error: what was raised.
            what: what raised it, as the beginning of a sentence: `a handler raised`.
        """

    def on_assigned(self, group_id: str, partitions: int, of: int) -> None:
        """Note that the group gave us so many of its partitions (perhaps none)."""

    def on_revoked(self, group_id: str) -> None:
        """Note that a rebalance has begun."""

    def on_refused(self, group_id: str, why: str) -> None:
        """Note that the group's coordinator does not take us; it is asked again."""

    def on_forbidden(self, topic: str) -> None:
        """Note that the brokers do not let us read a topic any more; it is asked for again."""

    def on_lost(self, topic: str, offsets: int) -> None:
        """Count offsets of a topic that are gone before anybody settled them."""

    def on_reset(self, topic: str) -> None:
        """Count that a topic is read from its beginning, since it is another log than before."""

    def on_missing(self, group_id: str, topics: Collection[str]) -> None:
        """Note which topics of a group do not exist now."""


@dataclass(frozen=True, slots=True)
class ConsumerGroup:
    """One consumer group and what it reads.

    Attributes:
        group_id: its name at the broker.
        routes: by topic.
        max_concurrency: records handled at once.
        fetch_bytes: the most fetched of one partition at once. Tiers hold back nearly all of their partitions,
            so what is prefetched for them is memory that only waits.
        gives_way: whether another group's records come first: it handles fewer while the process is busy, and takes
            what it has read one by one.
        between_fetches_seconds: from one fetch to the next, at least. Before each all partitions are looked through, so
            to fetch single records from many partitions costs more than all the rest of them.
        sources: those of its topics that others make, write and delete.
    """

    group_id: str
    routes: Mapping[str, Route]
    max_concurrency: int
    fetch_bytes: int
    gives_way: bool = False
    between_fetches_seconds: float = 0.0
    sources: frozenset[str] = frozenset()


class StandingReport(Protocol):
    """What the application is told of topics that were lost, reset, deleted or forbidden."""

    def on_forbidden(self, topic: str) -> None:
        """Note that the brokers do not let us read a topic any more."""

    def on_lost(self, topic: str, offsets: int) -> None:
        """Note that so many offsets of a topic are gone that nobody had settled."""

    def on_reset(self, topic: str) -> None:
        """Note that a topic is read from its beginning, since it is not the log any more that was read before."""

    def on_missing(self, topics: Collection[str]) -> None:
        """Note which topics do not exist now."""

    def pending_of(self, topic: str) -> int | None:
        """Return how many records of a topic were not settled when it was looked last, or None."""


class ConsumerApp(StandingReport, Protocol):
    """What the consumer asks of the application."""

    connection: Connection
    between_fetches_seconds: float
    gives_way: bool
    lanes: Lanes
    membership: Membership
    sources: frozenset[str]
    consumer_generation_id: int

    def on_rebalance_start(self) -> None:
        """Note that partitions are about to go."""

    async def before_revoke(self) -> None:
        """Finish what is in flight. Never raises."""

    def after_assign(self, partitions: int, of: int) -> None:
        """Note how many of the group's partitions came."""

    def on_refused(self, error: Exception) -> None:
        """Note that the group's coordinator does not take us."""

    def on_commit_error(self) -> None:
        """Note that a commit failed."""
