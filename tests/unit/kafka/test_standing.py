"""A member whose brokers fail while its topics change: it looks again, and never goes on as if nothing were."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, OffsetResetStrategy
from aiokafka.errors import (
    CommitFailedError,
    InvalidCommitOffsetSizeError,
    KafkaConnectionError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetMetadataTooLargeError,
    OffsetOutOfRangeError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.admin.topic_ids import Topic, Topics
from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer import standing
from streams.kafka.consumer.reading import Reading

TOPIC, TAG = "t", ("t", 0)
PARTITION = TopicPartition(*TAG)
A, B, C = (letter * 22 + "@00000001" for letter in "ABC")


class Brokers:
    """What a member uses of aiokafka's consumer, its coordinator and its client, and the lanes and the report besides."""

    def __init__(self) -> None:
        self.topics: Topics | Exception | None = Topics({TOPIC: Topic(A, 1)})
        self.committed: dict[TopicPartition, OffsetAndMetadata] = {}
        self.known, self.rejoins, self.refreshes = 1, 0, 0
        self.leaders: dict[int, int | None] = {}  # other than the one
        self.assigned = {PARTITION}
        self.begun: list[TopicPartition] = []
        self.given_up: list[tuple[str, int]] = []
        self.told: list[tuple[object, ...]] = []
        self._client = SimpleNamespace(
            force_metadata_update=self._refresh,
            cluster=SimpleNamespace(
                brokers=lambda: {"one", "another"},
                leader_for_partition=lambda tp: self.leaders.get(tp.partition, 1),
            ),
        )
        self._fetcher = SimpleNamespace(request_offset_reset=self._reset, _records={})
        self._coordinator = SimpleNamespace(
            _group_subscription={TOPIC},
            _metadata_snapshot={TOPIC: 1},
            request_rejoin=self._rejoin,
            fetch_committed_offsets=self._fetch_committed,
        )

        state = SimpleNamespace(has_valid_position=True, position=5)
        assignment = SimpleNamespace(tps={PARTITION}, state_value=lambda _partition: state)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self.passed: list[dict[tuple[str, int], tuple[int, int | None]]] = []
        self.sought: list[int] = []
        self.recalled, self.settled_below = 0, 0
        self.log_start, self.log_end = 0, 10
        self.commits: list[OffsetAndMetadata] = []
        self.most_bytes, self.refusal = 4096, OffsetMetadataTooLargeError

    async def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        (offset,) = offsets.values()
        self.commits.append(offset)
        if len(offset.metadata) > self.most_bytes:
            raise self.refusal

    def _refresh(self) -> None:
        self.refreshes += 1

    def _rejoin(self) -> None:
        self.rejoins += 1

    async def _fetch_committed(self, partitions: list[TopicPartition]) -> Any:
        return {one: self.committed[one] for one in partitions if one in self.committed}

    def subscription(self) -> set[str]:
        return {TOPIC}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return set(range(self.known))

    def _reset(self, partitions: list[TopicPartition], strategy: int) -> None:
        assert strategy == OffsetResetStrategy.EARLIEST
        self.begun += partitions

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.begun += [partition] * (offset == 0)
        self.sought.append(offset)

    async def beginning_offsets(
        self, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.log_start)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        assert all(self.leaders.get(one.partition, 1) == 1 for one in partitions)
        return {one: self.log_end + one.partition for one in partitions}

    async def position(self, _partition: TopicPartition) -> int:
        return 4

    # --- the lanes and the report ---------------------------------------------------------------

    generation: int | None = 1

    def recalled_of(self, _topic: str) -> int:
        return self.recalled

    def recall_before(self, _partition: tuple[str, int], committed: int) -> bool:
        self.settled_below = committed
        return True

    def begins_at(self, _partition: tuple[str, int]) -> int:
        return self.settled_below

    def is_given_up(self, _partition: tuple[str, int]) -> bool:
        return False

    def settled_between(self, *_: object) -> int:
        return 0

    def give_up(self, tags: Any) -> None:
        self.given_up += [tag for tag in tags if tag not in self.given_up]

    def pass_to(self, positions: dict[tuple[str, int], tuple[int, int | None]]) -> None:
        self.passed.append(positions)

    def on_lost(self, *what: object) -> None:
        self.told.append(("lost", *what))

    def on_forbidden(self, *what: object) -> None:
        self.told.append(("forbidden", *what))

    def on_reset(self, *what: object) -> None:
        self.told.append(("reset", *what))

    def on_missing(self, topics: Any) -> None:
        self.told += [("missing", topic) for topic in topics]

    def pending_of(self, _topic: str) -> int | None:
        return 3


