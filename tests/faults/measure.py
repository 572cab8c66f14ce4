"""Measure what the three promises come to: `python -m tests.faults.measure NAME… [--small]`.

Each takes one to five minutes and wants a machine that does nothing else. The figures go to the same place as those of
the fault suite; `make reliability` writes them into docs/reliability.md. Exit code 1: one could not be made. One that does not
hold is no error, since the machine has its part in it, and is named at the end.
"""

import argparse
import asyncio
import json
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from streams.sandbox.interrupts import ended_by_signals
from tests.faults.figures import forget_measure, note_measure
from tests.faults.measures.isolation import flooded, hanging, returning
from tests.faults.measures.takeover import after_a_kill, rolling
from tests.faults.measures.waits import at_rest, backlog, lateness
from tests.faults.measures.world import say

FIGURES = Path(__file__).parents[2] / "build" / "measures"

_SMALL: Mapping[str, Any] = {"seconds": 10, "rounds": 1}

Measure = Callable[[bool], Coroutine[Any, Any, dict[str, Any]]]


def _hang(hosts: int, hung: int, **how: Any) -> Measure:
    return lambda small: hanging(hosts, hung, **how, **(_SMALL if small else {}))


MEASURES: Mapping[str, tuple[str, Measure]] = {
    "hang": (
        "3 of 10 destinations hang, each with its own entry: the others' p99 at most 1.2 times or 5 ms above, none of theirs parked",
        _hang(10, 3, own_entry=True, or_ms_more=5.0),
    ),
    "hang-shared": (
        "3 of 10 destinations hang, all in one partner entry: the others' p99 at most 1.2 times or 5 ms above, none of theirs parked",
        _hang(10, 3, own_entry=False, or_ms_more=5.0),
    ),
    "hang-1000": (
        "300 of 1,000 destinations hang, all in one partner entry: the others' p99 at most 2 times, none of theirs parked",
        _hang(1000, 300, own_entry=False, most_times=2.0),
    ),
    "flood": (
        "a partner floods on 16 connections in place of answering: another's p99 at most 2 times",
        lambda small: flooded(**(_SMALL if small else {})),
    ),
    "return": (
        "a destination is back after 10 minutes (scaled by 0.1): one probe a second before, every other second at least; then half of its rate limit at least, all of it at most; the others' p99 at most 1.2 times or 5 ms above, none of theirs parked",
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
        "200 retries due a second on five tiers, 200,000 behind them: none early, p50 10 ms, p99 100 ms, most 1.5 s",
        lambda small: lateness(
            rate=200, seconds=10 if small else 60, behind=5000 if small else 200_000
        ),
    ),
    "takeover": (
        "a worker is killed: its partitions deliver again within 15 s",
        lambda small: after_a_kill(kills=1 if small else 5),
    ),
    "rolling": (
        "3 workers are replaced one by one under load: nothing lost or repeated, p99 at most 5 s",
        lambda _small: rolling(),
    ),
    "rolling-hung": (
        "3 workers are replaced one by one under load while one of ten destinations hangs: nothing of the others lost or repeated, p99 at most 12 s",
        lambda _small: rolling(hung=1),
    ),
    "at-rest": (
        "1,000,000 notifications at rest: RSS at most 100 MB more, start at most 1.5 times as long and 1 s, new events' p99 at most 1.2 times or 5 ms above",
        lambda small: at_rest(records=20_000 if small else 1_000_000),
    ),
}


def main() -> int:
    """Measure what was named, or all; what was found before of that goes first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASURES, []], help="all by default")
    parser.add_argument("--small", action="store_true", help="to see that it works; no figures")
    options = parser.parse_args()
    names = options.names or list(MEASURES)
    if not options.small:
        FIGURES.mkdir(parents=True, exist_ok=True)
        for name in names:
            forget_measure(FIGURES, name)
    verdicts: dict[str, bool | None] = {}
    try:
        with ended_by_signals():
            for name in names:
                verdicts[name] = _measure(name, small=options.small)
    except KeyboardInterrupt:
        return 130
    for verdict, what in ((None, "could not be made"), (False, "do not hold")):
        if found := [name for name, its in verdicts.items() if its is verdict]:
            say(f"{what}: {', '.join(found)}")
    return 1 if None in verdicts.values() else 0


def _measure(name: str, *, small: bool) -> bool | None:
    """Make one measurement; return whether it holds, None where it came to nothing."""
    asked, measure = MEASURES[name]
    say(f"{name}: {asked}")
    try:
        found = asyncio.run(measure(small))
    except Exception:  # noqa: BLE001  # the others are made all the same
        say(f"{name} could not be made:\n{traceback.format_exc()}")
        return None
    holds = bool(found.pop("holds"))
    say(json.dumps(found | {"holds": holds}))
    if not small:
        note_measure(FIGURES, name, {"asked": asked, "found": found, "holds": holds})
    return holds


if __name__ == "__main__":
    sys.exit(main())
