"""Short jobs in threads: `streams.call.batches`."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from streams.call.batches import Batches


async def test_jobs_run_in_the_threads_and_bring_their_own_results():
    """Every job's result goes to whoever asked for it, and none runs on the event loop."""
    with ThreadPoolExecutor(2) as threads:
        batches = Batches(threads, 2)
        results = await asyncio.gather(
            *(batches.run(partial(_square_there, n)) for n in range(200))
        )
    assert [value for value, _ in results] == [n * n for n in range(200)]
    assert threading.get_ident() not in {ident for _, ident in results}


async def test_an_error_is_raised_where_the_job_was_asked_for():
    """One job that raises harms no other of its batch."""
    with ThreadPoolExecutor(1) as threads:
        batches = Batches(threads, 1)
        good, bad, last = (
            asyncio.create_task(batches.run(job)) for job in (lambda: 1, lambda: 1 // 0, lambda: 3)
        )
        assert (await good, await last) == (1, 3)
        with pytest.raises(ZeroDivisionError):
            await bad


async def test_jobs_that_wait_go_together():
    """While the only thread is busy, what comes in goes with one hop, sixteen at the most, in order."""
    free, hops = threading.Event(), []

    class Counting(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            hops.append(len(args[1]))
            return super().submit(fn, *args, **kwargs)

    with Counting(1) as threads:
        batches = Batches(threads, 1)
        first = asyncio.create_task(batches.run(free.wait))
        await asyncio.sleep(0)
        seen: list[int] = []
        others = [asyncio.create_task(batches.run(partial(seen.append, n))) for n in range(20)]
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(first, *others)
    assert hops == [1, 16, 4]
    assert seen == list(range(20))


async def test_a_cancelled_waiter_leaves_the_others_alone():
    """Who gives up gets nothing, the rest of the batch gets all."""
    free = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        batches = Batches(threads, 1)
        first = asyncio.create_task(batches.run(free.wait))
        await asyncio.sleep(0)
        gone = asyncio.create_task(batches.run(lambda: 1))
        stays = asyncio.create_task(batches.run(lambda: 2))
        await asyncio.sleep(0)
        gone.cancel()
        free.set()
        assert await stays == 2
        assert await first
        with pytest.raises(asyncio.CancelledError):
            await gone


def _square_there(number):
    return number * number, threading.get_ident()
