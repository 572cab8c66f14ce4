"""One broken partner harms no other: destinations that hang, one that comes back, one that floods."""

import asyncio
import time
from collections import Counter
from typing import Any

from tests.faults.measures.light_partner import LightPartner
from tests.faults.measures.world import DRAIN_SECONDS, Sent, World, at_share, say, within, world

_WARM_UP_SECONDS = 10.0


async def hanging(  # noqa: PLR0913  # what is measured
    hosts: int,
    hung: int,
    *,
    own_entry: bool,
    most_times: float = 1.2,
    or_ms_more: float = 0.0,
    rate: float = 300.0,
    seconds: float = 30.0,
    rounds: int = 2,
) -> dict[str, Any]:
    """Some destinations hang for a while, by turns: how long the events of the others take, with and without that.

    Args:
        hosts: destinations.
        hung: how many of them hang.
        own_entry: whether each has an entry of its own in the partners file, or all share one.
        most_times: how many times as long the others' may take at most.
        or_ms_more: how many milliseconds longer they may take in any case.
        rate: events a second over all.
        seconds: of each turn.
        rounds: of a turn without and a turn with the fault.
    """
    async with world(hosts) as here:
        if own_entry:
            here.one_entry_for_each_address()
        worker = await here.deployment.ready_worker()
        broken, healthy = set(here.partner.hosts[:hung]), set(here.partner.hosts[hung:])

        async def load(how_long: float) -> list[Sent]:
            def event(_number: int) -> tuple[str, Any]:
                host = here.rng.choice(here.partner.hosts)
                return host, here.event(host, own_entry=own_entry)

            return await here.send(rate, how_long, event)

        everything = await load(_WARM_UP_SECONDS)
        await here.received(everything)
        times: dict[bool, list[float]] = {False: [], True: []}
        cpu, calls, by_turn = {False: 0.0, True: 0.0}, 0, []
        for turn in range(2 * rounds):
            hangs = turn % 2 == 1
            if hangs:
                here.partner.hang(sorted(broken))
                say(f"{hung} of {hosts} destinations hang")
            begun, before = time.monotonic(), await worker.metric("process_cpu_seconds_total")
            sent = await load(seconds)
            cpu[hangs] += await worker.metric("process_cpu_seconds_total") - before
            found = await here.latencies_ms([one for one in sent if one.host in healthy])
            if hangs:
                calls += sum(one.host in broken and one.at > begun for one in here.receipts())
                here.partner.hang(())
            times[hangs] += found
            by_turn.append(f"{at_share(found, 0.99):.1f}")
            everything += sent
            if hangs and turn < 2 * rounds - 1:
                # What was put aside, and what waits two minutes to be tried again, is no load of the next turns.
                await here.deployment.all_committed(DRAIN_SECONDS)
        parked = await _parks(here)
    parks = Counter[bool]()
    for one in everything:
        parks[one.host in healthy] += parked[one.order_id]
    without, with_ = at_share(times[False], 0.99), at_share(times[True], 0.99)
    return {
        "events/s asked and reached at least": f"{rate:g}, {here.least_rate}",
        "healthy p99 without, ms": round(without, 1),
        "healthy p99 with, ms": round(with_, 1),
        "ratio": round(with_ / without, 2),
        "healthy p50 without and with, ms": (
            f"{at_share(times[False], 0.5):.1f}, {at_share(times[True], 0.5):.1f}"
        ),
        "p99 by turns, ms": ", ".join(by_turn),
        "healthy events parked": parks[True],
        "parks of the hanging ones' events": parks[False],
        "calls to hanging ones": calls,
        "worker's CPU without and with, s": f"{cpu[False]:.0f}, {cpu[True]:.0f}",
        "holds": within(with_, without, most_times, or_ms_more) and not parks[True],
    }


async def returning(
    *, outage_seconds: float = 60.0, limit: float = 50.0, rate: float = 20.0
) -> dict[str, Any]:
    """A destination with a rate limit is out for ten minutes, scaled by 0.1, and comes back.

    Args:
        outage_seconds: how long it answers nothing.
        limit: its rate limit.
        rate: events a second for it; as many go to each of four others.
    """
    async with world(5, ladder_scale=0.1) as here:
        here.one_entry_for_each_address()
        out, *others = here.partner.hosts
        entries = here.deployment.partners
        entries[out]["rate_limit_per_second"] = limit
        here.deployment.write_partners(entries)
        await here.deployment.ready_worker()
        over = False

        async def load(how_long: float) -> list[Sent]:
            def event(number: int) -> tuple[str, Any]:
                host = here.partner.hosts[number % 5]
                return host, here.event(host, own_entry=True)

            return await here.send(5 * rate, how_long, event, stop=lambda: over)

        await here.received(await load(_WARM_UP_SECONDS))
        before = await load(outage_seconds / 2)
        well = await here.latencies_ms([one for one in before if one.host in others])
        here.partner.hang([out])
        gone = time.monotonic()
        during = await load(outage_seconds)
        ill = await here.latencies_ms([one for one in during if one.host in others])
        here.partner.hang([])
        back = time.monotonic()
        say("it is back")
        going_on = asyncio.create_task(load(20 * outage_seconds))
        backlog = [one for one in during if one.host == out]
        told = await _answered(here, backlog, back)
        drained = max(told.values())
        over = True
        later = await going_on
        meanwhile = await here.latencies_ms(
            [one for one in later if one.host in others and one.at < drained]
        )
        parked_orders = await _parks(here)
        mine = {one.order_id for one in [*before, *during, *later] if one.host in others}
        parks_of_others = sum(parked_orders[order] for order in mine)
        parks = Counter(parked_orders[one.order_id] for one in backlog)
        calls = [receipt.at for receipt in here.receipts() if receipt.host == out]
    out_seconds = back - gone - 10  # in the first seconds calls are under way that it let hang
    probes = [at for at in calls if back - out_seconds < at < back]
    drain = [at for at in calls if back <= at <= drained]
    fastest = max(_in_a_second(drain).values(), default=0)
    per_record = sum(times * many for times, many in parks.items()) / len(backlog)
    without, with_, after = (at_share(values, 0.99) for values in (well, ill, meanwhile))
    called = len(drain) / (drained - back)
    return {
        "events/s asked and reached at least": f"{5 * rate:g}, {here.least_rate}",
        "events waiting at its return": len(backlog),
        "probes a second while it was out": round(len(probes) / out_seconds, 2),
        "rate limit, events/s": limit,
        "calls a second while it drained": round(called, 1),
        "most calls in one second": fastest,
        "seconds until all had come": round(drained - back, 1),
        "parks of a record, mean and most": f"{per_record:.1f}, {max(parks)}",
        "others' events parked": parks_of_others,
        "others' p99 before, during the outage, during the drain, ms": (
            f"{without:.1f}, {with_:.1f}, {after:.1f}"
        ),
        "holds": returns_as_asked(len(probes), out_seconds, called, limit)
        and within(max(with_, after), without, 1.2, 5)
        and not parks_of_others,
    }


