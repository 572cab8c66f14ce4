"""What one partner's dead destinations leave to others: their retries, their first calls and their probes."""

import asyncio

import pytest

from streams.admission.limits import (
    COUNT_SECONDS,
    IDLE_SECONDS,
    PATIENCE_SECONDS,
    QUICK_SHARE,
    RETRY_SHARE,
)
from streams.admission.queue import Denied, Permit
from streams.settings import Settings
from tests.unit.admission.desk import Desk, answered, partner, refused, timed_out
from tests.unit.webhook.virtual_time import in_virtual_time

MOST = Settings.model_fields["max_in_flight"].default
ANSWER_SECONDS = 0.05
TIME_OUT_SECONDS = 5.0
OTHER = "https://other.example.com"


def origin(number):
    return f"https://merchant{number}.example.com"


class Traffic:
    """Records that come back when they are told to, until they have been called.

    Attributes:
        waited: how long each of them waited for its call, parks included.
        parked: why they were parked.
    """

    def __init__(self, desk):
        self.desk = desk
        self.waited, self.parked = [], []
        self._tasks = set()

    def record(self, url, who, *, dies=False, retry=False):
        task = asyncio.create_task(self._record(url, who, dies, retry))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, url, who, dies, retry):
        asked, parks = self.desk.now, 0
        while not isinstance(permit := await self.desk.ask(url, who=who, retry=retry), Permit):
            self.parked.append(permit.reason)
            away = permit.expected_at - self.desk.now
            await asyncio.sleep(max(away, 2**parks) if permit.escalate else away)
            parks += 1
        self.waited.append(self.desk.now - asked)
        call = None
        try:
            await asyncio.sleep(TIME_OUT_SECONDS if dies else ANSWER_SECONDS)
            call = timed_out() if dies else answered(ANSWER_SECONDS)
        finally:
            self.desk.give_back([permit], call)

    async def over(self):
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self):
        for task in self._tasks:
            task.cancel()
        await self.over()


@pytest.mark.parametrize("a_second", [60, 200])
@in_virtual_time
async def test_retries_to_dead_origins_leave_an_eighth_to_those_of_quick_ones(a_second):
    """More than the retries' calls could take, each to an origin of its own: another partner's wait for nothing."""
    desk = Desk(MOST)
    platform, other = partner("platform"), partner("other")
    await desk.prove(OTHER, who=other)
    dead, quick = Traffic(desk), Traffic(desk)
    for number in range(a_second * 30):
        dead.record(origin(number), platform, dies=True, retry=True)
        if number % 10 == 0:
            quick.record(OTHER, other, retry=True)
        await asyncio.sleep(1 / a_second)
    await quick.over()
    assert len(quick.waited) == a_second * 3
    assert (max(quick.waited), quick.parked) == (0.0, [])
    # What it has is in use.
    most = MOST // RETRY_SHARE * (1 - 1 / QUICK_SHARE)
    assert len(dead.waited) > 0.9 * most * 30 / TIME_OUT_SECONDS
    await dead.cancel()
    assert desk.is_clean()


@in_virtual_time
async def test_retries_of_slow_and_of_dead_ones_together_leave_an_eighth():
    """Whichever of them came first."""
    desk = Desk(MOST)
    slow, silent = partner("slow"), partner("silent")
    for number in range(20):
        desk.give_back(await desk.take(origin(number), who=slow), answered(4.5))
    held = []
    for number in range(400):
        held.append(await desk.ask(f"https://dead{number}.example.com", who=silent, retry=True))
        line = desk.line_up(origin(number % 20), who=slow, retry=True)
        await asyncio.sleep(0)
        held += [task.result() for task in line if task.done()]
    retries = sum(isinstance(answer, Permit) for answer in held)
    most = MOST // RETRY_SHARE
    assert most - most // QUICK_SHARE - 1 <= retries <= most - most // QUICK_SHARE


