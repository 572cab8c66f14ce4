"""Where a worker's memory is: when it is ready, at rest, and at a backlog. `python -m benchmarks memory`."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.backlog import Backlog, fill_topic, plain_moulds
from benchmarks.bench import PARTITIONS, Bench
from benchmarks.processes import peak_memory_mb, resident_mb
from benchmarks.quiet import is_ready
from benchmarks.receiver import Manner
from benchmarks.run import administration
from benchmarks.systems import Running, System, Task
from streams.sandbox.client import create_topic
from streams.sandbox.keys import PARTNERS
from streams.sandbox.ports import free_ports

MEMORY: Final = "memory"
CALLS: Final = 256
_RECORDS: Final = 36_000
_READY_SECONDS: Final = 60.0
_REST_SECONDS: Final = 12.0
_LOOK_EVERY_SECONDS: Final = 0.1
_PARTS: Final = {
    "file": "programs and libraries",
    "heap": "malloc: OpenSSL, buffers, large objects",
    "other": "Python's small objects, stacks",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A worker's memory once.

    Attributes:
        name: when.
        parts: resident MiB by kind of mapping, see `resident_mb`.
        peak_mb: the highest so far, in MiB.
    """

    name: str
    parts: Mapping[str, float]
    peak_mb: float

    @classmethod
    def now(cls, name: str, pid: int) -> "Moment":
        """Look at a process."""
        return cls(name, resident_mb(pid), peak_memory_mb(pid))


async def measure_memory(
    bench: Bench, seconds: float, in_flight: int, say: Callable[[str], None]
) -> None:
    """Look at one worker over TLS and one over plain HTTP, and say a table of each.

    Args:
        bench: with a broker and a receiver.
        seconds: how long the backlog is worked on.
        in_flight: calls at once.
        say: told the lines.
    """
    for plain in (False, True):
        say(f"over {'plain HTTP' if plain else 'TLS'}, {in_flight} calls at once:\n")
        for line in table(await _moments(bench, seconds, in_flight, plain=plain)):
            say(line)
        say("")


def table(moments: list[Moment]) -> Iterator[str]:
    """Yield the lines of a table in Markdown: a row for each part, a column for each moment."""
    yield f"| Resident, MiB | {' | '.join(moment.name for moment in moments)} |"
    yield f"| --- |{' --- |' * len(moments)}"
    for part, words in _PARTS.items():
        yield _row(words, (moment.parts.get(part, 0.0) for moment in moments))
    yield _row("all of it", (sum(moment.parts.values()) for moment in moments))
    yield _row("highest so far", (moment.peak_mb for moment in moments))


def _row(name: str, figures: Iterator[float]) -> str:
    return f"| {name} | {' | '.join(f'{figure:.0f}' for figure in figures)} |"


async def _moments(bench: Bench, seconds: float, in_flight: int, *, plain: bool) -> list[Moment]:
    name = f"memory-{'http' if plain else 'tls'}"
    topic = f"{name}-final"
    (port,) = (ports.clients for ports in free_ports(1))
    task = Task(
        bootstrap=bench.broker.bootstrap,
        topic=topic,
        name=name,
        keys=bench.keys,
        partners_file=bench.partners_file(
            in_flight, {name: profile for profile, name in PARTNERS.items()}, plain=plain
        ),
        directory=bench.directory,
        in_flight=in_flight,
        settings={"NOTIFIER_WEB_PORT": str(port)}
        | ({"NOTIFIER_ALLOW_HTTP": "true"} if plain else {}),
    )
    system = System.parse("notifier-1")
    await create_topic(task.bootstrap, topic, PARTITIONS)
    moulds = plain_moulds(bench.plain_url if plain else bench.url)
    async with administration(task.bootstrap) as admin:
        await task.create_topics(admin, system)
        bench.receiver.begin(Manner())
        with Running(system, task) as running:
            (pid,) = running.pids
            deadline = time.monotonic() + _READY_SECONDS
            while not await asyncio.to_thread(is_ready, port):
                running.must_run()
                if time.monotonic() > deadline:
                    message = f"the worker was not ready within {_READY_SECONDS:g} s"
                    raise RuntimeError(message)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
            found = [Moment.now("ready", pid)]
            await asyncio.sleep(_REST_SECONDS)
            found.append(Moment.now("at rest", pid))
            filling = fill_topic(task.bootstrap, topic, moulds, _RECORDS, PARTITIONS)
            found.append(await _largest(pid, seconds, filling))
            await asyncio.to_thread(running.stop)
        await task.delete_topics(admin)
    return found


async def _largest(pid: int, seconds: float, filling: Coroutine[Any, Any, Backlog]) -> Moment:
    """Return the moment at which a process was largest, from the begin of the filling until so many seconds after it."""
    largest = Moment.now("at a backlog", pid)

    async def look() -> None:
        nonlocal largest
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            now = Moment.now("at a backlog", pid)
            largest = max(largest, now, key=lambda moment: sum(moment.parts.values()))

    looking = asyncio.create_task(look())
    try:
        await filling
        await asyncio.sleep(seconds)
    finally:
        looking.cancel()
    return Moment(largest.name, largest.parts, peak_memory_mb(pid))
