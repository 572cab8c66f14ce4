"""Run worlds: `python -m tests.simulation --worlds 500 --seed 7`. Exits with 1 where one goes wrong, with 130 where none of
those that were run did, and Ctrl-C or SIGTERM came before all of them.

They run on all cores, and their figures are kept at every step: `--go-on` runs the worlds behind those that are kept, or
behind the published ones where these are more, if the code is the same, and adds theirs.
`--replay SEED` runs one again and prints what happens in it, line by line;
`--shrink SEED` looks for a smaller one that goes wrong in the same way, and prints that.
"""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from tests.faults.figures import machine
from tests.simulation import kept, long_world, seeded_faults
from tests.simulation.campaign import Campaign, plan_of, run, run_all, shrink
from tests.simulation.kept import FIGURES, PUBLISHED
from tests.simulation.long_world import keep, long_section, run_long
from tests.simulation.plan import KINDS, PLACES
from tests.simulation.report import cells
from tests.simulation.seeded_faults import SEEDED, keep_tried, try_one
from tests.simulation.worker import in_the_world

_SAY_EVERY = 20
"""Worlds, at least."""


def main() -> int:
    """Run what the command line asks for."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of names is drawn at the start of a process: a world must be the same in each.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--replay", type=int, metavar="SEED")
    parser.add_argument("--shrink", type=int, metavar="SEED")
    parser.add_argument("--go-on", action="store_true", help="behind the worlds that are kept")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--hours", type=float, help="run one long world of so many hours instead")
    parser.add_argument("--seeded", type=int, metavar="MOST", help="worlds for each seeded fault")
    asked = parser.parse_args()
    on = machine()  # by the machine's own clock, which no world has
    with in_the_world():
        if asked.hours:
            return _run_long(asked.hours, asked.seed, on)
        if asked.seeded:
            return _try_seeded(asked.seed, asked.seeded, on)
        if asked.replay is not None or asked.shrink is not None:
            return _show(asked.replay, asked.shrink)
        return _run_many(asked, on)


def _run_many(asked: argparse.Namespace, on: dict[str, Any]) -> int:
    """Run worlds; return 1 where one goes wrong, 2 where they can't go on behind the kept ones, 130 where they were ended."""
    of_code = kept.code()
    before = kept.last_of(of_code, FIGURES, PUBLISHED) if asked.go_on else None
    if before is not None and before["code"] != of_code:
        _say(
            f"[simulate] the code is no longer the one of the {before['worlds']:,} worlds that are kept: begin anew, without GO_ON"
        )
        return 2
    seed = before["seed"] + before["worlds"] if before is not None else asked.seed
    if before is None and asked.worlds:
        kept.forget(FIGURES)

    def figures_with(so_far: Campaign) -> dict[str, Any]:
        return kept.together(before, kept.figures_of(so_far, seed, of_code) | {"on": [on]})

    def hear(part: Campaign, so_far: Campaign) -> None:
        for wrong, faults in part.wrong.items():
            for fault in faults:
                _say(f"[simulate] world {wrong} went wrong: {fault}")
        # As far as it is now: whatever ends it, what was run until then is kept.
        kept.write(FIGURES, figures_with(so_far))
        if so_far.worlds % max(_SAY_EVERY, asked.worlds // 50) < part.worlds:
            _say(
                f"[simulate] {so_far.worlds:,} of {asked.worlds:,} worlds, {len(so_far.wrong)} wrong"
            )

    campaign = run_all(_until_ctrl_c(seed, asked.worlds), hear, asked.processes)
    figures = figures_with(campaign) if campaign.worlds else None
    return _tell(figures, campaign.worlds, asked.worlds)


def _tell(figures: dict[str, Any] | None, were_run: int, asked_for: int) -> int:
    """Say what the worlds came to, and return the exit code."""
    if figures is None:
        _say("[simulate] no world was run")
    else:
        _report(figures)
    if were_run < asked_for:
        _say(f"[simulate] ended after {were_run:,} of {asked_for:,} worlds")
    if figures is not None and figures["failed"]:
        return 1
    if were_run < asked_for:
        return 130
    return 0 if figures is not None else 1


def _until_ctrl_c(first: int, count: int) -> Iterator[int]:
    """Yield the seeds; none any more after Ctrl-C or SIGTERM, so that what was run until then is told."""
    told: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: told.append(number)) for number in numbers]
    try:
        for seed in range(first, first + count):
            if told:
                return
            yield seed
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _show(replay: int | None, shrunk: int | None) -> int:
    plan = plan_of(replay if replay is not None else shrunk or 0)
    if shrunk is not None:
        plan = shrink(plan)
    _say(str(plan))
    judgement, _ = run(plan, _say)
    for fault in judgement.faults:
        _say(f"WRONG: {fault}")
    return 1 if judgement.faults else 0


def _run_long(hours: float, seed: int, on: dict[str, Any]) -> int:
    """Run a long world; return 1 where it goes wrong."""
    kept.forget(FIGURES, long_world.FILE)
    of_code = kept.code(kept.LONG_WORLD)
    judgement, figures = run_long(hours, seed)
    keep(figures | {"code": of_code, "on": [on]}, FIGURES)
    _say(long_section(figures))
    for fault in judgement.faults:
        _say(f"WRONG: {fault}")
    return 1 if judgement.faults else 0


def _try_seeded(first: int, most: int, on: dict[str, Any]) -> int:
    """Try every seeded fault, and keep what became of them when all were tried; return 1 where one is not found."""
    kept.forget(FIGURES, seeded_faults.FILE)
    of_code, tried = kept.code(kept.SEEDED_FAULTS), []
    for seed in SEEDED:
        one = try_one(seed, first, most)
        tried.append(one)
        after = f"after {one.worlds} worlds" if one.worlds else f"NOT in {most} worlds"
        _say(f"[simulate] {one.name}: found {after}: {one.said}")
        gc.collect()
    keep_tried(tried, {"code": of_code, "seed": first, "most": most, "on": [on]}, FIGURES)
    return 0 if all(one.worlds for one in tried) else 1


def _report(figures: dict[str, Any]) -> None:
    _say(
        f"[simulate] {figures['worlds']:,} worlds in {figures['seconds']:.0f} s, {kept.a_minute(figures):.0f} a minute;"
        f" {figures['hours']:,.0f} hours of their own time, {figures['unscaled']:,} worlds with unscaled ladders"
    )
    for name, value in figures["sums"].items():
        _say(f"[simulate] {name}: {value:,}")
    fired = figures["fired"]
    _say(
        f"[simulate] faults done: {sum(fired.values()):,}, in {len(fired)} of {len(KINDS) * len(PLACES)} cells"
    )
    _say(cells(fired))
    _say(f"[simulate] went wrong: {figures['failed'] or 'none'}")
    for failed in figures["failed"][:3]:
        _say(f"[simulate] make simulate SHRINK={failed}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
