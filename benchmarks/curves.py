"""Curves: one thing varies, the rest stays; what should be flat is seen to be flat."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from benchmarks.backlog import Mould, partner_name, plain_moulds
from benchmarks.bench import PARTITIONS, Bench
from benchmarks.progress import Progress
from benchmarks.results import Results, Run
from benchmarks.run import Window
from benchmarks.scenarios import Options, line
from benchmarks.systems import System

KEPT_AS = "curve-"
"""What stands before a curve's name in that of its figures and its plot."""
_PROFILE = "mpp-to-alipay-plus"
_LARGEST_BYTES = 250_000_000
"""Of a backlog of long bodies; such are delivered more slowly."""
_SMALL = 10_000
"""Backlogs below this are measured from their first delivery to their last."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What varies.

    Attributes:
        name: as the command takes it.
        about: the label of its axis.
        points: its values.
        in_flight: calls at once, for a point.
        partitions: of all topics, for a point.
        records: of the backlog, for a point; enough for the window when None.
        partners: how many, for a point.
        filler_bytes: in the body, for a point.
        more_warm_up_seconds: until it runs evenly.
    """

    name: str
    about: str
    points: tuple[int, ...]
    in_flight: Callable[[int], int] = lambda _: 256
    partitions: Callable[[int], int] = lambda _: PARTITIONS
    records: Callable[[int], int | None] = lambda _: None
    partners: Callable[[int], int] = lambda _: 1
    filler_bytes: Callable[[int], int] = lambda _: 0
    more_warm_up_seconds: float = 0.0

    def moulds(self, url: str, point: int) -> list[Mould]:
        """Return the events of a point."""
        return plain_moulds(
            url, filler_bytes=self.filler_bytes(point), partners=self.partners(point)
        )

    def partner_names(self, point: int) -> Mapping[str, str] | None:
        """Return the partners of a point with their profiles, None for the usual ones."""
        count = self.partners(point)
        return {partner_name(number): _PROFILE for number in range(count)} if count > 1 else None


CURVES = {
    curve.name: curve
    for curve in (
        Curve("in-flight", "calls at once", (1, 4, 16, 64, 256, 1024), in_flight=lambda at: at),
        Curve("partitions", "partitions of each topic", (1, 4, 16, 64), partitions=lambda at: at),
        Curve(
            "partners",
            "partners",
            (1, 10, 100, 1000),
            partners=lambda at: at,
            more_warm_up_seconds=3.0,  # each has connections of its own to open
        ),
        Curve(
            "backlog",
            "records in the backlog",
            (1000, 10_000, 100_000, 1_000_000),
            records=lambda at: at,
        ),
        Curve(
            "body",
            "more bytes in the body",
            (100, 1000, 4000, 16_000, 64_000),
            filler_bytes=lambda at: at,
            records=lambda at: min(24_000, _LARGEST_BYTES // (at + 1000)),
        ),
    )
}


async def measure_curve(
    bench: Bench, curve: Curve, options: Options, progress: Progress
) -> Results:
    """Run a system at every point, as many rounds as asked; points in turn, like systems elsewhere."""
    system, *_ = options.chosen(("notifier-1",))
    settings = options.note(about=curve.about, systems=[str(system)])
    results = Results.begun(
        KEPT_AS + curve.name, settings, goes_on=options.goes_on, say=progress.say
    )
    for number in range(results.rounds + 1, options.rounds + 1):
        results.signature_ms.append(bench.signature_ms())
        progress.say(
            f"{results.scenario}, round {number}: a signature takes {results.signature_ms[-1]:.3f} ms of CPU"
        )
        for point in curve.points:
            with results.noting_failures(f"round {number}, {point:,}", progress.ran):
                run = await _at(bench, curve, point, system, options)
                results.runs.append(replace(run, round=number))
                progress.ran(line(run.figures, results.signature_ms[-1], point))
        results.save()
    return results


async def _at(bench: Bench, curve: Curve, point: int, system: System, options: Options) -> Run:
    records = curve.records(point)
    window = options.window
    warm_up = window.warm_up_seconds + curve.more_warm_up_seconds
    if records is not None and records < _SMALL and not curve.filler_bytes(point):
        warm_up = 0.0
    lasting = replace(options, window=Window(warm_up, window.seconds)).records
    backlog = await bench.backlog(
        curve.moulds(bench.url, point), records or lasting, curve.partitions(point)
    )
    figures = await bench.run(
        system,
        backlog,
        window=Window(warm_up, window.seconds),
        in_flight=curve.in_flight(point),
        partners=curve.partner_names(point),
    )
    return Run(0, figures, point)
