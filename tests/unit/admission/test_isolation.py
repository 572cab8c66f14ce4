"""What destinations take from each other: nothing that a healthy one would miss."""

import asyncio
from random import Random  # noqa: TID251  # seeded

import pytest

from streams.admission.limits import (
    BELOW_PART_SHARE,
    COUNT_SECONDS,
    PATIENCE_SECONDS,
    QUICK_SHARE,
    RETRY_SHARE,
    SLOW_SHARE,
    UNRESPONSIVE_SHARE,
    UNTRIED_SHARE,
)
from streams.admission.queue import Permit
from streams.settings import Settings
from tests.unit.admission.desk import Desk, answered, partner, refused, timed_out
from tests.unit.webhook.virtual_time import in_virtual_time

MOST = Settings.model_fields["max_in_flight"].default
ANSWER_SECONDS = 0.02


def alone(calls):
    """Return how many of these calls a partner has that nobody shares them with."""
    return calls + -calls // BELOW_PART_SHARE


TIME_OUT_SECONDS = 5.0
SLOW_ANSWER_SECONDS = 4.5


def url_of(number):
    return f"https://m{number}.example.com/notify?shop={number}"


class Day:
    """A worker's traffic: some destinations answer at once, some never do.

    Attributes:
        waited: how long each record of a healthy destination waited for its call, in seconds.
        parked: why records of healthy destinations were parked.
        most_hung: calls of hung destinations at once, the most that was seen in each second.
    """

    def __init__(self, desk, hung, *, own_entries=False):
        self.desk, self.hung, self.own_entries = desk, hung, own_entries
        self.waited, self.parked = [], []
        self.hung_now = 0
        self.most_hung = {}
        self.by_destination = {}
        self._began = desk.now
        self._tasks = set()

    def event(self, number, *, retry=False):
        task = asyncio.create_task(self._event(number, retry))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _event(self, number, retry):
        asked = self.desk.now
        who = partner(f"shop{number}") if self.own_entries else None
        permit = await self.desk.ask(url_of(number), who=who, retry=retry)
        if number in self.hung:
            if isinstance(permit, Permit):
                await self._hang(number, permit)
        elif isinstance(permit, Permit):
            self.waited.append(self.desk.now - asked)
            await asyncio.sleep(ANSWER_SECONDS)
            self.desk.give_back([permit], answered(ANSWER_SECONDS))
        else:
            self.parked.append(permit.reason)

    async def _hang(self, number, permit):
        self.hung_now += 1
        second = int(self.desk.now - self._began)
        self.most_hung[second] = max(self.hung_now, self.most_hung.get(second, 0))
        here = self.by_destination.setdefault(number, [0, 0])
        here[0] += 1
        here[1] = max(here)
        await asyncio.sleep(TIME_OUT_SECONDS)
        here[0] -= 1
        self.hung_now -= 1
        self.desk.give_back([permit], timed_out())

    async def over(self):
        while self._tasks:
            await asyncio.wait(self._tasks)


@pytest.mark.parametrize("own_entries", [True, False])
@in_virtual_time
async def test_three_hundred_of_a_thousand_hang_and_nobody_else_notices(own_entries):
    """From the first event on, 300 of them a second: the healthy ones wait for nothing and none is parked."""
    desk = Desk(MOST)
    day = Day(desk, range(300), own_entries=own_entries)
    for number in range(300 * 30):
        day.event(number * 7 % 1000)
        await asyncio.sleep(1 / 300)
    await day.over()
    assert len(day.waited) == 300 * 30 * 7 // 10
    assert (max(day.waited), day.parked) == (0.0, [])
    known = [most for second, most in day.most_hung.items() if second > 2 * TIME_OUT_SECONDS]
    assert max(known) <= MOST // UNRESPONSIVE_SHARE
    assert desk.is_clean()


async def known_thousand(hung, *, own_entries=False):
    """Give a thousand destinations a good time of ten seconds, let some hang, and return what comes of another twenty.

    300 events a second over all of them, in an order that is drawn.
    """
    desk, rng = Desk(MOST), Random(1)  # noqa: S311  # no secret
    days = [Day(desk, who, own_entries=own_entries) for who in ((), range(hung))]
    for day, seconds in zip(days, (10, 20), strict=True):
        for _ in range(300 * seconds):
            day.event(rng.randrange(1000))
            await asyncio.sleep(1 / 300)
        await day.over()
    assert desk.is_clean()
    return days[1]


