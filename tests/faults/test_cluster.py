"""A cluster of three loses and regains each of its brokers under load, and its leaders move."""

import asyncio
from itertools import pairwise

import pytest

from streams.sandbox.cluster import Cluster
from tests.support.cluster import controller_of, in_sync, leaders_of, move_leaders, set_quotas

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(900)]

FROZEN_SECONDS = (15.0, 15.0, 15.0)
"""More than the 3 s after which the controller lets others lead what a silent broker led, and than the time-out of any
request that the silent one leaves without an answer."""

MOVES = 5

QUOTA_BYTES = 5_000.0
"""A second and broker, for reading and for writing: a few per cent of what the load takes."""

QUOTA_SECONDS = 25.0

RATE = 120.0
"""Events a second: the machine has three brokers to run instead of one."""


@pytest.fixture
def cluster(tmp_path):
    """Three brokers that may be broken."""
    with Cluster(tmp_path) as running:
        yield running


def _pause_seconds(rehearsal, since_ms):
    """Return the longest time without a request at the partner since then."""
    times = [since_ms, *(r.at_ms for r in rehearsal.partner.requests if r.at_ms > since_ms)]
    return max(after - before for before, after in pairwise(times)) / 1000


async def _lost_and_regained(rehearsal, cluster, lose, regain, seconds=(0.0, 0.0, 0.0)):
    """Lose and regain each broker in turn, always with the two others whole, and note what came of it.

    Args:
        rehearsal: under load.
        cluster: whose brokers.
        lose: does it to a node.
        regain: undoes it.
        seconds: how long each is away at least; it comes back when the others deliver.
    """
    changes, before, pauses = 0, await controller_of(cluster.bootstrap), []
    for node, away in zip(cluster.nodes, seconds, strict=True):
        led = list((await leaders_of(cluster.bootstrap)).values()).count(node.number)
        since = rehearsal.clock.now_ms()
        await asyncio.to_thread(lose, node)
        await asyncio.sleep(away)
        await rehearsal.delivering()
        await asyncio.to_thread(regain, node)
        await in_sync(cluster.bootstrap)
        await rehearsal.delivering()
        rehearsal.broke(since)
        pauses.append(_pause_seconds(rehearsal, since))
        after = await controller_of(cluster.bootstrap)
        changes, before = changes + (after != before), after
        rehearsal.say(
            f"broker {node.number}, which led {led} partitions, was away and is back; longest pause {pauses[-1]:.1f} s"
        )
    assert changes, "the controller never changed, although each node was away once"
    rehearsal.counts |= {
        "brokers lost and regained": len(cluster.nodes),
        "other controllers": changes,
        "longest pause in s": round(max(pauses), 1),
    }


async def test_each_broker_is_killed(rehearse, cluster):
    """SIGKILL of each broker in turn, the others go on: nothing is lost or early, and all of it arrives."""
    async with rehearse("cluster: each broker killed", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {}, rate=RATE)
        await _lost_and_regained(
            rehearsal, cluster, lambda node: node.kill(), lambda node: node.start()
        )
        await rehearsal.end(*workers)


async def test_the_brokers_are_restarted_in_turn(rehearse, cluster):
    """A rolling restart, as an upgrade does it."""
    async with rehearse("cluster: rolling restart", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {}, rate=RATE)
        await _lost_and_regained(
            rehearsal, cluster, lambda node: node.stop(), lambda node: node.start()
        )
        await rehearsal.end(*workers)


async def test_each_broker_freezes(rehearse, cluster):
    """SIGSTOP of each broker in turn, connections open: who led is replaced, and clients find out."""
    async with rehearse("cluster: each broker frozen", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {}, rate=RATE)
        await _lost_and_regained(
            rehearsal,
            cluster,
            lambda node: node.freeze(),
            lambda node: node.thaw(),
            FROZEN_SECONDS,
        )
        rehearsal.counts["seconds frozen"] = " + ".join(f"{much:g}" for much in FROZEN_SECONDS)
        await rehearsal.end(*workers)


async def test_the_leaders_move(rehearse, cluster):
    """Every partition gets another leader, those of the offsets too, so that coordinators move: nothing is repeated for long."""
    async with rehearse("cluster: leaders moved", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {}, rate=RATE)
        moved = 0
        for move in range(MOVES):
            since = rehearsal.clock.now_ms()
            moved += await move_leaders(cluster.bootstrap)
            await rehearsal.delivering()
            rehearsal.broke(since)
            rehearsal.say(f"{move + 1} of {MOVES} moves")
        rehearsal.counts |= {"moves of every leader": MOVES, "leaders moved": moved}
        await rehearsal.end(*workers)


async def test_the_workers_are_above_their_quotas(rehearse, cluster):
    """Brokers answer and then leave the connection unread for seconds: everything is slow, and nothing is repeated."""
    async with rehearse("cluster: quotas", cluster) as rehearsal:
        workers = await rehearsal.begin({}, {}, rate=RATE)
        group = rehearsal.deployment.group
        clients = [group, f"{group}-retry", f"{group}-producer"]
        kinds = ("consumer_byte_rate", "producer_byte_rate")
        await set_quotas(cluster.bootstrap, clients, dict.fromkeys(kinds, QUOTA_BYTES))
        # What was on its way when they came is told at once.
        await asyncio.sleep(QUOTA_SECONDS / 5)
        before = len(rehearsal.partner.requests)
        await asyncio.sleep(QUOTA_SECONDS)
        slow = (len(rehearsal.partner.requests) - before) / QUOTA_SECONDS
        assert slow < RATE / 2, "the quotas held nothing back"
        await set_quotas(cluster.bootstrap, clients, dict.fromkeys(kinds))
        await rehearsal.delivering()
        rehearsal.counts |= {"seconds above the quotas": QUOTA_SECONDS, "calls/s then": slow}
        await rehearsal.end(*workers)
