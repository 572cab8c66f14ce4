"""The writes under way: for how long the brokers have taken nothing, and what may be begun meanwhile.

Brokers that refuse writes (too few replicas in sync, a full disk) or answer none may do so for hours, and no new process
would do better: it would only call the partners again for every record that waits.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REFUSED_SECONDS = 60.0
"""A write that is refused is tried again within seconds, and takes 20 s at the most to be told."""

LATE_SECONDS = 10.0
"""A write takes milliseconds; a partition that gets another leader takes up to some seconds."""


class Writes:
    """What waits for the brokers' acknowledgement.

    Args:
        now_seconds: a clock that never goes back.
    """

    def __init__(self, now_seconds: Callable[[], float]) -> None:
        self._now_seconds = now_seconds
        # Since when, and to which topics; the oldest first.
        self._under_way: dict[object, tuple[float, frozenset[str]]] = {}
        self._refused_at = -math.inf

    @contextmanager
    def under_way(self, *topics: str) -> Iterator[None]:
        """Count a write to these topics while it lasts."""
        this = object()
        self._under_way[this] = self._now_seconds(), frozenset(topics)
        try:
            yield
        finally:
            del self._under_way[this]

    @property
    def oldest_since(self) -> float | None:
        """When the oldest write under way was begun, or None where none is."""
        since, _ = next(iter(self._under_way.values()), (None, None))
        return since

    def late_seconds(self) -> float:
        """Return for how long the oldest write has waited, where that is too long; else 0."""
        since = self.oldest_since
        waited = 0.0 if since is None else self._now_seconds() - since
        return waited if waited >= LATE_SECONDS else 0.0

    def late_topics(self) -> frozenset[str]:
        """Return the topics of the writes that have waited too long."""
        before = self._now_seconds() - LATE_SECONDS
        late = (topics for since, topics in self._under_way.values() if since <= before)
        return frozenset[str]().union(*late)

    def note_refusal(self) -> None:
        """Note that the brokers have answered a write with an error; it is tried again."""
        self._refused_at = self._now_seconds()

    def is_refused(self) -> bool:
        """Tell whether the brokers have refused a write within the last minute: then it does not wait for us."""
        return self._now_seconds() - self._refused_at < REFUSED_SECONDS