class Member(Reading):
    """A member of these brokers' group."""

    def __init__(self, brokers: Any) -> None:
        super().__init__(lambda: brokers, lambda: brokers, brokers)
        self.brokers = brokers

    async def ask(self, topics: Any) -> Topics | None:
        """Ask, and hear an error where the test has put one."""
        assert topics == {TOPIC}
        if isinstance(self.brokers.topics, Exception):
            raise self.brokers.topics
        found: Topics | None = self.brokers.topics
        return found

    async def begun(
        self, partitions: list[TopicPartition]
    ) -> dict[tuple[str, int], CommittedState]:
        """Begin, and return how far the partitions have come from which they go on."""
        await self.begin(partitions)
        starts = await self.starts()
        return {
            (tp.topic, tp.partition): CommittedState(
                offset,
                starts.finished.get((tp.topic, tp.partition), frozenset()),
                starts.topic_ids[tp],
            )
            for tp, offset in starts.offsets.items()
            if offset is not None
        }

    async def seek_to_committed(self) -> Any:
        """Seek, and return the offsets."""
        starts = await self.starts()
        self.seek(starts)
        return starts.offsets

    async def meets_the_end(self, position: int, commit: Any) -> None:
        """Fetch from a position that lies outside of the log."""

        async def fetch() -> Any:
            raise OffsetOutOfRangeError({PARTITION: position})

        assert await self.fetched(fetch, commit) == {}


async def refused(_progress: object) -> None:
    """Refuse a commit, as while the group rebalances."""
    raise CommitFailedError


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


@pytest.fixture
def member(brokers):
    return Member(brokers)


async def nothing_fails(_progress: object) -> None:
    """Commit."""


async def test_nothing_is_read_before_the_ids_could_be_read(brokers, member):
    """What is committed may be another topic's."""
    brokers.topics = KafkaConnectionError()
    brokers.committed[PARTITION] = OffsetAndMetadata(5, CommittedState(5, topic_id=B).metadata())
    with pytest.raises(KafkaConnectionError):
        await member.begin([PARTITION])
    with pytest.raises(KafkaConnectionError):
        await member.seek_to_committed()
    brokers.topics = Topics({TOPIC: Topic(A, 1)})
    assert await member.seek_to_committed() == {PARTITION: 0}
    assert brokers.told == [("lost", TOPIC, 3), ("reset", TOPIC)]
    await member.look(nothing_fails)
    assert brokers.rejoins == 0


async def test_an_answer_about_ids_that_can_not_be_read_stops_nothing(brokers, member, caplog):
    """A broker of another make: everything goes on as with one that knows no ids."""
    brokers.topics = ValueError("ends too early")
    brokers.committed[PARTITION] = OffsetAndMetadata(5, "")
    await member.begin([PARTITION])
    assert await member.seek_to_committed() == {PARTITION: 5}
    assert await member.commit({TAG: CommittedState(6)}) == [TAG]
    assert "the topics' ids can't be read: ends too early" in caplog.text


async def test_a_commit_that_fails_holds_no_partition_up(brokers, member):
    """The lanes have given it up, so the generation must end; the next one sees by the id that it begins anew."""
    await member.begin([PARTITION])
    brokers.topics = Topics({TOPIC: Topic(B, 1)})

    async def fails(progress: object) -> None:
        assert progress == {TAG: CommittedState(0, topic_id=B)}
        raise RequestTimedOutError

    with pytest.raises(RequestTimedOutError):
        await member.look(fails)
    assert (brokers.rejoins, brokers.given_up) == (1, [TAG])
    brokers.committed[PARTITION] = OffsetAndMetadata(5, CommittedState(5, topic_id=A).metadata())
    assert await member.begun([PARTITION]) == {TAG: CommittedState(0, topic_id=B)}


