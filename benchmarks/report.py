"""What was found, for people: tables on the terminal, tables and plots in docs/performance.md."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.curves import CURVES, KEPT_AS
from benchmarks.machine import when
from benchmarks.open_loops import OPEN_SCENARIOS
from benchmarks.quiet_table import quiet_machines, quiet_table
from benchmarks.results import DIRECTORY, Results
from benchmarks.scenarios import SCENARIOS, THROUGHPUT
from benchmarks.svg import Bar, Panel, bars, lines, short
from benchmarks.systems import System
from benchmarks.targets import spread_ms, targets, times, what_a_peer_does

_DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURES = _DOCS / "performance.md", _DOCS / "performance"
_BLOCK = re.compile(r"(<!-- figures: ([a-z0-9-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
_OURS = "notifier"


def summary(results: Results) -> Iterator[str]:
    """Yield the lines of a table of medians."""
    if not results.runs:
        return
    yield f"{results.scenario}: medians of {results.rounds} rounds, a signature {results.floor_ms:.3f} ms"
    yield from table(results)
    yield from ratios(results)


def table(results: Results) -> list[str]:
    """Return a scenario's table in Markdown: medians, with lowest and highest of the rounds for rate and latency."""
    several = any(run.point is not None for run in results.runs)
    open_load = results.scenario in OPEN_SCENARIOS
    head = [
        "System",
        *(["Offered/s" if open_load else results.settings["about"]] if several else []),
        "Deliveries/s",
        *(["p50 ms", "p99 ms", "generator behind, ms"] if open_load else []),
        "CPU ms each",
        "in signatures",
        "Peak MiB",
        "Cores: system, receiver, broker",
        "Settled",
        "Repeats",
        "Lost",
    ]
    rows = [
        _row(results, system, point, open_load=open_load)
        for system in results.systems()
        for point in results.points(system)
    ]
    return [_cells(head), _cells(["---"] * len(head)), *map(_cells, rows)]


def _row(results: Results, system: str, point: float | None, *, open_load: bool) -> list[str]:
    def middle(name: str) -> float:
        return results.middle(name, system, point)

    low, high = results.spread("per_second", system, point)
    cores = (middle(f"{name}_cores") for name in ("cpu", "receiver", "broker"))
    made = len(results.of(system, point))
    return [
        system + (f" ({made} of {results.rounds} rounds)" if made != results.rounds else ""),
        *([] if point is None else [f"{point:,.0f}"]),
        f"{middle('per_second'):,.0f}" + (f" ({low:,.0f} to {high:,.0f})" if low != high else ""),
        *(_latencies(results, system, point) if open_load else []),
        f"{middle('cpu_ms'):.2f}",
        f"{results.signatures(system, point):.1f}",
        f"{middle('peak_memory_mb'):.0f}",
        ", ".join(f"{value:.2f}" for value in cores),
        f"{results.total('settled', system, point):,}",
        f"{results.total('repeats', system, point):,}",
        f"{results.total('lost', system, point):,}",
    ]


def _latencies(results: Results, system: str, point: float | None) -> list[str]:
    waits = [spread_ms(results, name, system, point) for name in ("p50_ms", "p99_ms")]
    _, behind = results.spread("behind_ms", system, point)
    return [*waits, f"{behind:.1f}"]


def ratios(results: Results) -> list[str]:
    """Return how ours compare with each peer, each within a round, and what the peer does or does not do; [] without peers."""
    verifies = bool(results.settings.get("verifies"))
    rows = [
        [
            f"{ours} beside {theirs}",
            *_offered(point),
            *map(times, found),
            what_a_peer_does(System.parse(theirs).name, verifies=verifies),
        ]
        for ours, theirs, point in _pairs(results)
        if (found := _all_ratios(results, ours, theirs, point))
    ]
    if not rows:
        return []
    head = ["Ratio, median (lowest to highest of the rounds)"]
    head += ["Offered/s"] if len(rows[0]) > 5 else []  # noqa: PLR2004  # with an offered rate
    head += ["Deliveries/s", "per core used", "CPU each", "Mind that"]
    return [_cells(head), _cells(["---"] * len(head)), *map(_cells, rows)]


def _pairs(results: Results) -> Iterator[tuple[str, str, float | None]]:
    """Yield each system of ours with each peer of no more processes, at each point that both have."""
    systems = [System.parse(name) for name in results.systems()]
    ours = [system for system in systems if system.name == _OURS]
    peers = [system for system in systems if system.name != _OURS]
    for one in ours:
        for other in peers:
            if other.processes <= one.processes:
                for point in results.points(str(one)):
                    yield str(one), str(other), point


def _all_ratios(
    results: Results, ours: str, theirs: str, point: float | None
) -> list[tuple[float, float, float]]:
    found = (
        results.ratios(name, ours, theirs, point) for name in ("per_second", "per_core", "cpu_ms")
    )
    return [ratio for ratio in found if ratio is not None]


def _offered(point: float | None) -> list[str]:
    return [] if point is None else [f"{point:,.0f}"]


