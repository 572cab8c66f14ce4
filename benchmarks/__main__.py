"""The command: `python -m benchmarks throughput --systems notifier-1,aiokafka-httpx --rounds 1 --seconds 5`."""

import argparse
import asyncio
import logging
import sys

from benchmarks import report
from benchmarks.bench import Bench, bench
from benchmarks.curves import CURVES, measure_curve
from benchmarks.results import Results
from benchmarks.run import Window
from benchmarks.scenarios import (
    OPEN_LOOP,
    OPEN_LOOP_SYSTEMS,
    SCENARIOS,
    Options,
    measure,
    measure_open_loop,
)
from benchmarks.smoke import smoke
from streams.sandbox.interrupts import ended_by_signals

_ALL, _CURVES, _SMOKE, _REPORT = "all", "curves", "smoke", "report"


async def _scenarios(here: Bench, names: list[str], options: Options) -> list[Results]:
    found: list[Results] = []
    for name in names:
        if name == OPEN_LOOP:
            most = await _most_per_second(here, found, options)
            results = await measure_open_loop(here, options, most, _say)
        elif name in CURVES:
            results = await measure_curve(here, CURVES[name], options, _say)
        else:
            results = await measure(here, SCENARIOS[name], options, _say)
        found.append(results)
        _say(f"{results.save()}\n")
    return found


async def _most_per_second(here: Bench, found: list[Results], options: Options) -> float:
    """Return what the open loop's first system delivers at most, from this session."""
    first = options.chosen(OPEN_LOOP_SYSTEMS)[0]
    before = [results for results in found if results.scenario == "throughput"]
    if not before or str(first) not in before[0].systems():
        once = Options(1, options.window, (str(first),), options.in_flight)
        before = [await measure(here, SCENARIOS["throughput"], once, _say)]
    return before[0].middle("per_second", str(first))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    choices = [*SCENARIOS, OPEN_LOOP, _ALL, *CURVES, _CURVES, _SMOKE, _REPORT]
    parser.add_argument("what", choices=choices, help="a scenario, a curve, or several of them")
    parser.add_argument("--systems", type=lambda text: tuple(text.split(",")), default=())
    parser.add_argument("--rounds", type=int, default=0, help="5, for curves 1")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each window")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds before each window")
    parser.add_argument("--in-flight", type=int, default=0, help="calls at once per process")
    return parser


def main() -> int:
    """Run what was asked for: 0, 1 when a system lost or did not sign something, 2 used wrongly, 130 on Ctrl-C."""
    arguments = _parser().parse_args()
    # the producer's own log of a topic that is a moment old
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    curves = arguments.what == _CURVES or arguments.what in CURVES
    options = Options(
        arguments.rounds or (1 if curves else 5),
        Window(arguments.warm_up, arguments.seconds),
        arguments.systems,
        arguments.in_flight,
    )
    several = {_ALL: [*SCENARIOS, OPEN_LOOP], _CURVES: list(CURVES)}
    try:
        options.chosen(())
        with ended_by_signals():
            if arguments.what == _REPORT:
                return report.main()
            with bench() as here:
                if arguments.what == _SMOKE:
                    found = [asyncio.run(smoke(here, _say))]
                else:
                    names = several.get(arguments.what, [arguments.what])
                    found = asyncio.run(_scenarios(here, names, options))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    for results in found:
        for text in report.summary(results):
            _say(text)
    faults = [fault for results in found for fault in results.faults]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
