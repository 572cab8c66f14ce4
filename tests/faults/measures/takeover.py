"""Workers that go: how soon others deliver for them."""

import asyncio
import time
from collections import Counter
from typing import Any

from tests.faults.measures.world import DRAIN_SECONDS, Sent, World, at_share, say, world
from tests.faults.rehearsal import inside
from tests.support.notifier import WorkerProcess

_RATE = 100.0


async def after_a_kill(*, kills: int = 5) -> dict[str, Any]:
    """One of two workers is killed: when its partitions deliver again."""
    gaps = []
    async with world(10) as here:
        workers = {name: _worker(here, name) for name in ("worker-0", "worker-1")}
        await asyncio.gather(*(worker.ready() for worker in workers.values()))
        for kill in range(kills):
            over = False
            load = asyncio.create_task(_load(here, lambda: over))  # noqa: B023  # ends with the round
            await asyncio.sleep(8)
            victim = f"worker-{kill}"
            owned = await _partitions_of(here, victim)
            killed = time.monotonic()
            workers.pop(victim).kill()
            await asyncio.sleep(20)
            over = True
            sent = await load
            first = await here.received(sent)
            after = [one for one in sent if one.at > killed and one.partition in owned]
            back = {
                partition: min(first[one.order_id] for one in after if one.partition == partition)
                for partition in {one.partition for one in after}
            }
            gaps.append(max(back.values()) - killed)
            say(f"kill {kill + 1}: {len(owned)} partitions deliver again after {gaps[-1]:.1f} s")
            name = f"worker-{kill + 2}"
            workers[name] = await _worker(here, name).ready()
    return {
        "events/s asked and reached at least": f"{_RATE:g}, {here.least_rate}",
        "kills": kills,
        "partitions deliver again after, s": ", ".join(f"{gap:.1f}" for gap in gaps),
        "holds": max(gaps) <= 15,
    }


async def rolling(*, hung: int = 0) -> dict[str, Any]:
    """Three workers are replaced one after the other under load.

    Args:
        hung: how many of ten destinations hang meanwhile.
    """
    async with world(10) as here:
        healthy = here.partner.hosts[hung:]
        workers = [_worker(here, f"worker-{number}") for number in range(3)]
        await asyncio.gather(*(worker.ready() for worker in workers))
        await here.received(await here.send(_RATE, 5, lambda n: _event(here, n)))
        here.partner.hang(here.partner.hosts[:hung])
        over = False
        load = asyncio.create_task(_load(here, lambda: over))
        await asyncio.sleep(8)
        begun = time.monotonic()
        for number in range(3):
            assert await workers.pop(0).stop() == 0
            workers.append(await _worker(here, f"worker-{number + 3}").ready())
            say(f"{number + 1} of 3 workers replaced")
        took = time.monotonic() - begun
        over = True
        sent = [one for one in await load if one.host in healthy]
        here.partner.hang(())
        # Once all is committed nothing is called again: what was lost or repeated has shown by then.
        await here.deployment.all_committed(DRAIN_SECONDS)
        calls = Counter(receipt.order_id for receipt in here.receipts())
        told = [one for one in sent if calls[one.order_id]]
        taken = await here.latencies_ms(told)
    repeated = sum(calls[one.order_id] - 1 for one in told)
    p99, allowed = at_share(taken, 0.99), 12_000 if hung else 5_000
    return {
        "events/s asked and reached at least": f"{_RATE:g}, {here.least_rate}",
        "destinations that hang": hung,
        "events": len(sent),
        "repeated": repeated,
        "lost": len(sent) - len(told),
        "seconds for all three": round(took, 1),
        "p99 and most from event to partner, s": f"{p99 / 1000:.2f}, {max(taken) / 1000:.2f}",
        "holds": len(told) == len(sent) and not repeated and p99 <= allowed,
    }


def _worker(here: World, name: str) -> WorkerProcess:
    return here.deployment.worker(inside(FAULTS_WORKER=name))


def _event(here: World, number: int) -> tuple[str, Any]:
    host = here.partner.hosts[number % len(here.partner.hosts)]
    return host, here.event(host)


async def _load(here: World, stop: Any) -> list[Sent]:
    return await here.send(_RATE, 600, lambda number: _event(here, number), stop=stop)


async def _partitions_of(here: World, worker: str) -> set[int]:
    """Return the partitions of the source topic that a worker has delivered from lately."""
    journal = await here.journal()
    recent = max(entry.at_ms for entry in journal) - 3000
    return {
        int((entry.origin or "").rsplit("/", 2)[1])
        for entry in journal
        if entry.worker == worker and entry.trigger == "event" and entry.at_ms > recent
    }
