"""A search for the event that costs the event loop most: recipes of a megabyte, bred by the CPU time that they take.

Where an event is read, every partner's next call waits. What it may cost is bounded by counts (`schemas.strict_json`,
`schemas.tidying`, `schemas.near_names`), which `test_costly_events.py` holds; this looks for what they leave.
"""

import json
import time
from dataclasses import dataclass, replace
from random import Random  # noqa: TID251  # passed in, seeded
from typing import Final

from tests.fuzz.event_recipes import (
    COUNTS,
    ELEMENTS,
    LENGTHS,
    MOST_BYTES,
    NAMES,
    PLACES,
    SHAPES,
    Gene,
    Recipe,
)
from tests.fuzz.kafka_records import fresh
from tests.support.events import EVENTS
from tests.unit.bench import Bench
from tests.unit.kit import read

_REPEATS: Final = 3
"""The least of so many counts: a machine that does other things only ever adds."""
_KEPT: Final = 24


@dataclass(frozen=True, slots=True)
class Found:
    """The costliest so far: CPU seconds of the event loop, and what took them."""

    seconds: float
    recipe: Recipe


async def seconds_of(bench: Bench, event: bytes) -> float:
    """Return the CPU time from the record to its next place, network and brokers left out."""
    least = float("inf")
    for _ in range(_REPEATS):
        fresh(bench)
        record = read("source", event)
        begun = time.thread_time()
        await bench.event(record)
        least = min(least, time.thread_time() - begun)
        assert len(bench.letters) + len(bench.caller.made) == 1, "it was not settled"
        if least < 0.002:
            break
    return least


def plain_seconds() -> float:
    """Return what `json.loads` takes for as many bytes of short texts: a measure of the machine."""
    plain = json.dumps(["payment"] * (MOST_BYTES // 11)).encode()
    least = float("inf")
    for _ in range(5):
        begun = time.thread_time()
        json.loads(plain)
        least = min(least, time.thread_time() - begun)
    return least


class Search:
    """Breeds recipes by what they cost.

    Args:
        rng: the same one tries the same; which are bred from depends on the machine.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._bench = Bench()
        self.best: list[Found] = []

    async def run(self, tries: int) -> list[Found]:
        """Try so many; return the costliest, the worst first."""
        for _ in range(tries):
            fresh_one = len(self.best) < _KEPT or self._rng.random() < 0.15
            recipe = self._new() if fresh_one else self._changed(self._rng.choice(self.best).recipe)
            found = Found(await seconds_of(self._bench, recipe.event()), recipe)
            if all(found.recipe != one.recipe for one in self.best):
                self.best = sorted([*self.best, found], key=lambda one: -one.seconds)[:_KEPT]
        return self.best

    def _new(self) -> Recipe:
        rng = self._rng
        return Recipe(
            rng.choice(sorted(EVENTS)),
            rng.choice(("SUCCESS", "FAILED", "CANCELLED")),
            tuple(self._gene() for _ in range(rng.randrange(1, 4))),
        )

    def _gene(self) -> Gene:
        rng = self._rng
        return Gene(
            rng.choice(PLACES),
            rng.choice(SHAPES),
            rng.choice(sorted(ELEMENTS)),
            rng.choice(COUNTS),
            rng.choice(LENGTHS),
            rng.choice(NAMES),
        )

    def _changed(self, recipe: Recipe) -> Recipe:
        rng = self._rng
        genes = list(recipe.genes)
        at = rng.randrange(len(genes))
        other = self._gene()
        match rng.randrange(8):
            case 0:
                genes.append(other)
            case 1 if len(genes) > 1:
                del genes[at]
            case 2:
                genes.append(rng.choice(rng.choice(self.best).recipe.genes))
            case 3:
                return replace(recipe, profile=rng.choice(sorted(EVENTS)))
            case 4:
                genes[at] = replace(
                    genes[at],
                    count=rng.choice(
                        (other.count, genes[at].count * 3 // 4 or 1, genes[at].count * 5 // 4)
                    ),
                )
            case 5:
                genes[at] = replace(
                    genes[at],
                    length=rng.choice(
                        (other.length, genes[at].length * 3 // 4 or 1, genes[at].length * 5 // 4)
                    ),
                )
            case 6:
                genes[at] = replace(
                    genes[at],
                    **{
                        name: getattr(other, name)
                        for name in rng.sample(("place", "shape", "element", "name"), 1)
                    },
                )
            case _:
                genes[at] = other
        return replace(recipe, genes=tuple(genes[:6]))