async def test_a_new_topic_that_another_member_has_begun_goes_on_from_there(brokers, member):
    """One that stood still meanwhile learns of it later: what the other has settled was told, and is not told again."""
    await member.begin([PARTITION])
    brokers.topics = Topics({TOPIC: Topic(B, 1)})
    brokers.committed[PARTITION] = OffsetAndMetadata(2, CommittedState(2, topic_id=B).metadata())

    async def commit(_progress: object) -> None:
        pytest.fail("committed over what the other has settled")

    await member.look(commit)
    assert (brokers.rejoins, brokers.given_up, brokers.told) == (1, [TAG], [])
    assert await member.begun([PARTITION]) == {TAG: CommittedState(2, topic_id=B)}
    await member.look(commit)
    assert (brokers.rejoins, brokers.told) == (1, [])


async def test_brokers_that_can_not_say_whether_another_member_has_begun_begin_a_generation(
    brokers, member
):
    """It compares the ids, before anything is read."""
    await member.begin([PARTITION])
    brokers.topics = Topics({TOPIC: Topic(B, 1)})

    async def refuse(_partitions: object) -> Any:
        raise KafkaConnectionError

    brokers._coordinator.fetch_committed_offsets = refuse
    with pytest.raises(KafkaConnectionError):
        await member.look(nothing_fails)
    assert (brokers.rejoins, brokers.given_up) == (1, [TAG])


async def test_an_id_that_comes_back_is_committed_without_beginning_again(brokers, member, caplog):
    """The topic was made again twice, and the second broker that was asked knew of the first time only."""
    await member.begin([PARTITION])
    for topic_id in (C, B):
        brokers.topics = Topics({TOPIC: Topic(topic_id, 1)})
        await member.look(nothing_fails)
        assert not member.take_back_ids()
    await member.seek_to_committed()
    await member.commit({TAG: CommittedState(7)})
    assert CommittedState.read(7, brokers.commits[-1].metadata).topic_id == B
    rejoins = brokers.rejoins
    brokers.topics = Topics({TOPIC: Topic(C, 1)})
    anew = []
    for _ in range(20):
        await member.look(nothing_fails)
        anew.append(member.take_back_ids())
    assert anew == [False] * 19 + [True]
    assert "topic t has its former id again" in caplog.text
    await member.commit({TAG: CommittedState(7)})
    assert CommittedState.read(7, brokers.commits[-1].metadata).topic_id == C
    brokers.committed[PARTITION] = brokers.commits[-1]
    assert await member.begun([PARTITION]) == {TAG: CommittedState(7, topic_id=C)}
    assert brokers.rejoins == rejoins


async def test_an_id_that_comes_back_in_another_look_is_not_forgotten(brokers, member):
    """A fetch that was told to lie outside of its log looks as well, and commits nothing anew by itself."""
    await member.begin([PARTITION])
    for topic_id in (C, B, *[C] * 19):
        brokers.topics = Topics({TOPIC: Topic(topic_id, 1)})
        await member.look(nothing_fails)

    await member.meets_the_end(5, nothing_fails)
    assert member.take_back_ids()
    assert not member.take_back_ids()


async def test_what_is_committed_of_the_log_before_counts_for_nothing_where_a_broker_is_late(
    brokers, member
):
    """The first broker tells the new topic, and the one that the next generation asks still the old one, under which is committed."""
    brokers.committed[PARTITION] = OffsetAndMetadata(5, CommittedState(5, topic_id=A).metadata(99))
    for told in (B, A):
        brokers.topics = Topics({TOPIC: Topic(told, 1)})
        assert await member.begun([PARTITION]) == {TAG: CommittedState(0, topic_id=B)}


