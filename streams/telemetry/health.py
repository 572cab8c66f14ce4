"""Whether the worker is live, and whether it is ready.

Live is about this process alone: a broker outage must not restart the fleet. Ready paces rollouts: the groups were
joined, nothing is stopping, nothing waits for the brokers, the clock agrees with theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

MAX_CLOCK_OFFSET_SECONDS = 1.0
REBALANCE_PATIENCE_SECONDS = (
    60.0  # every worker sees every rebalance; unready at each would flap the whole set
)


@dataclass(slots=True)
class Health:
    """What is known of the worker's health.

    Attributes:
        groups: consumer groups that this worker must join.
        joined: those that gave it partitions, or said that there are none for it.
        rebalancing_since: when partitions were taken away, by group, in seconds of the worker's clock.
        waiting_for_kafka: why the start waits for Kafka, in a sentence, or None.
        stopping: whether the worker is stopping.
        crashed: why it must be restarted, or None.
        zombie: what has looked dead for too long while the broker answers.
        clock_offset_seconds: the broker's clock minus ours.
        refused: why the group's coordinator does not take this worker, by group.
        missing_topics: those that do not exist at the brokers, by group.
        waits: returns for what of the brokers records wait now, one sentence each.
    """

    groups: frozenset[str] = frozenset()
    joined: set[str] = field(default_factory=set)
    rebalancing_since: dict[str, float] = field(default_factory=dict)
    waiting_for_kafka: str | None = None
    stopping: bool = False
    crashed: str | None = None
    zombie: list[str] = field(default_factory=list)
    clock_offset_seconds: float = 0.0
    refused: dict[str, str] = field(default_factory=dict)
    missing_topics: dict[str, frozenset[str]] = field(default_factory=dict)
    waits: Callable[[], list[str]] = list

    def not_live(self) -> list[str]:
        """Return why the process should be restarted; nothing where it should not."""
        return [*([self.crashed] if self.crashed else []), *self.zombie]

    def not_ready(self, now_seconds: float) -> list[str]:
        """Return why it is not ready; nothing where it is."""
        reasons = self.not_live()
        if self.stopping:
            reasons.append("stopping")
        if self.waiting_for_kafka is not None:
            reasons.append(f"waiting for Kafka: {self.waiting_for_kafka}")
        reasons += [f"group {group}: not joined yet" for group in sorted(self.groups - self.joined)]
        reasons += [f"group {group}: {why}" for group, why in sorted(self.refused.items())]
        for group, since in sorted(self.rebalancing_since.items()):
            if now_seconds - since > REBALANCE_PATIENCE_SECONDS:
                reasons.append(f"group {group}: rebalancing for {now_seconds - since:.0f} s")
        for group, topics in sorted(self.missing_topics.items()):
            reasons += [
                f"group {group}: topic {topic} does not exist, expected a topic to read"
                for topic in sorted(topics)
            ]
        reasons += self.waits()
        if abs(self.clock_offset_seconds) > MAX_CLOCK_OFFSET_SECONDS:
            reasons.append(
                f"this machine's clock differs from the broker's by {self.clock_offset_seconds:.1f} s;"
                f" expected at most {MAX_CLOCK_OFFSET_SECONDS:.0f} s (check NTP)"
            )
        return reasons
