"""A destination's rate: how fast a backlog is worked off, what is promised, and that calls keep their distance."""

import asyncio
import itertools
from random import Random  # noqa: TID251  # seeded

import pytest

from streams.admission.limits import LONGEST_PARK_SECONDS, PATIENCE_SECONDS, RATE_SLACK_SECONDS
from streams.admission.queue import Permit
from tests.unit.admission.desk import Desk, answered, partner
from tests.unit.webhook.virtual_time import in_virtual_time

A, B = "https://a.example.com", "https://b.example.com"


class Backlog:
    """Records for one destination, parked as a worker parks them: until they expect room, for the longest park at most.

    Attributes:
        called: when each was called, in seconds from the start.
        parks: how often records were parked.
    """

    def __init__(self, desk):
        self.desk, self.began, self.called, self.parks = desk, desk.now, [], 0
        self._rng = Random(1)  # noqa: S311  # no secret
        self._tasks = set()

    def event(self):
        task = asyncio.create_task(self._event())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _event(self):
        while not isinstance(answer := await self.desk.ask(A), Permit):
            assert answer.reason == "rate-limit"
            self.parks += 1
            away = min(answer.expected_at - self.desk.now, LONGEST_PARK_SECONDS)
            # A lane's timer and the turns of its loop are late by some milliseconds.
            await asyncio.sleep(away + self._rng.uniform(0.0, 0.03))
        self.called.append(self.desk.now - self.began)
        await asyncio.sleep(0.05)
        self.desk.give_back([answer], answered())

    async def stop(self):
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)


async def once(desk: Desk, called: list[float], parked: list[str]) -> None:
    """Ask once for a destination: note when it was called, or why it was parked."""
    answer = await desk.ask(A)
    if isinstance(answer, Permit):
        called.append(desk.now)
        desk.give_back([answer], answered())
    else:
        parked.append(answer.reason)


def assert_kept(called, rate):
    """Assert that no moment, no second and no ten of them saw more calls than the rate and its slack allow."""
    for seconds in (0.0, 1.0, 10.0):
        most = int((seconds + RATE_SLACK_SECONDS) * rate + 1e-6) + 1
        for at, after in zip(called, called[most:], strict=False):
            assert after - at > seconds - 1e-6


@in_virtual_time
async def test_a_backlog_of_many_parks_is_worked_off_at_the_rate():
    """Three quarters of an hour's events at once, and a fresh one each minute: nearly every slot is used."""
    desk = Desk()
    desk.partner = partner(rate=2)
    backlog = Backlog(desk)
    for _ in range(5400):
        backlog.event()
    for _ in range(48):
        await asyncio.sleep(60)
        backlog.event()
    await asyncio.sleep(60)
    await backlog.stop()
    called = backlog.called
    assert all(sum(at <= end for at in called) >= 0.9 * 2 * end for end in range(60, 2701, 60))
    assert len(called) == 5448
    assert_kept(called, 2)
    assert backlog.parks < 3 * 5448
    assert desk.is_clean()


@in_virtual_time
async def test_nothing_is_promised_beyond_the_longest_park():
    """Such a record could not come back in time: it asks again after that, and keeps no slot from others meanwhile."""
    desk = Desk()
    desk.partner = partner(rate=2)
    answers = [await task for task in desk.line_up(calls=10_000)]
    denied = [answer for answer in answers if not isinstance(answer, Permit)]
    assert {answer.reason for answer in denied} == {"rate-limit"}
    # They asked before those that were called at once had their slots, a second ago.
    latest = desk.now - PATIENCE_SECONDS + LONGEST_PARK_SECONDS
    assert max(answer.expected_at for answer in denied) == latest
    await asyncio.sleep(LONGEST_PARK_SECONDS)
    assert (await desk.take()) != []


@in_virtual_time
async def test_a_greater_share_counts_at_once():
    """Partitions gained, or another partners file: a step of a minute and a half and its promises are over."""
    desk = Desk()
    desk.partner = partner(rate=2)
    desk.admission.share = 1 / 180
    await desk.take()
    for _ in range(30):
        reason, _, away = await desk.refusal()
        assert (reason, away > 89) == ("rate-limit", True)
    desk.admission.share = 1.0
    assert isinstance(await desk.ask(), Permit)
    promised = []
    for task in desk.line_up(calls=10):
        answer = await task
        if not isinstance(answer, Permit):
            promised.append(answer.expected_at - desk.now)
    assert max(promised) < 10 / 2


