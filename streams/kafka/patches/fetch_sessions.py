"""Lets a consumer's fetches name what has changed, and their answers what is new (incremental fetch sessions, KIP-227).

Upstream: none filed known in aiokafka; kafka-python's pull request 2508 is the like of it.

Why: aiokafka names all partitions in each fetch, and the broker answers with all of them. With some 190 partitions that
was three quarters of what a fetch cost, and a third of what an idle worker did. In a session the broker remembers what was
asked of it: a fetch names what is new, moved on or no longer wanted, and an answer leaves out what has nothing to say.

Remove when: aiokafka keeps incremental fetch sessions.

What an answer leaves out must have been heard. So a session begins anew, with a fetch that names everything, after each
fetch whose answer did not come to the fetcher whole: an error, a time-out, a cancelled fetch, a partition that has moved
meanwhile; and for each assignment, since it knows nothing of the one before.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    FetchSessionIdNotFound,
    InvalidFetchSessionEpoch,
    KafkaError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest

log = logging.getLogger(__name__)

REPLACES: Final = (
    "aiokafka.consumer.fetcher.Fetcher._proc_fetch_request",
    "aiokafka.client.AIOKafkaClient.send",
)

_FIRST_VERSION: Final = 7
"""Of fetches that know sessions: Kafka 1.1."""
_LAST_EPOCH: Final = 2**31 - 1
_ENDED: Final = frozenset({FetchSessionIdNotFound.errno, InvalidFetchSessionEpoch.errno})

_Topics = Collection[tuple[str, Collection[tuple[int, ...]]]]
"""By topic, its partitions: tuples whose first member is the partition's number."""


class UnexpectedAnswer(KafkaError):  # type: ignore[misc]  # noqa: N818  # aiokafka ships no types; what it is
    """An answer about partitions that were not asked for."""


class FetchSession:
    """A session at one broker: what it was told, and what to tell it next.

    Attributes:
        number: the broker's name for it; 0 while there is none.
        epoch: of the next fetch, counted up with each answer; 0 for one that names everything and begins anew.
    """

    def __init__(self) -> None:
        self.number = 0
        self.epoch = 0
        self._told: dict[str, set[tuple[int, ...]]] = {}

    def ask(self, topics: _Topics) -> tuple[_Topics, list[tuple[str, list[int]]]]:
        """Return what the next fetch has to name of all that is wanted, and the partitions that are wanted no more.

        It is taken for told: who does not come to an answer calls `begin_anew`.
        """
        # Compared topic by topic: the fetcher shuffles partitions each time, and Python's own sets do not mind.
        told, self._told = self._told, {topic: set(parts) for topic, parts in topics}
        if self.epoch == 0:
            return topics, []
        named: list[tuple[str, Collection[tuple[int, ...]]]] = []
        forgotten: list[tuple[str, list[int]]] = []
        if told != self._told:
            for topic, wanted in self._told.items():
                before = told.pop(topic, set())
                if wanted != before:
                    changed = wanted - before
                    gone = _numbers(before - wanted) - _numbers(changed)
                    if changed:
                        named.append((topic, sorted(changed)))
                    if gone:
                        forgotten.append((topic, sorted(gone)))
            forgotten += [(topic, sorted(_numbers(before))) for topic, before in told.items()]
        return named, forgotten

    def begin_anew(self) -> None:
        """Let the next fetch name everything; with it the broker ends the session that it may still have."""
        self.epoch = 0

    def take(self, code: int, number: int, topics: _Topics) -> bool:
        """Note an answer to what was asked last.

        Args:
            code: the error of the whole answer, 0 for none.
            number: of the session; 0 where the broker has none, or none any more.
            topics: what it is about.

        Returns:
            Whether the broker knew the session. If not, nothing came, and the next fetch names everything.

        Raises:
            KafkaError: the broker refused a fetch that named everything, or for another reason; or it speaks of
                partitions that it was not asked for.
        """
        epoch, self.epoch = self.epoch, 0
        if code:
            if code == FetchSessionIdNotFound.errno:
                self.number = 0
            if epoch and code in _ENDED:
                return False
            raise for_code(code)
        for topic, parts in topics:
            if not _numbers(parts) <= _numbers(self._told.get(topic, ())):
                message = f"an answer about partitions of {topic} that were not fetched"
                raise UnexpectedAnswer(message)
        # A broker that has no room for sessions says 0, and so does one that makes a consumer wait for its quota; the
        # answer to that is empty. What a first answer left out was not heard.
        goes_on = number == self.number if epoch else _count(topics) == _count(self._told.items())
        if number and goes_on:
            self.epoch = epoch % _LAST_EPOCH + 1
        self.number = number
        return True


def _numbers(partitions: Collection[tuple[int, ...]]) -> set[int]:
    return {partition[0] for partition in partitions}