@pytest.mark.parametrize("committed", [A, B])
async def test_where_all_brokers_tell_what_others_committed_that_log_is_read_from_its_beginning(
    brokers, member, committed
):
    """The first broker that was asked was told late: what was committed under its id may be of the log before."""
    other = TopicPartition(TOPIC, 1)
    brokers.assigned = {PARTITION, other}
    brokers.known = 2
    brokers.committed = {
        PARTITION: OffsetAndMetadata(5, CommittedState(5, topic_id=committed).metadata(99)),
        other: OffsetAndMetadata(3, CommittedState(3, topic_id=B).metadata(99)),
    }
    brokers.topics = Topics({TOPIC: Topic(A, 2)})
    await member.begin([PARTITION, other])
    assert await member.seek_to_committed() == {PARTITION: 5 if committed == A else 0, other: 0}
    brokers.topics = Topics({TOPIC: Topic(B, 2)})
    begun: list[object] = []

    async def begin_again(progress: object) -> None:
        begun.append(progress)

    for _ in range(20):
        await member.look(begin_again)
    assert member.take_back_ids()
    assert begun == ([{TAG: CommittedState(0, topic_id=B)}] if committed == A else [])


async def test_brokers_that_know_no_ids_tell_of_new_partitions_all_the_same(brokers, member):
    """The client's own metadata are asked for at each look; nothing begins anew."""
    brokers.topics = None
    await member.begin([PARTITION])
    await member.look(nothing_fails)
    assert (brokers.refreshes, brokers.rejoins, brokers.told) == (1, 0, [])


async def test_what_nobody_reads_yet_is_pending_with_the_member_that_shared_out(brokers, member):
    """From the first look on; no other member counts it, or it would count twice."""
    await member.begin([PARTITION])
    brokers.topics = Topics({TOPIC: Topic(A, 3)})
    await member.look(nothing_fails)
    assert brokers.refreshes == 1
    assert await member.ends() == {TAG: (4, 10)}
    brokers.known = 3
    assert await member.ends() == {TAG: (4, 10), (TOPIC, 1): (0, 11), (TOPIC, 2): (0, 12)}
    brokers._coordinator._group_subscription = None
    await member.begin([PARTITION])
    assert await member.ends() == {TAG: (4, 10)}


@pytest.mark.parametrize("leader", [None, -1])
async def test_a_partition_without_a_leader_hides_the_ends_of_no_other(brokers, member, leader):
    """What is pending of all was unknown for as long as one had none."""
    others = {TopicPartition(TOPIC, number) for number in (1, 2)}
    brokers.assigned = {PARTITION, *others}
    brokers.leaders[1] = leader
    assert await member.ends() == {TAG: (4, 10), (TOPIC, 2): (4, 12)}
    await member.begin([PARTITION])
    await member.seek_to_committed()
    error = OffsetOutOfRangeError({TopicPartition(TOPIC, 1): 14})
    brokers._fetcher._records[TopicPartition(TOPIC, 1)] = FetchError(error=error, backoff=0)
    await member.meets_the_end(14, nothing_fails)
    assert brokers.given_up == [TAG]


async def test_a_fetch_before_the_first_seek_loses_nothing(brokers, member):
    """aiokafka raises where nothing is committed and nobody has said where to begin."""

    async def fetch() -> Any:
        raise NoOffsetForPartitionError(PARTITION)

    assert await member.fetched(fetch, nothing_fails) == {}
    assert brokers.begun == [PARTITION]
    brokers.assigned = set()  # the partition has gone to another member since
    assert await member.fetched(fetch, nothing_fails) == {}
    assert brokers.begun == [PARTITION]


async def test_an_id_that_is_learned_later_is_not_that_of_the_offsets(brokers, member):
    """They may be of the topic that was there before: what is committed meanwhile says which one that was."""
    brokers.topics = Topics(missing=frozenset({TOPIC}))
    brokers.committed[PARTITION] = OffsetAndMetadata(5, CommittedState(5, topic_id=B).metadata())
    await member.begin([PARTITION])
    assert await member.seek_to_committed() == {PARTITION: 5}
    member.pass_markers()
    assert brokers.passed == [{TAG: (5, None)}]
    brokers.topics = Topics({TOPIC: Topic(A, 1)})
    await member.look(nothing_fails)
    await member.commit({TAG: CommittedState(7)})
    brokers.committed[PARTITION] = brokers.commits[-1]
    assert await member.begun([PARTITION]) == {TAG: CommittedState(0, topic_id=A)}
    assert await member.seek_to_committed() == {PARTITION: 0}
    await member.commit({TAG: CommittedState(1)})
    assert CommittedState.read(1, brokers.commits[-1].metadata).topic_id == A


