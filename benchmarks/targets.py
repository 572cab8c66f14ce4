"""What was asked for, and what the last runs came to; what was not measured is said to be so."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.curves import KEPT_AS
from benchmarks.machine import of_several_commits, when
from benchmarks.open_loops import LOW_RATE, OPEN_LOOP, OPEN_SCENARIOS
from benchmarks.quiet import IDLE, START
from benchmarks.quiet_table import quiet_figures, quiet_machine, quiet_machines
from benchmarks.results import DIRECTORY, Results
from benchmarks.scenarios import THROUGHPUT, THROUGHPUT_HTTP
from benchmarks.systems import GO, ONE_DUTY, WITH_DUTIES

MEASURES = Path(__file__).parents[1] / "build" / "measures"
"""Where `make measure` leaves its figures."""
_TWO, _ONE, _BY_HAND = "notifier-2", "notifier-1", "aiokafka-aiohttp"
_MOST_MIB = 110
_MOST_P99_MS = 50
_MOST_TIMES = 2
_MOST_IDLE_CORES = 0.01
_MOST_START_SECONDS, _MOST_START_CPU = 2.0, 1.2
_WIDE, _NARROW = "with AVX-512", "without"
_ABOVE_SIGNATURE = {True: 1.5, False: 0.6}
"""How much CPU above one signature is asked for, in signatures, by whether the processor signs with AVX-512."""

PEERS_DO_LESS = "the peer writes no attempts record and neither validates nor verifies"
"""What has to be said beside every ratio to a peer without the notifier's duties."""
PEERS_DO_LESS_BUT_VERIFY = "the peer writes no attempts record and does not validate"
SAME_DUTIES = "the peer validates, verifies, writes attempts records and counts; it isolates no partner, knows no second copy and has no ladder"
_ONE_DUTY_IS = {
    "validate": "the peer validates, and neither verifies nor writes attempts records",
    "verify": PEERS_DO_LESS_BUT_VERIFY,
    "record": "the peer writes attempts records, and neither validates nor verifies",
    "count": f"{PEERS_DO_LESS}; it has metrics",
}


def what_a_peer_does(peer: str, *, verifies: bool) -> str:
    """Return what has to be said beside a ratio to a peer.

    Args:
        peer: its name, without a number of processes.
        verifies: whether every peer verifies answers in this scenario.
    """
    if peer == WITH_DUTIES:
        return SAME_DUTIES
    if peer in ONE_DUTY and not verifies:
        return _ONE_DUTY_IS[ONE_DUTY[peer]]
    return PEERS_DO_LESS_BUT_VERIFY if verifies else PEERS_DO_LESS


def targets(found: Mapping[str, Results]) -> Iterator[str]:
    """Yield the lines of a table in Markdown.

    Args:
        found: results by scenario.
    """
    yield "| Asked | Found | Measured |"
    yield "| --- | --- | --- |"
    for scenario, over in ((THROUGHPUT_HTTP, "plain HTTP"), (THROUGHPUT, "TLS")):
        yield from _beside_peers(found.get(scenario), over)
        yield from _above_signature(found.get(scenario), over)
    low_rate = OPEN_SCENARIOS[LOW_RATE]
    rate = low_rate.rates[low_rate.common]
    yield _ratio(
        found.get(LOW_RATE),
        f"one worker beside Go, CPU per event at {rate:g}/s: at most 1.3 times ({PEERS_DO_LESS})",
        ("cpu_ms", _ONE, GO, rate),
        at_most=1.3,
    )
    yield from _start_and_idle(DIRECTORY)
    yield _latency(found.get(OPEN_LOOP))
    yield _isolation()
    yield _memory(found)
    yield _faults(found)
    if several := of_several_commits(_machines(found)):
        yield from ("", several)


def _machines(found: Mapping[str, Results]) -> Iterator[Mapping[str, Any]]:
    """Yield on what each of the table's figures was measured."""
    yield from (results.on for results in found.values())
    yield from quiet_machines(DIRECTORY)
    if hang := _hang():
        yield hang["machine"]


def _beside_peers(results: Results | None, over: str) -> Iterator[str]:
    less = f"({over}; {PEERS_DO_LESS})"
    yield _ratio(
        results,
        f"two workers beside Go, deliveries/s: at least 0.95 times {less}",
        ("per_second", _TWO, GO, None),
        at_least=0.95,
    )
    yield _ratio(
        results,
        f"two workers beside Go, deliveries/s per core used: at least 1.0 times {less}",
        ("per_core", _TWO, GO, None),
        at_least=1.0,
    )
    yield _ratio(
        results,
        f"one worker beside hand-written aiohttp, CPU per notification: at most 1.0 times {less}",
        ("cpu_ms", _ONE, _BY_HAND, None),
        at_most=1.0,
    )
    yield _ratio(
        results,
        f"one worker beside hand-written aiohttp with the same duties, CPU per notification: for information, no target ({over}; {SAME_DUTIES})",
        ("cpu_ms", _ONE, WITH_DUTIES, None),
    )


def _ratio(
    results: Results | None,
    asked: str,
    what: tuple[str, str, str, float | None],
    *,
    at_least: float = 0.0,
    at_most: float = float("inf"),
) -> str:
    ratio = results.ratios(*what) if results else None
    if results is None or ratio is None:
        return _not_measured(asked)
    met = at_least <= ratio[0] <= at_most
    return _line(asked, f"{times(ratio)} times", when(results.on), met=met)


