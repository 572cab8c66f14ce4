"""Fetch sessions: what a broker is told, and when one begins anew: `streams.kafka.patches.fetch_sessions`."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import FetchSessionIdNotFound, InvalidFetchSessionEpoch, UnknownError
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v4, FetchRequest_v7, FetchRequest_v11
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.patches.fetch_sessions import (
    FetchSession,
    SessionFetches,
    UnexpectedAnswer,
    keep_sessions,
)

LOST, WRONG_EPOCH, REFUSED = FetchSessionIdNotFound.errno, InvalidFetchSessionEpoch.errno, -1
ALL = [("a", [(0, 5, 100), (1, 6, 100)]), ("b", [(0, 7, 100)])]


def begun(topics=ALL, number=42):
    """A session that has begun with these partitions."""
    session = FetchSession()
    session.ask(topics)
    assert session.take(0, number, topics)
    return session


def test_a_first_fetch_names_everything():
    """With epoch 0 and no number, which asks the broker for a session."""
    session = FetchSession()
    assert (session.number, session.epoch) == (0, 0)
    assert session.ask(ALL) == (ALL, [])
    assert session.take(0, 42, ALL)
    assert (session.number, session.epoch) == (42, 1)


def test_what_has_not_changed_is_not_named_again():
    """In whatever order the fetcher has it; the epoch counts the answers."""
    session = begun()
    for epoch in (1, 2, 3):
        assert session.epoch == epoch
        assert session.ask([("b", [(0, 7, 100)]), ("a", [(1, 6, 100), (0, 5, 100)])]) == ([], [])
        assert session.take(0, 42, [])


def test_what_has_moved_or_is_new_is_named():
    """By topic, without those beside it that stand where they stood."""
    session = begun()
    moved = [("a", [(1, 9, 100), (0, 5, 100), (2, 0, 100)]), ("b", [(0, 7, 100)]), ("c", [(3, 1, 100)])]  # fmt: skip
    assert session.ask(moved) == ([("a", [(1, 9, 100), (2, 0, 100)]), ("c", [(3, 1, 100)])], [])


def test_what_is_wanted_no_more_is_forgotten():
    """One partition of a topic, or all of them; one that comes back is named again."""
    session = begun()
    assert session.ask([("a", [(0, 5, 100)])]) == ([], [("a", [1]), ("b", [0])])
    assert session.take(0, 42, [])
    assert session.ask(ALL) == ([("a", [(1, 6, 100)]), ("b", [(0, 7, 100)])], [])


@pytest.mark.parametrize(("code", "number"), [(LOST, 0), (WRONG_EPOCH, 42)])
def test_a_session_that_the_broker_ended_is_followed_by_another(code, number):
    """Nothing came; the next fetch names everything, and the number of what may still be there, so that it ends."""
    session = begun()
    session.ask(ALL)
    assert not session.take(code, 0, [])
    assert (session.number, session.epoch) == (number, 0)
    assert session.ask(ALL) == (ALL, [])
    assert session.take(0, 43, ALL)
    assert (session.number, session.epoch) == (43, 1)


@pytest.mark.parametrize("code", [LOST, WRONG_EPOCH, REFUSED])
def test_a_fetch_of_everything_that_is_refused_is_an_error(code):
    """The fetcher waits a moment after an error: nothing goes round in circles."""
    session = FetchSession()
    session.ask(ALL)
    with pytest.raises((FetchSessionIdNotFound, InvalidFetchSessionEpoch, UnknownError)):
        session.take(code, 0, [])
    assert session.epoch == 0


def test_any_other_error_is_one():
    """Also within a session, which begins anew then."""
    session = begun()
    session.ask(ALL)
    with pytest.raises(UnknownError):
        session.take(REFUSED, 42, [])
    assert (session.number, session.epoch) == (42, 0)


def test_without_room_at_the_broker_each_fetch_names_everything():
    """And asks again for a session; so does one whose session ended with an answer."""
    session = FetchSession()
    for _ in range(2):
        assert session.ask(ALL) == (ALL, [])
        assert session.take(0, 0, ALL)
        assert (session.number, session.epoch) == (0, 0)
    session = begun()
    session.ask(ALL)
    assert session.take(0, 0, [])
    assert (session.number, session.epoch) == (0, 0)


@pytest.mark.parametrize("number", [0, 42])
def test_a_first_answer_that_leaves_something_out_begins_nothing(number):
    """A broker that makes a consumer wait for its quota answers with nothing."""
    session = FetchSession()
    session.ask(ALL)
    assert session.take(0, number, ALL[:1] if number else [])
    assert (session.number, session.epoch) == (number, 0)


def test_an_answer_of_another_session_ends_both():
    """The next fetch names everything."""
    session = begun()
    session.ask(ALL)
    assert session.take(0, 43, [])
    assert (session.number, session.epoch) == (43, 0)


@pytest.mark.parametrize("topics", [[("a", [(2, 0)])], [("c", [(0, 0)])]])
def test_an_answer_about_what_was_not_asked_for_is_an_error(topics):
    """It would end aiokafka's fetcher."""
    session = begun()
    session.ask(ALL)
    with pytest.raises(UnexpectedAnswer, match="not fetched"):
        session.take(0, 42, topics)
    assert (session.number, session.epoch) == (42, 0)