async def test_what_was_read_of_a_topic_without_an_id_is_not_committed(brokers, member, caplog):
    """The topic was away when the generation began, came, and may be another one by now: an offset without an id would count for it."""
    brokers.topics = Topics(missing=frozenset({TOPIC}))
    await member.begin([PARTITION])
    await member.seek_to_committed()
    for _ in range(3):
        assert not await member.commit({TAG: CommittedState(1)})
    assert brokers.commits == []
    assert caplog.text.count("was read before its id was known") == 1
    brokers.topics = Topics({TOPIC: Topic(B, 1)})
    await member.look(nothing_fails)
    assert not await member.commit({TAG: CommittedState(1)})
    assert brokers.rejoins == 1
    await member.begin([PARTITION])
    assert await member.seek_to_committed() == {PARTITION: None}
    assert await member.commit({TAG: CommittedState(1)}) == [TAG]
    assert CommittedState.read(1, brokers.commits[-1].metadata).topic_id == B


@pytest.mark.parametrize("topics", [None, Topics({TOPIC: Topic("", 1)})])
async def test_where_topics_have_no_ids_offsets_are_committed_without(brokers, member, topics):
    """Brokers before 2.8, and later ones that are told to speak as before."""
    brokers.topics = topics
    await member.begin([PARTITION])
    await member.seek_to_committed()
    assert await member.commit({TAG: CommittedState(1)}) == [TAG]


async def test_a_generation_asks_another_broker_where_one_does_not_tell_the_ids(
    member, monkeypatch
):
    """Without them nothing would be committed until the next look."""
    failures = [KafkaConnectionError(), KafkaConnectionError()]
    ask = member.ask

    async def fail_twice(topics):
        if failures:
            raise failures.pop()
        return await ask(topics)

    monkeypatch.setattr(member, "ask", fail_twice)
    await member.begin([PARTITION])
    await member.seek_to_committed()
    assert await member.commit({TAG: CommittedState(1)}) == [TAG]


async def test_a_topic_that_another_member_began_anew_is_no_news_later(brokers, member):
    """A member that held nothing of it then saw the change too; nobody is told that all is read again, days later."""
    brokers.assigned = set()
    await member.begin([])
    brokers.topics = Topics({TOPIC: Topic(B, 1)})
    await member.look(nothing_fails)
    brokers.assigned = {PARTITION}
    brokers.committed[PARTITION] = OffsetAndMetadata(9, CommittedState(9, topic_id=B).metadata())
    assert await member.begun([PARTITION]) == {TAG: CommittedState(9, topic_id=B)}
    await member.look(nothing_fails)
    assert (brokers.told, brokers.given_up) == ([], [])


async def test_a_topic_that_may_not_be_read_any_more_ends_nothing(brokers, member):
    """Somebody took the right away: the other topics go on, and it is asked for again."""

    async def fetch() -> Any:
        raise TopicAuthorizationFailedError(TOPIC)

    for _ in range(2):
        assert await member.fetched(fetch, nothing_fails) == {}
    assert brokers.told == [("forbidden", TOPIC)] * 2


async def test_what_is_read_again_begins_before_what_is_committed(brokers, member):
    """Where the lane remembers settled records; the offset that the group has is returned all the same."""
    brokers.committed[PARTITION] = OffsetAndMetadata(8, "")
    assert await member.seek_to_committed() == {PARTITION: 8}
    brokers.recalled = 5
    assert await member.seek_to_committed() == {PARTITION: 8}
    assert brokers.sought == [8, 3]
    brokers.committed[PARTITION] = OffsetAndMetadata(12, "")  # the log ends at 10
    assert await member.seek_to_committed() == {PARTITION: 12}
    assert brokers.sought == [8, 3, 12]


@pytest.mark.parametrize(("log_start", "lost"), [(6, None), (8, None), (9, 1)])
async def test_settled_records_that_retention_takes_are_not_lost(brokers, member, log_start, lost):
    """They were only to be remembered; what is above the committed offset is counted."""
    brokers.committed[PARTITION] = OffsetAndMetadata(8, "")
    brokers.recalled = 5
    await member.begin([PARTITION])
    await member.seek_to_committed()
    brokers.log_start = log_start

    await member.meets_the_end(3, nothing_fails)
    assert brokers.sought == [3, log_start]
    assert brokers.told == ([] if lost is None else [("lost", TOPIC, lost)])


