"""What a world leaves behind: the events of payment core, the records on topics, and what was committed of them.

A topic that is deleted and made again is another log under the same name, and its offsets begin anew: events of both have
the same `topic/partition/offset`. Here every log has a name of its own. The one that is there at the end has that of its
topic; those before it are `TOPIC~1`, `TOPIC~2` and so on, in all that names them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from streams.kafka.committed_state import CommittedState
from streams.sandbox.ledger import Kept, Produced
from tests.faults.commits import Commit
from tests.simulation.kafka.cluster import Cluster, Topic
from tests.simulation.kafka.log import Log, records_of

Tag = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Event:
    """An event, and the log that it was written to."""

    topic: Topic
    produced: Produced


@dataclass(frozen=True, slots=True)
class Again:
    """An event that was written once more.

    Attributes:
        origin: where it stands.
        first: where it stood first.
        order_id: of its payment.
        differs: whether it has other bytes, or says another outcome of the same order.
    """

    origin: str
    first: str
    order_id: str
    differs: bool


@dataclass(frozen=True, slots=True)
class _Deleted:
    """A topic that was deleted: its name, when, and what was settled of each of its partitions by then."""

    name: str
    topic: Topic
    at_ms: int
    settled: list[CommittedState]


class Evidence:
    """Collects it.

    Args:
        cluster: the brokers.
        attempts: the topic of attempts records.
    """

    def __init__(self, cluster: Cluster, attempts: str) -> None:
        self._cluster, self._attempts = cluster, attempts
        self._events: list[_Event] = []
        self._again: list[tuple[_Event, bool]] = []
        self._deleted: list[_Deleted] = []

    # --- while the world runs -------------------------------------------------------------------------

    @property
    def written(self) -> int:
        """How many events payment core has written, each time counted."""
        return len(self._events) + len(self._again)

    def write_down(self, topic: str, produced: Produced) -> None:
        """Note an event that was written to a topic."""
        self._events.append(_Event(self._cluster.topics[topic], produced))

    def write_again(self, topic: str, produced: Produced, *, differs: bool) -> None:
        """Note an event that was written once more."""
        self._again.append((_Event(self._cluster.topics[topic], produced), differs))

    def delete(self, name: str) -> None:
        """Delete a topic, and keep what stood on it and how much of that was settled."""
        topic = self._cluster.topics[name]
        states = self._states()
        settled = [
            states.get((name, number), CommittedState(0)) for number in range(len(topic.logs))
        ]
        self._deleted.append(_Deleted(name, topic, self._cluster.now_ms(), settled))
        self._cluster.delete(name)

    def committed(self) -> dict[Tag, int]:
        """Return the offset below which all is settled of each partition that there is now."""
        return {tag: state.offset for tag, state in self._states().items()}

    def _states(self) -> dict[Tag, CommittedState]:
        """Return what is committed; what is of a topic that was deleted counts for nothing."""
        found = {}
        for group in self._cluster.groups.values():
            for tag, committed in group.committed.items():
                topic, state = self._cluster.topics.get(tag[0]), CommittedState.read(*committed)
                if topic and state.topic_id in {"", self._cluster.id_of(topic)}:
                    found[tag] = state
        return found

    # --- at its end -----------------------------------------------------------------------------------

    def settled(self) -> dict[Tag, int]:
        """Return the offset below which nothing waits, of each partition: what was deleted does not wait any more."""
        return self.committed() | {
            (self._name(one.name, one.topic), number): log.end
            for one in self._deleted
            for number, log in enumerate(one.topic.logs)
        }

    def produced(self) -> list[Produced]:
        """Return the events, each under the name of its log."""
        return [
            replace(one.produced, origin=self._renamed(one.produced.origin, one.topic))
            for one in self._events
        ]

    def again(self) -> list[Again]:
        """Return those that were written once more, each under the name of its log."""
        firsts = {one.order_id: one.origin for one in self.produced()}
        return [
            Again(
                self._renamed(one.produced.origin, one.topic),
                firsts[one.produced.order_id],
                one.produced.order_id,
                differs,
            )
            for one, differs in self._again
        ]

    def kept(self) -> list[Kept]:
        """Return all records."""
        logs = [(one.name, one.topic) for one in self._deleted]
        kept = [
            record
            for name, topic in (*logs, *self._cluster.topics.items())
            for number, log in enumerate(topic.logs)
            for record in _records(self._name(name, topic), number, log)
        ]
        if not self._deleted:
            return kept
        origins = {
            (one.produced.origin, one.produced.order_id): self._renamed(
                one.produced.origin, one.topic
            )
            for one in (*self._events, *(event for event, _ in self._again))
        }
        return [self._of_its_log(record, origins) for record in kept]

    def commits(self) -> dict[Tag, list[Commit]]:
        """Return every commit, by the log that it is about."""
        found: dict[Tag, list[Commit]] = {}
        for group in self._cluster.groups.values():
            for (topic, partition), commits in group.history.items():
                for commit in commits:
                    tag = self._log_of(topic, commit), partition
                    found.setdefault(tag, []).append(commit)
        return found

    def gone(self, kept: Iterable[Kept]) -> frozenset[str]:
        """Return the events of which something was deleted that nobody had settled: nobody can go on with those.

        Args:
            kept: all records.
        """
        places = {
            f"{self._name(one.name, one.topic)}/{number}/{offset}"
            for one in self._deleted
            for number, (log, state) in enumerate(zip(one.topic.logs, one.settled, strict=True))
            for offset in range(state.offset, log.end)
            if offset not in state.finished
        }
        return frozenset(record.origin for record in kept if record.place in places)

    def _name(self, name: str, topic: Topic) -> str:
        before = [one.topic for one in self._deleted if one.name == name]
        return f"{name}~{before.index(topic) + 1}" if topic in before else name

    def _renamed(self, origin: str, topic: Topic) -> str:
        name, partition, offset = origin.rsplit("/", 2)
        return f"{self._name(name, topic)}/{partition}/{offset}"

    def _log_of(self, name: str, commit: Commit) -> str:
        own = commit.progress.topic_id
        for one in self._deleted:
            if one.name == name and (
                own == self._cluster.id_of(one.topic) or (not own and commit.at_ms <= one.at_ms)
            ):
                return self._name(name, one.topic)
        return name

    def _of_its_log(self, record: Kept, origins: dict[tuple[str, str], str]) -> Kept:
        if record.topic == self._attempts:
            entry: dict[str, Any] = json.loads(record.value or b"")
            named = entry.get("origin") or "", entry.get("order_id") or ""
            if named not in origins:
                return record
            return replace(record, value=json.dumps(entry | {"origin": origins[named]}).encode())
        named = record.headers.get("origin", ""), (record.key or b"").decode()
        if named not in origins:
            return record
        return replace(record, headers={**record.headers, "origin": origins[named]})


def _records(topic: str, number: int, log: Log) -> Iterator[Kept]:
    aborted = {producer: (first, marker) for producer, first, marker in log.aborted}
    for batch in log.batches:
        first, marker = aborted.get(batch.producer, (0, -1))
        if batch.control or (batch.transactional and first <= batch.first < marker):
            continue
        for found in records_of(batch):
            yield Kept(
                topic, number, found.offset, found.value,
                {name: (value or b"").decode(errors="replace") for name, value in found.headers},
                found.key, batch.at_ms,
            )  # fmt: skip
