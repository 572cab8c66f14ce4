"""A cluster of three loses and regains each of its brokers under load, and its leaders move."""

import asyncio

import pytest

from streams.sandbox.cluster import Cluster
from tests.support.cluster import controller_of, in_sync, leaders_of, move_leaders

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(900)]

FROZEN_SECONDS = 15.0
"""More than the 3 s after which the controller lets others lead what a silent broker led."""

MOVES = 5


@pytest.fixture
def cluster(tmp_path):
    """Three brokers that may be broken."""
    with Cluster(tmp_path) as running:
        yield running


async def _lost_and_regained(rehearsal, cluster, lose, regain, *, most_seconds=0.0):
    """Lose and regain each broker in turn, always with the two others whole; note how often the controller changed."""
    changes, before = 0, await controller_of(cluster.bootstrap)
    for node in cluster.nodes:
        led = list((await leaders_of(cluster.bootstrap)).values()).count(node.number)
        since = rehearsal.clock.now_ms()
        await asyncio.to_thread(lose, node)
        await asyncio.sleep(most_seconds)
        if not most_seconds:
            await rehearsal.delivering()  # while it is away
        await asyncio.to_thread(regain, node)
        await in_sync(cluster.bootstrap)
        await rehearsal.delivering()
        rehearsal.broke(since)
        after = await controller_of(cluster.bootstrap)
        changes, before = changes + (after != before), after
        rehearsal.say(f"broker {node.number}, which led {led} partitions, was away and is back")
    assert changes, "the controller never changed, although each node was away once"
    rehearsal.counts |= {
        "brokers lost and regained": len(cluster.nodes),
        "other controllers": changes,
    }


async def test_each_broker_is_killed(rehearse, cluster):
    """SIGKILL of each broker in turn, the others go on: nothing is lost or early, and all of it arrives."""
    async with rehearse("cluster: each broker killed", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {})
        await _lost_and_regained(
            rehearsal, cluster, lambda node: node.kill(), lambda node: node.start()
        )
        await rehearsal.end(*workers)


async def test_the_brokers_are_restarted_in_turn(rehearse, cluster):
    """A rolling restart, as an upgrade does it."""
    async with rehearse("cluster: rolling restart", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {})
        await _lost_and_regained(
            rehearsal, cluster, lambda node: node.stop(), lambda node: node.start()
        )
        await rehearsal.end(*workers)


async def test_each_broker_freezes(rehearse, cluster):
    """SIGSTOP of each broker in turn, connections open: who led is replaced, and clients find out."""
    async with rehearse("cluster: each broker frozen", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {})
        await _lost_and_regained(
            rehearsal,
            cluster,
            lambda node: node.freeze(),
            lambda node: node.thaw(),
            most_seconds=FROZEN_SECONDS,
        )
        rehearsal.counts["seconds frozen"] = FROZEN_SECONDS
        await rehearsal.end(*workers)


async def test_the_leaders_move(rehearse, cluster):
    """Every partition gets another leader, those of the offsets too, so that coordinators move: nothing is repeated for long."""
    async with rehearse("cluster: leaders moved", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {})
        moved = 0
        for move in range(MOVES):
            since = rehearsal.clock.now_ms()
            moved += await move_leaders(cluster.bootstrap)
            await rehearsal.delivering()
            rehearsal.broke(since)
            rehearsal.say(f"{move + 1} of {MOVES} moves")
        rehearsal.counts |= {"moves of every leader": MOVES, "leaders moved": moved}
        await rehearsal.end(*workers)
