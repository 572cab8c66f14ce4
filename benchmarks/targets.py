"""What was asked for, and what the last run came to."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.results import Results

_TWO, _ONE = "notifier-2", "notifier-1"


def targets(found: Mapping[str, Results], shares: Sequence[float]) -> Iterator[str]:
    """Yield the lines of a table in Markdown.

    Args:
        found: results by scenario; `throughput` is there.
        shares: the open loop's, of which the middle one counts.
    """
    yield "| Asked | Found |"
    yield "| --- | --- |"
    throughput = found["throughput"]
    systems = throughput.systems()
    if _TWO in systems:
        ours = throughput.middle("per_second", _TWO)
        for peer, least in (("aiokafka-httpx", 7), ("faust", 4), ("aiokafka-aiohttp", 1)):
            if peer in systems:
                ratio = ours / throughput.middle("per_second", peer)
                yield _line(
                    f"two workers deliver at least {least} times `{peer}`",
                    f"{ratio:.1f} times",
                    ratio >= least,
                )
    for system in (_ONE, _TWO):
        if system in systems:
            cost = throughput.middle("cpu_ms", system) / throughput.floor_ms
            yield _line(
                f"CPU for a notification at most 3 signatures, `{system}`",
                f"{cost:.1f}",
                cost <= 3,  # noqa: PLR2004
            )
    yield from _latency(found, shares)
    yield from _memory(found)
    lost = sum(len(results.faults) for results in found.values())
    yield _line(
        "nothing lost, everything signed, in every run",
        "so it was" if not lost else f"{lost} faults",
        not lost,
    )


def _latency(found: Mapping[str, Results], shares: Sequence[float]) -> Iterator[str]:
    results = found.get("open-loop")
    if results is None or _TWO not in results.systems():
        return
    point = results.points(_TWO)[len(shares) // 2]
    for name, most in (("p50", 10), ("p99", 50)):
        wait = results.middle(f"{name}_ms", _TWO, point)
        yield _line(
            f"open loop at half of the maximum: {name} at most {most} ms",
            f"{wait:.1f} ms",
            wait <= most,
        )


def _memory(found: Mapping[str, Results]) -> Iterator[str]:
    rows = (
        ("latency-50ms", _TWO, None, 150, "a process at 512 in flight"),
        ("curve-partners", _ONE, 1000.0, 200, "a process with 1,000 partners"),
    )
    for scenario, system, point, most, what in rows:
        results = found.get(scenario)
        if results is not None and results.of(system, point):
            memory = results.spread("peak_memory_mb", system, point)[1]
            yield _line(f"at most {most} MB {what}", f"{memory:.0f} MB", memory <= most)


def _line(asked: str, found: str, met: bool) -> str:  # noqa: FBT001  # the third column
    return f"| {asked} | {found}{'' if met else ', **missed**'} |"
