"""A member whose heartbeats are not answered: what it may do, and what is done when the coordinator answers again."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest

from streams.kafka.consumer.membership import Membership
from streams.kafka.patches.answered_heartbeats import hear_answered_heartbeats
from tests.unit.kit import turns

SESSION = 10.0


class World:
    """A membership, its clock, and how often it was regained."""

    def __init__(self):
        self.seconds, self.regained = 100.0, 0
        self.membership = Membership(SESSION, lambda: self.seconds, self._regain)

    def _regain(self):
        self.regained += 1


async def test_a_lease_runs_from_when_the_answered_heartbeat_was_sent():
    """Not from its answer: that may have been under way for the whole session."""
    world = World()
    world.seconds += SESSION - 0.001
    assert world.membership.is_held()
    world.membership.confirm(104.0)
    world.seconds = 104.0 + SESSION - 0.001
    assert world.membership.is_held()
    world.seconds = 104.0 + SESSION
    assert not world.membership.is_held()


async def test_who_waits_goes_on_when_the_coordinator_answers(caplog):
    """It is told that it waited; loss and return are logged once each, however often somebody asks."""
    caplog.set_level("INFO")
    world = World()
    assert await world.membership.hold() is True
    world.seconds += SESSION
    waiting = [asyncio.ensure_future(world.membership.hold()) for _ in range(3)]
    await turns()
    world.membership.confirm(100.0)  # the answer to a heartbeat of before
    await turns()
    assert not any(one.done() for one in waiting)
    assert world.regained == 0
    world.membership.confirm(world.seconds)
    assert await asyncio.gather(*waiting) == [False] * 3
    assert world.regained == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "no heartbeat of the last 10 s was answered" in caplog.text


async def test_who_waits_is_cancelled_when_the_partitions_go():
    """And nobody else is: one who is cancelled alone takes none with it."""
    world = World()
    world.seconds += SESSION
    first, second = (asyncio.ensure_future(world.membership.hold()) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    assert first.cancelled()
    assert not second.done()
    world.membership.lose()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert world.regained == 0


@pytest.mark.parametrize("known", [True, False])
async def test_only_a_heartbeat_that_finds_us_a_member_counts(known):
    """With the time when it was sent."""
    world = World()
    answered: list[float] = []

    async def heartbeat():
        world.seconds += 3
        return known

    coordinator = SimpleNamespace(_do_heartbeat=heartbeat, _send_req=None)
    hear_answered_heartbeats(
        SimpleNamespace(_coordinator=coordinator),
        lambda: world.seconds,
        answered.append,
        world.membership.put_off,
    )
    assert await coordinator._do_heartbeat() is known
    assert answered == ([100.0] if known else [])


@pytest.mark.parametrize(
    ("request_type", "code", "expected"),
    [(SyncGroupRequest, 0, [100.0]), (SyncGroupRequest, 25, []), (JoinGroupRequest, 0, [])],
)
async def test_a_generation_begins_with_the_lease_of_when_its_partitions_were_asked_for(
    request_type, code, expected
):
    """The answer may come when the session is over: taken for fresh, it would let the worker do what another does by then."""
    world = World()
    answered: list[float] = []
    answer = SimpleNamespace(error_code=code)

    async def send(_request):
        world.seconds += 25
        return answer

    coordinator = SimpleNamespace(_do_heartbeat=None, _send_req=send)
    hear_answered_heartbeats(
        SimpleNamespace(_coordinator=coordinator),
        lambda: world.seconds,
        answered.append,
        world.membership.put_off,
    )
    assert await coordinator._send_req(request_type.__new__(request_type)) is answer
    assert answered == expected
    assert not world.membership.is_put_off()


@pytest.mark.parametrize(
    ("request_type", "code", "put_off"),
    [
        (JoinGroupRequest, 15, True),
        (SyncGroupRequest, 14, True),
        (SyncGroupRequest, 15, True),
        (SyncGroupRequest, 16, True),
        (SyncGroupRequest, 27, True),
        (HeartbeatRequest, 27, False),
    ],
)
async def test_a_coordinator_that_can_not_keep_the_group_puts_its_members_off(
    request_type, code, put_off
):
    """Each time that one asks to join; what was said a minute ago says nothing any more."""
    world = World()
    answer = SimpleNamespace(error_code=code)

    async def send(_request):
        return answer

    coordinator = SimpleNamespace(_do_heartbeat=None, _send_req=send)
    hear_answered_heartbeats(
        SimpleNamespace(_coordinator=coordinator),
        lambda: world.seconds,
        lambda _: None,
        world.membership.put_off,
    )
    assert await coordinator._send_req(request_type.__new__(request_type)) is answer
    world.seconds += 59.9
    assert world.membership.is_put_off() is put_off
    world.seconds += 0.2
    assert not world.membership.is_put_off()