async def test_a_position_of_the_generation_before_puts_nothing_back(brokers, member):
    """An error that was fetched before partitions came is of another log, or of what another member has read on since."""
    brokers.topics = Topics({TOPIC: Topic(B, 1)})
    await member.begin([PARTITION])
    brokers.generation = None

    async def commit(_progress: object) -> None:
        pytest.fail("committed before the generation began")

    await member.meets_the_end(14, commit)  # the log ends at 10
    assert (brokers.rejoins, brokers.told) == (0, [])
    brokers.generation = 2
    committed = []

    async def note(progress: object) -> None:
        committed.append(progress)

    await member.meets_the_end(14, note)
    assert committed == [{TAG: CommittedState(0, topic_id=B)}]


@pytest.fixture
async def cut_off(brokers, member):
    """A member that has met the end of a log that was cut off at 10, and could not write down that it begins anew.

    It may have committed what lies from 12 to 14; since then the log has grown beyond that.
    """
    brokers.committed[PARTITION] = OffsetAndMetadata(12, CommittedState(12, topic_id=A).metadata())
    await member.begin([PARTITION])
    await member.seek_to_committed()
    await member.meets_the_end(14, refused)
    assert (brokers.given_up, brokers.rejoins) == ([TAG], 1)
    brokers.log_end, brokers.generation = 20, 2
    return member


async def test_a_log_that_was_cut_off_begins_anew_although_that_can_not_be_written_down(
    brokers, cut_off
):
    """What was written up to the committed offset since would never be read; it is said once."""
    finished = CommittedState(14, frozenset({16}), A)
    brokers.committed[PARTITION] = OffsetAndMetadata(14, finished.metadata())
    for _ in range(2):
        assert await cut_off.begun([PARTITION]) == {TAG: CommittedState(0, topic_id=A)}
        assert await cut_off.seek_to_committed() == {PARTITION: 0}
    assert brokers.told == [("lost", TOPIC, 3), ("reset", TOPIC)]


async def test_a_log_that_was_cut_off_goes_on_from_what_is_committed_of_it(brokers, cut_off):
    """Once this member has committed, what is committed counts again, whatever it is."""
    assert await cut_off.seek_to_committed() == {PARTITION: 0}
    await cut_off.commit({TAG: CommittedState(13)})
    brokers.committed[PARTITION] = brokers.commits[-1]
    assert await cut_off.seek_to_committed() == {PARTITION: 13}


@pytest.mark.parametrize("committed", [0, 7, 15])
async def test_a_log_that_was_cut_off_goes_on_from_where_another_member_has_come(
    brokers, cut_off, committed
):
    """Or from what arrived although nobody heard of it: such an offset this member has not committed of the former log."""
    state = CommittedState(committed, topic_id=A)
    brokers.committed[PARTITION] = OffsetAndMetadata(committed, state.metadata())
    assert await cut_off.seek_to_committed() == {PARTITION: committed}
    brokers.committed[PARTITION] = OffsetAndMetadata(13, CommittedState(13, topic_id=A).metadata())
    assert await cut_off.seek_to_committed() == {PARTITION: 13}


async def test_a_log_that_was_cut_off_is_the_affair_of_the_member_that_has_it(brokers, cut_off):
    """Days later it would be read again from its beginning."""
    brokers.assigned = set()
    await cut_off.seek_to_committed()
    brokers.assigned = {PARTITION}
    assert await cut_off.seek_to_committed() == {PARTITION: 12}


async def test_a_log_that_was_cut_off_and_made_again_is_the_new_one(brokers, cut_off):
    """What is committed of the old one counts for nothing by its id; what another member committed of the new one does."""
    brokers.topics = Topics({TOPIC: Topic(B, 1)})
    brokers.committed[PARTITION] = OffsetAndMetadata(13, CommittedState(13, topic_id=B).metadata())
    assert await cut_off.begun([PARTITION]) == {TAG: CommittedState(13, topic_id=B)}


