"""A short round beside the hand-written peer: a report of how fast, a failure only when something is lost."""

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.progress import Progress
from benchmarks.results import Results
from benchmarks.run import Window
from benchmarks.scenarios import SCENARIOS, THROUGHPUT, Options, measure

_PEER = "aiokafka-httpx"


async def smoke(bench: Bench, progress: Progress) -> Results:
    """Measure two workers and the peer once, and say how they compare."""
    options = Options(1, Window(1.5, 3.0), ("notifier-2", _PEER))
    results = await measure(bench, replace(SCENARIOS[THROUGHPUT], name="smoke"), options, progress)
    if results.failures:
        return results
    ours, theirs = (results.middle("per_second", system) for system in results.systems())
    cost = results.middle("cpu_ms", "notifier-2")
    progress.say(
        f"two workers deliver {ours / theirs:.1f} times as much as one hand-written aiokafka + httpx consumer; "
        f"a notification costs {cost:.2f} ms of CPU, {results.signatures('notifier-2'):.1f} signatures"
    )
    return results
