"""What was found, for people: tables on the terminal, tables and plots in docs/performance.md."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.curves import CURVES
from benchmarks.results import Results
from benchmarks.scenarios import OPEN_LOOP, OPEN_LOOP_SHARES, SCENARIOS
from benchmarks.svg import Bar, Panel, bars, lines, short
from benchmarks.targets import targets

_DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURES = _DOCS / "performance.md", _DOCS / "performance"
_BLOCK = re.compile(r"(<!-- figures: ([a-z0-9-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
_OURS = "notifier"


def summary(results: Results) -> Iterator[str]:
    """Yield the lines of a table of medians."""
    yield f"{results.scenario}: medians of {len(results.signature_ms)} rounds, a signature {results.floor_ms:.3f} ms"
    yield from table(results)


def table(results: Results) -> list[str]:
    """Return a scenario's table in Markdown: medians, with lowest and highest of the rounds for the rate."""
    several = any(run.point is not None for run in results.runs)
    open_load = results.scenario == OPEN_LOOP
    head = [
        "System",
        *(["Offered/s" if open_load else results.settings["about"]] if several else []),
        "Deliveries/s",
        *(["p50 ms", "p99 ms"] if open_load else []),
        "CPU ms each",
        "in signatures",
        "Peak MB",
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
    return [
        system,
        *([] if point is None else [f"{point:,.0f}"]),
        f"{middle('per_second'):,.0f}" + (f" ({low:,.0f} to {high:,.0f})" if low != high else ""),
        *([f"{middle('p50_ms'):.1f}", f"{middle('p99_ms'):.1f}"] if open_load else []),
        f"{middle('cpu_ms'):.2f}",
        f"{middle('cpu_ms') / results.floor_ms:.1f}",
        f"{middle('peak_memory_mb'):.0f}",
        ", ".join(f"{value:.2f}" for value in cores),
        f"{results.total('settled', system, point):,}",
        f"{results.total('repeats', system, point):,}",
        f"{results.total('lost', system, point):,}",
    ]


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
    if name.startswith("curve-"):
        return {name: _curve(results)}
    if name == OPEN_LOOP:
        return {}
    return {name: _bars(results), f"{name}-cpu": _costs(results)}


def where(results: Results) -> str:
    """Return on what it was measured."""
    machine, settings = results.on, results.settings
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        f"{machine['date']}, {machine['cores']} cores ({machine['processor']}), {machine['system']}, "
        f"Python {machine['python']}, {packages}.\n"
        f"{settings['rounds']} round{'s' if settings['rounds'] > 1 else ''}, windows of {settings['seconds']:g} s."
    )


def blocks() -> dict[str, str]:
    """Return what belongs between the page's marks, by name, for every scenario that has been run; write the plots."""
    found: dict[str, str] = {}
    names = [*SCENARIOS, OPEN_LOOP, *(f"curve-{name}" for name in CURVES)]
    everything: dict[str, Results] = {}
    for name in names:
        try:
            results = everything[name] = Results.load(name)
        except FileNotFoundError:
            continue
        pictures = _pictures(results)
        PICTURES.mkdir(exist_ok=True)
        for picture, text in pictures.items():
            (PICTURES / f"{picture}.svg").write_text(text, "utf-8")
        shown = [f"![{picture}](performance/{picture}.svg)" for picture in pictures]
        found[name] = "\n".join(
            [*shown, *([""] if shown else []), *table(results), "", where(results)]
        )
    if "throughput" in everything:
        found["targets"] = "\n".join(targets(everything, OPEN_LOOP_SHARES))
        found["ceiling"] = _ceiling(everything["throughput"])
    return found


def _ceiling(results: Results) -> str:
    floor = results.floor_ms
    rate = results.receiver_per_second
    return (
        f"One RSA-2048 signature takes {floor:.3f} ms of CPU: {1000 / floor:,.0f} a second and core, "
        f"and no system can deliver more.\n"
        f"The receiver answers {sorted(rate)[len(rate) // 2]:,.0f} requests a second of a sender that does nothing else, "
        f"and needs {sorted(results.receiver_ms)[len(rate) // 2]:.3f} ms of CPU for each."
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