@in_virtual_time
async def test_a_smaller_share_counts_at_once():
    """From the next call on; who already waits longer than it would have waited for a slot is parked."""
    desk = Desk()
    desk.partner = partner(rate=20)
    await desk.prove()
    waiting = desk.line_up(calls=10)
    await asyncio.sleep(0.01)
    desk.admission.share = 0.01
    began = desk.now
    why, waited, away = await desk.refusal()
    assert (why, waited) == ("rate-limit", 0)
    assert away > 4
    answers = [await task for task in waiting]
    assert desk.now - began < 5 * PATIENCE_SECONDS
    assert {answer.reason for answer in answers} == {"rate-limit"}
    assert desk.is_clean()


@pytest.mark.parametrize("rate", [2, 50])
@in_virtual_time
async def test_after_a_wait_for_the_worker_calls_keep_their_distance(rate):
    """However long it was full: what came in that time does not leave in one moment, and holds nobody else up."""
    desk = Desk(2)
    desk.partner = partner(rate=rate, most=1000)
    other = partner("other")
    await desk.prove(A)
    await desk.prove(B, who=other)
    await asyncio.sleep(1)
    held = await desk.take(B, calls=2, who=other)
    called: list[float] = []
    parked: list[str] = []
    tasks = []
    for _ in range(rate * 30):
        tasks.append(asyncio.create_task(once(desk, called, parked)))
        await asyncio.sleep(1 / rate)
    assert called == []
    desk.give_back(held, answered())
    await desk.take(B, calls=1, who=other)
    free_again = desk.now
    await asyncio.wait(tasks)
    assert_kept(called, rate)
    # A second's slots are waited for, no more; and who waits is called a step after the other.
    assert len(called) + len(parked) == rate * 30
    assert rate <= len(called) <= rate + 2
    assert set(parked) == {"rate-limit"}
    assert called[0] == free_again
    assert called[-1] - free_again <= PATIENCE_SECONDS + 1e-6
    for _ in range(3):
        await desk.prove(B, who=other)


@in_virtual_time
async def test_late_turns_of_the_loop_cost_no_rate():
    """Two hundred a second, each of them some milliseconds late: as many are called."""
    desk = Desk()
    desk.partner = partner(rate=200, most=1000)
    rng = Random(1)  # noqa: S311  # no secret
    called: list[float] = []
    parked: list[str] = []
    tasks = []

    async def record():
        await asyncio.sleep(rng.uniform(0.0, 0.02))
        await once(desk, called, parked)

    for _ in range(2000):
        tasks.append(asyncio.create_task(record()))
        await asyncio.sleep(1 / 200)
    await asyncio.wait(tasks)
    assert parked == []
    assert called[-1] - called[0] < 10.1
    assert_kept(called, 200)


@pytest.mark.parametrize(("rate", "share"), [(0.01, 1.0), (0.1, 1 / 12)])
@in_virtual_time
async def test_a_step_longer_than_a_minute_is_kept(rate, share):
    """A slow rate, or a small part of one: the last call is not forgotten before its step is over."""
    desk = Desk()
    desk.admission.share = share
    who, called = partner("rated", rate=rate), []
    for second in range(1500):
        await desk.prove(B)  # other traffic, with which idle destinations are forgotten
        if second % 80 == 0 and isinstance(permit := await desk.ask(A, who=who), Permit):
            called.append(desk.now)
            desk.give_back([permit], answered())
        await asyncio.sleep(1)
    assert len(called) > 5
    assert_kept(called, rate * share)
    assert min(after - at for at, after in itertools.pairwise(called)) >= 1 / rate / share


@in_virtual_time
async def test_what_was_promised_is_not_forgotten_while_nobody_asks():
    """Who comes in between takes a free slot, and leaves the others their order; after the last of them all is forgotten."""
    desk = Desk()
    desk.partner = partner(rate=2)
    promised = []
    for task in desk.line_up(calls=600):
        answer = await task
        promised.append(0.0 if isinstance(answer, Permit) else answer.expected_at - desk.now)
        if isinstance(answer, Permit):
            desk.give_back([answer], answered())
    assert max(promised) > 250
    for _ in range(10):
        await asyncio.sleep(15)
        await desk.prove(B, who=partner("other"))
    (answer,) = desk.line_up(calls=1)
    assert isinstance(await answer, Permit)  # nobody came for the slots before
    desk.give_back([answer.result()], answered())
    assert desk.state(A)._promises.last_ahead(desk.now)
    for _ in range(30):
        await asyncio.sleep(15)
        await desk.prove(B, who=partner("other"))
    assert len(desk.admission) == 1
