"""The scenarios: which systems do what work, in turn, round after round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.backlog import mixed_moulds, plain_moulds
from benchmarks.bench import PARTITIONS, Bench
from benchmarks.figures import Figures
from benchmarks.go_peer import PeerUnavailableError
from benchmarks.progress import Progress
from benchmarks.receiver import Manner
from benchmarks.results import Results, Run
from benchmarks.run import Window
from benchmarks.systems import WITH_DUTIES, System

_FASTEST_PER_SECOND = 4000
"""More than any system delivers, so that no backlog ends before its window."""


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
        plain: over plain HTTP, or over TLS.
    """

    name: str
    about: str
    systems: tuple[str, ...]
    in_flight: int = 256
    manner: Manner = field(default_factory=Manner)
    mixed: bool = False
    verifies: bool = False
    plain: bool = False


THROUGHPUT, THROUGHPUT_HTTP, LATENCY, MIXED = (
    *("throughput", "throughput-http"),
    *("latency-50ms", "mixed"),
)
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            THROUGHPUT,
            "one profile, one destination, every answer at once and S, over TLS",
            (
                *("notifier-1", "notifier-2", "aiokafka-httpx"),
                *("faust", "aiokafka-aiohttp", WITH_DUTIES, "go-franz"),
            ),
        ),
        Scenario(
            THROUGHPUT_HTTP,
            "the same over plain HTTP",
            ("notifier-1", "notifier-2", "aiokafka-aiohttp", WITH_DUTIES, "go-franz"),
            plain=True,
        ),
        Scenario(
            LATENCY,
            "the same as throughput, every answer after 50 ms",
            ("notifier-2", "aiokafka-aiohttp"),
            in_flight=512,
            manner=Manner(delay_seconds=0.05),
        ),
        Scenario(
            MIXED,
            "five profiles, every outcome and reason; 5 % of the orders answered U the first time, 1 % F",
            ("notifier-2", "aiokafka-aiohttp", "go-franz"),
            manner=Manner(unknown_of_1000=50, refused_of_1000=10),
            mixed=True,
            verifies=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Options:
    """How long, how often, what.

    Attributes:
        systems: instead of the scenario's own.
        in_flight: instead of the scenario's own.
        goes_on: whether rounds that an earlier session left on this machine, measured alike, are kept.
    """

    rounds: int = 5
    window: Window = field(default_factory=lambda: Window(1.5, 4.0))
    systems: tuple[str, ...] = ()
    in_flight: int = 0
    goes_on: bool = False

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


def startable(systems: Sequence[System], say: Callable[[str], None]) -> list[System]:
    """Return the systems that this machine can start, and say of the others why it can't."""
    found = []
    for system in systems:
        try:
            system.command()
        except PeerUnavailableError as error:
            say(str(error))
        else:
            found.append(system)
    return found


async def measure(
    bench: Bench, scenario: Scenario, options: Options, progress: Progress
) -> Results:
    """Run a scenario's systems in turn, as many rounds as asked; each round is kept when it is over."""
    in_flight = options.in_flight or scenario.in_flight
    systems = startable(options.chosen(scenario.systems), progress.say)
    settings = options.note(
        about=scenario.about,
        in_flight=in_flight,
        partitions=PARTITIONS,
        backlog=options.records,
        verifies=scenario.verifies,
        systems=[str(system) for system in systems],
    )
    results = Results.begun(scenario.name, settings, goes_on=options.goes_on, say=progress.say)
    moulds = (mixed_moulds if scenario.mixed else plain_moulds)(
        bench.plain_url if scenario.plain else bench.url
    )
    rounds = range(results.rounds + 1, options.rounds + 1)
    backlog = await bench.backlog(moulds, options.records) if rounds else None
    for number in rounds:
        assert backlog is not None  # noqa: S101  # written above
        await begin_round(bench, results, number, progress)
        for system in systems:
            with results.noting_failures(f"round {number}, {system}", progress.ran):
                figures = await bench.run(
                    system,
                    backlog,
                    window=options.window,
                    in_flight=in_flight,
                    manner=scenario.manner,
                    verifies=scenario.verifies,
                    plain=scenario.plain,
                )
                results.runs.append(Run(number, figures))
                progress.ran(line(figures, results.signature_ms[-1]))
        results.save()
    return results


async def begin_round(bench: Bench, results: Results, number: int, progress: Progress) -> None:
    """Measure the signature, and the receiver's own limit once a scenario."""
    results.signature_ms.append(bench.signature_ms())
    text = f"{results.scenario}, round {number}: a signature takes {results.signature_ms[-1]:.3f} ms of CPU"
    if not results.receiver_per_second:
        with results.noting_failures(f"round {number}, the receiver's limit", progress.say):
            per_second, milliseconds = await bench.receiver_limit()
            results.receiver_per_second.append(per_second)
            results.receiver_ms.append(milliseconds)
            text += f"; the receiver answers {per_second:,.0f}/s, {milliseconds:.3f} ms each"
    progress.say(text)


def line(figures: Figures, signature_ms: float, point: float | None = None) -> str:
    """Return a run in one line."""
    cells = [
        f"  {figures.system:18}",
        "" if point is None else f"at {point:9,.0f}",
        f"{figures.per_second:7,.0f}/s",
        f"{figures.cpu_ms:6.3f} ms CPU = {figures.cpu_ms / signature_ms:4.1f} signatures",
        f"{figures.peak_memory_mb:4.0f} MiB",
        f"cores {figures.cpu_cores:.2f} + receiver {figures.receiver_cores:.2f} + broker {figures.broker_cores:.2f}",
    ]
    if figures.latency is not None:
        cells.append(
            f"p50 {figures.latency.p50_ms:.1f} ms, p99 {figures.latency.p99_ms:.1f} ms"
            f" (generator behind by {figures.latency.behind_ms:.1f} ms at most; {figures.latency.missing} never came)"
        )
    cells.append(
        f"settled {figures.settled:,}, waiting {figures.waiting}, repeats {figures.repeats}, lost {figures.lost}"
    )
    return "  ".join(cell for cell in cells if cell)
