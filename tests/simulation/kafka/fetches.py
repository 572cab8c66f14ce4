"""Fetches: answered at once where there are records, else when some come or the time is over."""

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.kafka import wire
from tests.simulation.kafka.fetch_sessions import SLOTS, Asked, FetchSessions, Parts, by_topic
from tests.simulation.kafka.log import NO_ERROR, OUT_OF_RANGE, Batch, Log

if TYPE_CHECKING:
    from tests.simulation.kafka.cluster import Cluster
    from tests.simulation.kafka.session import Session


_FIRST_WITH_SESSIONS: Final = 7


@dataclass(eq=False, slots=True)
class _Waiting:
    """A fetch that waits for records."""

    request: wire.Request
    asked: Asked
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
        self._numbers = count(1)
        self._sessions: dict[int, FetchSessions] = {}
        self.slots = SLOTS

    def take(self, request: wire.Request, session: "Session") -> None:
        """Answer at once where there are records, or else when they come or its time is over."""
        asked = self._asked(request, session.node)
        if asked.error:
            session.reply(request.answer(0, asked.error, 0, ()))
            return
        if self._answer(request, asked, session, forced=False):
            return
        waiting = _Waiting(request, asked, session, {topic for topic, _ in asked.wanted})
        self._waiting[waiting] = None
        waiting.timer = self._cluster.later(request.fields[1] / 1000, self._ends, waiting)

    def _asked(self, request: wire.Request, node: int) -> Asked:
        if request.version >= _FIRST_WITH_SESSIONS:
            return self.sessions(node).asked(request)
        named: Parts = [(topic, asked) for topic, parts in request.fields[5] for asked in parts]
        return Asked(NO_ERROR, named)

    def sessions(self, node: int) -> FetchSessions:
        """Return the sessions that a broker keeps."""
        if node not in self._sessions:
            loop = self._cluster.loop
            self._sessions[node] = FetchSessions(self._numbers, lambda: loop.now, self.slots)
        return self._sessions[node]

    def forget_sessions(self) -> None:
        """Lose all sessions, as brokers do whose room others have taken."""
        for sessions in self._sessions.values():
            sessions.forget()

    def _again(self, waiting: _Waiting) -> None:
        if self._answer(waiting.request, waiting.asked, waiting.session, forced=False):
            self._drop(waiting)

    def _ends(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._drop(waiting)
            self._answer(waiting.request, waiting.asked, waiting.session, forced=True)

    def _drop(self, waiting: _Waiting) -> None:
        self._waiting.pop(waiting, None)
        waiting.timer.cancel()

    def wake(self, topic: str) -> None:
        """Let who waits for records of a topic look again."""
        for waiting in [waiting for waiting in self._waiting if topic in waiting.topics]:
            self._again(waiting)

    def drop_node(self, node: int) -> None:
        """Forget the fetches of a broker that ended, and its sessions."""
        self._sessions.pop(node, None)
        for waiting in [waiting for waiting in self._waiting if waiting.session.node == node]:
            self._drop(waiting)

    def drop_session(self, session: "Session") -> None:
        """Forget the fetches of a connection that ended."""
        for waiting in [waiting for waiting in self._waiting if waiting.session is session]:
            self._drop(waiting)

    def _answer(
        self, request: wire.Request, asked: Asked, session: "Session", *, forced: bool
    ) -> bool:
        read: list[tuple[str, int, int, Log | None, list[Batch]]] = []
        anything = forced
        decided = request.version >= 4 and request.fields[4] == 1
        for topic, wanted in asked.wanted:
            partition, most = wanted[0], wanted[-1]
            offset = wanted[2 if request.version >= 9 else 1]
            error, log = self._cluster.log_of(topic, partition, session.node)
            batches: list[Batch] = []
            if log is not None:
                error, batches = log.read(offset, most, decided=decided)
            anything = anything or bool(batches) or error != NO_ERROR
            read.append((topic, partition, error, log, batches))
        if not anything:
            return False
        parts: Parts = [
            (topic, _part(request.version, partition, error, log, batches, decided=decided))
            for topic, partition, error, log, batches in read
        ]
        if not forced:
            self._cluster.active_at = self._cluster.loop.now
        if request.version >= _FIRST_WITH_SESSIONS:
            session.reply(request.answer(0, *asked.answer(parts)))
        else:
            session.reply(request.answer(0, by_topic(parts)))
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
