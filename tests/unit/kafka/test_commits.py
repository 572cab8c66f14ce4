"""Commits: only what is new, and again until they are made."""

from contextlib import suppress

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer.commits import Commits

TAG = ("final", 0)


class Member:
    """A member of a group: what its lanes say is settled, and a broker that takes commits, refuses them or takes none."""

    def __init__(self):
        self.states = {TAG: CommittedState(0)}
        self.changes = 0
        self.looks = 0
        self.errors = 0
        self.sent = []
        self.answer: bool | Exception = True
        self.now = 0.0
        self.commits = Commits(
            self.settled, self.commit, lambda: self.changes, self.failed, lambda: self.now
        )

    def settled(self):
        self.looks += 1
        return dict(self.states)

    async def commit(self, states):
        self.sent.append(dict(states))
        if isinstance(self.answer, Exception):
            raise self.answer
        return tuple(states) if self.answer else ()

    def failed(self):
        self.errors += 1

    def settle(self, offset):
        self.states[TAG] = CommittedState(offset)
        self.changes += 1


async def test_nobody_looks_where_nothing_has_changed():
    """There are hundreds of partitions, and several looks a second."""
    member = Member()
    member.settle(5)
    for _ in range(5):
        await member.commits.commit()
    assert (member.looks, len(member.sent)) == (1, 1)
    assert member.commits.is_all_committed()
    member.changes += 1  # a record was read: what may be committed is the same
    assert not member.commits.is_all_committed()
    assert not await member.commits.commit()
    assert member.commits.is_all_committed()
    assert (member.looks, len(member.sent)) == (2, 1)


async def test_a_commit_that_could_not_be_made_is_made_again():
    """Although nothing else changes: refused, unanswered, or of a member whose partitions were on the move."""
    answers: tuple[bool | Exception, ...] = (False, KafkaConnectionError(), TimeoutError())
    for answer in answers:
        member = Member()
        member.settle(5)
        member.answer = answer
        for _ in range(3):
            assert not await member.commits.commit()
            assert not member.commits.is_all_committed()
        member.answer = True
        assert await member.commits.commit()
        assert member.commits.is_all_committed()
        assert member.sent == [{TAG: CommittedState(5)}] * 4
        assert member.errors == (0 if answer is False else 3)


async def test_what_is_settled_during_a_commit_is_committed_by_the_next():
    """The count of changes is taken before the states, and the commit says no more than it found."""
    member = Member()
    member.settle(5)
    commit = member.commit

    async def settles_meanwhile(states):
        member.settle(6)
        return await commit(states)

    member.commits = Commits(
        member.settled, settles_meanwhile, lambda: member.changes, member.failed, lambda: 0.0
    )
    assert await member.commits.commit()
    assert not member.commits.is_all_committed()


async def test_partitions_that_went_are_committed_anew():
    """Others may have committed there meanwhile; so too where a beginning is written down."""
    member = Member()
    member.settle(5)
    await member.commits.commit()
    member.commits.forget()
    assert not member.commits.is_all_committed()
    assert await member.commits.commit()
    await member.commits.write_down({TAG: CommittedState(9)})
    assert not member.commits.is_all_committed()
    assert await member.commits.commit()
    assert [states[TAG].offset for states in member.sent] == [5, 5, 9, 5]


async def test_what_is_to_begin_anew_is_committed_although_nothing_has_changed():
    """What stands beside the offset is another now: that of the topic's id."""
    member = Member()
    member.settle(5)
    await member.commits.commit()
    await member.commits.begin_anew()
    assert await member.commits.commit()
    assert member.sent == [{TAG: CommittedState(5)}] * 2


async def test_what_a_late_commit_may_undo_is_committed_again():
    """One that was not answered may reach the coordinator behind newer ones, and the offsets go back without a word."""
    member = Member()
    member.settle(5)
    member.answer = TimeoutError()
    assert not await member.commits.commit()
    member.answer = True
    member.settle(6)
    assert await member.commits.commit()
    member.now = 59.0
    assert member.commits.is_all_committed()
    member.now = 60.0
    assert not member.commits.is_all_committed()
    assert await member.commits.commit()
    member.now = 1000.0
    assert member.commits.is_all_committed()
    assert [states[TAG].offset for states in member.sent] == [5, 6, 6]


async def test_commits_that_go_on_failing_put_nothing_off():
    """One topic's may be refused for days; each that failed may arrive late, and all are made good."""
    member = Member()
    other = ("other", 0)
    sent = []

    async def commit(states):
        sent.append((member.now, set(states)))
        if member.now in {1.0, 30.0, 59.0}:
            raise TopicAuthorizationFailedError
        return tuple(states)

    member.commits = Commits(
        member.settled, commit, lambda: member.changes, member.failed, lambda: member.now
    )
    member.settle(5)
    await member.commits.commit()
    for member.now in (1.0, 2.0, 30.0, 31.0, 59.0, 60.0, 61.0, 62.0, 118.0, 119.0, 120.0, 1000.0):
        if member.now < 61:
            member.states[other] = CommittedState(int(member.now))
            member.changes += 1
        await member.commits.commit()
    assert [now for now, partitions in sent if TAG in partitions] == [0.0, 61.0, 119.0]


async def test_a_beginning_that_could_not_be_written_down_may_arrive_late_too():
    """It would put a partition back to its begin."""
    member = Member()
    member.settle(5)
    member.answer = KafkaConnectionError()
    with pytest.raises(KafkaConnectionError):
        await member.commits.write_down({TAG: CommittedState(0)})
    member.answer = True
    assert await member.commits.commit()
    member.now = 60.0
    assert await member.commits.commit()
    assert [states[TAG].offset for states in member.sent] == [0, 5, 5]


async def test_a_beginning_that_could_not_be_written_down_goes_with_the_next_commit():
    """Refused, or held back: its lane is given up and says nothing of it. Others commit there once the partitions went."""
    begin, other = {("other", 0): CommittedState(0)}, {TAG: CommittedState(5)}
    answers: tuple[bool | Exception, ...] = (False, KafkaConnectionError())
    for answer in answers:
        member = Member()
        member.settle(5)
        member.answer = answer
        with suppress(KafkaConnectionError):
            await member.commits.write_down(begin)
        assert not await member.commits.commit()
        await member.commits.begin_anew()
        member.now = 60.0
        member.answer = True
        assert await member.commits.commit()
        member.commits.forget()
        assert await member.commits.commit()
        assert member.sent == [begin, begin | other, begin | other, other]
        member.answer = answer
        with suppress(KafkaConnectionError):
            await member.commits.write_down(begin)
        member.commits.forget()
        member.answer = True
        assert await member.commits.commit()
        assert member.sent[-2:] == [begin, other]


async def test_of_a_commit_of_some_partitions_the_others_are_committed_later():
    """Of one topic the id is not known yet; nobody waits for that with the others."""
    member = Member()
    other = ("other", 0)
    member.states[other] = CommittedState(3)
    member.settle(5)
    sent: list[dict[tuple[str, int], CommittedState]] = []

    async def some(states):
        sent.append(dict(states))
        return [TAG] if TAG in states else []

    member.commits = Commits(
        member.settled, some, lambda: member.changes, member.failed, lambda: 0.0
    )
    assert await member.commits.commit()
    assert not member.commits.is_all_committed()
    assert not await member.commits.commit()
    assert [set(states) for states in sent] == [{TAG, other}, {other}]
