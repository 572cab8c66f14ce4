"""Worlds for mistakes that show only where two things go wrong together: drawn like any other, and those two put in."""

from collections.abc import Callable
from dataclasses import replace
from random import Random  # noqa: TID251  # seeded

from tests.simulation.plan import PLACES, Fault, Plan

Wanted = Callable[[Plan], Plan]


def as_drawn(plan: Plan) -> Plan:
    """Return the plan."""
    return plan


def _rng(plan: Plan) -> Random:
    return Random(f"wanted {plan.seed}")  # noqa: S311  # no secret


def with_second_copies(plan: Plan) -> Plan:
    """Return it with a worker that dies after a write, and rebalances before and after the copy that this leaves."""
    rng = _rng(plan)
    crash = Fault(
        "crash", "next place written", rng.choice([1, 2, 3]), rng.choice([0, 1, 2, 5]), 1.0, 0.5
    )
    places = ("answer judged", "attempts record written", "before the due time", "call under way")
    rebalances = tuple(
        Fault("revocation", rng.choice(places), nth, rng.choice([0, 30, 200, 600]), 1.0, 0.9)
        for nth in rng.sample(range(2, 9), 3)
    )
    payments = tuple(replace(one, script="U,U,U,S") for one in plan.payments)
    return replace(
        plan, faults=(crash, *rebalances), payments=payments, workers=("all", "all"), scale=0.3
    )


def with_refused_writes(plan: Plan) -> Plan:
    """Return it with one broker, which has lost a producer's sequence and refuses all that one request brings."""
    rng = _rng(plan)
    refused = tuple(
        Fault("produce refused", rng.choice(PLACES), nth, 0, 1.0, 0.2) for nth in (1, 2, 3)
    )
    return replace(plan, faults=refused, brokers=1)


def with_commits_not_made(plan: Plan) -> Plan:
    """Return it with commits that are neither made nor refused, for longer than a worker waits for them."""
    rng = _rng(plan)
    late = tuple(Fault("commit late", "before the commit", nth, 0, 1.0, 0.75) for nth in rng.sample(range(2, 20), 3))  # fmt: skip
    return replace(plan, faults=late)


def with_coordinators_that_move(plan: Plan) -> Plan:
    """Return it with groups whose coordinator moves and loads while they share their partitions out."""
    rng = _rng(plan)
    revocations = tuple(
        Fault("revocation", rng.choice(PLACES), nth, 0, 1.0, rng.random())
        for nth in rng.sample(range(2, 9), 3)
    )
    moves = tuple(
        Fault("coordinator moves", "during hand-over", nth, rng.choice([0, 0, 1, 2]), rng.choice([0.2, 2.0]), rng.random())
        for nth in rng.sample(range(2, 9), 3)
    )  # fmt: skip
    return replace(plan, faults=(*moves, *revocations))


def with_topics_made_again(plan: Plan) -> Plan:
    """Return it with topics that are deleted and made again while payments come, and a revocation now and then."""
    rng = _rng(plan)
    again = tuple(
        Fault("topic made again", rng.choice(PLACES), nth, rng.choice([0, 3, 30]), rng.choice([0.5, 5.0, 12.0]), rng.random())
        for nth in rng.sample(range(1, 8), 3)
    )  # fmt: skip
    revocation = Fault(
        "revocation", rng.choice(PLACES), rng.choice([2, 4, 8]), 0, 1.0, rng.random()
    )
    payments = tuple(replace(one, at=round(rng.random() * 40, 3)) for one in plan.payments)
    return replace(plan, faults=(*again, revocation), payments=payments)


def with_a_source_made_again_twice(plan: Plan) -> Plan:
    """Return it with a source that is away while partitions are shared out, and is made again at once when it was read a little."""
    rng = _rng(plan)
    of_the_source = (0.2015, 0.4015, 0.6015)
    faults = (
        Fault("topic made again", "during hand-over", rng.choice([1, 2]), 0, 0.0, rng.choice(of_the_source)),
        Fault("topic made again", rng.choice(["call under way", "answer judged"]), 1, rng.choice([0, 3, 8]), 0.0, 0.0015),
        Fault("revocation", "call under way", 1, 0, 0.0, 0.1),
    )  # fmt: skip
    payments = tuple(replace(one, at=round(rng.random() * 3, 3)) for one in plan.payments)
    return replace(plan, faults=faults, payments=payments, workers=("all", "all"))
