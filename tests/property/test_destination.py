"""Laws of a destination's limits, over every order of starts, ends, silences and rebalances."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.admission.destination import Destination
from streams.admission.limits import LONGEST_PARK_SECONDS, PROBE_SECONDS, RATE_SLACK_SECONDS

ceilings = st.integers(1, 80)
rates = st.sampled_from([0.1, 0.5, 1.0, 3.0, 8.0, 200.0])
pauses = st.floats(0, 20, allow_nan=False)


def call_in(state, slot):
    """Make the call of a slot that was taken."""
    state.start(slot)
    state.release_slot()


class Admission(RuleBasedStateMachine):
    """Calls start as a worker starts them: within the limit, or as a probe where the destination is unresponsive."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.state = Destination(40, None)
        self.began = []
        self.started = self.ended = 0
        self.probes = []
        self.highest = 40
        self.cooling_down_until = 0.0

    @rule(seconds=pauses)
    def pass_time(self, seconds):
        self.now += seconds

    @rule(ceiling=ceilings)
    def rebalance(self, ceiling):
        self.state.ceiling = ceiling
        self.highest = max(ceiling, self.state.in_flight)

    @rule(calls=st.integers(1, 50))
    def ask(self, calls):
        for _ in range(calls):
            if self.state.is_unresponsive(self.now):
                if self.state.next_probe(self.now) is not None:
                    continue
                self.probes.append(self.now)
            elif not self.state.has_room():
                continue
            assert self.state.in_flight < self.state.ceiling
            self.state.start(self.now)
            self.started += 1
            self.began.append(self.now)

    @precondition(lambda self: self.began)
    @rule(which=st.integers(0, 10_000))
    def cancel(self, which):
        self.began.pop(which % len(self.began))
        self.state.cancel()
        self.ended += 1

    @precondition(lambda self: self.began)
    @rule(
        which=st.integers(0, 10_000),
        answered=st.booleans(),
        slow=st.booleans(),
        cool_down_seconds=st.none() | st.floats(0, 3600),
    )
    def end(self, which, answered, slow, cool_down_seconds):
        began = self.began.pop(which % len(self.began))
        before = self.state.limit
        self.state.end(
            self.now,
            seconds=self.now - began,
            answered=answered,
            slow=slow,
            cool_down_seconds=cool_down_seconds if answered else None,
        )
        self.ended += 1
        if answered and cool_down_seconds is not None:
            self.cooling_down_until = max(self.cooling_down_until, self.now + cool_down_seconds)
        if answered:
            assert not self.state.is_unresponsive(self.now)
        else:
            assert self.state.limit <= max(1, before)

    @invariant()
    def counts_are_right(self):
        assert self.state.in_flight == self.started - self.ended == len(self.began)
        assert 0 <= self.state.in_flight <= self.highest

    @invariant()
    def limit_is_right(self):
        assert self.state.limit >= 1
        idle = Destination(self.state.ceiling, None, limit=self.state.limit)
        assert idle.has_room()  # never below one call
        idle.in_flight = self.state.ceiling
        assert not idle.has_room()  # never above the ceiling

    @invariant()
    def probes_are_rare(self):
        assert all(b - a >= PROBE_SECONDS for a, b in itertools.pairwise(self.probes))

    @invariant()
    def closes_as_asked(self):
        until = self.state.cooling_down_until(self.now)
        assert until == (self.cooling_down_until if self.now < self.cooling_down_until else None)

    @invariant()
    def idle_is_never_unresponsive_without_a_failure(self):
        if not self.began and self.state.is_unresponsive(self.now):
            assert self.state._failed


Admission.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAdmission = Admission.TestCase


@given(rates, st.lists(st.floats(0, 2, allow_nan=False), max_size=80), st.floats(0, 3))
@settings(deadline=None)
def test_slots_taken_are_never_nearer_than_a_step(rate, pauses, patience):
    """In any window there are at most as many as the rate allows, and none lies in the past or beyond patience."""
    state, now, called = Destination(1, rate), 0.0, 0
    slots: list[float] = []
    for pause in pauses:
        now += pause
        while called < len(slots) and slots[called] <= now:
            call_in(state, slots[called])
            called += 1
        slot, taken = state.reserve_slot(now, patience)
        assert slot >= now
        assert taken == (slot - now <= patience)
        if taken:
            slots.append(slot)
    assert all(b - a >= 1 / rate - 1e-9 for a, b in itertools.pairwise(slots))
    for first, second in itertools.combinations(range(len(slots)), 2):
        assert second - first <= (slots[second] - slots[first]) * rate + 1e-6


@given(rates, st.integers(2, 200), st.floats(0, 2))
@settings(deadline=None)
def test_promises_to_a_crowd_are_kept(rate, crowd, patience):
    """Each who is promised a slot and comes back then is served then; nobody is told the same one."""
    state = Destination(1, rate)
    answers = [state.reserve_slot(0.0, patience) for _ in range(crowd)]
    slots = [slot for slot, _ in answers if slot < LONGEST_PARK_SECONDS]
    assert len(slots) >= min(crowd, LONGEST_PARK_SECONDS * rate)
    assert all(b - a >= 1 / rate - 1e-9 for a, b in itertools.pairwise(slots))
    for slot, taken in answers[: len(slots)]:
        if not taken:
            kept, taken_now = state.reserve_slot(slot, patience)
            assert taken_now
            assert abs(kept - slot) < 1e-6
        call_in(state, slot)


@given(rates, st.lists(st.floats(0, 0.3, allow_nan=False), max_size=80), st.floats(0, 0.05))
@settings(deadline=None)
def test_calls_keep_to_the_rate_and_its_slack(rate, pauses, late):
    """Whoever calls as soon as it may, or later: no window holds more than the rate and the slack allow."""
    state, now, calls = Destination(1, rate), 0.0, []
    for pause in pauses:
        now += pause + late
        if not state.seconds_to_slot(now):
            state.start(now)
            calls.append(now)
    for first, second in itertools.combinations(range(len(calls)), 2):
        seconds = calls[second] - calls[first] + RATE_SLACK_SECONDS
        assert second - first <= seconds * rate + 1e-6