def times(ratio: tuple[float, float, float]) -> str:
    """Return a ratio's median, with its lowest and highest in parentheses."""
    middle, low, high = ratio
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def _above_signature(results: Results | None, over: str) -> Iterator[str]:
    most = f"{_ABOVE_SIGNATURE[True]:g} signatures {_WIDE}, {_ABOVE_SIGNATURE[False]:g} {_NARROW}"
    for system, who in ((_ONE, "one worker"), (_TWO, "two workers")):
        asked = f"CPU above the signature, {who}: at most {most} ({over})"
        if results is None or not results.of(system):
            yield _not_measured(asked)
            continue
        wide = bool(results.on["wide"])
        above = results.signatures(system) - 1
        yield _line(
            asked,
            f"{above:.2f} {_WIDE if wide else _NARROW}",
            when(results.on),
            met=above <= _ABOVE_SIGNATURE[wide],
        )


def _latency(results: Results | None) -> str:
    asked = f"open loop at half of the maximum: p99 at most {_MOST_P99_MS} ms"
    plan = results.settings.get("plan", []) if results else []  # none where it broke off before
    rates = [rate for system, rate in plan if system == _TWO]
    half = rates[OPEN_SCENARIOS[OPEN_LOOP].common] if rates else None
    if results is None or not results.of(_TWO, half):
        return _not_measured(asked)
    wait = results.middle("p99_ms", _TWO, half)
    found = spread_ms(results, "p99_ms", _TWO, half)
    return _line(asked, f"{found} ms", when(results.on), met=wait <= _MOST_P99_MS)


def spread_ms(results: Results, name: str, system: str, point: float | None) -> str:
    """Return the median of a latency in milliseconds, with the lowest and highest of the rounds in parentheses."""
    middle, low, high = (
        "never" if math.isinf(value) else f"{value:,.1f}"
        for value in (
            results.middle(name, system, point),
            *results.spread(name, system, point),
        )
    )
    return middle + (f" ({low} to {high})" if low != high else "")


def _start_and_idle(directory: Path) -> Iterator[str]:
    """Yield what a worker costs that has nothing to do."""
    asked = f"start to ready: at most {_MOST_START_SECONDS:g} s and {_MOST_START_CPU:g} s of CPU"
    starts, on = quiet_figures(directory, START), quiet_machine(directory, START)
    if on is None:
        yield _not_measured(asked)
    else:
        seconds, cpu = (median(one[name] for one in starts) for name in ("seconds", "cpu_seconds"))
        met = seconds <= _MOST_START_SECONDS and cpu <= _MOST_START_CPU
        yield _line(asked, f"{seconds:.2f} s, {cpu:.2f} s of CPU", when(on), met=met)
    asked = f"an idle worker: at most {_MOST_IDLE_CORES:g} cores"
    idles, on = quiet_figures(directory, IDLE), quiet_machine(directory, IDLE)
    if on is None:
        yield _not_measured(asked)
    else:
        cores = median(one["cpu_seconds"] / one["seconds"] for one in idles)
        yield _line(asked, f"{cores:.4f} cores", when(on), met=cores <= _MOST_IDLE_CORES)


def _hang() -> dict[str, Any] | None:
    """Return what `make measure` found of a thousand destinations, 300 of which hang."""
    file = MEASURES / "hang-1000.measure.json"
    measure: dict[str, Any] | None = json.loads(file.read_text("utf-8")) if file.exists() else None
    return measure


def _isolation() -> str:
    asked = f"300 of 1,000 destinations hang: the others' p99 at most {_MOST_TIMES} times (`make measure`)"
    measure = _hang()
    if measure is None:
        return _not_measured(asked)
    ratio = measure["found"]["ratio"]
    return _line(asked, f"{ratio:.2f} times", when(measure["machine"]), met=ratio <= _MOST_TIMES)


def _memory(found: Mapping[str, Results]) -> str:
    asked = f"at most {_MOST_MIB} MiB a process, with one partner each profile"
    peaks = [
        (results.spread("peak_memory_mb", system, point)[1], name)
        for name, results in found.items()
        for system in results.systems()
        for point in results.points(system)
        if system.startswith("notifier") and not name.startswith(KEPT_AS)
    ]
    if not peaks:
        return _not_measured(asked)
    most, name = max(peaks)
    return _line(asked, f"{most:.0f} MiB ({name})", when(found[name].on), met=most <= _MOST_MIB)


def _faults(found: Mapping[str, Results]) -> str:
    asked = "nothing lost, everything signed, in every run"
    runs = [run for results in found.values() for run in results.runs]
    failures = sum(len(results.failures) for results in found.values())
    if not runs and not failures:
        return _not_measured(asked)
    faults = [fault for run in runs for fault in run.figures.faults]
    said = faults or (
        [f"so it was, in {len(runs):,} run{'s' if len(runs) > 1 else ''}"] if runs else []
    )
    if failures:
        said = [*said, f"runs that came to nothing: {failures:,}"]
    measured = dict.fromkeys(when(results.on) for results in found.values())
    met = bool(runs) and not faults and not failures
    return _line(asked, "; ".join(said), "; ".join(measured), met=met)


def _line(asked: str, found: str, measured: str, *, met: bool) -> str:
    return f"| {asked} | {found}{'' if met else ', **missed**'} | {measured} |"


def _not_measured(asked: str) -> str:
    return f"| {asked} | not measured | |"
