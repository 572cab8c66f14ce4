"""What a member knows of its topics from look to look: which became others, and which are gone. Asks nobody itself."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from streams.kafka.admin.topic_ids import Topics

_LOOKS_UNTIL_MISSING: Final = 3
"""A broker that was told late of a new topic says that there is none; so long it may be late."""

_LOOKS_UNTIL_BACK: Final = 20
"""A broker that hears nothing more speaks of the former topic for good, and each look asks any of them: that one alone is not
met so often in a row."""


class TopicWatch:
    """Compares each look with the ones before."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._former_ids: set[str] = set()
        self._only_committed: set[str] = set()  # of these, what no broker has told
        self._seen_again: dict[str, tuple[str, int]] = {}
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

    def note_committed(self, topic_id: str) -> None:
        """Take an id for a former one: something is committed under it, and the brokers tell another.

        Offsets under it may be of the log that was before. So they count for nothing when a broker that was told late speaks of
        it a moment later, which would otherwise look like another new topic.
        """
        if topic_id not in self._former_ids:
            self._former_ids.add(topic_id)
            self._only_committed.add(topic_id)

    def count_former(self, seen: Topics) -> Mapping[str, bool]:
        """Count how often in a row each topic has an id that was taken for a former one. Return those to which it is given back.

        Where a topic was made again twice, and the first broker that was asked knew of both and the next one of the first
        only, the newest id was taken for a former one. So it was where others have committed under it, and the first broker that
        was asked was told late.

        Returns:
            of each of them, whether its log was read under that id before: from its beginning, then, under the id that goes.
        """
        back: dict[str, bool] = {}
        for name, topic in seen.existing.items():
            if topic.id not in self._former_ids:
                self._seen_again.pop(name, None)
                continue
            former, looks = self._seen_again.get(name, ("", 0))
            looks = looks + 1 if former == topic.id else 1
            self._seen_again[name] = topic.id, looks
            if looks == _LOOKS_UNTIL_BACK:
                del self._seen_again[name]
                self._former_ids.remove(topic.id)
                self._former_ids.add(self._ids[name])
                self._ids[name] = topic.id
                back[name] = topic.id not in self._only_committed
                self._only_committed.discard(topic.id)
        return back

    def count_missing(self, topics: Iterable[str], seen: Topics) -> Collection[str]:
        """Count how often each was not found. Return those of which it is certain now and was not before."""
        certain = []
        for topic in topics:
            looks = self._missed.get(topic, 0) + 1 if topic in seen.missing else 0
            self._missed[topic] = looks
            if looks == _LOOKS_UNTIL_MISSING:
                certain.append(topic)
        return certain
