"""A retry happens when it is due: lateness under load, backlogs beside new events, and a million at rest."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from streams.clock import Clock
from tests.faults.measures.tiers import Waiting, fill
from tests.faults.measures.world import World, at_share, say, within, world
from tests.support.notifier import NOTIFIER
from tests.support.waiting import eventually

LONG = ("30m", "1h", "2h", "3h", "4h")
_HOUR_MS = 3_600_000
_RESTING_RATE = 50.0


async def lateness(
    *, rate: float = 500.0, seconds: float = 60.0, behind: int = 200_000
) -> dict[str, Any]:
    """Retries of five tiers fall due at a rate, while many more wait behind them.

    Args:
        rate: falling due a second, over all five.
        seconds: for how long.
        behind: how many wait behind them, due in twenty minutes at the earliest.
    """
    async with world(10) as here:
        hosts, clock = here.partner.hosts, Clock()
        lead_ms = 25_000 + behind // 8  # what writing and the worker's start take
        first = clock.now_ms() + lead_ms
        due = [
            Waiting(LONG[number % 5], first + int(number * 1000 / rate), hosts[number % 10])
            for number in range(int(rate * seconds))
        ]
        later = [
            Waiting(LONG[number % 5], first + 1_200_000 + number, hosts[number % 10])
            for number in range(behind)
        ]
        orders = set(await fill(here, due, "due-"))
        await fill(here, later, "later-")
        worker = await here.deployment.ready_worker()
        assert clock.now_ms() < first, (
            "the machine is too slow: nothing may be due before the start"
        )
        say(f"{len(due)} fall due from now on, {behind} wait behind them")
        await here.received_orders(orders, seconds + lead_ms / 1000 + 120)
        cpu = await worker.metric("process_cpu_seconds_total")
        journal = [entry for entry in await here.journal() if entry.order_id in orders]
    late = [
        (entry.started_at_ms or 0) - (entry.due_at_ms or 0)
        for entry in journal
        if entry.kind == "attempt"
    ]
    p50, p99, most = at_share(late, 0.5), at_share(late, 0.99), max(late)
    return {
        "retries": len(late),
        "retries/s": rate,
        "waiting behind them": behind,
        "early": sum(value < 0 for value in late),
        "parked": sum(entry.kind == "park" for entry in journal),
        "p50, p99, most, ms": f"{p50}, {p99}, {most}",
        "worker's CPU, s": round(cpu, 1),
        "holds": min(late) >= 0 and p50 <= 10 and p99 <= 100 and most <= 1500,
    }


async def backlog(
    *, waiting: int = 20_000, rate: float = 100.0, seconds: float = 30.0
) -> dict[str, Any]:
    """A backlog of retries drains at full speed: how long first attempts of new events take meanwhile.

    Args:
        waiting: retries that are overdue.
        rate: new events a second.
        seconds: for how long, without the backlog.
    """
    async with world(10) as here:
        hosts, drained = here.partner.hosts, False

        def event(number: int) -> tuple[str, Any]:
            host = hosts[number % 10]
            return host, here.event(host)

        worker = await here.deployment.ready_worker()
        await here.received(await here.send(rate, 10, event))
        well = await here.latencies_ms(await here.send(rate, seconds, event))
        assert await worker.stop() == 0
        now = Clock().now_ms()
        overdue = [Waiting(LONG[number % 5], now, hosts[number % 10]) for number in range(waiting)]
        orders = set(await fill(here, overdue, "overdue-"))
        worker = await here.deployment.ready_worker()
        begun = time.monotonic()
        load = asyncio.create_task(here.send(rate, 600, event, stop=lambda: drained))
        await here.received_orders(orders, 600)
        took = time.monotonic() - begun
        drained = True
        ill = await here.latencies_ms(await load)
    without, with_ = at_share(well, 0.99), at_share(ill, 0.99)
    return {
        "events/s asked and reached at least": f"{rate:g}, {here.least_rate}",
        "overdue retries": waiting,
        "drained at, retries/s": round(waiting / took),
        "new events' p99 without, ms": round(without, 1),
        "new events' p99 with, ms": round(with_, 1),
        "ratio": round(with_ / without, 2),
        "holds": within(with_, without, 2),
    }


async def at_rest(*, records: int = 1_000_000) -> dict[str, Any]:
    """So many notifications wait for hours: what that costs a worker, against one with nothing to do."""
    async with world(10) as here:
        empty = await _resting(here)
        now = Clock().now_ms()
        labels, hosts = ("6h", "15h"), here.partner.hosts
        begun = time.monotonic()
        await fill(
            here,
            (
                Waiting(labels[number % 2], now + 4 * _HOUR_MS + number, hosts[number % 10])
                for number in range(records)
            ),
            "rest-",
        )
        say(f"{records} records written in {time.monotonic() - begun:.0f} s")
        full = await _resting(here)
    return {
        "records": records,
        "events/s asked and reached at least": f"{_RESTING_RATE:g}, {here.least_rate}",
        "RSS empty and full, MB": f"{empty['RSS, MB']:.0f}, {full['RSS, MB']:.0f}",
        "ready after, empty and full, s": f"{empty['ready, s']:.1f}, {full['ready, s']:.1f}",
        "new events' p99, empty and full, ms": f"{empty['p99, ms']:.1f}, {full['p99, ms']:.1f}",
        "holds": rests(empty, full),
    }


def rests(empty: Mapping[str, float], full: Mapping[str, float]) -> bool:
    """Tell whether a worker with much that waits needs little more than one with nothing to do."""
    return (
        full["RSS, MB"] <= empty["RSS, MB"] + 100
        and full["ready, s"] <= 1.5 * empty["ready, s"] + 1
        and within(full["p99, ms"], empty["p99, ms"], 1.2, 5)
    )


async def _resting(here: World) -> dict[str, float]:
    begun = time.monotonic()
    # The installed program: its start has an interpreter and imports in it.
    worker = await here.deployment.worker(None, NOTIFIER).ready()
    ready = time.monotonic() - begun

    def event(number: int) -> tuple[str, Any]:
        host = here.partner.hosts[number % 10]
        return host, here.event(host)

    async def holds() -> bool:
        return await worker.metric("notifier_assigned_partitions") > 0

    await eventually(holds, 60, what="partitions")
    taken = await here.latencies_ms(await here.send(_RESTING_RATE, 10, event))
    rss = await worker.metric("process_resident_memory_bytes")
    assert await worker.stop() == 0
    return {"ready, s": ready, "p99, ms": at_share(taken, 0.99), "RSS, MB": rss / 1e6}