def returns_as_asked(probes: int, out_seconds: float, drained_at: float, limit: float) -> bool:
    """Tell whether there was one probe a second or two, and then a drain at half of the rate limit to all of it.

    Args:
        probes: while it was out.
        out_seconds: for how long.
        drained_at: calls a second afterwards.
        limit: the same, at most; two in a hundred more are let pass, since a second of ours begins within one of the limit's.
    """
    return out_seconds / 2 <= probes <= out_seconds + 1 and limit / 2 <= drained_at <= limit * 1.02


async def flooded(*, rounds: int = 4, seconds: float = 15.0, rate: float = 160.0) -> dict[str, Any]:
    """A partner floods in place of answering, on 16 connections: how long the events of another one take.

    The flooding partner gives way to every other process: what is measured is what its floods cost the worker, not that
    they are made on the same machine.

    Args:
        rounds: of a part without and a part with floods, one after the other.
        seconds: of each part.
        rate: events a second, half of them for each partner.
    """
    async with world() as here:
        with LightPartner(4, gives_way=True) as hostile:
            here.one_entry_for_each_address()
            entries = here.deployment.partners
            (own,) = here.partner.hosts
            entries["hostile"] = entries[own] | {"max_in_flight": 4}
            here.deployment.write_partners(entries)
            worker = await here.deployment.ready_worker()

            async def load(how_long: float) -> list[Sent]:
                def event(number: int) -> tuple[str, Any]:
                    if number % 2:
                        return own, here.event(own, own_entry=True)
                    url = hostile.url(hostile.hosts[number // 2 % 4])
                    made = here.event(own) | {"partnerId": "hostile", "notifyUrl": url}
                    return "hostile", made

                return [one for one in await here.send(rate, how_long, event) if one.host == own]

            await here.received(await load(_WARM_UP_SECONDS))
            times: dict[bool, list[float]] = {False: [], True: []}
            cpu = {False: 0.0, True: 0.0}
            calls, by_round = 0, []
            for number in range(2 * rounds):
                floods = number % 2 == 1
                hostile.flood(hostile.hosts if floods else ())
                hostile.receipts()
                before = await worker.metric("process_cpu_seconds_total")
                found = await here.latencies_ms(await load(seconds))
                cpu[floods] += await worker.metric("process_cpu_seconds_total") - before
                calls += len(hostile.receipts()) if floods else 0
                times[floods] += found
                by_round.append(f"{at_share(found, 0.99):.1f}")
                hostile.flood(())
                await asyncio.sleep(seconds / 3)  # what was put aside meanwhile goes out now
    without, with_ = at_share(times[False], 0.99), at_share(times[True], 0.99)
    return {
        "events/s asked and reached at least": f"{rate:g}, {here.least_rate}",
        "other's p99 without, ms": round(without, 1),
        "other's p99 with, ms": round(with_, 1),
        "ratio": round(with_ / without, 2),
        "other's p50 without and with, ms": (
            f"{at_share(times[False], 0.5):.1f}, {at_share(times[True], 0.5):.1f}"
        ),
        "p99 by turns, ms": ", ".join(by_round),
        "floods": calls,
        "worker's CPU without and with, s": f"{cpu[False]:.0f}, {cpu[True]:.0f}",
        "holds": within(with_, without, 2),
    }


async def _answered(here: World, backlog: list[Sent], back: float) -> dict[str, float]:
    """Return when each was called first after the return."""
    wanted = {one.order_id for one in backlog}
    deadline = time.monotonic() + 600
    while True:
        found: dict[str, float] = {}
        for receipt in here.receipts():
            if receipt.at >= back and receipt.order_id in wanted:
                found.setdefault(receipt.order_id, receipt.at)
        if len(found) == len(wanted):
            return found
        assert time.monotonic() < deadline, f"{len(wanted) - len(found)} never came"
        await asyncio.sleep(0.5)


async def _parks(here: World) -> Counter[str]:
    """Return how often each order was parked."""
    return Counter(entry.order_id or "" for entry in await here.journal() if entry.kind == "park")


def _in_a_second(times: list[float]) -> Counter[int]:
    return Counter(int(at - times[0]) for at in times)