def _count(topics: _Topics) -> int:
    return sum(len(partitions) for _, partitions in topics)


class SessionFetch:
    """A fetch of everything that is wanted, which tells the broker what that does not know.

    Args:
        whole: as the fetcher made it.
        session: at the broker that it goes to.
        state_of: returns what the fetcher knows of a partition.

    Attributes:
        was_heard: whether its answer came, and all of it is news to the fetcher.
    """

    API_KEY: Final[int] = FetchRequest.API_KEY

    def __init__(
        self,
        whole: FetchRequest,
        session: FetchSession,
        state_of: Callable[[TopicPartition], Any],
    ) -> None:
        self._whole, self._session, self._state_of = whole, session, state_of
        self._wanted: _Topics = whole.topics
        self.was_heard = False

    @property
    def topics(self) -> _Topics:
        """What was wanted; once there is an answer, of the topics that it speaks of: there the fetcher looks it up."""
        return self._wanted

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:  # noqa: ANN401  # aiokafka ships no types
        """Return what goes over the wire, as any request of aiokafka's does.

        Args:
            versions: the least and the latest that the broker speaks, by the number of the request.

        Raises:
            IncompatibleBrokerVersion: it speaks none.
        """
        whole, session = self._whole, self._session
        _, latest = versions.get(self.API_KEY, (0, 0))
        if latest < _FIRST_VERSION:
            return whole.prepare(versions)
        whole._topics, forgotten = session.ask(self._wanted)  # noqa: SLF001  # what it names
        built = whole.prepare(versions)
        built.session_id, built.session_epoch = session.number, session.epoch
        built.forgotten_topics_data = forgotten
        return built

    def take(self, answer: Any, node_id: int) -> None:  # noqa: ANN401
        """Note the answer, before the fetcher looks at it.

        Raises:
            KafkaError: see `FetchSession.take`.
        """
        if answer.API_VERSION < _FIRST_VERSION:
            return
        if not self._session.take(answer.error_code, answer.session_id, answer.topics):
            log.info("broker %s has ended a fetch session, another begins", node_id)
            return
        wanted = dict(self._wanted)
        self._wanted = [(topic, wanted[topic]) for topic in dict(answer.topics)]
        self.was_heard = all(
            self._is_news(topic, _numbers(partitions), wanted[topic])
            for topic, partitions in answer.topics
        )

    def _is_news(self, topic: str, answered: set[int], wanted: Collection[tuple[int, ...]]) -> bool:
        """Tell whether the fetcher takes what an answer says of a topic: partitions that have moved meanwhile it passes over."""
        offsets = {number: offset for number, offset, _ in wanted}
        for number in answered:
            state = self._state_of(TopicPartition(topic, number))
            if not state.has_valid_position or state.position != offsets[number]:
                return False
        return True


class SessionFetches:
    """Makes fetches in sessions, one for each broker.

    Args:
        fetch: makes one, as aiokafka's fetcher does.
    """

    def __init__(self, fetch: Callable[[Any, int, Any], Awaitable[bool]]) -> None:
        self._fetch = fetch
        self._sessions: dict[int, FetchSession] = {}
        self._assignments: dict[int, Any] = {}
        self._busy: set[int] = set()

    async def __call__(self, assignment: Any, node_id: int, request: FetchRequest) -> bool:  # noqa: ANN401
        """Make one. Returns whether records came."""
        if node_id in self._busy:
            # While an offset is looked up at a broker, aiokafka may make a second fetch there: one without a session.
            return await self._fetch(assignment, node_id, request)
        session = self._sessions.setdefault(node_id, FetchSession())
        if self._assignments.get(node_id) is not assignment:
            session.begin_anew()
            self._assignments[node_id] = assignment
        fetch = SessionFetch(request, session, assignment.state_value)
        self._busy.add(node_id)
        try:
            return await self._fetch(assignment, node_id, fetch)
        finally:
            self._busy.discard(node_id)
            if not (fetch.was_heard and assignment.active):
                session.begin_anew()


def _hearing(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a client's `send` that lets fetches of ours note their answers."""

    async def send_and_hear(node_id: int, request: Any, **options: Any) -> Any:  # noqa: ANN401
        answer = await send(node_id, request, **options)
        if isinstance(request, SessionFetch):
            request.take(answer, node_id)
        return answer

    return send_and_hear


def keep_sessions(consumer: AIOKafkaConsumer) -> None:
    """Let a consumer that was started fetch in sessions, from brokers that know them."""
    fetcher, client = consumer._fetcher, consumer._client  # noqa: SLF001  # aiokafka has no public word for it
    client.send = _hearing(client.send)
    fetcher._proc_fetch_request = SessionFetches(fetcher._proc_fetch_request)  # noqa: SLF001
