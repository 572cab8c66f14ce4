import gc
import hashlib
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from streams.admission.admission import Admission
from streams.kafka.consumer.lane import Lane
from tests.simulation import campaign
from tests.simulation.campaign import plan_of, run, shrink
from tests.simulation.kafka.cluster import EPOCH_MS
from tests.simulation.loop import WorldLoop
from tests.simulation.plan import Fault, Payment, draw
from tests.simulation.seeded import admission, deciding, remembering
from tests.simulation.seeded_faults import try_one
from tests.simulation.verdict import _began_at_once
from tests.simulation.worker import ZERO_SECONDS, in_the_world

UNSCALED = 20


@pytest.mark.parametrize("seed", [1, 14, 19, UNSCALED])
def test_a_world_comes_to_its_end_and_nothing_is_lost(seed):
    """A few of the worlds that `make simulate` runs by the hundred: whatever breaks, the ledger holds."""
    plan = plan_of(seed)
    with in_the_world():
        judgement = run(plan)[0]
    assert judgement.faults == ()
    assert judgement.payments == len(plan.payments)
    assert judgement.calls >= judgement.payments


def test_a_topic_made_again_is_read_whole_and_what_stood_on_the_old_one_is_told_apart():
    """Events of both have the same origin, `topic/partition/offset`; the judge knows which is whose."""
    again = Fault("topic made again", "call under way", 3, 0, 5.0, 0.511)
    payments = tuple(Payment(2.0 * number, "mpp-to-ant", "U,S") for number in range(10))
    plan = replace(plan_of(1), faults=(again,), payments=payments)
    with in_the_world():
        judgement, world = run(plan)
    assert judgement.faults == ()
    origins = [one.origin for one in world.outcome.ledger.produced]
    old = {one for one in origins if one.startswith("payments~1/")}
    assert len(set(origins)) == len(payments)
    assert {one.replace("~1", "") for one in old} & set(origins)
    assert 0 < len(old) < len(payments)
    assert world.outcome.gone <= old


def test_what_outlives_its_world_says_nothing(monkeypatch):
    """A traceback may keep it until another test, which would fail for the warning."""
    said: list[object] = []

    async def connect():
        return AIOKafkaConnection("kafka-1", 9092)

    with in_the_world():
        made = WorldLoop("test").run_until_complete(connect())
        made._reader = SimpleNamespace(at_eof=lambda: False)
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    assert made.connected()
    del made
    gc.collect()
    assert not said


@pytest.mark.parametrize(
    ("seconds", "cut", "may"),
    [
        (0.006, None, True),
        (0.1, None, False),
        (2.0, (0, 3000), True),  # it came as soon as its worker was reached again
        (2.0, (0, 2900), False),
        (2.0, (2500, 3000), False),  # it was signed before the cut
    ],
)
def test_a_signature_may_be_used_twice_only_by_attempts_that_begin_at_once(seconds, cut, may):
    """Two copies that are overdue may begin in one millisecond; a signature that is sent again a wait later is an old one."""
    headers = {"signature": "s", "request-time": str(EPOCH_MS + 1000)}
    requests = [
        SimpleNamespace(number=number, at_seconds=ZERO_SECONDS + at, headers=headers)
        for number, at in ((9, 1.0), (10, 1.0 + seconds))
    ]
    cuts = [] if cut is None else [(EPOCH_MS + cut[0], EPOCH_MS + cut[1])]
    outcome: Any = SimpleNamespace(ledger=SimpleNamespace(requests=requests), cuts=cuts)
    assert _began_at_once(outcome, "request 10: used before") is may


def test_a_seed_plays_the_same_world_again():
    """Else a fault that was found once could not be looked at."""
    traces = []
    lines: list[str] = []
    with in_the_world():
        for _ in range(2):
            lines = []
            run(plan_of(9), lines.append)
            traces.append(hashlib.sha256("\n".join(lines).encode()).hexdigest())
    assert traces[0] == traces[1]
    assert len(lines) > 30


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (admission.worker_makes_one_call_more, "a call beyond limits"),
        (admission.slot_is_not_waited_for, "a call beyond limits"),
        (deciding.wait_of_the_step_after, "a wait of"),
        (remembering.event_is_not_remembered, "an event written once more"),
    ],
)
def test_what_partners_and_ledgers_can_not_see_is_judged_too(mistake, said):
    """Calls that no partner counts, a retry that comes too late, an event that payment core wrote twice."""
    with in_the_world():
        tried = try_one(mistake, 1, 12)
    assert tried.said.startswith(said)


def test_a_world_whose_worker_hangs_in_a_loop_is_broken_off(monkeypatch):
    """Nothing else ends it: no time passes in it, and no other callback runs."""

    def search(*_):
        while True:
            """Look for room that never comes."""

    monkeypatch.setattr(Admission, "_grant_next", search)
    monkeypatch.setattr(campaign, "_LONGEST_SECONDS", 1)
    with in_the_world():
        judgement, _ = run(draw(1))
    assert "a callback has not ended within 1 s" in judgement.faults


def test_a_fault_of_the_worker_is_found_and_its_world_made_smaller(monkeypatch):
    """A lane that calls a record settled when it begins loses what a crash or an error interrupts."""
    run_record = Lane._run

    async def too_early(self, slot, place, begun):
        self._finish(slot)
        await run_record(self, slot, place, begun)

    monkeypatch.setattr(Lane, "_run", too_early)
    with in_the_world():
        found = next(plan for seed in range(1, 40) if run(plan := plan_of(seed))[0].faults)
        smaller = shrink(found, most=6)
        judgement = run(smaller)[0]
    assert judgement.faults
    assert len(smaller.payments) + len(smaller.faults) <= len(found.payments) + len(found.faults)
