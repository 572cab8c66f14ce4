"""What a member knows of its topics from look to look: which became others, and which are gone. Asks nobody itself."""

from collections.abc import Collection, Iterable
from typing import Final

from streams.kafka.admin.topic_ids import Topics

_LOOKS_UNTIL_MISSING: Final = 3
"""A broker that was told late of a new topic says that there is none; so long it may be late."""


class TopicWatch:
    """Compares each look with the ones before."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._former_ids: set[str] = set()
        self._partitions: dict[str, int] = {}
        self._missed: dict[str, int] = {}
        self.changed: set[str] = set()
        """Topics that became others, until somebody takes note of it."""

    def id(self, topic: str) -> str:
        """Return a topic's id as last seen, or nothing where it is not known."""
        return self._ids.get(topic, "")

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic had when it was seen last; 0 for one that is missing."""
        return self._partitions.get(topic, 0)

    @property
    def absent(self) -> frozenset[str]:
        """Topics that the last look did not find."""
        return frozenset(topic for topic, looks in self._missed.items() if looks)

    @property
    def missing(self) -> Collection[str]:
        """Topics that several looks have not found."""
        return [topic for topic, looks in self._missed.items() if looks >= _LOOKS_UNTIL_MISSING]

    def take(self, seen: Topics) -> Collection[str]:
        """Take over the topics' ids. Return those whose id was not known before."""
        self._partitions = {name: topic.partitions for name, topic in seen.existing.items()}
        learned = []
        for name, topic in seen.existing.items():
            old = self._ids.get(name, "")
            # A broker that was told late still speaks of the topic that was.
            if topic.id in {"", old} or topic.id in self._former_ids:
                continue
            self._ids[name] = topic.id
            if old:
                self._former_ids.add(old)
                self.changed.add(name)
            else:
                learned.append(name)
        return learned

    def count_missing(self, topics: Iterable[str], seen: Topics) -> Collection[str]:
        """Count how often each was not found. Return those of which it is certain now and was not before."""
        certain = []
        for topic in topics:
            looks = self._missed.get(topic, 0) + 1 if topic in seen.missing else 0
            self._missed[topic] = looks
            if looks == _LOOKS_UNTIL_MISSING:
                certain.append(topic)
        return certain
