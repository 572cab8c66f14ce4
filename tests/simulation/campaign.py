"""Many worlds one after the other: how many a minute, what they came to, which went wrong, and what was tried where."""

import gc
import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from tests.simulation.loop import Stuck
from tests.simulation.plan import Plan, crowded, directed, draw, with_topics_made_again
from tests.simulation.verdict import Judgement, total, verdict
from tests.simulation.world import MOST_CALLBACKS, World

_AT_ONCE = 4
"""Worlds that a process is given at a time. Then it tidies: what is left of worlds are cycles, which nobody takes apart while
they run."""

_LONGEST_SECONDS = 60
"""Of the processor, for a world: most take a third of one."""

_clock = time.perf_counter
UNSCALED_EVERY = 10
"""One world in so many has the ladders of production, to their end."""

_MORE_EVERY = 20
_WITH_MORE = {5: crowded, 15: with_topics_made_again}
"""Of so many worlds these have more that goes wrong; it costs twice the time of another."""


@dataclass(slots=True)
class Campaign:
    """What many worlds came to.

    Attributes:
        worlds: how many.
        wrong: what must not be, by the seeds of the worlds in which it was.
        sums: what all of them came to together.
        fired: what went wrong, and where.
        seconds: how long it took.
        world_seconds: how long it lasted in the worlds' own time.
        callbacks: how many ran.
        unscaled: how many worlds had the ladders of production.
    """

    worlds: int = 0
    wrong: dict[int, tuple[str, ...]] = field(default_factory=dict)
    sums: Counter[str] = field(default_factory=Counter)
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0
    world_seconds: float = 0.0
    callbacks: int = 0
    unscaled: int = 0

    def add(self, other: "Campaign") -> None:
        """Count the worlds of another in; not the time that it took, since it may have run beside this one."""
        self.worlds += other.worlds
        self.wrong |= other.wrong
        self.sums.update(other.sums)
        self.fired.update(other.fired)
        self.world_seconds += other.world_seconds
        self.callbacks += other.callbacks
        self.unscaled += other.unscaled


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    plan = directed(draw(seed, unscaled=seed % UNSCALED_EVERY == 0))
    more = _WITH_MORE.get(seed % _MORE_EVERY)
    return more(plan) if more is not None else plan


def run(
    plan: Plan, tell: Callable[[str], None] | None = None, *, most_callbacks: int = MOST_CALLBACKS
) -> tuple[Judgement, World]:
    """Run one plan and judge it."""
    world = World(plan, tell)
    world.most_callbacks = most_callbacks
    with _ended_where_it_hangs(world):
        outcome = world.run()
    world.outcome = outcome
    return verdict(outcome), world


@contextmanager
def _ended_where_it_hangs(world: World) -> Iterator[None]:
    """Break off a callback that goes on without an end, and the world with it; by the processor's time, whatever else it does."""

    def break_off(*_: object) -> None:
        world.loop.callbacks += world.most_callbacks
        message = f"a callback has not ended within {_LONGEST_SECONDS} s"
        world.wrong.append(message)
        raise Stuck(message)

    before = signal.signal(signal.SIGVTALRM, break_off)
    signal.setitimer(signal.ITIMER_VIRTUAL, _LONGEST_SECONDS, _LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def run_all(
    seeds: Iterable[int], hear: Callable[[Campaign, Campaign], None], processes: int = 1
) -> Campaign:
    """Run the worlds of these seeds, in so many processes; `hear` is told of some after the other, and what all came to so far."""
    campaign, begun = Campaign(), _clock()
    for part in map(_run_some, _parts(seeds)) if processes == 1 else _beside(seeds, processes):
        campaign.add(part)
        campaign.seconds = _clock() - begun
        hear(part, campaign)
    return campaign


def _parts(seeds: Iterable[int]) -> Iterator[list[int]]:
    left = iter(seeds)
    while part := list(islice(left, _AT_ONCE)):
        yield part


def _beside(seeds: Iterable[int], processes: int) -> Iterator[Campaign]:
    """Run parts of the seeds in processes that are forked here, so that the world's clock and network are theirs too."""
    fork = multiprocessing.get_context("fork")
    running: set[Future[Campaign]] = set()
    with ProcessPoolExecutor(processes, fork, initializer=_begin_process) as pool:
        for part in _parts(seeds):
            running.add(pool.submit(_run_some, part))
            # No more than that ahead: after Ctrl-C the seeds end, and what was begun is awaited.
            if len(running) > processes:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in running)


def _begin_process() -> None:
    """Leave Ctrl-C to the parent; and what was imported is no cycle of a world: not looked through after each part."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()


def _run_some(seeds: list[int]) -> Campaign:
    campaign = Campaign()
    for seed in seeds:
        plan = plan_of(seed)
        judgement, world = run(plan)
        campaign.worlds += 1
        if judgement.faults:
            campaign.wrong[seed] = judgement.faults
        campaign.sums.update(total([judgement]))
        campaign.fired.update(world.fired)
        campaign.unscaled += plan.scale == 1.0
        campaign.world_seconds += world.outcome.seconds
        campaign.callbacks += world.outcome.callbacks
        del world
    gc.collect()
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
    simplest: dict[str, Any] = {
        "partitions": 1, "brokers": 1, "max_in_flight": 512, "limits": (64, 0.0), "lanes": None,
    }  # fmt: skip
    for name, value in simplest.items():
        if getattr(plan, name) != value:
            yield replace(plan, **{name: value})
