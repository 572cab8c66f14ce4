"""Fetches: answered at once where there are records, else when some come or the time is over."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.kafka import wire
from tests.simulation.kafka.log import NO_ERROR, OUT_OF_RANGE, Batch, Log

if TYPE_CHECKING:
    from tests.simulation.kafka.cluster import Cluster
    from tests.simulation.kafka.session import Session


@dataclass(eq=False, slots=True)
class _Waiting:
    """A fetch that waits for records."""

    request: wire.Request
    session: "Session"
    topics: set[str]
    timer: Any = None


class Fetches:
    """The fetches that wait.

    Args:
        cluster: whose.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._waiting: dict[_Waiting, None] = {}

    def take(self, request: wire.Request, session: "Session") -> None:
        """Answer at once where there are records, or else when they come or its time is over."""
        if self._answer(request, session, forced=False):
            return
        waiting = _Waiting(request, session, {topic for topic, _ in self._fetched(request)})
        self._waiting[waiting] = None
        waiting.timer = self._cluster.later(request.fields[1] / 1000, self._ends, waiting)

    @staticmethod
    def _fetched(request: wire.Request) -> list[Any]:
        index = 7 if request.version >= 7 else 5
        found: list[Any] = request.fields[index]
        return found

    def _again(self, waiting: _Waiting) -> None:
        if self._answer(waiting.request, waiting.session, forced=False):
            self._drop(waiting)

    def _ends(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._drop(waiting)
            self._answer(waiting.request, waiting.session, forced=True)

    def _drop(self, waiting: _Waiting) -> None:
        self._waiting.pop(waiting, None)
        waiting.timer.cancel()

    def wake(self, topic: str) -> None:
        """Let who waits for records of a topic look again."""
        for waiting in [waiting for waiting in self._waiting if topic in waiting.topics]:
            self._again(waiting)

    def drop_node(self, node: int) -> None:
        """Forget the fetches of a broker that ended."""
        for waiting in [waiting for waiting in self._waiting if waiting.session.node == node]:
            self._drop(waiting)

    def drop_session(self, session: "Session") -> None:
        """Forget the fetches of a connection that ended."""
        for waiting in [waiting for waiting in self._waiting if waiting.session is session]:
            self._drop(waiting)

    def _answer(self, request: wire.Request, session: "Session", *, forced: bool) -> bool:
        topics: list[tuple[str, tuple[Any, ...]]] = []
        anything = forced
        decided = request.version >= 4 and request.fields[4] == 1
        for topic, partitions in self._fetched(request):
            parts = []
            for asked in partitions:
                partition, most = asked[0], asked[-1]
                offset = asked[2 if request.version >= 9 else 1]
                error, log = self._cluster.log_of(topic, partition, session.node)
                batches: list[Batch] = []
                if log is not None:
                    error, batches = log.read(offset, most, decided=decided)
                anything = anything or bool(batches) or error != NO_ERROR
                parts.append(
                    _part(request.version, partition, error, log, batches, decided=decided)
                )
            topics.append((topic, tuple(parts)))
        if not anything:
            return False
        if not forced:
            self._cluster.active_at = self._cluster.loop.now
        head = [0, 0, 0] if request.version >= 7 else [0]
        session.reply(request.answer(*head, tuple(topics)))
        return True


def _part(  # noqa: PLR0913  # what the answer says
    version: int,
    partition: int,
    error: int,
    log: Log | None,
    batches: list[Batch],
    *,
    decided: bool,
) -> tuple[Any, ...]:
    raw = b"".join(batch.raw for batch in batches)
    replicated, stable, start, aborted = -1, -1, -1, None
    if log is not None and error in {NO_ERROR, OUT_OF_RANGE}:
        replicated, stable, start = log.replicated, log.stable, log.start
        if decided and batches:
            first, last = batches[0].first, batches[-1].last
            aborted = tuple(
                (producer, began)
                for producer, began, marker in log.aborted
                if marker >= first and began <= last
            )
    middle = [start] if version >= 5 else []
    nearby = [-1] if version >= 11 else []
    return (partition, error, replicated, stable, *middle, aborted, *nearby, raw)
