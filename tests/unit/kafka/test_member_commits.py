"""Commits of one who is no member any more: `streams.kafka.patches.member_commits`."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import IllegalGenerationError, KafkaConnectionError

from streams.kafka.patches.member_commits import guard_commits

OFFSETS = {"topic": 1}


class Coordinator:
    """What the patch uses of aiokafka's."""

    def __init__(self):
        self.generation = 3
        self.sent = []
        self.fails = False

    async def _do_commit_offsets(self, assignment, offsets):
        self.sent.append((assignment, offsets))
        await asyncio.sleep(0)
        if self.fails:
            raise KafkaConnectionError


@pytest.fixture
def coordinator():
    made = Coordinator()
    guard_commits(SimpleNamespace(_coordinator=made))
    return made


async def test_a_member_commits_what_it_holds(coordinator):
    """As without the patch."""
    assignment = SimpleNamespace(active=True)
    await coordinator._do_commit_offsets(assignment, OFFSETS)
    assert coordinator.sent == [(assignment, OFFSETS)]


@pytest.mark.parametrize(("generation", "active"), [(-1, True), (3, False)])
async def test_nothing_is_sent_by_one_who_is_no_member_any_more(coordinator, generation, active):
    """Nor of an assignment that has ended: an empty group would take it, and go back to offsets of before."""
    coordinator.generation = generation
    with pytest.raises(IllegalGenerationError):
        await coordinator._do_commit_offsets(SimpleNamespace(active=active), OFFSETS)
    assert coordinator.sent == []


async def test_a_failure_that_nobody_waits_for_is_not_reported(coordinator):
    """By asyncio, as an exception that was never retrieved."""
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    coordinator.fails = True
    commit = coordinator._do_commit_offsets(SimpleNamespace(active=True), OFFSETS)
    await asyncio.wait([commit])
    del commit
    await asyncio.sleep(0)
    assert reported == []