def test_the_epoch_begins_again_behind_the_last_one():
    """At 1, since 0 begins a session."""
    session = begun()
    session.epoch = 2**31 - 1
    session.ask(ALL)
    session.take(0, 42, [])
    assert session.epoch == 1


wanted = st.dictionaries(
    st.sampled_from("abc"),
    st.dictionaries(st.integers(0, 3), st.integers(0, 2), min_size=1),
    min_size=1,
)


@given(
    st.lists(st.tuples(wanted, st.sampled_from(["", "lost", "evicted", "no room"])), max_size=12)
)
def test_a_broker_that_does_as_it_is_told_knows_what_is_wanted(steps):
    """Whatever changes, and whatever goes wrong between."""
    session, epoch, number = FetchSession(), 0, 0
    kept: dict[tuple[str, int], tuple[int, ...]] = {}
    for step, (wanted, what) in enumerate(steps):
        topics = [(topic, [(n, at, 1) for n, at in parts.items()]) for topic, parts in wanted.items()]  # fmt: skip
        named, forgotten = session.ask(topics)
        if what == "evicted":
            kept = {}
        if session.epoch == 0:
            kept, number, epoch = {}, 100 + step, 0
        elif not kept or session.number != number or session.epoch != epoch:
            assert not session.take(LOST if not kept else WRONG_EPOCH, 0, [])
            continue
        kept |= {(topic, part[0]): part for topic, parts in named for part in parts}
        for topic, numbers in forgotten:
            for one in numbers:
                del kept[topic, one]
        epoch += 1
        assert kept == {(topic, part[0]): part for topic, parts in topics for part in parts}
        if what == "lost":
            session.begin_anew()
        else:
            room = 0 if what == "no room" else number
            session.take(0, room, topics if epoch == 1 else [])
            kept = kept if room else {}


class Broker:
    """Stands where aiokafka's fetcher calls its client: keeps what it was asked, and answers as it is told."""

    def __init__(self, version=FetchRequest_v11):
        self.version, self.built, self.answers, self.looked_up = version, [], [], []
        self.state = SimpleNamespace(has_valid_position=True, position=5)
        self.assignment = SimpleNamespace(active=True, state_value=lambda _: self.state)
        self._fetcher, self._client = self, self
        self.gate = None
        keep_sessions(self)

    async def send(self, _node_id, request, **_options):
        if request == "heartbeat":
            return "taken"
        version = self.version.API_VERSION
        assert request.API_KEY == FetchRequest.API_KEY
        self.built.append(request.prepare({FetchRequest.API_KEY: (version, version)}))
        if self.gate is not None:
            await self.gate.wait()
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        code, number, topics = found
        return SimpleNamespace(
            API_VERSION=self.version.API_VERSION, error_code=code, session_id=number, topics=topics
        )

    async def _proc_fetch_request(self, _assignment, node_id, request):
        try:
            answer = await self._client.send(node_id, request)
        except (KeyError, asyncio.CancelledError):
            return False
        self.looked_up.append([topic for topic, _ in request.topics])
        return bool(answer.topics)

    async def fetch(self, *, assignment=None, node=1, topics=None):
        """Have the fetcher fetch."""
        request = FetchRequest(250, 1, 1000, 1, topics or [("a", [(0, 5, 9)]), ("b", [(0, 5, 9)])])
        return await self._proc_fetch_request(assignment or self.assignment, node, request)

    def asked(self):
        """Return of each fetch the number and epoch of its session, and what it named."""
        return [
            (one.session_id, one.session_epoch, [topic for topic, _ in one.topics], one.forgotten_topics_data)
            for one in self.built
        ]  # fmt: skip


FIRST = [("a", [(0, 0)]), ("b", [(0, 0)])]
WHOLE: tuple[object, ...] = (0, 0, ["a", "b"], [])