@in_virtual_time
async def test_dead_merchants_of_one_platform_leave_others_their_first_call():
    """Each is called once, a hundred a second for two minutes; a hundred partners have an event now and then, when nobody
    remembers them.
    """
    desk = Desk(MOST)
    platform, others = partner("platform"), [partner(f"other{n}") for n in range(100)]
    dead, healthy = Traffic(desk), Traffic(desk)
    for number in range(100 * 120):
        dead.record(origin(number), platform, dies=True)
        if number % 90 == 0:
            healthy.record(OTHER, others[number // 90 % 100])
        await asyncio.sleep(0.01)
    await healthy.over()
    assert len(healthy.waited) == 134
    assert (max(healthy.waited), healthy.parked) == (0.0, [])
    await dead.cancel()
    assert desk.is_clean()


@in_virtual_time
async def test_twenty_dead_platforms_leave_others_their_first_call():
    """They share what there is in equal parts, so that some is left for who has none."""
    desk = Desk(MOST)
    platforms = [partner(f"platform{number}") for number in range(20)]
    dead, healthy = Traffic(desk), Traffic(desk)
    for number in range(200 * 60):
        dead.record(origin(number), platforms[number % 20], dies=True)
        if number > 200 * 15 and number % 100 == 0:
            healthy.record(OTHER, partner(f"other{number}"))
        await asyncio.sleep(1 / 200)
    await healthy.over()
    assert len(healthy.waited) == 89
    assert (max(healthy.waited), healthy.parked) == (0.0, [])
    await dead.cancel()


@in_virtual_time
async def test_dead_merchants_of_one_platform_leave_others_their_probe():
    """A destination that is back is found within a second, however many calls to others are without an answer."""
    desk = Desk(MOST)
    platform, other = partner("platform"), partner("other")
    desk.give_back(await desk.take(OTHER, who=other), refused())
    dead = Traffic(desk)
    for number in range(100 * 20):
        dead.record(origin(number), platform, dies=True)
        await asyncio.sleep(0.01)
    permits = []
    for number in range(100 * 2):
        dead.record(origin(3000 + number), platform, dies=True)
        answer = await desk.ask(OTHER, who=other)
        if isinstance(answer, Permit):
            permits.append(answer)
            desk.give_back([answer], refused())
        await asyncio.sleep(0.01)
    assert len(permits) == 2
    await dead.cancel()


@in_virtual_time
async def test_who_has_more_than_its_part_comes_back_later_each_time():
    """Who has none is back after a second: others have what it does not get."""
    desk = Desk(MOST)
    crowds = [partner(f"crowd{number}") for number in range(8)]
    for number in range(MOST):
        await desk.ask(origin(number), who=crowds[number % 8])
    many = await desk.ask(who=crowds[0])
    assert isinstance(many, Denied)
    assert (many.reason, many.escalate) == ("share", True)
    await desk.take(who=partner("new"))
    for number in range(MOST):
        await desk.ask(who=partner(f"late{number}"))
    none = await desk.ask(who=partner("newer"))
    assert isinstance(none, Denied)
    assert (none.reason, none.escalate) == ("share", False)
    assert none.expected_at == desk.now + PATIENCE_SECONDS


@in_virtual_time
async def test_a_denied_first_call_costs_no_walk_over_those_that_are_called(monkeypatch):
    """They are counted now and then; thousands may be denied meanwhile."""
    desk = Desk(MOST)
    for number in range(MOST):
        await desk.ask(origin(number))
    await asyncio.sleep(2 * COUNT_SECONDS)
    walks = []
    count = desk.admission._count

    def walk(now):
        walks.append(now)
        count(now)

    monkeypatch.setattr(desk.admission, "_count", walk)
    for _ in range(100):
        assert (await desk.refusal("https://new.example.com"))[0] == "share"
    assert len(walks) == 1


@in_virtual_time
async def test_a_destination_that_was_dead_and_forgotten_is_as_one_that_nobody_knows():
    """It may be back: of a hundred events at once none is parked for as long as it was dead."""
    desk = Desk(MOST)
    desk.give_back(await desk.take(calls=16), timed_out())
    for _ in range(3):
        await asyncio.sleep(IDLE_SECONDS / 2 + 1)
        await desk.prove("https://somebody.example.com", who=partner("somebody"))
    back = Traffic(desk)
    for _ in range(100):
        back.record(None, None)
    await back.over()
    assert (len(back.waited), max(back.waited) < 2 * PATIENCE_SECONDS) == (100, True)


@pytest.mark.parametrize("most", [4, 8, 16, 32])
@in_virtual_time
async def test_a_worker_of_few_calls_keeps_one_for_who_has_none(most):
    """A sixteenth of a few is one, and not none."""
    desk = Desk(most)
    platform = partner("platform")
    dead, others = Traffic(desk), Traffic(desk)
    for number in range(20 * most):
        dead.record(origin(number), platform, dies=True)
        if number % most == most - 1:
            others.record(OTHER, partner(f"other{number}"))
        await asyncio.sleep(1 / most)
    await others.over()
    assert (len(others.waited), max(others.waited), others.parked) == (20, 0.0, [])
    await dead.cancel()
    assert desk.is_clean()
