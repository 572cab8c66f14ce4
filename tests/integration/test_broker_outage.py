"""The broker goes away and comes back under load; the worker needs nobody's help."""

import asyncio

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.payments import payment_event
from tests.support.deployment import attempts_made
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

EVENTS = 300


async def under_load(deployment):
    """Send events, and return their orders when a fifth of them has been told."""
    url, rng = deployment.partner.notify_url, deployment.rng
    events = [
        payment_event(profile, rng=rng, notify_url=url(profile, "slow:0.3,S"))
        for profile in PROFILES
        for _ in range(EVENTS // 5)
    ]
    orders = set(await deployment.send(events))
    await asyncio.to_thread(
        deployment.partner.wait_for,
        lambda requests: sum(request.order_id in orders for request in requests) > EVENTS // 5,
    )
    return orders


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        ("kill", 1.0),
        (
            "stop",
            25.0,
        ),  # longer than the producer's request time-out of 20 s, after which batches used to expire
    ],
)
async def test_nothing_is_lost_over_a_restart_of_the_broker(
    make_deployment, own_broker, how, seconds
):
    """Killed, or stopped for longer than a time-out, under load: the worker lives, goes on by itself, tells all."""
    settings = {"ladder_scale": 0.001, "max_in_flight": 32}
    async with make_deployment(broker=own_broker, settings=settings) as deployment:
        worker = await deployment.ready_worker()
        orders = await under_load(deployment)
        try:
            await asyncio.to_thread(getattr(own_broker, how))

            async def stands_still():
                assert (await worker.get("/health/live")).is_success
                return await worker.metric("notifier_inflight_attempts") == 0

            await eventually(stands_still, what="the end of every call under way")
            assert await worker.metric("notifier_held_records") > 0
            await asyncio.sleep(seconds)  # how long the outage lasts
            assert (await worker.get("/health/live")).is_success
        finally:
            await asyncio.to_thread(own_broker.start)
        await deployment.delivered(orders)
        assert (await worker.get("/health/live")).is_success
        fresh = await deployment.send(
            payment_event(profile, rng=deployment.rng) for profile in PROFILES
        )
        await deployment.delivered(fresh)
        await deployment.all_committed()
        assert await deployment.dead_letters() == []
        repeats = sum(len(deployment.requests(order)) - 1 for order in orders)
        assert repeats <= EVENTS // 2
        made = attempts_made(await deployment.attempts())
        assert {order: len(deployment.requests(order)) for order in fresh} == {
            order: made[order] for order in fresh
        }
        assert await worker.stop() == 0


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_a_worker_ends_although_its_broker_is_away(make_deployment, own_broker, how):
    """What it could not write is nobody's word yet: the records that it came from are handled by the next worker."""
    async with make_deployment(broker=own_broker, settings={"max_in_flight": 32}) as deployment:
        worker = await deployment.ready_worker()
        orders = await under_load(deployment)
        try:
            await asyncio.to_thread(getattr(own_broker, how))
            assert await worker.stop() == 0
        finally:
            if how == "freeze":
                await asyncio.to_thread(own_broker.thaw)
            await asyncio.to_thread(own_broker.start)
        await deployment.ready_worker()
        await deployment.delivered(orders)
        assert await deployment.dead_letters() == []
