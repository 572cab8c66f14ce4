"""What was asked for, and what the last runs came to."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from benchmarks.open_loops import LOW_RATE, OPEN_LOOP, OPEN_SCENARIOS
from benchmarks.quiet_table import quiet_figures
from benchmarks.results import DIRECTORY, Results
from benchmarks.scenarios import THROUGHPUT, THROUGHPUT_HTTP
from benchmarks.systems import GO, ONE_DUTY, WITH_DUTIES

MEASURES = Path(__file__).parents[1] / "build" / "measures"
"""Where `make measure` leaves its figures."""
_TWO, _ONE, _BY_HAND = "notifier-2", "notifier-1", "aiokafka-aiohttp"
_MOST_MB = 110
_MOST_P99_MS = 50
_MOST_TIMES = 2
_MOST_IDLE_CORES = 0.01
_MOST_START_SECONDS, _MOST_START_CPU = 2.0, 1.2
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
    yield "| Asked | Found |"
    yield "| --- | --- |"
    for scenario, over in ((THROUGHPUT_HTTP, "plain HTTP"), (THROUGHPUT, "TLS")):
        if scenario in found:
            yield from _beside_peers(found[scenario], over)
            yield from _above_signature(found[scenario], over)
    if LOW_RATE in found:
        low_rate = OPEN_SCENARIOS[LOW_RATE]
        rate = low_rate.rates[low_rate.common]
        yield from _ratio(
            found[LOW_RATE],
            f"one worker beside Go, CPU per event at {rate:g}/s: at most 1.3 times ({PEERS_DO_LESS})",
            ("cpu_ms", _ONE, GO, rate),
            at_most=1.3,
        )
    yield from _start_and_idle(DIRECTORY)
    yield from _latency(found)
    yield from _isolation(MEASURES)
    yield from _memory(found)
    faults = [
        fault for results in found.values() for run in results.runs for fault in run.figures.faults
    ]
    failures = sum(len(results.failures) for results in found.values())
    yield _line(
        "nothing lost, everything signed, in every run",
        ("; ".join(faults) or "so it was")
        + (f"; runs that came to nothing: {failures}" if failures else ""),
        met=not faults,
    )


def _beside_peers(results: Results, over: str) -> Iterator[str]:
    less = f"({over}; {PEERS_DO_LESS})"
    yield from _ratio(
        results,
        f"two workers beside Go, deliveries/s: at least 0.95 times {less}",
        ("per_second", _TWO, GO, None),
        at_least=0.95,
    )
    yield from _ratio(
        results,
        f"two workers beside Go, deliveries/s per core used: at least 1.0 times {less}",
        ("per_core", _TWO, GO, None),
        at_least=1.0,
    )
    yield from _ratio(
        results,
        f"one worker beside hand-written aiohttp, CPU per notification: at most 1.0 times {less}",
        ("cpu_ms", _ONE, _BY_HAND, None),
        at_most=1.0,
    )
    yield from _ratio(
        results,
        f"one worker beside hand-written aiohttp with the same duties, CPU per notification: for information, no target ({over}; {SAME_DUTIES})",
        ("cpu_ms", _ONE, WITH_DUTIES, None),
    )


def _ratio(
    results: Results,
    asked: str,
    what: tuple[str, str, str, float | None],
    *,
    at_least: float = 0.0,
    at_most: float = float("inf"),
) -> Iterator[str]:
    ratio = results.ratios(*what)
    if ratio is not None:
        yield _line(asked, f"{times(ratio)} times", met=at_least <= ratio[0] <= at_most)


def times(ratio: tuple[float, float, float]) -> str:
    """Return a ratio's median, with its lowest and highest in parentheses."""
    middle, low, high = ratio
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def _above_signature(results: Results, over: str) -> Iterator[str]:
    wide = bool(results.on["wide"])
    most = _ABOVE_SIGNATURE[wide]
    kind = "with AVX-512" if wide else "without AVX-512"
    for system, who in ((_ONE, "one worker"), (_TWO, "two workers")):
        if results.of(system):
            above = results.middle("cpu_ms", system) / results.floor_ms - 1
            yield _line(
                f"CPU above the signature, {who}: at most {most:g} signatures {kind} ({over})",
                f"{above:.2f}",
                met=above <= most,
            )


def _latency(found: Mapping[str, Results]) -> Iterator[str]:
    results = found.get(OPEN_LOOP)
    if results is not None and _TWO in results.systems():
        point = results.points(_TWO)[OPEN_SCENARIOS[OPEN_LOOP].common]
        wait = results.middle("p99_ms", _TWO, point)
        yield _line(
            f"open loop at half of the maximum: p99 at most {_MOST_P99_MS} ms",
            f"{wait:.1f} ms",
            met=wait <= _MOST_P99_MS,
        )


def _start_and_idle(directory: Path) -> Iterator[str]:
    """Yield what a worker costs that has nothing to do, where the scenarios `start` and `idle` were run."""
    if starts := quiet_figures(directory / "start.json"):
        seconds, cpu = (median(one[name] for one in starts) for name in ("seconds", "cpu_seconds"))
        yield _line(
            f"start to ready: at most {_MOST_START_SECONDS:g} s and {_MOST_START_CPU:g} s of CPU",
            f"{seconds:.2f} s, {cpu:.2f} s of CPU",
            met=seconds <= _MOST_START_SECONDS and cpu <= _MOST_START_CPU,
        )
    if idles := quiet_figures(directory / "idle.json"):
        cores = median(one["cpu_seconds"] / one["seconds"] for one in idles)
        yield _line(
            f"an idle worker: at most {_MOST_IDLE_CORES:g} cores",
            f"{cores:.4f} cores",
            met=cores <= _MOST_IDLE_CORES,
        )


def _isolation(measures: Path) -> Iterator[str]:
    """Yield what `make measure` found of a thousand destinations, 300 of which hang."""
    file = measures / "hang-1000.measure.json"
    if file.exists():
        ratio = json.loads(file.read_text("utf-8"))["found"]["ratio"]
        yield _line(
            f"300 of 1,000 destinations hang: the others' p99 at most {_MOST_TIMES} times (`make measure`)",
            f"{ratio:.2f} times",
            met=ratio <= _MOST_TIMES,
        )


def _memory(found: Mapping[str, Results]) -> Iterator[str]:
    peaks = [
        results.spread("peak_memory_mb", system, point)[1]
        for name, results in found.items()
        for system in results.systems()
        for point in results.points(system)
        if system.startswith("notifier") and not name.startswith("curve-")
    ]
    if peaks:
        yield _line(
            f"at most {_MOST_MB} MB a process, with one partner each profile",
            f"{max(peaks):.0f} MB",
            met=max(peaks) <= _MOST_MB,
        )


def _line(asked: str, found: str, *, met: bool) -> str:
    return f"| {asked} | {found}{'' if met else ', **missed**'} |"
