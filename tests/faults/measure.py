"""Measure what the three promises come to: `python -m tests.faults.measure NAME… [--small]`.

Each takes one to five minutes and wants a machine that does nothing else. The figures go to the same place as those of
the fault suite; `make reliability` writes them into docs/reliability.md.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from tests.faults.figures import note_measure
from tests.faults.measures.isolation import flooded, hanging, returning
from tests.faults.measures.takeover import after_a_kill, rolling
from tests.faults.measures.waits import at_rest, backlog, lateness
from tests.faults.measures.world import say

FIGURES = Path(__file__).parents[2] / "build" / "measures"

Measure = Callable[[bool], Coroutine[Any, Any, dict[str, Any]]]


def _hang(hosts: int, hung: int, *, own_entry: bool, most_times: float = 1.2) -> Measure:
    return lambda small: hanging(
        hosts, hung, own_entry=own_entry, most_times=most_times, seconds=10 if small else 60
    )


MEASURES: Mapping[str, tuple[str, Measure]] = {
    "hang": (
        "3 of 10 destinations hang, each with its own entry: p99 at most 1.2 times or 5 ms above",
        _hang(10, 3, own_entry=True),
    ),
    "hang-shared": (
        "3 of 10 destinations hang, all in one partner entry: the same",
        _hang(10, 3, own_entry=False),
    ),
    "hang-1000": (
        "300 of 1,000 destinations hang, all in one partner entry: p99 at most 2 times",
        _hang(1000, 300, own_entry=False, most_times=2.0),
    ),
    "flood": (
        "a partner floods on 16 connections in place of answering: another's p99 at most 2 times",
        lambda small: flooded(rounds=1, seconds=10) if small else flooded(),
    ),
    "return": (
        "a destination is back after 10 minutes (scaled by 0.1): drains at its rate limit, one probe a second before",
        lambda small: returning(outage_seconds=20 if small else 60),
    ),
    "backlog": (
        "a backlog of retries drains: new events' p99 at most twice as long",
        lambda small: backlog(waiting=2000 if small else 20_000, seconds=10 if small else 30),
    ),
    "lateness": (
        "500 retries due a second on five tiers, 200,000 behind them: none early, p50 10 ms, p99 100 ms, most 1.5 s",
        lambda small: lateness(rate=100, seconds=10, behind=5000) if small else lateness(),
    ),
    "lateness-200": (
        "the same with 200 due a second",
        lambda small: lateness(
            rate=200, seconds=10 if small else 60, behind=5000 if small else 200_000
        ),
    ),
    "takeover": (
        "a worker is killed: its partitions deliver again within 15 s",
        lambda small: after_a_kill(kills=1 if small else 5),
    ),
    "rolling": (
        "3 workers are replaced one by one: nothing lost or repeated, p99 at most 5 s",
        lambda _small: rolling(),
    ),
    "rolling-hung": (
        "the same while one of ten destinations hangs: p99 at most 12 s",
        lambda _small: rolling(hung=1),
    ),
    "at-rest": (
        "1,000,000 notifications at rest: RSS at most 100 MB more, no longer start, no slower",
        lambda small: at_rest(records=20_000 if small else 1_000_000),
    ),
}


def main() -> int:
    """Measure what was named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASURES, []], help="all by default")
    parser.add_argument("--small", action="store_true", help="to see that it works; no figures")
    options = parser.parse_args()
    for name in options.names or MEASURES:
        asked, measure = MEASURES[name]
        say(f"{name}: {asked}")
        found = asyncio.run(measure(options.small))
        holds = found.pop("holds")
        say(json.dumps(found | {"holds": holds}))
        if not options.small:
            FIGURES.mkdir(parents=True, exist_ok=True)
            note_measure(FIGURES, name, {"asked": asked, "found": found, "holds": holds})
    return 0


if __name__ == "__main__":
    sys.exit(main())
