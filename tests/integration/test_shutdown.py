"""Workers that come, go and are killed under load: nothing is lost, and what was answered is not repeated."""

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from itertools import cycle

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.kafka import ends_of, producer
from tests.support.notifier import STOP_SECONDS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

RATE = 100.0
ENOUGH = 100
SETTINGS = {"ladder_scale": 0.001, "max_in_flight": 128}


class Load:
    """Payments written at a steady rate, until told otherwise: each takes the partner 0.2 s, every seventh is told twice.

    Attributes:
        expected: how many requests there must be, by order id.
    """

    def __init__(self, deployment):
        self.expected = {}
        self._deployment = deployment
        self._over = asyncio.Event()
        self._writing = asyncio.create_task(self._write())

    async def end(self):
        """Write no more; what was written is stored."""
        self._over.set()
        await self._writing

    def counts(self):
        """Return how many requests there were, by order id."""
        received = Counter(request.order_id for request in self._deployment.partner.requests)
        return {order: received[order] for order in self.expected}

    async def received(self, least=ENOUGH):
        """Wait until the partner has so many requests of it."""
        await asyncio.to_thread(
            self._deployment.partner.wait_for,
            lambda requests: sum(item.order_id in self.expected for item in requests) >= least,
        )

    async def finished(self):
        """Wait until every payment is delivered, and every record committed."""
        deployment = self._deployment
        await deployment.delivered(self.expected)
        await deployment.all_committed()
        assert await deployment.dead_letters() == []

    async def _write(self):
        async with producer(self._deployment.bootstrap) as client:
            begun = time.monotonic()
            for number, profile in zip(range(4000), cycle(PROFILES), strict=False):
                await asyncio.sleep(begun + number / RATE - time.monotonic())
                if self._over.is_set():
                    return
                script = "U,slow:0.2" if number % 7 == 0 else "slow:0.2"
                url = self._deployment.partner.notify_url(profile, script)
                event = payment_event(profile, rng=self._deployment.rng, notify_url=url)
                order = order_id(event)
                self.expected[order] = 2 if number % 7 == 0 else 1
                await client.send_and_wait(self._deployment.source, encode(event), order.encode())


@asynccontextmanager
async def _load(deployment):
    load = Load(deployment)
    try:
        yield load
    finally:
        await load.end()


async def test_sigterm_under_load(make_deployment):
    """SIGTERM ends it with 0 within 15 s; the next worker finishes the rest, and no partner is told anything twice."""
    async with make_deployment(settings=SETTINGS) as deployment:
        first = await deployment.ready_worker()
        async with _load(deployment) as load:
            await load.received()
            assert await first.stop(STOP_SECONDS) == 0
            assert sum(load.counts().values()) < sum(load.expected.values())
        second = await deployment.ready_worker()
        await load.finished()
        assert load.counts() == load.expected
        assert await second.stop() == 0


async def test_a_worker_joins_and_leaves_under_load(make_deployment):
    """Partitions move to a second worker and back while payments flow: nothing is lost, nothing is repeated."""
    async with make_deployment(settings=SETTINGS) as deployment:
        first = await deployment.ready_worker()
        async with _load(deployment) as load:
            await load.received()
            second = await deployment.ready_worker()

            async def both_work():
                took = await second.metric("notifier_payments_consumed_total", result="accepted")
                return took > 0 and await first.metric("notifier_assigned_partitions") > 0

            await eventually(both_work, what="work of both workers")
            assert await second.stop() == 0
            alone = len(load.expected)
            await load.received(alone)
        await load.finished()
        assert load.counts() == load.expected
        assert await first.stop() == 0


async def test_sigkill_under_load(make_deployment):
    """After SIGKILL nothing is lost, and only what was not committed is told again."""
    async with make_deployment(settings=SETTINGS) as deployment:
        first = await deployment.ready_worker()
        async with _load(deployment) as load:
            await load.received()
            first.kill()
            done = await deployment.committed()
        second = await deployment.ready_worker()
        await load.finished()
        found = load.counts()
        stored = await deployment.records(deployment.source)
        places = {record.key.decode(): record for record in stored}
        repeated = {order for order in found if found[order] > load.expected[order]}
        for order in repeated:
            place = places[order]
            if load.expected[order] == 1:  # the others may have been on their tier
                assert place.offset >= done.get((place.topic, place.partition), 0)
            assert found[order] <= 2 * load.expected[order]
        assert not [order for order in found if found[order] < load.expected[order]]
        assert len(repeated) <= SETTINGS["max_in_flight"] + RATE
        assert await second.stop() == 0


async def test_roles_apart_and_together(make_deployment):
    """`main` and `retry` share the work; `all` after them, with the same groups, reads nothing again."""
    async with make_deployment(settings=SETTINGS) as deployment:
        main, retry = deployment.worker(role="main"), deployment.worker(role="retry")
        await asyncio.gather(main.ready(), retry.ready())
        async with _load(deployment) as load:
            await load.received(70)
        await load.finished()
        assert load.counts() == load.expected
        attempts = "notifier_attempts_total"
        assert await main.metric(attempts) == len(load.expected)
        assert await main.metric(attempts, attempt_class="retry") == 0
        twice = sum(load.expected.values()) - len(load.expected)
        assert await retry.metric(attempts) == twice
        assert await retry.metric(attempts, attempt_class="retry") == twice
        assert [await main.stop(), await retry.stop()] == [0, 0]
        both = await deployment.ready_worker(role="all")
        async with _load(deployment) as more:
            await more.received(35)
        await more.finished()
        assert await both.metric("notifier_payments_consumed_total") == len(more.expected)
        assert await both.metric(attempts) == sum(more.expected.values())
        assert load.counts() == load.expected
        assert await both.stop() == 0


async def test_an_idle_worker_takes_over(make_deployment):
    """With more workers than partitions the idle one is ready, and takes everything when the others are killed."""
    async with make_deployment(partitions=1, settings=SETTINGS | {"role": "main"}) as deployment:
        workers = [deployment.worker() for _ in range(3)]
        await asyncio.gather(*(worker.ready() for worker in workers))

        async def shared():
            held = [await worker.metric("notifier_assigned_partitions") for worker in workers]
            return held if sorted(held) == [0, 1, 1] else []

        held = await eventually(shared, what="one partition each for two of three workers")
        idle = workers.pop(held.index(0))
        assert (await idle.get("/health/ready")).is_success
        for worker in workers:
            worker.kill()
        orders = await deployment.send([payment_event("mpp-to-ant", rng=deployment.rng)])
        await deployment.delivered(orders)
        assert await idle.metric("notifier_assigned_partitions") == 2
        ends = await ends_of(deployment.bootstrap, [deployment.source])

        async def up_to_date():
            return await deployment.committed() == ends

        await eventually(up_to_date, what="the commit")
        assert await idle.stop() == 0
