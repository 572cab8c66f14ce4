"""Laws of the scheduler of calls, over every order of records, ends, cancellations and time."""

import asyncio
import itertools
from dataclasses import astuple

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.admission.admission import Admission
from streams.admission.limits import RATE_SLACK_SECONDS, RETRY_SHARE, UNRESPONSIVE_SHARE
from streams.admission.queue import DestinationQueue, Permit
from tests.unit.admission.desk import Desk, answered, blocked, partner, refused
from tests.unit.webhook.virtual_time import in_virtual_time

_ENDS = {
    "answered": answered,
    "slowly": lambda: answered(4.5),
    "slow down": lambda: answered(retry_after=2.0, slow_down=True),
    "refused": refused,
    "blocked": blocked,
}

_STEPS = 60


def url_of(number):
    return f"https://m{number}.example.com"


class Written(Admission):
    """Admission that writes down when it granted calls, by destination."""

    def __init__(self, *args):
        super().__init__(*args)
        self.granted = {}

    def _grant(self, queue, now, *, retry):
        self.granted.setdefault(id(queue), []).append(now)
        return super()._grant(queue, now, retry=retry)


class World:
    """A worker, the records that wait for a permit, and the permits that were given."""

    def __init__(self, most, ceiling, rate=None, *, own_entries=False):
        self.most, self.ceiling, self.rate = most, ceiling, rate
        self.desk = Desk(most)
        partners = [partner(f"shop{n * own_entries}", most=ceiling, rate=rate) for n in range(5)]
        self.desk.partner, self.partners = partners[0], partners
        self.desk.admission = self.admission = Written(most, self.desk.loop.time)
        self.waiting = []
        self.permits = []

    async def step(self, what, number, how):
        if what == "record":
            who = self.partners[number]
            (task,) = self.desk.line_up(url_of(number), who=who, retry=how)
            self.waiting.append((task, (who.partner_id, url_of(number)), how))
        elif what == "end" and self.permits:
            self.end(number, how)
        elif what == "cancel" and self.waiting:
            self.waiting[number % len(self.waiting)][0].cancel()
        elif what == "pause":
            await asyncio.sleep(number / 1000)
        for _ in range(5):
            await asyncio.sleep(0)
        self.collect()

    def end(self, which, how):
        self.desk.give_back([self.permits.pop(which % len(self.permits))], _ENDS[how]())

    def collect(self):
        done = [entry for entry in self.waiting if entry[0].done()]
        self.waiting = [entry for entry in self.waiting if not entry[0].done()]
        results = [task.result() for task, _, _ in done if not task.cancelled()]
        self.permits += [result for result in results if isinstance(result, Permit)]

    def limits_hold(self):
        retries = sum(permit.retry for permit in self.permits)
        assert self.desk.admission.in_flight == len(self.permits) <= self.most
        assert retries <= max(1, self.most // RETRY_SHARE)
        for queue in self.desk.admission._destinations.values():
            own = [permit for permit in self.permits if permit.queue is queue]
            assert queue.state.in_flight == len(own) <= self.ceiling
            assert queue.retries == sum(permit.retry for permit in own)

    def slow_ones_are_counted(self):
        slow = self.admission._slow
        for queue in self.admission._destinations.values():
            assert (queue.slow is not None) == queue.state.is_slow
        own: dict[str, list[DestinationQueue]] = {}
        for queue in self.admission._destinations.values():
            if queue.slow is not None:
                own.setdefault(queue.partner_id, []).append(queue)
        assert own.keys() == slow._partners.keys()
        for name, queues in own.items():
            assert slow._partners[name].destinations == len(queues)
            calls = [sum(q.state.in_flight for q in queues), sum(q.retries for q in queues)]
            assert slow._partners[name].calls == calls

    def unanswered_ones_are_counted(self):
        admission, now = self.admission, self.desk.now
        admission._count(now)
        shares: dict[str, list[int]] = {}
        for queue in admission._destinations.values():
            own = shares.setdefault(queue.partner_id, [0, 0, 0, 0])
            unresponsive = queue.state.is_unresponsive(now)
            if unresponsive or not queue.state.has_answered:
                own[0] += queue.state.in_flight
                own[1] += 0 if unresponsive else queue.state.in_flight
                own[2] += queue.retries
        for permit in self.permits:
            shares[permit.queue.partner_id][3] += permit.probe
        shares = {who: own for who, own in shares.items() if any(own)}
        counted = admission._unanswered
        assert {who: list(astuple(own)) for who, own in counted._partners.items()} == shares
        total = [sum(own[n] for own in shares.values()) for n in range(4)]
        assert list(astuple(counted.all)) == total
        assert total[3] <= max(1, self.most // UNRESPONSIVE_SHARE)

    def rate_holds(self):
        for calls in self.admission.granted.values():
            for (first, at), (second, then) in itertools.combinations(enumerate(calls), 2):
                assert second - first <= (then - at + RATE_SLACK_SECONDS) * self.rate + 1e-6

    def nobody_waits_for_what_is_free(self):
        for _, key, retry in self.waiting:
            queue = self.admission._destinations[key]
            full = not self.admission._has_room(retry=retry) or not queue.has_room(retry=retry)
            # A slow one may wait for its share, which is counted now and then.
            assert full or queue.state.is_slow

    async def comes_to_rest(self, how):
        """End all calls so, and have nobody wait nor anything left then."""
        for _ in range(200):
            if self.permits:
                self.end(0, how)
            await self.step("pause", 100, None)
        assert not self.waiting
        assert self.desk.is_clean()


def draw_step(rng, destinations=3):
    """Return one thing that happens, mostly records and ends of calls."""
    match rng.choice(("record", "record", "record", "end", "end", "cancel", "pause")):
        case "record":
            return "record", rng.randrange(destinations), rng.random() < 0.5
        case "end":
            return "end", rng.randrange(100), rng.choice([*["answered"] * 5, *_ENDS])
        case "cancel":
            return "cancel", rng.randrange(100), None
        case _:
            return "pause", rng.choice((0, 1, 30, 300, 1500)), None


@given(most=st.integers(2, 8), ceiling=st.integers(1, 8), rng=st.randoms(use_true_random=True))
@settings(deadline=None, max_examples=150)
@in_virtual_time
async def test_limits_hold_and_nobody_waits_for_what_is_free(most, ceiling, rng):
    """At every step the limits hold and every limit's room is in use; in the end all is given back and nobody waits."""
    # Truly random: what Hypothesis draws itself seldom fills the worker.
    world = World(most, ceiling)
    for number in range(2):  # the third is untried: its share is small
        await world.desk.prove(url_of(number))
    for _ in range(_STEPS):
        await world.step(*draw_step(rng))
        world.limits_hold()
        world.nobody_waits_for_what_is_free()
    await world.comes_to_rest("answered")


@given(
    most=st.integers(2, 24),
    ceiling=st.integers(1, 16),
    own_entries=st.booleans(),
    rng=st.randoms(use_true_random=True),
)
@settings(deadline=None, max_examples=100)
@in_virtual_time
async def test_slow_ones_keep_to_their_half_and_are_counted(most, ceiling, own_entries, rng):
    """Of one partner or of several, becoming slow and quick again: no call is counted twice, and in the end nobody waits."""
    world = World(most, ceiling, own_entries=own_entries)
    for number in range(4):
        who = world.partners[number]
        world.desk.give_back(
            await world.desk.take(url_of(number), who=who), answered(4.5 if number else 0.05)
        )
    for _ in range(2 * _STEPS):
        await world.step(*draw_step(rng, 5))
        world.limits_hold()
        world.slow_ones_are_counted()
        world.unanswered_ones_are_counted()
        world.nobody_waits_for_what_is_free()
    await world.comes_to_rest("slowly")
    await world.step("pause", 1_100_000, None)
    await world.desk.prove("https://other.example.com")
    assert not world.admission._slow._partners


@given(
    most=st.integers(1, 8),
    ceiling=st.integers(1, 8),
    rate=st.sampled_from([0.5, 3.0, 40.0]),
    rng=st.randoms(use_true_random=True),
)
@settings(deadline=None, max_examples=100)
@in_virtual_time
async def test_a_rate_holds_whatever_is_waited_for(most, ceiling, rate, rng):
    """Ends, cancellations, silences and rests: calls keep their distance, and in the end nobody waits and no slot is kept."""
    world = World(most, ceiling, rate)
    for _ in range(_STEPS):
        await world.step(*draw_step(rng))
        world.limits_hold()
    for _ in range(200):
        if world.permits:
            world.end(0, "answered")
        await world.step("pause", 100, None)
    world.rate_holds()
    assert not world.waiting
    assert world.desk.is_clean()
    assert not any(queue.state._reserved for queue in world.desk.admission._destinations.values())
