"""What came of a world."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from streams.sandbox.ledger import Ledger
from tests.faults.judge import Break
from tests.simulation.evidence import Again
from tests.simulation.plan import Plan


@dataclass(slots=True)
class Outcome:
    """What came of a world.

    Attributes:
        plan: of it.
        ledger: its evidence.
        breaks: when something went wrong that may cause repeats.
        cuts: from when to when a worker was cut off.
        commits: every one.
        rebalances: when a group began or ended one, by group.
        memberships: from when on which workers were in a group.
        new_lanes: when a worker began with new lanes, or with some of them.
        without_recall: when a worker could not read what was settled before its lanes were opened.
        again: events that were written once more.
        put_back: orders whose dead letter an operator put back.
        gone: events of which something was deleted with its topic that nobody had settled.
        fired: what went wrong, and where.
        faults: what is wrong with the world itself: it did not end, or a worker crashed.
        seconds: how long it lasted, in its own time.
        callbacks: how many ran.
        trace: what happened, line by line.
    """

    plan: Plan
    ledger: Ledger
    breaks: list[Break]
    cuts: list[tuple[int, int]]
    commits: dict[tuple[str, int], Any]
    rebalances: dict[str, list[int]]
    memberships: list[tuple[int, str, frozenset[str]]]
    new_lanes: list[int]
    without_recall: list[int]
    again: list[Again]
    put_back: frozenset[str]
    gone: frozenset[str]
    fired: Counter[tuple[str, str]]
    faults: list[str]
    seconds: float
    callbacks: int
    trace: list[str]