@pytest.mark.parametrize("version", [FetchRequest_v7, FetchRequest_v11])
async def test_fetches_of_a_consumer_go_on_in_a_session(version):
    """At each broker in its own; the fetcher looks up what the answer speaks of, and no more."""
    broker = Broker(version)
    broker.answers = [(0, 42, FIRST), (0, 43, FIRST), (0, 42, []), (0, 42, [("b", [(0, 0)])])]
    assert await broker.fetch()
    assert await broker.fetch(node=2)
    assert not await broker.fetch()
    assert await broker.fetch(topics=[("b", [(0, 5, 9)])])
    assert broker.asked() == [WHOLE, WHOLE, (42, 1, [], []), (42, 2, [], [("a", [0])])]
    assert broker.looked_up == [["a", "b"], ["a", "b"], [], ["b"]]


async def test_a_broker_before_sessions_is_asked_as_ever():
    """Kafka 1.0 and older."""
    broker = Broker(FetchRequest_v4)
    broker.answers = [(0, 0, FIRST), (0, 0, FIRST)]
    await broker.fetch()
    await broker.fetch()
    assert [len(one.topics) for one in broker.built] == [2, 2]
    assert broker.looked_up == [["a", "b"], ["a", "b"]]


async def test_other_requests_are_not_touched():
    """The client is the consumer's own, for all that it asks."""
    assert await Broker()._client.send(1, "heartbeat") == "taken"


async def test_a_session_begins_anew_after_an_error():
    """Nobody knows what the broker has taken."""
    broker = Broker()
    broker.answers = [(0, 42, FIRST), KeyError(), (0, 43, FIRST)]
    for _ in range(3):
        await broker.fetch()
    assert broker.asked() == [WHOLE, (42, 1, [], []), (42, 0, ["a", "b"], [])]


async def test_a_session_that_was_given_up_begins_anew_with_the_next_fetch():
    """Of the fetch between nothing came, and it is no error."""
    broker = Broker()
    broker.answers = [(0, 42, FIRST), (LOST, 0, []), (0, 43, FIRST), (0, 43, [])]
    came = [await broker.fetch() for _ in range(4)]
    assert came == [True, False, True, False]
    assert broker.asked() == [WHOLE, (42, 1, [], []), WHOLE, (43, 1, [], [])]


async def test_a_session_begins_anew_after_a_cancelled_fetch():
    """The fetcher cancels what it has under way when partitions go."""
    broker = Broker()
    broker.answers = [(0, 42, FIRST), (0, 42, [])]
    await broker.fetch()
    broker.gate = asyncio.Event()
    fetch = asyncio.create_task(broker.fetch())
    await asyncio.sleep(0)
    fetch.cancel()
    assert await fetch is False
    broker.gate = None
    await broker.fetch()
    assert broker.asked() == [WHOLE, (42, 1, [], []), (42, 0, ["a", "b"], [])]


async def test_each_assignment_has_sessions_of_its_own():
    """It knows nothing of the ends of partitions that the one before was told."""
    broker = Broker()
    broker.answers = [(0, 42, FIRST), (0, 43, FIRST)]
    await broker.fetch()
    another = SimpleNamespace(active=True, state_value=broker.assignment.state_value)
    await broker.fetch(assignment=another)
    assert broker.asked() == [WHOLE, (42, 0, ["a", "b"], [])]


@pytest.mark.parametrize("what", ["assignment", "position", "seek"])
async def test_an_answer_that_the_fetcher_passes_over_is_asked_for_again(what):
    """The broker would not say it twice: partitions were taken away meanwhile, or their position has moved."""
    broker = Broker()
    broker.answers = [(0, 42, FIRST), (0, 43, FIRST)]
    if what == "assignment":
        broker.assignment.active = False
    elif what == "position":
        broker.state.position = 6
    else:
        broker.state.has_valid_position = False
    await broker.fetch()
    await broker.fetch()
    assert broker.asked() == [WHOLE, (42, 0, ["a", "b"], [])]


async def test_a_second_fetch_at_a_broker_has_no_session():
    """aiokafka makes one while it looks up an offset there; the session goes on behind it."""
    broker = Broker()
    broker.answers = [(0, 42, FIRST), (0, 42, []), (0, 0, FIRST)]
    await broker.fetch()
    broker.gate = asyncio.Event()
    both = [asyncio.create_task(broker.fetch()) for _ in range(2)]
    await asyncio.sleep(0)
    broker.gate.set()
    await asyncio.gather(*both)
    assert broker.asked() == [WHOLE, (42, 1, [], []), (0, -1, ["a", "b"], [])]
    broker.answers = [(0, 42, [])]
    await broker.fetch()
    assert broker.asked()[-1] == (42, 2, [], [])


def test_sessions_are_kept_for_each_consumer():
    """Two consumers of a process are two to the broker."""
    first, second = Broker(), Broker()
    assert isinstance(first._proc_fetch_request, SessionFetches)
    assert first._proc_fetch_request is not second._proc_fetch_request