def _cells(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _bars(results: Results) -> str:
    rows = [
        Bar(
            system,
            results.middle("per_second", system),
            f"{results.middle('per_second', system):,.0f}/s",
            results.spread("per_second", system),
            ours=system.startswith(_OURS),
        )
        for system in results.systems()
    ]
    rows.sort(key=lambda row: -row.value)
    return bars("Notifications delivered a second, median and range", rows)


def _costs(results: Results) -> str:
    floor = results.floor_ms
    rows = [
        Bar(
            system,
            results.middle("cpu_ms", system),
            f"{results.middle('cpu_ms', system):.2f} ms",
            results.spread("cpu_ms", system),
            ours=system.startswith(_OURS),
        )
        for system in results.systems()
    ]
    low, high = min(results.signature_ms), max(results.signature_ms)
    rows.append(Bar("one signature", floor, f"{floor:.2f} ms", (low, high)))
    rows.sort(key=lambda row: row.value)
    return bars("CPU time of one notification, median and range", rows)


def _curve(results: Results) -> str:
    (system,) = results.systems()
    points = [point for point in results.points(system) if point is not None]
    label = results.settings["about"]
    rates = [(at, results.middle("per_second", system, at)) for at in points]
    costs = [(at, results.middle("cpu_ms", system, at)) for at in points]
    return lines(
        f"{system}: {label}",
        [
            Panel("Deliveries a second", label, rates, short),
            Panel("CPU ms for a notification", label, costs, lambda value: f"{value:g}"),
        ],
    )


def _pictures(results: Results) -> dict[str, str]:
    """Return a scenario's plots by name."""
    name = results.scenario
    if name.startswith(KEPT_AS):
        return {name: _curve(results)}
    if name in OPEN_SCENARIOS:
        return {}
    return {name: _bars(results), f"{name}-cpu": _costs(results)}


def where(results: Results) -> str:
    """Return on what it was measured."""
    return (
        f"{_machine(results.on)}\n"
        f"One signature: {results.floor_ms:.3f} ms of CPU"
        f" ({min(results.signature_ms):.3f} to {max(results.signature_ms):.3f}).\n"
        f"{results.rounds} round{'s' if results.rounds > 1 else ''}, windows of {results.settings['seconds']:g} s."
        + (f"\n{_failed(results)}" if results.failures else "")
    )


def _failed(results: Results) -> str:
    return f"Runs that came to nothing: {len(results.failures)}."


def _machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        f"{when(machine)}, {machine['cores']} cores ({machine['processor']}, "
        f"{'with' if machine['wide'] else 'without'} AVX-512 for RSA), {machine['system']}, "
        f"Python {machine['python']} ({machine['build']}), {packages}."
    )


def blocks() -> dict[str, str]:
    """Return what belongs between the page's marks, by name, for every scenario that has been run; write the plots."""
    found: dict[str, str] = {}
    names = [*SCENARIOS, *OPEN_SCENARIOS, *(KEPT_AS + name for name in CURVES)]
    everything: dict[str, Results] = {}
    for name in names:
        try:
            results = everything[name] = Results.load(name)
        except FileNotFoundError:
            continue
        if not results.runs:
            found[name] = f"Nothing was measured. {_failed(results)}\n\n{_machine(results.on)}"
            continue
        pictures = _pictures(results)
        PICTURES.mkdir(exist_ok=True)
        for picture, text in pictures.items():
            (PICTURES / f"{picture}.svg").write_text(text, "utf-8")
        shown = [f"![{picture}](performance/{picture}.svg)" for picture in pictures]
        beside = ratios(results)
        parts = [*shown, "", *table(results), "", *beside, *([""] if beside else [])]
        found[name] = "\n".join([*parts, where(results)]).lstrip()
    if quiet := quiet_table(DIRECTORY):
        found["quiet"] = "\n".join([*quiet, "", *map(_machine, quiet_machines(DIRECTORY))])
    if found:
        found["targets"] = "\n".join(targets(everything))
    if THROUGHPUT in everything and everything[THROUGHPUT].receiver_per_second:
        found["ceiling"] = _ceiling(everything[THROUGHPUT])
    return found


def _ceiling(results: Results) -> str:
    floor = results.floor_ms
    return (
        f"One RSA-2048 signature takes {floor:.3f} ms of CPU: {1000 / floor:,.0f} a second and core, "
        f"and no system can deliver more.\n"
        f"The receiver answers {median(results.receiver_per_second):,.0f} requests a second of a sender that does nothing else, "
        f"and needs {median(results.receiver_ms):.3f} ms of CPU for each."
    )


def main() -> int:
    """Write the figures of the last runs into the page; what was not run stays as it is."""
    found = blocks()
    if not found:
        sys.stderr.write("nothing has been measured: run make bench first\n")
        return 1

    def replaced(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return f"{begin}{found[name]}\n{end}" if name in found else match[0]

    PAGE.write_text(_BLOCK.sub(replaced, PAGE.read_text("utf-8")), "utf-8")
    return 0
