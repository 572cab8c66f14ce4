"""The broker is killed, freezes, runs out of disk, and refuses to write, under load."""

import asyncio

import pytest

from streams.sandbox.broker import Broker
from tests.faults.disk import small_disk
from tests.faults.zombies import refuse_all
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(900)]

KILLS, FROZEN_SECONDS, FAILING_SECONDS, FULL_SECONDS = 5, 30.0, 20.0, 10.0


@pytest.fixture
def own_broker(tmp_path):
    """A broker that may be broken."""
    with Broker(tmp_path) as running:
        yield running


async def test_the_broker_is_killed(rehearse, own_broker):
    """Five SIGKILLs of the broker, each with a restart: what it had acknowledged is not lost, and all of it arrives."""
    async with rehearse("broker killed", own_broker) as rehearsal:
        workers = await rehearsal.begin({}, {})
        for kill in range(KILLS):
            await asyncio.sleep(rehearsal.rng.uniform(0.5, 2))
            since = rehearsal.clock.now_ms()
            await asyncio.to_thread(own_broker.kill)
            await asyncio.to_thread(own_broker.start)
            await rehearsal.delivering()
            rehearsal.broke(since)
            rehearsal.say(f"{kill + 1} of {KILLS} kills")
        rehearsal.counts["broker killed and restarted"] = KILLS
        await rehearsal.end(*workers)


async def test_the_broker_freezes(rehearse, own_broker):
    """SIGSTOP for 30 s, connections open: everything waits, then goes on."""
    async with rehearse("broker frozen", own_broker) as rehearsal:
        workers = await rehearsal.begin({}, {})
        since = rehearsal.clock.now_ms()
        own_broker.freeze()
        rehearsal.say(f"frozen for {FROZEN_SECONDS:g} s")
        await asyncio.sleep(FROZEN_SECONDS)
        own_broker.thaw()
        await rehearsal.delivering()
        rehearsal.broke(since)
        rehearsal.counts["seconds frozen"] = FROZEN_SECONDS
        await rehearsal.end(*workers)


async def test_the_disk_is_full(rehearse, tmp_path):
    """The broker's disk has no byte left, so that it ends; with room again it restarts, and nothing is lost."""
    with small_disk(tmp_path) as disk, Broker(disk.directory) as broker:
        async with rehearse("broker's disk full", broker) as rehearsal:
            workers = await rehearsal.begin({}, {})
            since = rehearsal.clock.now_ms()
            disk.fill(broker.pid)
            rehearsal.say(f"the disk is full: {disk.how}")

            async def ended():
                return broker.pid is None

            await eventually(ended, 60, what="the broker's end")
            await asyncio.sleep(FULL_SECONDS)
            disk.free()
            await asyncio.to_thread(broker.start)
            await rehearsal.delivering()
            rehearsal.broke(since)
            rehearsal.counts |= {"disk full": disk.how, "seconds": FULL_SECONDS}
            await rehearsal.end(*workers)


async def test_every_produce_fails(rehearse, broker):
    """For 20 s the attempts topic takes nothing, so nothing is settled; then all is, without a repeat."""
    async with rehearse("every produce fails", broker) as rehearsal:
        workers = await rehearsal.begin({}, {})
        before = await _errors(workers)
        await refuse_all(rehearsal.deployment)
        rehearsal.say(f"the attempts topic refuses all for {FAILING_SECONDS:g} s")
        await asyncio.sleep(FAILING_SECONDS)
        assert await _errors(workers) > before
        await refuse_all(rehearsal.deployment, refuse=False)
        await rehearsal.delivering()
        rehearsal.counts["seconds of failing"] = FAILING_SECONDS
        await rehearsal.end(*workers)


async def _errors(workers):
    return sum([await worker.metric("notifier_produce_errors_total") for worker in workers])
