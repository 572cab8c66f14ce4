"""The command: `python -m benchmarks throughput --systems notifier-1,aiokafka-httpx --rounds 1 --seconds 5`."""

import argparse
import asyncio
import logging
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from benchmarks.bench import Bench, bench
from benchmarks.curves import CURVES, KEPT_AS, measure_curve
from benchmarks.memory import CALLS, MEMORY, measure_memory
from benchmarks.open_loops import OPEN_SCENARIOS, OpenScenario, measure_open
from benchmarks.progress import Progress
from benchmarks.quiet import QUIET, measure_quiet
from benchmarks.results import Results, told
from benchmarks.run import Window
from benchmarks.scenarios import SCENARIOS, THROUGHPUT, Options, measure
from benchmarks.smoke import smoke
from streams.sandbox.interrupts import ended_by_signals

_ALL, _CURVES, _SMOKE, _REPORT = "all", "curves", "smoke", "report"
_WINDOW_SECONDS = 4.0
_IDLE_SECONDS = 60.0
"""So that a tick of 10 ms, in which Linux counts, is little beside what is asked for, 0.01 cores."""


async def _scenarios(here: Bench, names: list[str], options: Options) -> list[Results]:
    progress = Progress(sum(runs_of(name, options) for name in names))
    found: list[Results] = []
    for name in names:
        kept_as = KEPT_AS + name if name in CURVES else name
        if not options.goes_on:
            Results.forget(kept_as)
        try:
            results = await _scenario(here, name, options, found, progress)
        except Exception as error:  # noqa: BLE001  # whatever it is, the others are measured all the same
            results = Results.broken_off(kept_as, options.note(), f"{name}: {told(error)}")
            progress.say(results.failures[-1])
        progress.say(f"{results.save()}\n")
        found.append(results)
    return found


async def _scenario(
    here: Bench, name: str, options: Options, found: list[Results], progress: Progress
) -> Results:
    if name in OPEN_SCENARIOS:
        scenario = OPEN_SCENARIOS[name]
        most = await _most_per_second(here, scenario, found, options) if scenario.are_shares else 0
        return await measure_open(here, scenario, options, most, progress)
    if name in CURVES:
        return await measure_curve(here, CURVES[name], options, progress)
    return await measure(here, SCENARIOS[name], options, progress)


def runs_of(name: str, options: Options) -> int:
    """Return how many runs a scenario makes."""
    if name in CURVES:
        return options.rounds * len(CURVES[name].points)
    if name in OPEN_SCENARIOS:
        scenario = OPEN_SCENARIOS[name]
        return options.rounds * len(scenario.plan(options.chosen(scenario.systems)))
    return options.rounds * len(options.chosen(SCENARIOS[name].systems))


async def _most_per_second(
    here: Bench, scenario: OpenScenario, found: list[Results], options: Options
) -> float:
    """Return what the open loop's first system delivers at most, from this session."""
    first = str(options.chosen(scenario.systems)[0])
    before = [results for results in found if results.scenario == THROUGHPUT]
    if not before or first not in before[0].systems():
        once = replace(options, rounds=1, systems=(first,), goes_on=False)
        alone = replace(SCENARIOS[THROUGHPUT], name="most")
        before = [await measure(here, alone, once, Progress(1))]
    if not before[0].of(first):
        message = f"{first} delivered nothing of which a share could be offered"
        raise RuntimeError(message)
    return before[0].middle("per_second", first)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    choices = [*SCENARIOS, *OPEN_SCENARIOS, _ALL, *CURVES, _CURVES, _SMOKE, MEMORY, _REPORT, *QUIET]
    parser.add_argument("what", choices=choices, help="a scenario, a curve, or several of them")
    parser.add_argument("--systems", type=lambda text: tuple(text.split(",")), default=())
    parser.add_argument("--rounds", type=int, default=0, help="5, for curves 1")
    seconds = f"of each window: {_WINDOW_SECONDS:g}, for idle {_IDLE_SECONDS:g}"
    parser.add_argument("--seconds", type=float, default=0.0, help=seconds)
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds before each window")
    parser.add_argument(
        "--continue",
        dest="goes_on",
        action="store_true",
        help="keep the rounds that build/bench has from an earlier session on this machine",
    )
    parser.add_argument("--in-flight", type=int, default=0, help="calls at once per process")
    checkout = "start, idle: another checkout that takes turns with this one"
    parser.add_argument("--beside", type=Path, action="append", default=[], help=checkout)
    return parser


def main() -> int:
    """Run what was asked for: 0, 1 when a system lost or did not sign something, 2 used wrongly, 130 on Ctrl-C."""
    arguments = _parser().parse_args()
    # the producer's own log of a topic that is a moment old
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    curves = arguments.what == _CURVES or arguments.what in CURVES
    options = Options(
        arguments.rounds or (1 if curves else 5),
        Window(arguments.warm_up, arguments.seconds or _WINDOW_SECONDS),
        arguments.systems,
        arguments.in_flight,
        arguments.goes_on,
    )
    several = {_ALL: [*SCENARIOS, *OPEN_SCENARIOS], _CURVES: list(CURVES)}
    try:
        options.chosen(())
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        with ended_by_signals():
            if arguments.what == _REPORT:
                return report.main()
            if arguments.what in QUIET:
                say = Progress(0).say
                seconds = arguments.seconds or _IDLE_SECONDS
                file = measure_quiet(arguments.what, options.rounds, seconds, arguments.beside, say)
                say(str(file))
                return 0
            with bench() as here:
                if arguments.what == MEMORY:
                    calls = arguments.in_flight or CALLS
                    seconds = options.window.seconds
                    asyncio.run(measure_memory(here, seconds, calls, Progress(0).say))
                    return 0
                if arguments.what == _SMOKE:
                    found = [asyncio.run(smoke(here, Progress(2)))]
                else:
                    names = several.get(arguments.what, [arguments.what])
                    found = asyncio.run(_scenarios(here, names, options))
    except KeyboardInterrupt:
        return 130
    for results in found:
        for text in report.summary(results):
            sys.stdout.write(f"{text}\n")
    faults = [fault for results in found for fault in results.faults]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
