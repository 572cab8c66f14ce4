"""A member that its group refuses: `streams.kafka.patches.refused_members` and what is said of it."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
    RequestTimedOutError,
    UnknownError,
)

from streams.kafka.consumer.refusals import refusal
from streams.kafka.patches import refused_members
from streams.kafka.patches.refused_members import ask_again


class Coordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's, as far as the loop that keeps a member in its group uses it; the brokers refuse the first joins."""

    def __init__(self, refusals, heartbeat=None):
        self.refusals, self.heartbeat = list(refusals), heartbeat
        self._closing = asyncio.get_running_loop().create_future()
        self._rejoin_needed_fut = asyncio.get_running_loop().create_future()
        self._coordinator_dead_fut = asyncio.get_running_loop().create_future()
        self._heartbeat_task = self._commit_refresh_task = None
        self.subscription = SimpleNamespace(
            active=True, unsubscribe_future=asyncio.get_running_loop().create_future()
        )
        self._subscription = SimpleNamespace(
            subscription=self.subscription,
            partitions_auto_assigned=lambda: True,
            abort_waiters=lambda _: None,
        )
        self.asked = asyncio.Event()
        self.joined, self.joined_twice = asyncio.Event(), asyncio.Event()
        self.joins = 0

    async def ensure_coordinator_known(self):
        """It is known."""

    def need_rejoin(self, _):
        return not self.joined.is_set() or self._rejoin_needed_fut.done()

    async def ensure_active_group(self, *_):
        """Join, or be refused."""
        self.joins += 1
        self.asked.set()
        if self.refusals:
            raise self.refusals.pop(0)
        (self.joined_twice if self.joined.is_set() else self.joined).set()
        self._rejoin_needed_fut = asyncio.get_running_loop().create_future()
        error, self.heartbeat = self.heartbeat, None
        self._heartbeat_task = asyncio.create_task(self._heartbeats(error)) if error else None
        return SimpleNamespace(active=True)

    async def _heartbeats(self, error):
        raise error

    async def _maybe_do_autocommit(self, _):
        return None

    async def _maybe_do_last_autocommit(self, _):
        """Nothing."""


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(refused_members, "PAUSE_SECONDS", 0.001)


async def run(coordinator):
    """Run aiokafka's loop; return its task, and what was refused."""
    told: list[Exception] = []
    ask_again(SimpleNamespace(_coordinator=coordinator), told.append)
    return asyncio.create_task(coordinator._coordination_routine()), told


async def test_a_refused_member_asks_until_it_is_taken():
    """Each refusal is told; nobody has to call anything."""
    refusals = [InconsistentGroupProtocolError(), KafkaError("x"), KafkaError("x")]
    coordinator = Coordinator(refusals)
    task, told = await run(coordinator)
    await asyncio.wait_for(coordinator.joined.wait(), 10)
    assert (told, coordinator.joins) == (refusals, 4)
    coordinator._closing.set_result(None)
    await task


async def test_a_member_whose_heartbeat_is_refused_joins_again():
    """aiokafka's heartbeats end with the first that is refused, and begin with the next generation only."""
    coordinator = Coordinator([], heartbeat=GroupAuthorizationFailedError("group"))
    task, told = await run(coordinator)
    await asyncio.wait_for(coordinator.joined_twice.wait(), 10)
    assert [type(error) for error in told] == [GroupAuthorizationFailedError]
    coordinator._closing.set_result(None)
    await task


async def test_the_end_does_not_wait_for_the_pause(monkeypatch):
    """A worker that stops while it is refused stops at once."""
    monkeypatch.setattr(refused_members, "PAUSE_SECONDS", 3600)
    coordinator = Coordinator([KafkaError("x")] * 9)
    task, told = await run(coordinator)
    await asyncio.wait_for(coordinator.asked.wait(), 10)
    assert len(told) == 1
    coordinator._closing.set_result(None)
    await asyncio.wait_for(task, 10)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GroupAuthorizationFailedError("group"), "may not read in this group"),
        (InconsistentGroupProtocolError(), "another program is in this group"),
        (InvalidGroupIdError(), "no group of this name"),
        (InvalidSessionTimeoutError(), "group.min.session.timeout.ms"),
        (KafkaError(repr(UnknownError())), "group.max.size"),
        (RequestTimedOutError("10.0.0.1"), "RequestTimedOutError"),
    ],
)
def test_the_refusal_says_what_to_do(error, words):
    """And nothing that changes from one to the next."""
    said = refusal(error)
    assert said.startswith("the group refuses this worker: ")
    assert words in said
    assert "10.0.0.1" not in said
