"""The state of one destination. Pure, so time is a number that the test writes down."""

import itertools

import pytest

from streams.admission.destination import Destination
from streams.admission.limits import (
    FIRST_LIMIT,
    LATELY_SECONDS,
    LONGEST_PARK_SECONDS,
    PROBE_SECONDS,
    RATE_SLACK_SECONDS,
)


def start(state, now, calls=1):
    for _ in range(calls):
        state.start(now)


ANSWERED = {"seconds": 0.05, "answered": True, "slow": False, "cool_down_seconds": None}


def end(state, now, *, calls=1, **how):
    for _ in range(calls):
        state.end(now, **(ANSWERED | how))


def answer(state, now, seconds=0.05, **how):
    start(state, now - seconds)
    end(state, now, seconds=seconds, **how)


def fail(state, now, seconds=0.05):
    start(state, now - seconds)
    end(state, now, seconds=seconds, answered=False)


def healthy(now, ceiling=64, rate=None, seconds=0.05):
    """Return one that has just answered."""
    state = Destination(ceiling, rate)
    answer(state, now, seconds)
    return state


def call_in(state, slot):
    """Make the call of a slot that was taken."""
    state.start(slot)
    state.release_slot()


def room(state):
    """Return how many calls it takes now; takes them and gives them back."""
    taken = 0
    while state.has_room():
        state.start(0.0)
        taken += 1
    for _ in range(taken):
        state.cancel()
    return taken


def test_a_new_destination_gets_a_few_calls_at_once():
    """Enough for a burst, few enough to find out that it hangs."""
    assert room(Destination(64, None)) == FIRST_LIMIT == 16
    assert room(Destination(4, None)) == 4


def test_answers_to_a_busy_destination_raise_the_limit_up_to_the_ceiling():
    """And never above it."""
    state, seen = Destination(64, None), []
    for round_ in range(20):
        calls = room(state)
        start(state, round_)
        start(state, round_, calls - 1)
        end(state, round_ + 0.05, calls=calls)
        seen.append(room(state))
    assert seen == sorted(seen)
    assert seen[0] > 16
    assert seen[-1] == 64


def test_answers_to_an_idle_destination_raise_nothing():
    """A limit that was not tried says nothing about what the destination takes."""
    state = Destination(64, None)
    for now in range(100):
        answer(state, now + 0.05)
    assert room(state) == 16


def test_calls_that_failed_together_halve_it_once():
    """They tell one thing, not ten."""
    state = healthy(0.0)
    start(state, 1.0, 10)
    for late in range(10):
        end(state, 6.0 + late / 1000, seconds=5.0 + late / 1000, answered=False)
    assert state.limit == 8


