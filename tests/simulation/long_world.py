"""One long world: hours of traffic on unscaled ladders, and all the while something goes wrong, of every kind by turns.

Short worlds look at what one or a few faults do. This one looks at what stays behind: after hundreds of them, one upon
the other, the same brokers, groups and topics must still be right, and what waited for fifteen hours meanwhile must
still come when it is due.
"""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251  # seeded
from time import perf_counter
from typing import Any, Final

from streams.notification.profiles import PROFILES
from tests.simulation.plan import KINDS, PLACES, Fault, Payment, Plan, written_again
from tests.simulation.verdict import Judgement, total, verdict
from tests.simulation.worker import ZERO_SECONDS
from tests.simulation.world import World

FILE: Final = "long.json"
_HOUR: Final = 3600.0
_BURST_EVERY_SECONDS: Final = 300.0
_MOST_OF_A_BURST: Final = 6
_MOST_CALLBACKS: Final = 20_000_000
_SCRIPTS: Final = {
    "S": 10.0, "U,S": 4.0, "slow:2,S": 2.0, "U,U,U,S": 2.0, "http:500,never,S": 1.0, "refuse,U,S": 1.0,
    "U,U,U,U,U,U,S": 1.0, "U": 0.3,
}  # fmt: skip
"""How partners answer, with weights: most at once, some late, a few never, up to the end of the ladder."""


@dataclass(frozen=True, slots=True)
class Due:
    """A fault, and from when on it happens as soon as a record comes to its place; seconds from the begin."""

    at: float
    fault: Fault


class LongWorld(World):
    """A world whose faults are spread over its hours.

    Args:
        plan: what is paid.
        due: what goes wrong, and when.
        tell: called with each line of the trace.
    """

    def __init__(
        self, plan: Plan, due: Sequence[Due], tell: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(plan, tell)
        self._due = deque(due)
        self.most_callbacks = _MOST_CALLBACKS

    def reached(self, place: str) -> None:
        """Note that a record has come to a place; what has fallen due for it goes wrong."""
        # Looked at here and not by timers of their own, which would keep hours without records from being passed over.
        while self._due and self._due[0].at <= self.loop.now - ZERO_SECONDS:
            self._left.append(self._due.popleft().fault)
        super().reached(place)


def draw_long(hours: float, seed: int) -> tuple[Plan, list[Due]]:
    """Draw a long world: bursts of payments every five minutes, and each kind of fault at each place, in a drawn order.

    Args:
        hours: until payments and faults end; retries go on to the end of their ladders.
        seed: names it.
    """
    rng = Random(f"long {seed}")  # noqa: S311  # no secret
    payments, again = [], Random(f"again long {seed}")  # noqa: S311  # no secret
    for burst in range(int(hours * _HOUR / _BURST_EVERY_SECONDS)):
        profile = rng.choice(list(PROFILES))
        for _ in range(rng.randrange(1, _MOST_OF_A_BURST + 1)):
            at = round(burst * _BURST_EVERY_SECONDS + rng.random() * 2, 3)
            script = rng.choices(list(_SCRIPTS), list(_SCRIPTS.values()))[0]
            payments.append(Payment(at, profile, script, "", *written_again(again)))
    cells = [(kind, place) for kind in KINDS for place in PLACES]
    rng.shuffle(cells)
    step = hours * _HOUR / len(cells)
    due = [
        Due(
            round(number * step, 1),
            Fault(
                kind, place, 1, rng.choice([0, 0, 1, 2, 3, 5, 8, 13, 30]),
                round(rng.choice([0.5, 2.0, 5.0, 12.0, 20.0]) * (0.5 + rng.random()), 2),
                round(rng.random(), 6),
            ),
        )
        for number, (kind, place) in enumerate(cells)
    ]  # fmt: skip
    plan = Plan(
        seed=seed,
        brokers=3,
        partitions=2,
        workers=("all", "all"),
        scale=1.0,
        max_in_flight=4,
        limits=(2, 0.0),
        lanes=(12, 4),
        payments=tuple(payments),
        faults=(),
    )
    return plan, due


def run_long(
    hours: float, seed: int, tell: Callable[[str], None] | None = None
) -> tuple[Judgement, dict[str, Any]]:
    """Run a long world; return the judgement and its figures."""
    plan, due = draw_long(hours, seed)
    world, begun = LongWorld(plan, due, tell), perf_counter()
    outcome = world.run()
    judgement = verdict(outcome)
    figures = {
        "seed": seed,
        "hours": hours,
        "lasted_hours": round(outcome.seconds / _HOUR, 1),
        "seconds": round(perf_counter() - begun, 1),
        "callbacks": outcome.callbacks,
        "workers_started": world.started,
        "sums": dict(total([judgement])),
        "faults": list(judgement.faults),
        "fired": {f"{kind} | {place}": count for (kind, place), count in outcome.fired.items()},
    }
    return judgement, figures


def keep(figures: dict[str, Any], directory: Path) -> None:
    """Keep the figures for `tests.simulation.report`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / FILE).write_text(json.dumps(figures, indent=1), "utf-8")


def long_section(figures: dict[str, Any]) -> str:
    """Return what the long world came to, as a table of Markdown."""
    sums, fired = figures["sums"], figures["fired"]
    kinds = dict.fromkeys(KINDS, 0)
    for cell, count in fired.items():
        kinds[cell.split(" | ")[0]] += count
    repeats = ", ".join(
        f"{count:,} {name.removeprefix('repeats: ')}"
        for name, count in sums.items()
        if name.startswith("repeats") and count
    )
    rows = {
        "Payments and faults came for": f"{figures['hours']:g} hours",
        "Everything had ended after": f"{figures['lasted_hours']:g} hours",
        "Went wrong": f"{len(figures['faults']):,}",
        "Payments": f"{sums['payments']:,}",
        "Calls": f"{sums['calls']:,}",
        "Faults done": f"{sum(fired.values()):,}, in {len(fired)} of {len(KINDS) * len(PLACES)} cells",
        "Of each kind": ", ".join(f"{kind} {count}" for kind, count in kinds.items()),
        "Workers started": f"{figures['workers_started']:,}",
        "Repeated attempts": repeats or "0",
        "Second copies of a record": f"{sums['copies']:,}, of which {sums['absorbed']:,} were absorbed",
        "Forked ladders": f"{sums['forked']:,}",
        "Events written once more": f"{sums['again']:,}, of which {sums['recognised']:,} were recognised",
        "Attempts out of the group": f"{sums['zombies']:,}",
        "Notifications gone with a topic": f"{sums['gone']:,}",
        "Dead letters": f"{sums['dead_letters']:,}",
        "Took": f"{figures['seconds'] / 60:.0f} minutes",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    command = f"`make simulate HOURS={figures['hours']:g} SEED={figures['seed']}`"
    return "\n".join([*lines, "", command])
