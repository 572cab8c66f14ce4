"""Scenarios in which events come at a fixed rate, whatever the systems do."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.backlog import plain_moulds
from benchmarks.bench import PARTITIONS, Bench
from benchmarks.progress import Progress
from benchmarks.results import Results, Run
from benchmarks.run import OpenLoad, Window
from benchmarks.scenarios import SCENARIOS, THROUGHPUT, Options, begin_round, line, startable
from benchmarks.systems import System


@dataclass(frozen=True, slots=True)
class OpenScenario:
    """Events that come at a fixed rate, whatever the system does.

    Attributes:
        name: as the command takes it.
        about: what it is, for the reader.
        systems: by default.
        rates: events a second for the first system, or shares of what it delivers at most.
        common: which of the rates the other systems get.
        are_shares: whether the rates are shares.
        more_warm_up_seconds: before the window, besides the usual.
        windows: how many times as long as others it is measured.
    """

    name: str
    about: str
    systems: tuple[str, ...]
    rates: tuple[float, ...]
    common: int
    are_shares: bool = False
    more_warm_up_seconds: float = 0.0
    windows: float = 1.0

    def plan(
        self, systems: Sequence[System], most_per_second: float = 0.0
    ) -> list[tuple[System, float]]:
        """Return each system with each rate that it is offered.

        Args:
            systems: the first is offered all rates.
            most_per_second: what the rates are shares of.
        """
        rates = self.rates
        if self.are_shares:
            rates = tuple(round(most_per_second * share, -1) for share in rates)
        first, *others = systems
        return [(first, rate) for rate in rates] + [(other, rates[self.common]) for other in others]


OPEN_LOOP, LOW_RATE = "open-loop", "low-rate"
OPEN_SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        OpenScenario(
            OPEN_LOOP,
            "a quarter, a half and three quarters of what two workers deliver at most, over TLS",
            ("notifier-2", "go-franz"),
            rates=(0.25, 0.5, 0.75),
            common=1,
            are_shares=True,
        ),
        OpenScenario(
            LOW_RATE,
            "100, 150 and 400 events a second, over TLS",
            ("notifier-1", "aiokafka-aiohttp", "go-franz"),
            rates=(100.0, 150.0, 400.0),
            common=1,
            more_warm_up_seconds=1.5,
            windows=2.0,
        ),
    )
}


async def measure_open(
    bench: Bench,
    scenario: OpenScenario,
    options: Options,
    most_per_second: float,
    progress: Progress,
) -> Results:
    """Offer fixed rates: the first system all of them, the others one.

    Args:
        bench: where.
        scenario: which.
        options: how long and how often.
        most_per_second: what the first system delivers at most, where rates are shares of it.
        progress: told about each run.
    """
    in_flight = options.in_flight or SCENARIOS[THROUGHPUT].in_flight
    systems = startable(options.chosen(scenario.systems), progress.say)
    plan = scenario.plan(systems, most_per_second)
    window = Window(
        options.window.warm_up_seconds + scenario.more_warm_up_seconds,
        options.window.seconds * scenario.windows,
    )
    settings = options.note(
        about=scenario.about,
        in_flight=in_flight,
        plan=[[str(system), rate] for system, rate in plan],
    )
    results = Results.begun(
        scenario.name,
        settings | {"seconds": window.seconds},
        goes_on=options.goes_on,
        say=progress.say,
    )
    moulds = plain_moulds(bench.url)
    for number in range(results.rounds + 1, options.rounds + 1):
        await begin_round(bench, results, number, progress)
        for system, rate in plan:
            with results.noting_failures(f"round {number}, {system} at {rate:g}/s", progress.ran):
                backlog = await bench.backlog(moulds, PARTITIONS * 20)
                figures = await bench.run(
                    system,
                    backlog,
                    window=window,
                    in_flight=in_flight,
                    load=OpenLoad(rate, moulds),
                )
                results.runs.append(Run(number, figures, rate))
                progress.ran(line(figures, results.signature_ms[-1], rate))
        results.save()
    return results