@in_virtual_time
async def test_three_hundred_of_a_thousand_hang_after_a_good_time_and_nobody_else_notices():
    """With the default of calls at once: no healthy one waits for a single moment, and none is parked."""
    day = await known_thousand(hung=300)
    assert len(day.waited) > 300 * 20 * 0.6
    assert (max(day.waited), day.parked) == (0.0, [])


@pytest.mark.parametrize("own_entries", [True, False])
@in_virtual_time
async def test_half_of_a_thousand_hang_after_a_good_time_and_the_others_wait_briefly(own_entries):
    """More first calls hang within one time-out than there are places: some wait for part of a second.

    None is parked, but for a few that were never called before and whose own partner is the one of which half hangs.
    """
    day = await known_thousand(500, own_entries=own_entries)
    assert len(day.parked) <= (0 if own_entries else 3)
    assert 0 < max(day.waited) < PATIENCE_SECONDS
    assert sum(waited > 0 for waited in day.waited) < len(day.waited) * 0.05


@in_virtual_time
async def test_destinations_that_nobody_knows_and_that_all_hang_leave_a_quarter_alone():
    """Each is only asked once, and falls silent before it times out; a proven one is admitted at once all the while."""
    desk = Desk(MOST)
    known = "https://known.example.com"
    day = Day(desk, hung=range(3000))
    for number in range(3000):
        day.event(number)
        await desk.prove(known)
        await asyncio.sleep(1 / 300)
    await day.over()
    assert max(day.most_hung.values()) == alone(MOST // UNTRIED_SHARE + MOST // UNRESPONSIVE_SHARE)
    assert desk.is_clean()


@in_virtual_time
async def test_three_of_ten_hang_after_a_good_time_and_nobody_else_notices():
    """All under one partner entry; the hung ones had proved themselves and have the highest limits."""
    desk = Desk(MOST)
    good = Day(desk, hung=())
    for number in range(300 * 5):
        good.event(number % 10)
        await asyncio.sleep(1 / 300)
    await good.over()
    bad = Day(desk, hung=range(3))
    for number in range(300 * 30):
        bad.event(number % 10)
        await asyncio.sleep(1 / 300)
    await bad.over()
    assert (max(bad.waited), bad.parked) == (0.0, [])
    assert max(bad.most_hung.values()) <= MOST // UNRESPONSIVE_SHARE
    assert desk.is_clean()


@pytest.mark.parametrize("ceiling", [1, 3, 16, 64])
@in_virtual_time
async def test_a_hung_one_never_takes_more_than_its_own_limit(ceiling):
    """First what a new one gets, then a probe a second; each hangs for the whole time-out."""
    desk = Desk(MOST)
    desk.partner = partner(most=ceiling)
    day = Day(desk, hung={1})
    for _ in range(2000):
        day.event(1)
        await asyncio.sleep(0.01)
    await day.over()
    most = day.by_destination[1][1]
    assert most == min(ceiling, 16 + TIME_OUT_SECONDS - 1)


@in_virtual_time
async def test_unresponsive_ones_share_a_quarter():
    """Four hundred that failed are asked for at once: no more than a quarter is probed, not all of it for one partner."""
    desk = Desk(MOST)
    others = [partner(f"other{number}") for number in range(100)]
    for other in others:
        desk.give_back(await desk.take(who=other), refused())
    for number in range(400):
        desk.give_back(await desk.take(url_of(number)), refused())
    answers = [await desk.ask(url_of(number)) for number in range(400)]
    permits = [answer for answer in answers if isinstance(answer, Permit)]
    assert len(permits) == alone(MOST // UNRESPONSIVE_SHARE)
    assert {answer.reason for answer in answers if not isinstance(answer, Permit)} == {"silent"}
    await desk.take("https://new.example.com")  # others are not held up
    late = [await desk.ask(who=other) for other in others]
    permits += [answer for answer in late if isinstance(answer, Permit)]
    assert len(permits) == MOST // UNRESPONSIVE_SHARE
    told = {(no.reason, no.escalate) for no in late if not isinstance(no, Permit)}
    assert told == {("share", False)}  # others have what they do not get
    desk.give_back(permits, refused())
    await asyncio.sleep(1)
    assert isinstance(await desk.ask(url_of(399)), Permit)


@in_virtual_time
async def test_untried_ones_share_half():
    """A thousand nobody knows are asked for at once; the proven ones keep the other half, and other partners a little of it."""
    desk = Desk(MOST)
    await desk.prove("https://known.example.com", who=partner("known", most=MOST))
    answers = [await desk.ask(url_of(number)) for number in range(1000)]
    permits = [answer for answer in answers if isinstance(answer, Permit)]
    assert len(permits) == alone(MOST // UNTRIED_SHARE)
    refusals = [answer for answer in answers if not isinstance(answer, Permit)]
    assert {(no.reason, no.escalate, no.expected_at - desk.now) for no in refusals} == {
        ("share", True, PATIENCE_SECONDS)
    }
    desk.give_back(permits[:1], answered())  # one proved itself: there is room for one more at once
    await desk.take("https://new.example.com")
    assert (await desk.refusal("https://newer.example.com"))[0] == "share"
    others = [await desk.ask(who=partner(f"other{number}")) for number in range(100)]
    had = sum(isinstance(answer, Permit) for answer in others)
    assert had == MOST // UNTRIED_SHARE - alone(MOST // UNTRIED_SHARE)
    told = {(no.reason, no.escalate) for no in others if not isinstance(no, Permit)}
    assert told == {("share", False)}


class SlowPlatform:
    """One partner with many origins, each of which answers every call shortly before its time-out.

    Attributes:
        calls: how many are under way.
        most: the most at once.
        answers: how many have ended.
        parked: why its records were parked.
        seconds: how long it takes to answer.
        waited: how long each of its calls was waited for, parks included.
    """

    def __init__(self, desk, origins=20, name="platform", seconds=SLOW_ANSWER_SECONDS):
        self.desk, self._origins, self.who = desk, origins, partner(name)
        self.seconds = seconds
        self.waited = []
        self.calls = self.most = self.answers = 0
        self.parked = set()
        self._tasks = set()

    async def event(self, number, *, retry=False, again=False):
        url, asked = f"https://slow{number % self._origins}.example.com", self.desk.now
        while not isinstance(permit := await self.desk.ask(url, who=self.who, retry=retry), Permit):
            self.parked.add(permit.reason)
            if not again:
                return
            assert not permit.escalate
            await asyncio.sleep(permit.expected_at - self.desk.now)
        self.waited.append(self.desk.now - asked)
        self.calls += 1
        self.most = max(self.most, self.calls)
        seconds = self.seconds
        await asyncio.sleep(seconds)
        self.calls -= 1
        self.answers += 1
        self.desk.give_back([permit], answered(seconds))

    def line_up(self, number, **how):
        task = asyncio.create_task(self.event(number, **how))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def known(self):
        """Let each origin answer once."""
        for first in range(0, self._origins, 100):
            numbers = range(first, min(first + 100, self._origins))
            await asyncio.gather(*[self.event(number) for number in numbers])
        self.most = self.answers = 0
        self.waited.clear()

    async def over(self):
        while self._tasks:
            await asyncio.wait(self._tasks)


@pytest.mark.parametrize("retry", [False, True])
@in_virtual_time
async def test_a_slow_platform_leaves_half_to_quick_ones(retry):
    """More events than all calls of the worker could take, first attempts or retries: nobody else notices."""
    desk = Desk(MOST)
    platform, day = SlowPlatform(desk), Day(desk, hung=())
    await platform.known()
    for number in range(10):
        await desk.prove(url_of(number))
    seconds = 60
    for number in range(300 * seconds):
        platform.line_up(number, retry=retry)
        if number % 3 == 0:
            day.event(number // 3 % 10, retry=retry)
        await asyncio.sleep(1 / 300)
    # What it has is in use.
    share = MOST // SLOW_SHARE // (RETRY_SHARE if retry else 1)
    assert platform.most == share
    assert platform.answers > 0.9 * share * seconds / SLOW_ANSWER_SECONDS
    await day.over()
    await platform.over()
    assert len(day.waited) == 100 * seconds
    assert (max(day.waited), day.parked) == (0.0, [])
    assert platform.parked == {"slow"}
    assert desk.is_clean()


@pytest.mark.parametrize("retry", [False, True])
@in_virtual_time
async def test_what_a_slow_platform_could_not_take_comes_back_as_calls_end(retry):
    """Parked for as long as those before it take, and not longer each time: its share is in use until all are called."""
    desk = Desk(MOST)
    platform = SlowPlatform(desk)
    await platform.known()
    began = desk.now
    for number in range(5000):
        platform.line_up(number, retry=retry, again=True)
        await asyncio.sleep(0.001)
    await platform.over()
    share = MOST // SLOW_SHARE // (RETRY_SHARE if retry else 1)
    assert platform.answers == 5000
    assert desk.now - began < 1.15 * 5000 * SLOW_ANSWER_SECONDS / share
    assert platform.parked == {"slow"}
    assert desk.is_clean()


async def flooded(flood, others, *, seconds, origins=20, retry=False):
    """Let a slow platform flood, 100 events a second, and others have one each second; return when all are over."""
    for number in range(100 * seconds):
        flood.line_up(number % origins, retry=retry, again=True)
        if number % 100 == 0:
            for other in others:
                other.line_up(0, retry=retry, again=True)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("origins", [20, 300])
@in_virtual_time
async def test_a_slow_flood_keeps_no_other_slow_partner_waiting(retry, origins):
    """What the flood wants more than its part waits for the flood: another's call takes the next place that comes free."""
    desk = Desk(MOST)
    flood = SlowPlatform(desk, origins)
    other = SlowPlatform(desk, 1, "other", seconds=1.5)
    await flood.known()
    await other.known()
    await flooded(flood, [other], seconds=120, origins=origins, retry=retry)
    share = MOST // SLOW_SHARE // (RETRY_SHARE if retry else 1)
    assert len(other.waited) == 120
    assert sorted(other.waited)[108] < PATIENCE_SECONDS
    assert max(other.waited) < 10
    assert flood.most <= share
    # What the other leaves is in use.
    assert flood.answers > 0.9 * share * 115 / SLOW_ANSWER_SECONDS


@in_virtual_time
async def test_a_slow_destination_of_a_partner_that_floods_at_others_is_called():
    """A partner's part is its destinations' in equal parts: ten origins flood, one has an event now and then."""
    desk = Desk(MOST)
    platform, third = SlowPlatform(desk, 11), SlowPlatform(desk, 1, "third")
    await platform.known()
    await third.known()
    seldom = SlowPlatform(desk, 11)
    for number in range(100 * 60):
        platform.line_up(number % 10, again=True)
        if number % 200 == 0:
            seldom.line_up(10, again=True)
        await asyncio.sleep(0.01)
    assert len(seldom.waited) == 30
    assert max(seldom.waited) < 10
    assert sum(seldom.waited) < 30 * PATIENCE_SECONDS


async def two_platforms():
    """Return a desk where two slow partners are known: one of many destinations, which floods, and one of a single one."""
    desk = Desk(MOST)
    flood, other = SlowPlatform(desk), SlowPlatform(desk, 1, "other")
    await flood.known()
    await other.known()
    return desk, flood, other


@in_virtual_time
async def test_one_that_has_become_quick_is_found_while_another_floods():
    """It is called, and its answers show it: after twenty of them it is bound no longer."""
    desk, flood, other = await two_platforms()
    await flooded(flood, [other], seconds=30)
    other.seconds = 0.05
    await flooded(flood, [other], seconds=30)
    assert not desk.state("https://slow0.example.com", other.who).is_slow
    other.waited.clear()
    await flooded(flood, [other], seconds=30)
    assert (len(other.waited), max(other.waited)) == (30, 0.0)


@in_virtual_time
async def test_slow_partners_that_all_flood_use_the_half_in_equal_parts():
    """Where nobody is quick nothing of it is left idle."""
    desk = Desk(MOST)
    floods = [SlowPlatform(desk, 5, f"platform{number}") for number in range(4)]
    for flood in floods:
        await flood.known()
    seen = []
    for number in range(100 * 60):
        for flood in floods:
            flood.line_up(number % 5, again=True)
        await asyncio.sleep(0.01)
        if number > 3000:
            seen.append([flood.calls for flood in floods])
    assert sum(map(sum, seen)) > 0.98 * len(seen) * MOST // SLOW_SHARE
    for calls in zip(*seen, strict=True):
        assert sum(calls) == pytest.approx(len(seen) * MOST / SLOW_SHARE / 4, rel=0.2)


@in_virtual_time
async def test_a_slow_flood_pushes_only_its_own_retries_out():
    """Ten thousand denied of a platform promise its own far ahead; another's burst is back at the pace of its own calls."""
    desk, flood, other = await two_platforms()
    for number in range(10_000):
        flood.line_up(number, again=True)
    await asyncio.sleep(0.1)
    # More than its part, so that it is denied, too.
    answers = await asyncio.gather(
        *desk.line_up("https://slow0.example.com", calls=200, who=other.who)
    )
    denied = [answer for answer in answers if not isinstance(answer, Permit)]
    assert {answer.reason for answer in denied} == {"slow", "share"}
    assert max(answer.expected_at for answer in denied) - desk.now < 200 / 128 * SLOW_ANSWER_SECONDS
    reason, _, away = await desk.refusal("https://slow1.example.com", who=flood.who)
    assert (reason, away > 100) == ("slow", True)


@in_virtual_time
async def test_who_waits_in_vain_for_its_part_is_told_that_others_have_it():
    """No call of theirs ends within its patience: that is no fault of its own, and it comes again soon."""
    desk, flood, other = await two_platforms()
    for number in range(MOST):
        flood.line_up(number)
    await asyncio.sleep(0.1)
    url = "https://slow0.example.com"
    # As many wait as its part has calls: who waits takes concurrency from others.
    line = desk.line_up(url, calls=300, who=other.who)
    await asyncio.sleep(0.1)
    assert sum(not task.done() for task in line) <= MOST // SLOW_SHARE // 2
    answers = await asyncio.gather(*line)
    told = {(no.reason, no.escalate) for no in answers}
    assert told == {("share", False), ("slow", False)}
    assert await desk.refusal(url, who=other.who) == ("share", PATIENCE_SECONDS, PATIENCE_SECONDS)
    assert (await desk.refusal("https://slow1.example.com", who=flood.who))[0] == "slow"
    await flood.over()
    assert desk.is_clean()


@in_virtual_time
async def test_a_quick_platform_may_have_every_call():
    """However many there are: shares are for those that are slow, silent or unknown."""
    desk = Desk(MOST)
    for number in range(10):
        for _ in range(64):
            await desk.prove(url_of(number))
        desk.state(f"https://m{number}.example.com").limit = 64.0
    permits = [await desk.take(url_of(number), calls=50) for number in range(10)]
    assert sum(len(taken) for taken in permits) == 500


@in_virtual_time
async def test_a_platform_that_becomes_quick_again_is_bound_no_longer():
    """Its usual time follows its answers, and what was counted as slow is counted anew."""
    desk = Desk(MOST)
    platform = SlowPlatform(desk)
    await platform.known()
    url = "https://slow0.example.com"
    for _ in range(30):
        desk.give_back(await desk.take(url, who=platform.who), answered(0.05))
    assert not desk.state(url, platform.who).is_slow
    await asyncio.sleep(2 * COUNT_SECONDS)
    for number in range(1, 20):
        for _ in range(16):
            platform.line_up(number)
    await asyncio.sleep(0.1)
    assert platform.calls == MOST // SLOW_SHARE
    assert len(await desk.fill(url, who=platform.who)) >= 16
    await platform.over()


@in_virtual_time
async def test_slow_silent_and_unknown_ones_together_leave_an_eighth():
    """A slow platform at its share and silent ones at theirs: an eighth is left to find out who is new, and one to quick ones."""
    desk = Desk(MOST)
    platform = SlowPlatform(desk)
    await platform.known()
    await desk.prove("https://known.example.com", who=partner("known", most=MOST))
    for number in range(200):
        desk.give_back(await desk.take(url_of(number)), refused())
    await asyncio.sleep(2 * COUNT_SECONDS)
    for number in range(20 * 16):
        platform.line_up(number)
    await asyncio.sleep(1)
    silent = [await desk.ask(url_of(number)) for number in range(200)]
    new = [await desk.ask(f"https://new{number}.example.com") for number in range(200)]
    calls = [
        platform.calls,
        *(sum(isinstance(answer, Permit) for answer in answers) for answers in (silent, new)),
    ]
    probed = alone(MOST // UNRESPONSIVE_SHARE)
    both = alone(MOST - MOST // QUICK_SHARE - MOST // SLOW_SHARE)
    assert calls == [MOST // SLOW_SHARE, probed, both - probed]
    assert {no.reason for no in new if not isinstance(no, Permit)} == {"share"}
    await desk.take("https://known.example.com", who=partner("known", most=MOST), calls=16)
    await platform.over()


@pytest.mark.parametrize("most", [1, 2, 3, 5])
@in_virtual_time
async def test_a_slow_one_is_called_by_the_smallest_worker_too(most):
    """A share is one call at least, and a worker of few calls keeps no call idle."""
    desk = Desk(most)
    platform = SlowPlatform(desk, origins=1)
    await platform.known()
    for number in range(5):
        await platform.event(number)
    assert platform.answers == 5
    assert desk.is_clean()


@in_virtual_time
async def test_retries_share_half():
    """A backlog of them waits for itself; a new payment goes out at once, to the same destination too."""
    desk = Desk(MOST)
    for number in range(40):
        await desk.prove(url_of(number))
    day = Day(desk, hung=())
    for number in range(300):
        day.event(number % 40, retry=True)
    await asyncio.sleep(ANSWER_SECONDS / 2)
    assert desk.admission.in_flight == MOST // RETRY_SHARE
    await desk.take("https://m1.example.com")
    await day.over()
    assert len(day.waited) == 300
    assert max(day.waited) == pytest.approx(ANSWER_SECONDS)


@in_virtual_time
async def test_the_worker_never_makes_more_calls_than_it_may():
    """Whoever comes then waits for one that ends."""
    desk = Desk(10)
    for number in range(10):
        await desk.prove(url_of(number))
    day = Day(desk, hung=())
    for number in range(100):
        day.event(number % 10)
    most = 0
    while len(day.waited) < 100:
        await asyncio.sleep(0.001)
        most = max(most, desk.admission.in_flight)
    await day.over()
    assert most == 10
    assert desk.admission.in_flight == 0


@in_virtual_time
async def test_one_that_comes_back_is_found_within_a_second():
    """And then gets call after call again."""
    desk = Desk(MOST)
    down = Day(desk, hung={1})
    for _ in range(6000):
        down.event(1)
        await asyncio.sleep(0.01)
    assert desk.admission.unresponsive_destinations() == 1
    up, back_at, came_back = Day(desk, hung=()), desk.now, None
    for _ in range(300):
        up.event(1)
        await asyncio.sleep(0.01)
        if came_back is None and up.waited:
            came_back = desk.now - back_at
    assert came_back is not None
    assert came_back <= 1.05
    assert desk.admission.unresponsive_destinations() == 0
    assert len(up.waited) >= 190
    await down.over()
    await up.over()
    assert desk.is_clean()


@in_virtual_time
async def test_a_full_worker_serves_destinations_by_turns():
    """However many wait for one destination, another's first record waits for one call to end, not for all of them."""
    desk = Desk(2)
    for number in (1, 2):
        await desk.prove(url_of(number))
    held = await desk.take(url_of(1), calls=2)
    many = desk.line_up(url_of(1), calls=12)
    await asyncio.sleep(0.1)
    (other,) = desk.line_up(url_of(2))
    await asyncio.sleep(0.1)
    desk.give_back(held, answered())
    await asyncio.wait([other, *many[:1]])
    assert [task.done() for task in many] == [True] + [False] * 11
    desk.give_back([await other, await many[0]], answered())
    for task in many[1:]:
        desk.give_back([await task], answered())
    assert desk.is_clean()


@in_virtual_time
async def test_a_probe_waits_for_a_full_worker_and_is_the_only_one():
    """An unresponsive destination is probed also while the worker is full, or it would not be seen to come back."""
    desk = Desk(2)
    await desk.prove(url_of(1))
    desk.give_back(await desk.take(url_of(2)), refused())
    held = await desk.take(url_of(1), calls=2)
    (probe,) = desk.line_up(url_of(2))
    await asyncio.sleep(0.1)
    assert (await desk.refusal(url_of(2)))[0] == "silent"
    await asyncio.sleep(5)
    assert not probe.done()
    desk.give_back(held[:1], answered())
    desk.give_back([await probe], answered())
    await desk.take(url_of(2))


@in_virtual_time
async def test_probes_that_waited_for_a_full_worker_keep_to_their_share():
    """Three wait, one call may go to unresponsive destinations: who came first has it, the others are parked."""
    desk = Desk(4)
    await desk.prove(url_of(0))
    for number in (1, 2, 3):
        desk.give_back(await desk.take(url_of(number)), refused())
    held = await desk.take(url_of(0), calls=4)
    probes = [desk.line_up(url_of(number))[0] for number in (1, 2, 3)]
    await asyncio.sleep(0.1)
    assert not any(probe.done() for probe in probes)
    desk.give_back(held, answered())
    answers = await asyncio.gather(*probes)
    assert isinstance(answers[0], Permit)
    assert [answer.reason for answer in answers[1:]] == ["silent", "silent"]
    desk.give_back(answers[:1], answered())
    assert desk.is_clean()


@in_virtual_time
async def test_of_two_probes_that_waited_for_one_destination_one_goes():
    """A retry's and, a second later, a first attempt's: the first attempt has the turn, and no second call follows it."""
    desk = Desk(4)
    desk.give_back(await desk.take(url_of(0)), answered(seconds=0.9))  # it may take long
    desk.give_back(await desk.take(url_of(1)), refused())
    held = await desk.take(url_of(0), calls=4)
    (retry,) = desk.line_up(url_of(1), retry=True)
    await asyncio.sleep(1.1)
    (first,) = desk.line_up(url_of(1))
    await asyncio.sleep(0.1)
    assert not retry.done()
    assert not first.done()
    desk.give_back(held, answered())
    permit, denied = await first, await retry
    assert isinstance(permit, Permit)
    assert denied.reason == "silent"
    assert desk.state(url_of(1).partition("/notify")[0]).in_flight == 1
    desk.give_back([permit], refused())
    assert (await desk.refusal(url_of(1)))[0] == "silent"
    assert desk.is_clean()


@in_virtual_time
async def test_untried_ones_that_waited_for_a_full_worker_keep_to_their_share():
    """Also when the whole worker comes free at once: half of it stays for destinations that are known to answer."""
    desk = Desk(8)
    await desk.prove(url_of(0))
    held = await desk.take(url_of(0), calls=8)
    waiting = [desk.line_up(url_of(number))[0] for number in range(1, 8)]
    await asyncio.sleep(0.1)
    desk.give_back(held, answered())
    answers = await asyncio.gather(*waiting)
    most = alone(8 // UNTRIED_SHARE)
    assert [isinstance(answer, Permit) for answer in answers] == [True] * most + [False] * (
        7 - most
    )
    assert {answer.reason for answer in answers[4:]} <= {"share", "in-flight"}
    await desk.take(url_of(0), calls=4)


@in_virtual_time
async def test_a_retry_that_waits_for_the_retries_share_keeps_no_first_attempt_back():
    """Of the same destination: its queue is served out of order there."""
    desk = Desk(4)
    for number in (1, 2):
        await desk.prove(url_of(number))
    retries = await desk.take(url_of(1), calls=2, retry=True)
    (retry,) = desk.line_up(url_of(2), retry=True)
    await asyncio.sleep(0.1)
    first = await desk.take(url_of(2), calls=2)
    (waiting,) = desk.line_up(url_of(2))
    await asyncio.sleep(0.1)
    desk.give_back(first[:1], answered())
    assert isinstance(await waiting, Permit)
    assert not retry.done()
    desk.give_back(retries, answered())
    desk.give_back([await retry, await waiting, *first[1:]], answered())
    assert desk.is_clean()