async def test_a_log_that_is_cut_off_twice_begins_at_its_last_beginning(brokers, cut_off):
    """And what is committed may still be from before the first time."""
    assert await cut_off.seek_to_committed() == {PARTITION: 0}
    brokers.log_start, brokers.log_end = 2, 5
    await cut_off.meets_the_end(7, refused)
    assert await cut_off.seek_to_committed() == {PARTITION: 2}


async def test_a_commit_that_began_before_the_end_of_the_log_was_met_says_nothing_of_it(
    brokers, member
):
    """It carries an offset of what is gone."""
    await member.begin([PARTITION])
    await member.seek_to_committed()
    commit = brokers.commit

    async def late(offsets):
        await member.meets_the_end(14, refused)
        await commit(offsets)

    brokers.commit = late
    await member.commit({TAG: CommittedState(14)})
    brokers.committed[PARTITION] = brokers.commits[-1]
    assert await member.seek_to_committed() == {PARTITION: 0}


async def test_a_log_that_was_cut_off_before_its_id_was_known_begins_anew(brokers, member):
    """Nothing is committed of it then, and nobody fails."""
    brokers.topics = Topics()
    brokers.committed[PARTITION] = OffsetAndMetadata(12, "")
    await member.begin([PARTITION])
    await member.seek_to_committed()
    await member.meets_the_end(14, member.commit)
    assert brokers.commits == []
    brokers.topics = Topics({TOPIC: Topic(A, 1)})
    await member.begin([PARTITION])
    assert await member.seek_to_committed() == {PARTITION: 0}


async def test_all_logs_that_were_cut_off_together_begin_anew_together(brokers, member):
    """The first ends the generation, and what was fetched of the others is forgotten with it."""
    other = TopicPartition(TOPIC, 1)
    brokers.assigned, brokers.known = {PARTITION, other}, 2
    await member.begin([PARTITION, other])
    await member.seek_to_committed()
    error = OffsetOutOfRangeError({other: 14})
    brokers._fetcher._records[other] = FetchError(error=error, backoff=0)
    brokers._fetcher._records[TopicPartition(TOPIC, 2)] = FetchError(error=KafkaError(), backoff=0)
    written = []

    async def note(progress: object) -> None:
        written.append(progress)

    await member.meets_the_end(14, note)
    begin = CommittedState(0, topic_id=A)
    assert written == [{TAG: begin, (TOPIC, 1): begin}]
    assert brokers.rejoins == 1


async def test_a_topic_made_again_with_fewer_partitions(brokers, member):
    """Nothing is committed for what is not there: it would hold up what is. It comes back with another generation."""
    await member.begin([PARTITION])
    brokers.topics = Topics({TOPIC: Topic(B, 0)})
    await member.look(nothing_fails)
    assert (brokers.given_up, brokers.rejoins) == ([TAG], 1)
    assert brokers.commits == []


@pytest.mark.parametrize("refusal", [OffsetMetadataTooLargeError, InvalidCommitOffsetSizeError])
@pytest.mark.parametrize("most_bytes", [4096, 1024, 300, 40, 0])
async def test_an_offset_is_committed_however_little_may_stand_beside_it(
    brokers, member, caplog, most_bytes, refusal
):
    """Refused for the length of its text, it is committed with a shorter one, or none; the next commit knows how long."""
    brokers.most_bytes, brokers.refusal = most_bytes, refusal
    await member.begin([PARTITION])
    await member.seek_to_committed()
    state = CommittedState(5, frozenset(range(7, 4007, 2)))
    assert await member.commit({TAG: state})
    last = brokers.commits[-1]
    assert (last.offset, len(last.metadata) <= most_bytes) == (5, True)
    if most_bytes >= 300:
        assert CommittedState.read(5, last.metadata).topic_id == A
        assert 0 < len(CommittedState.read(5, last.metadata).finished) < 2000
    tried = len(brokers.commits)
    assert await member.commit({TAG: state})
    assert len(brokers.commits) == tried + 1
    assert len(caplog.records) == (tried > 1)


