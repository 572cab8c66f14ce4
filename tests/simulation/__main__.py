"""Run worlds: `python -m tests.simulation --worlds 500 --seed 7`. Exits with 1 where one goes wrong.

`--replay SEED` runs one again and prints what happens in it, line by line; `--shrink SEED` looks for a smaller one that
goes wrong in the same way, and prints that.
"""

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.simulation.campaign import Campaign, plan_of, run, run_all, shrink
from tests.simulation.long_world import keep, long_section, run_long
from tests.simulation.plan import KINDS, PLACES
from tests.simulation.seeded_faults import SEEDED, try_one
from tests.simulation.verdict import Judgement
from tests.simulation.worker import in_the_world

FIGURES = Path(__file__).parents[2] / "build" / "simulation"
_SAY_EVERY = 10


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
    parser.add_argument("--hours", type=float, help="run one long world of so many hours instead")
    parser.add_argument("--seeded", type=int, metavar="MOST", help="worlds for each seeded fault")
    asked = parser.parse_args()
    with in_the_world():
        if asked.hours:
            return _run_long(asked.hours, asked.seed)
        if asked.seeded:
            return _try_seeded(asked.seed, asked.seeded)
        if asked.replay is not None or asked.shrink is not None:
            return _show(asked.replay, asked.shrink)
        campaign = run_all(_until_ctrl_c(asked.seed, asked.worlds), _hear)
        _report(campaign, asked.seed)
        return 1 if campaign.failed else 0


def _until_ctrl_c(first: int, count: int) -> Iterator[int]:
    """Yield the seeds; none any more after Ctrl-C or SIGTERM, so that what was run until then is told."""
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: told.append(number))
    for seed in range(first, first + count):
        if told:
            return
        yield seed


def _show(replay: int | None, shrunk: int | None) -> int:
    plan = plan_of(replay if replay is not None else shrunk or 0)
    if shrunk is not None:
        plan = shrink(plan)
    _say(str(plan))
    judgement, _ = run(plan, _say)
    for fault in judgement.faults:
        _say(f"WRONG: {fault}")
    return 1 if judgement.faults else 0


def _run_long(hours: float, seed: int) -> int:
    """Run a long world; return 1 where it goes wrong."""
    judgement, figures = run_long(hours, seed)
    keep(figures, FIGURES)
    _say(long_section(figures))
    for fault in judgement.faults:
        _say(f"WRONG: {fault}")
    return 1 if judgement.faults else 0


def _try_seeded(first: int, most: int) -> int:
    """Try every seeded fault; return 1 where one is not found."""
    tried = []
    FIGURES.mkdir(parents=True, exist_ok=True)
    for seed in SEEDED:
        one = try_one(seed, first, most)
        tried.append(one)
        after = f"after {one.worlds} worlds" if one.worlds else f"NOT in {most} worlds"
        _say(f"[simulate] {one.name}: found {after}: {one.said}")
        gc.collect()
        figures = [
            {"name": one.name, "worlds": one.worlds, "of": most, "said": one.said} for one in tried
        ]
        (FIGURES / "seeded.json").write_text(json.dumps(figures, indent=1), "utf-8")
    return 0 if all(one.worlds for one in tried) else 1


def _hear(seed: int, judgement: Judgement) -> None:
    for fault in judgement.faults:
        _say(f"[simulate] world {seed} went wrong: {fault}")
    if seed % _SAY_EVERY == 0:
        _say(f"[simulate] at world {seed}")


def _report(campaign: Campaign, seed: int) -> None:
    sums = campaign.sums()
    worlds = len(campaign.judgements)
    _say(
        f"[simulate] {worlds} worlds in {campaign.seconds:.0f} s, {campaign.a_minute:.0f} a minute;"
        f" {campaign.world_seconds / 3600:,.0f} hours of their own time, {campaign.unscaled} worlds with unscaled ladders"
    )
    for name, value in sums.items():
        _say(f"[simulate] {name}: {value:,}")
    _say(
        f"[simulate] faults done: {campaign.fired.total():,}, in {len(campaign.fired)} of {len(KINDS) * len(PLACES)} cells"
    )
    _say("\n".join(table(campaign)))
    _say(f"[simulate] went wrong: {campaign.failed or 'none'}")
    for failed in campaign.failed[:3]:
        _say(f"[simulate] PYTHONHASHSEED=0 python -m tests.simulation --shrink {failed}")
    FIGURES.mkdir(parents=True, exist_ok=True)
    figures = {
        "seed": seed, "worlds": worlds, "seconds": round(campaign.seconds, 1),
        "hours": round(campaign.world_seconds / 3600, 1), "unscaled": campaign.unscaled,
        "callbacks": campaign.callbacks, "sums": dict(sums), "failed": campaign.failed,
        "fired": {f"{kind} | {place}": count for (kind, place), count in campaign.fired.items()},
    }  # fmt: skip
    (FIGURES / "simulation.json").write_text(json.dumps(figures, indent=1), "utf-8")


def table(campaign: Campaign) -> list[str]:
    """Return what was tried where, as a table of Markdown."""
    lines = [f"| | {' | '.join(PLACES)} |", "|---|" + "---|" * len(PLACES)]
    for kind in KINDS:
        cells = " | ".join(str(campaign.fired[kind, place]) for place in PLACES)
        lines.append(f"| {kind} | {cells} |")
    return lines


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