def test_a_failure_after_that_halves_it_again():
    """Down to one call, which stays."""
    state, limits = healthy(0.0), []
    for now in range(1, 9):
        fail(state, now)
        limits.append(room(state))
    assert limits == [8, 4, 2, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("ceiling", [1, 2, 5])
def test_what_is_halved_is_what_was_in_use(ceiling):
    """Below a low ceiling, or after this worker's share has shrunk, the first failure counts too."""
    state = healthy(0.0)
    state.ceiling = ceiling
    fail(state, 0.5)
    assert room(state) == max(1, ceiling // 2)


def test_a_slow_answer_counts_like_a_failure():
    """Too much traffic shows in the time, or the partner says so."""
    state = healthy(0.0)
    answer(state, 3.0, seconds=2.9, slow=True)
    assert state.limit == 8
    assert not state.is_unresponsive(3.0)


def test_after_a_decrease_it_escalate_carefully():
    """Doubling up to where it went wrong would only go wrong again: from there on one more a round."""
    state = healthy(0.0, ceiling=1000)
    fail(state, 1.0)
    limits = []
    for now in range(2, 14):
        calls = room(state)
        start(state, now, calls)
        end(state, now + 0.05, calls=calls)
        limits.append(room(state))
    steps = [after - before for before, after in itertools.pairwise(limits)]
    assert set(steps) <= {0, 1}
    assert 4 <= sum(steps) <= 11


def test_an_unknown_one_that_does_not_answer_falls_silent():
    """After a second, long before the calls time out."""
    state = Destination(64, None)
    start(state, 10.0, 3)
    assert not state.is_unresponsive(10.0 + LATELY_SECONDS)
    assert state.is_unresponsive(10.0 + LATELY_SECONDS + 0.01)


def test_one_that_stops_answering_falls_silent():
    """However well it did before."""
    state = healthy(10.0)
    start(state, 10.0)
    assert not state.is_unresponsive(11.0)
    assert state.is_unresponsive(11.1)


def test_a_quiet_one_is_not_silent():
    """Nobody called it, so it owes no answer."""
    state = healthy(10.0)
    assert not state.is_unresponsive(1000.0)
    start(state, 1000.0)
    assert not state.is_unresponsive(1001.0)


@pytest.mark.parametrize("seconds", [2.0, 2.5, 3.0])
def test_a_slow_one_that_answers_is_not_silent(seconds):
    """Its usual time is what an answer may take."""
    state = healthy(0.0, seconds=seconds)
    for now in range(1, 60):
        start(state, now)
        if now > seconds:
            end(state, now + 0.5, seconds=seconds)
        assert not state.is_unresponsive(now + 0.5)


def test_a_single_failure_of_a_busy_one_does_not_silence_it():
    """Connections break; the answers around it count."""
    state = healthy(10.0)
    fail(state, 10.5)
    assert not state.is_unresponsive(10.6)
    answer(state, 10.9)
    assert not state.is_unresponsive(10.9)


def test_after_one_failure_a_seldom_called_one_gets_its_next_call():
    """As a probe, at once; and a second one a second later."""
    state = healthy(0.0)
    fail(state, 100.0)
    assert state.is_unresponsive(100.0)
    assert state.next_probe(100.0) is None
    start(state, 100.0)
    assert state.next_probe(100.9) == 100.0 + PROBE_SECONDS
    assert state.next_probe(101.0) is None


@pytest.mark.parametrize("takes", [0.01, 5.0])
def test_a_silent_one_is_probed_once_a_second(takes):
    """Whether calls fail at once or hang."""
    state = Destination(64, None)
    probes: list[float] = []
    ends: list[float] = []
    fail(state, 0.0)
    for tick in range(6000):
        now = tick / 100
        while ends and ends[0] <= now:
            end(state, ends.pop(0), seconds=takes, answered=False)
        assert state.is_unresponsive(now)
        if state.next_probe(now) is None:
            start(state, now)
            probes.append(now)
            ends.append(now + takes)
    assert len(probes) == 60
    assert all(after - before >= PROBE_SECONDS for before, after in itertools.pairwise(probes))


def test_probes_that_hang_stay_below_the_ceiling():
    """`max_in_flight` is a promise to the partner, healthy or not."""
    state = Destination(2, None)
    start(state, 0.0, 2)
    assert state.is_unresponsive(1.5)
    assert state.next_probe(1.5) == 1.5 + PROBE_SECONDS
    end(state, 5.0, seconds=5.0, answered=False)
    assert state.next_probe(5.0) is None


def test_an_answer_ends_the_silence_and_one_call_becomes_many():
    """A destination that comes back is not met with everything that waited for it."""
    state = Destination(32, None)
    for second in range(600):
        fail(state, second)
    answer(state, 600.0)
    assert not state.is_unresponsive(600.0)
    now, limits = 600.0, [room(state)]
    while limits[-1] < 32:
        now += 0.05
        calls = room(state)
        start(state, now - 0.05, calls)
        end(state, now, calls=calls)
        limits.append(room(state))
    assert limits[0] <= 2
    assert all(after <= max(2, 2 * before) for before, after in itertools.pairwise(limits))
    assert now < 605.0


def test_retry_after_closes_and_reopens():
    """A shorter one that comes later does not open it early."""
    state = healthy(10.0)
    answer(state, 11.0, slow=True, cool_down_seconds=30.0)
    answer(state, 12.0, slow=True, cool_down_seconds=5.0)
    assert state.cooling_down_until(12.0) == 41.0
    assert state.cooling_down_until(40.9) == 41.0
    assert state.cooling_down_until(41.0) is None


def test_a_call_that_was_not_made_says_nothing():
    """The egress guard refused it, or its record was taken away."""
    state = healthy(0.0)
    before = (state.limit, state.is_unresponsive(100.0), state.next_probe(100.0))
    start(state, 100.0)
    state.cancel()
    assert state.in_flight == 0
    assert (state.limit, state.is_unresponsive(200.0), state.next_probe(200.0)) == before


def test_without_a_rate_every_slot_is_now():
    """And taken."""
    state = Destination(64, None)
    assert [state.reserve_slot(5.0, 1.0) for _ in range(3)] == [(5.0, True)] * 3


def test_slots_are_a_step_apart_and_those_far_away_are_promised():
    """Eight a second: nine slots from now to a second from now, then promises, each a step further away."""
    state = Destination(64, 8.0)
    answers = [state.reserve_slot(100.0, 1.0) for _ in range(12)]
    assert answers == [(100.0 + n / 8, n <= 8) for n in range(12)]


def test_an_unused_rate_is_not_saved_up():
    """There is no burst after a rest."""
    state = Destination(64, 8.0)
    for now in (100.0, 500.0):
        assert state.reserve_slot(now, 1.0) == (now, True)
        call_in(state, now)
    assert state.reserve_slot(500.0, 1.0) == (500.125, True)


def test_who_comes_back_asks_again_and_is_served():
    """Each promise, kept by who got it, finds its slot free."""
    state = Destination(64, 8.0)
    for slot, taken in [state.reserve_slot(100.0, 1.0) for _ in range(100)]:
        assert taken or state.reserve_slot(slot, 1.0) == (slot, True)
        call_in(state, slot)


def test_promises_decay():
    """Once their time has passed nobody is told to wait for them."""
    state = Destination(64, 8.0)
    answers = [state.reserve_slot(100.0, 1.0) for _ in range(100)]
    last = answers[-1][0]
    for slot, taken in answers:
        if taken:
            call_in(state, slot)
    for _ in range(9):
        state.reserve_slot(last + 1, 1.0)
    assert state.reserve_slot(last + 1, 1.0) == (last + 1 + 9 / 8, False)


def test_a_slot_that_is_not_used_after_all_is_free_again():
    """Its record was cancelled, or sent away by another limit."""
    state = Destination(64, 8.0)
    assert [state.reserve_slot(100.0, 1.0)[0] for _ in range(2)] == [100.0, 100.125]
    for _ in range(2):
        state.release_slot()
    assert state.reserve_slot(100.0, 1.0) == (100.0, True)


def test_a_call_late_for_its_slot_does_not_make_the_next_ones_later():
    """Within the slack: the rate is reached although each turn of the loop is late by a little."""
    state = Destination(64, 8.0)
    state.start(100.0)
    state.start(100.15)
    assert state.seconds_to_slot(100.25) == 0
    state.start(100.25)
    assert state.reserve_slot(100.25, 1.0)[0] == pytest.approx(100.4)
    assert state.seconds_to_slot(100.25) == pytest.approx(100.4 - RATE_SLACK_SECONDS - 100.25)


def test_another_rate_counts_from_the_last_call():
    """Whichever way: its own step after it, and no promise of the old pace."""
    state = Destination(64, 1 / 72)
    state.start(100.0)
    assert [state.reserve_slot(100.0, 1.0)[0] for _ in range(3)] == [172.0, 244.0, 316.0]
    state.change_rate(2.0)
    assert state.reserve_slot(100.0, 1.0) == (100.5, True)
    call_in(state, 100.5)
    state.change_rate(0.1)
    assert state.reserve_slot(101.0, 1.0) == (110.5, False)
    state.change_rate(None)
    assert state.reserve_slot(101.0, 1.0) == (101.0, True)


def test_what_lies_beyond_the_longest_park_is_not_promised():
    """Who asks is told to come back after it, and whoever comes first then has the slot."""
    state = Destination(64, 0.01)
    state.start(100.0)
    promised = [state.reserve_slot(100.0, 1.0)[0] for _ in range(12)]
    assert promised == [200.0 + 100 * n for n in range(9)] + [100.0 + LONGEST_PARK_SECONDS] * 3
    assert state.reserve_slot(200.0, 1.0) == (200.0, True)
    call_in(state, 200.0)
    assert state.reserve_slot(201.0, 1.0) == (1100.0, False)


def test_a_step_longer_than_the_longest_park_is_kept_too():
    """Nothing is promised then; who asks once it is over has the slot."""
    state = Destination(64, 1 / 2000)
    state.start(100.0)
    assert state.reserve_slot(150.0, 1.0) == (150.0 + LONGEST_PARK_SECONDS, False)
    assert state.reserve_slot(2099.5, 1.0) == (2100.0, True)
