"""The process around the applications: what they tell of their groups becomes health, metrics and limits."""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from streams.admission.admission import Admission
from streams.clock import Clock
from streams.kafka.consumer.app import NotifierApp
from streams.telemetry.health import Health
from streams.telemetry.logs import EveryMinute
from streams.telemetry.metrics import Metrics
from streams.worker.services import SharedServices

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WorkerHost:
    """Implements `streams.kafka.consumer.group.Host`.

    Attributes:
        admission: whose limits follow the partitions that the worker holds.
        metrics: where it is counted.
        health: which probes ask.
        clock: the worker's.
        apps: the applications, known once they are built.
        services: what they share, known once it is built.
    """

    admission: Admission
    metrics: Metrics
    health: Health
    clock: Clock
    apps: Sequence[NotifierApp] = field(init=False, default=())
    services: SharedServices = field(init=False)
    _held: dict[str, float] = field(init=False, default_factory=dict)
    _users: int = field(init=False, default=0)
    _stopping_since: float = field(init=False, default=0.0)
    _often: EveryMinute = field(init=False, default_factory=EveryMinute)

    async def acquire(self) -> None:
        """Start what is shared, or count one more user of it."""
        self._users += 1
        if self._users == 1:
            await self.services.start()

    async def release(self) -> None:
        """Count one user less; the last stops what is shared."""
        self._users -= 1
        if not self._users:
            await self.services.stop()

    def stop_starting(self) -> float:
        """Begin no new attempt in any application: they stop one after the other, but their calls end together.

        Returns:
            When that was said first, seconds of the monotonic clock.
        """
        if not self.health.stopping:
            self.health.stopping = True
            self._stopping_since = time.monotonic()
            for app in self.apps:
                app.lanes.retire()
        return self._stopping_since

    def waits_for_kafka(self, why: str | None) -> None:
        """Note what keeps the start waiting for Kafka, or, with None, that it waits no longer."""
        self.health.waiting_for_kafka = why

    def on_commit_error(self) -> None:
        """Count a commit that failed."""
        self.metrics.commit_errors.inc()

    def on_assigned(self, group_id: str, partitions: int, of: int) -> None:
        """Note that the group gave us so many of its partitions."""
        # First attempts and retries come from two groups, in one worker or in two; each group has half of a
        # destination's limits, and a worker the part of it that its partitions are.
        self._held[group_id] = partitions / of if of else 0.0
        self.admission.share = sum(self._held.values()) / 2
        self.health.joined.add(group_id)
        self.health.rebalancing_since.pop(group_id, None)
        self.health.refused.pop(group_id, None)
        self.metrics.partitions.labels(group_id).set(partitions)
        log.info("group %s: holds %s partitions", group_id, partitions)

    def on_revoked(self, group_id: str) -> None:
        """Note that a rebalance has begun."""
        self.health.rebalancing_since[group_id] = self.clock.now_seconds()
        self.metrics.rebalances.labels(group_id).inc()
        self.metrics.partitions.labels(group_id).set(0)

    def on_refused(self, group_id: str, why: str) -> None:
        """Note that the group's coordinator does not take us, and say so once a minute; it is asked again."""
        self.health.refused[group_id] = why
        if self._often.is_due(group_id, self.clock.now_seconds()):
            log.error("group %s: %s", group_id, why)

    def on_forbidden(self, topic: str) -> None:
        """Say once a minute that the brokers do not let us read a topic any more; it is asked for again."""
        if self._often.is_due(topic, self.clock.now_seconds()):
            log.error(
                "topic %s may not be read by this worker's principal any more, expected the right Read on it: nothing of it"
                " is read until the right is given again, and all else goes on",
                topic,
            )

    def on_lost(self, topic: str, offsets: int) -> None:
        """Count offsets of a topic that are gone before anybody settled them."""
        self.metrics.lost_offsets.labels(topic).inc(offsets)

    def on_reset(self, topic: str) -> None:
        """Count that a topic is read from its beginning, since it is another log than before."""
        self.metrics.topic_resets.labels(topic).inc()

    def on_missing(self, group_id: str, topics: Collection[str]) -> None:
        """Note which topics of a group do not exist now: no rollout goes on over that."""
        self.health.missing_topics[group_id] = frozenset(topics)
        self.metrics.missing_topics.labels(group_id).set(len(topics))

    def on_crash(self, error: BaseException, what: str) -> None:
        """Note that an application is crashing."""
        self.health.crashed = f"{what} {type(error).__name__}"
