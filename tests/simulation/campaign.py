"""Many worlds one after the other: how many a minute, what they came to, which went wrong, and what was tried where."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from tests.simulation.plan import KINDS, PLACES, Plan, directed, draw
from tests.simulation.verdict import Judgement, total, verdict
from tests.simulation.world import MOST_CALLBACKS, World

_TIDY_EVERY = 25
"""Worlds: what is left of them are cycles, which nobody takes apart while one runs."""

_clock = time.perf_counter
UNSCALED_EVERY = 10
"""One world in so many has the ladders of production, to their end."""


@dataclass(slots=True)
class Campaign:
    """What many worlds came to.

    Attributes:
        judgements: of each, by its seed.
        fired: what went wrong, and where.
        seconds: how long it took.
        world_seconds: how long it lasted in the worlds' own time.
        callbacks: how many ran.
        unscaled: how many worlds had the ladders of production.
    """

    judgements: dict[int, Judgement] = field(default_factory=dict)
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0
    world_seconds: float = 0.0
    callbacks: int = 0
    unscaled: int = 0

    @property
    def failed(self) -> list[int]:
        """The seeds of worlds that went wrong."""
        return [seed for seed, judgement in self.judgements.items() if judgement.faults]

    @property
    def a_minute(self) -> float:
        """Worlds in a minute."""
        return 60 * len(self.judgements) / self.seconds if self.seconds else 0.0

    def sums(self) -> Counter[str]:
        """What all of them came to together."""
        return total(list(self.judgements.values()))

    def empty_cells(self) -> list[tuple[str, str]]:
        """What was never tried, and where."""
        return [(kind, place) for kind in KINDS for place in PLACES if not self.fired[kind, place]]


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    return directed(draw(seed, unscaled=seed % UNSCALED_EVERY == 0))


def run(
    plan: Plan, tell: Callable[[str], None] | None = None, *, most_callbacks: int = MOST_CALLBACKS
) -> tuple[Judgement, World]:
    """Run one plan and judge it."""
    world = World(plan, tell)
    world.most_callbacks = most_callbacks
    outcome = world.run()
    world.outcome = outcome
    return verdict(outcome), world


def run_all(seeds: Iterable[int], hear: Callable[[int, Judgement], None]) -> Campaign:
    """Run the worlds of these seeds; `hear` is told of each."""
    campaign, begun = Campaign(), _clock()
    for number, seed in enumerate(seeds):
        plan = plan_of(seed)
        judgement, world = run(plan)
        campaign.judgements[seed] = judgement
        campaign.fired += world.fired
        campaign.unscaled += plan.scale == 1.0
        campaign.world_seconds += world.outcome.seconds
        campaign.callbacks += world.outcome.callbacks
        hear(seed, judgement)
        if number % _TIDY_EVERY == _TIDY_EVERY - 1:
            del world
            gc.collect()
        campaign.seconds = _clock() - begun
    return campaign


def shrink(plan: Plan, most: int = 60) -> Plan:
    """Return the smallest plan found that still goes wrong, by leaving out what need not be in it."""
    tries = 0
    again = True
    while again and tries < most:
        again = False
        for smaller in _smaller(plan):
            tries += 1
            judgement, _ = run(smaller)
            if judgement.faults:
                plan, again = smaller, True
                break
            if tries >= most:
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    for index in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:index] + plan.faults[index + 1 :])
    half = len(plan.payments) // 2
    if half > 1:
        yield replace(plan, payments=plan.payments[:half])
        yield replace(plan, payments=plan.payments[half:])
    if len(plan.payments) > 1:
        for index in range(len(plan.payments)):
            yield replace(plan, payments=plan.payments[:index] + plan.payments[index + 1 :])
    if len(plan.workers) > 1 and plan.workers[0] == "all":
        yield replace(plan, workers=("all",))
    if plan.partitions > 1:
        yield replace(plan, partitions=1)
    if plan.brokers > 1:
        yield replace(plan, brokers=1)
    if plan.max_in_flight != 512:
        yield replace(plan, max_in_flight=512)
    if plan.limits != (64, 0.0):
        yield replace(plan, limits=(64, 0.0))