async def test_a_commit_that_is_refused_without_a_text_is_an_error(brokers, member):
    """It is not the text then."""
    await member.begin([PARTITION])
    await member.seek_to_committed()
    brokers.most_bytes = -1
    with pytest.raises(OffsetMetadataTooLargeError):
        await member.commit({TAG: CommittedState(5)})
    assert len(brokers.commits) < 10


async def test_what_may_not_be_committed_of_one_topic_holds_up_no_other(
    brokers, member, monkeypatch
):
    """The right to read it was taken away: the others are committed, and this one is tried again a minute later."""
    other = TopicPartition("other", 0)
    brokers.assigned = {PARTITION, other}
    sent: list[set[TopicPartition]] = []
    refused_topics = {"other"}

    async def commit(offsets):
        sent.append(set(offsets))
        if refused := {tp.topic for tp in offsets} & refused_topics:
            raise TopicAuthorizationFailedError(refused)

    brokers.commit = commit
    now = 1000.0
    loop = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr(standing, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    states = {TAG: CommittedState(5, topic_id=A), ("other", 0): CommittedState(6, topic_id=B)}
    begin = CommittedState(0, topic_id=A)
    for tp in (PARTITION, other):
        member._begins.note(tp, begin, range(1))
    assert list(await member.commit(states)) == [TAG]
    assert brokers.told == [("forbidden", "other")]
    assert member._begins.of([PARTITION, other]).keys() == {
        other
    }  # of the other nothing was written down
    now += 59
    assert list(await member.commit(states)) == [TAG]
    assert list(await member.commit({("other", 0): states["other", 0]})) == []
    now += 1
    refused_topics.clear()
    assert set(await member.commit(states)) == set(states)
    assert sent == [{PARTITION, other}, {PARTITION}, {PARTITION, other}]
    assert brokers.told == [("forbidden", "other")]


async def test_the_last_commit_is_of_topics_too_whose_right_was_taken_away(brokers, member):
    """It may be back by now, and nobody commits what was settled since once the partitions are gone."""
    refused = {TOPIC}

    async def commit(_offsets):
        if refused:
            raise TopicAuthorizationFailedError(refused)

    brokers.assigned, brokers.commit = {PARTITION}, commit
    states = {TAG: CommittedState(5, topic_id=A)}
    assert list(await member.commit(states)) == []
    refused.clear()
    assert list(await member.commit(states)) == []
    member.allow_again()
    assert list(await member.commit(states)) == [TAG]


@pytest.fixture
def together(brokers):
    """A member of 300 partitions with long texts, for whose commits the brokers have an answer."""
    brokers.assigned = {TopicPartition(TOPIC, number) for number in range(300)}
    member = Member(brokers)
    brokers.topics = Topics({TOPIC: Topic(A, 300)})
    sizes: list[int] = []

    async def commit(offsets):
        sizes.append(sum(len(offset.metadata) for offset in offsets.values()))
        if brokers.refuses(sizes[-1]):
            raise UnknownError

    brokers.commit = commit
    state = CommittedState(5, frozenset(range(7, 4007, 2)), A)
    states = {(TOPIC, number): state for number in range(300)}
    return SimpleNamespace(member=member, states=states, sizes=sizes)


async def test_texts_that_are_together_too_long_for_kafka_4_give_way(brokers, together, caplog):
    """Its coordinator says that it does not know what went wrong; nothing was committed for as long as the texts were long."""
    brokers.refuses = lambda size: size > 1_000_000
    await together.member.begin([])
    assert await together.member.commit(together.states)
    assert await together.member.commit(together.states)
    assert [size > 1_000_000 for size in together.sizes] == [True, False, False]
    assert "from now on it has at most 1000 bytes" in caplog.text


async def test_what_brokers_do_not_know_is_not_the_texts_for_good(brokers, together, caplog):
    """Where shorter ones do not help the next commit has long ones again; where they are short, they are no cause."""
    brokers.refuses = lambda _size: True
    await together.member.begin([])
    with pytest.raises(UnknownError):
        await together.member.commit(together.states)
    assert 2 <= len(together.sizes) < 5
    assert together.sizes[-1] < 65_536
    brokers.refuses = lambda _size: False
    await together.member.commit(together.states)
    assert together.sizes[-1] == together.sizes[0]
    assert caplog.text == ""
