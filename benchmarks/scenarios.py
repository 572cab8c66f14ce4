"""The scenarios: which systems do what work, in turn, round after round."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.backlog import mixed_moulds, plain_moulds
from benchmarks.bench import PARTITIONS, Bench
from benchmarks.figures import Figures
from benchmarks.receiver import Manner
from benchmarks.results import Results, Run
from benchmarks.run import OpenLoad, Window
from benchmarks.systems import System

_FASTEST_PER_SECOND = 4000
"""More than any system delivers, so that no backlog ends before its window."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Work on a backlog.

    Attributes:
        name: as the command takes it.
        about: what it is, for the reader.
        systems: by default.
        in_flight: calls at once per process.
        manner: how the receiver answers.
        mixed: all five profiles with every outcome, or successes of one.
        verifies: whether peers verify answers.
    """

    name: str
    about: str
    systems: tuple[str, ...]
    in_flight: int = 256
    manner: Manner = field(default_factory=Manner)
    mixed: bool = False
    verifies: bool = False


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "throughput",
            "one profile, one destination, every answer at once and S",
            (
                *("notifier-1", "notifier-2", "aiokafka-httpx", "faust"),
                *("aiokafka-aiohttp", "aiokafka-aiohttp-2"),
            ),
        ),
        Scenario(
            "latency-50ms",
            "the same, every answer after 50 ms",
            ("notifier-2", "faust", "aiokafka-aiohttp"),
            in_flight=512,
            manner=Manner(delay_seconds=0.05),
        ),
        Scenario(
            "mixed",
            "five profiles, every outcome and reason; 5 % of the orders answered U the first time, 1 % F",
            ("notifier-2", "aiokafka-httpx", "faust", "aiokafka-aiohttp"),
            manner=Manner(unknown_of_1000=50, refused_of_1000=10),
            mixed=True,
            verifies=True,
        ),
    )
}
OPEN_LOOP = "open-loop"
OPEN_LOOP_SYSTEMS = ("notifier-2", "aiokafka-aiohttp")
OPEN_LOOP_SHARES = (0.25, 0.5, 0.75)
"""Of what two workers deliver at most."""


@dataclass(frozen=True, slots=True)
class Options:
    """How long, how often, what.

    Attributes:
        systems: instead of the scenario's own.
        in_flight: instead of the scenario's own.
    """

    rounds: int = 5
    window: Window = field(default_factory=lambda: Window(1.5, 4.0))
    systems: tuple[str, ...] = ()
    in_flight: int = 0

    def chosen(self, default: tuple[str, ...]) -> list[System]:
        """Return the systems to run."""
        return [System.parse(text) for text in self.systems or default]

    def note(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # whatever JSON holds
        """Return what a scenario is run with, for its results."""
        times = {"warm_up_seconds": self.window.warm_up_seconds, "seconds": self.window.seconds}
        return {"rounds": self.rounds, **times, **more}

    @property
    def records(self) -> int:
        """How many records a backlog needs so that it lasts."""
        return int(_FASTEST_PER_SECOND * (self.window.warm_up_seconds + self.window.seconds + 1))


async def measure(bench: Bench, scenario: Scenario, options: Options, say: Say) -> Results:
    """Run a scenario's systems in turn, as many rounds as asked."""
    in_flight = options.in_flight or scenario.in_flight
    settings = options.note(
        about=scenario.about, in_flight=in_flight, partitions=PARTITIONS, backlog=options.records
    )
    results = Results(scenario.name, settings)
    moulds = (mixed_moulds if scenario.mixed else plain_moulds)(bench.url)
    backlog = await bench.backlog(moulds, options.records)
    for number in range(1, options.rounds + 1):
        await _begin_round(bench, results, number, say)
        for system in options.chosen(scenario.systems):
            with results.noting_failures(f"round {number}", say):
                figures = await bench.run(
                    system,
                    backlog,
                    window=options.window,
                    in_flight=in_flight,
                    manner=scenario.manner,
                    verifies=scenario.verifies,
                )
                results.runs.append(Run(number, figures))
                say(line(figures, results.signature_ms[-1]))
    return results


async def measure_open_loop(
    bench: Bench, options: Options, most_per_second: float, say: Say
) -> Results:
    """Offer fixed rates: the first system all of them, the others the middle one.

    Args:
        bench: where.
        options: how long and how often.
        most_per_second: what the first system delivers at most; rates are shares of it.
        say: told about each run.
    """
    in_flight = options.in_flight or SCENARIOS["throughput"].in_flight
    rates = [round(most_per_second * share, -1) for share in OPEN_LOOP_SHARES]
    results = Results(OPEN_LOOP, options.note(in_flight=in_flight, most_per_second=most_per_second))
    moulds = plain_moulds(bench.url)
    first, *others = options.chosen(OPEN_LOOP_SYSTEMS)
    plan = [(first, rate) for rate in rates] + [(system, rates[1]) for system in others]
    for number in range(1, options.rounds + 1):
        await _begin_round(bench, results, number, say)
        for system, rate in plan:
            backlog = await bench.backlog(moulds, PARTITIONS * 20)
            with results.noting_failures(f"round {number}, {rate:g}/s", say):
                figures = await bench.run(
                    system,
                    backlog,
                    window=options.window,
                    in_flight=in_flight,
                    load=OpenLoad(rate, moulds),
                )
                results.runs.append(Run(number, figures, rate))
                say(line(figures, results.signature_ms[-1], rate))
    return results


async def _begin_round(bench: Bench, results: Results, number: int, say: Say) -> None:
    results.signature_ms.append(bench.signature_ms())
    per_second, milliseconds = await bench.receiver_limit()
    results.receiver_per_second.append(per_second)
    results.receiver_ms.append(milliseconds)
    say(
        f"{results.scenario}, round {number}: a signature takes {results.signature_ms[-1]:.3f} ms of CPU; "
        f"the receiver answers {per_second:,.0f}/s, {milliseconds:.3f} ms each"
    )


def line(figures: Figures, signature_ms: float, point: float | None = None) -> str:
    """Return a run in one line."""
    cells = [
        f"  {figures.system:18}",
        "" if point is None else f"at {point:9,.0f}",
        f"{figures.per_second:7,.0f}/s",
        f"{figures.cpu_ms:6.3f} ms CPU = {figures.cpu_ms / signature_ms:4.1f} signatures",
        f"{figures.peak_memory_mb:4.0f} MB",
        f"cores {figures.cpu_cores:.2f} + receiver {figures.receiver_cores:.2f} + broker {figures.broker_cores:.2f}",
    ]
    if figures.latency is not None:
        cells.append(
            f"p50 {figures.latency.p50_ms:.1f} ms, p99 {figures.latency.p99_ms:.1f} ms"
            f" (generator behind by {figures.latency.behind_ms:.1f} ms at most)"
        )
    cells.append(
        f"settled {figures.settled:,}, waiting {figures.waiting}, repeats {figures.repeats}, lost {figures.lost}"
    )
    return "  ".join(cell for cell in cells if cell)
