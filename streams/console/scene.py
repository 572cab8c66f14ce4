"""What every question to the read model needs: the store, the reading that keeps it, the clock, the settings that count."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.console.ingest import STALE_SECONDS, Ingest
from streams.console.model import AsOf, Sum
from streams.console.store import Store
from streams.history.assessment import Limits
from streams.kafka.topics import TopicNames


@dataclass(frozen=True, slots=True)
class Scene:
    """What the console is about.

    Attributes:
        store: the read model.
        ingest: what keeps it up to date.
        names: our topics.
        source_topics: payment core's.
        limits: from the settings, in milliseconds.
        now_ms: the clock.
    """

    store: Store
    ingest: Ingest
    names: TopicNames
    source_topics: tuple[str, ...]
    limits: Limits
    now_ms: Callable[[], int]

    @property
    def overdue_before_ms(self) -> int:
        """What is due since before then and has not been attempted is late, even if a call was begun in time."""
        return self.now_ms() - self.limits.overdue_after - self.limits.attempt_timeout

    def as_of(self) -> AsOf:
        """Return how true the model is now."""
        fresh = self.ingest.freshness
        return AsOf(
            at_ms=self.now_ms(),
            caught_up_ms=fresh.caught_up_ms,
            behind=fresh.behind,
            rebuilding=fresh.rebuilding,
            percent=fresh.percent,
            fault=fresh.fault,
        )

    def is_stale(self) -> bool:
        """Tell whether answers may be wrong: being rebuilt, or more than half a minute behind."""
        fresh = self.ingest.freshness
        return fresh.rebuilding or self.now_ms() - fresh.caught_up_ms > STALE_SECONDS * 1000

    def sum(self) -> Sum | None:
        """Return the newest reconciliation, or None before the first."""
        made = self.ingest.reconciliation
        if made is None:
            return None
        return Sum(
            at_ms=made.at_ms,
            since_ms=made.since_ms,
            accepted=made.accepted,
            ended=made.ended,
            waiting=made.waiting,
            arriving=made.arriving,
            difference=made.difference,
            missing=made.missing,
        )
