"""Follower fetching (KIP-392): a worker that says where it stands reads from copies there, any other from leaders."""

import asyncio
import json

import pytest

from streams.sandbox.cluster import Cluster
from streams.sandbox.payments import payment_event
from tests.support.cluster import in_sync, leaders_of
from tests.support.deployment import Deployment
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-ant"
RACKS = ("north", "middle", "south")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three brokers in three racks, which send readers to the nearest copy and log every request."""
    properties = {
        "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"
    }
    with Cluster(
        tmp_path_factory.mktemp("cluster"),
        properties=properties,
        racks=RACKS,
        log_levels={"kafka.request.logger": "debug"},
    ) as running:
        yield running


@pytest.fixture
async def deployment(cluster, partner, keys, tmp_path):
    """An installation on it, with a ladder in seconds."""
    deployment = Deployment(cluster, partner, keys, tmp_path, 3, {"ladder_scale": 0.1})
    await deployment.create_topics()
    yield deployment
    deployment.kill_workers()
    assert deployment.unwanted == []


def _served(node, deployment):
    """Return which partitions of the source topic a node gave records of to the worker, from its log."""
    found = set()
    for line in node.log_tail(1_000_000).splitlines():
        _, completed, text = line.partition("Completed request:")
        if not completed:
            continue
        said = json.loads(text)
        header = said["requestHeader"]
        if (header["requestApiKeyName"], header["clientId"]) != ("FETCH", deployment.group):
            continue
        for topic in said["response"]["responses"]:
            if topic["topic"] == deployment.source:
                found |= {
                    part["partitionIndex"]
                    for part in topic["partitions"]
                    if part["recordsSizeInBytes"] > 0
                }
    return found


async def _send(deployment, count, script="S"):
    url = deployment.partner.notify_url(PROFILE, script)
    events = [payment_event(PROFILE, rng=deployment.rng, notify_url=url) for _ in range(count)]
    return await deployment.send(events)


async def test_a_worker_reads_from_copies_in_its_rack(cluster, deployment):
    """Once a leader has told it so, all comes from the copy nearby; when that is lost, from the leader; nothing is lost."""
    near = cluster.nodes[RACKS.index("middle")]
    worker = await deployment.ready_worker(kafka_rack="middle")
    first = await _send(deployment, 60, "U,S")
    await deployment.delivered(first)

    async def served():
        return _served(near, deployment) == {0, 1, 2}

    async def more():
        await deployment.delivered(await _send(deployment, 10))
        return await served()

    await eventually(more, what="records of every partition from the copy nearby")
    led = {
        number
        for (_, number), leader in (
            await leaders_of(deployment.bootstrap, [deployment.source])
        ).items()
        if leader == near.number
    }
    assert led < {0, 1, 2}, "a copy that leads nothing was to be read from"

    await asyncio.to_thread(near.kill)
    orders = await _send(deployment, 60, "U,S")
    await deployment.delivered(orders)
    await asyncio.to_thread(near.start)
    await in_sync(deployment.bootstrap)
    late = await _send(deployment, 30)
    await deployment.delivered(late)
    await deployment.all_committed()
    for order in [*first, *orders]:
        assert len(deployment.requests(order)) == 2
    assert await worker.stop() == 0


async def test_a_worker_without_a_rack_reads_from_leaders(cluster, deployment):
    """A cluster that has the selector serves a worker that doesn't say where it stands, from leaders alone."""
    worker = await deployment.ready_worker()
    await deployment.delivered(await _send(deployment, 60, "U,S"))
    await deployment.all_committed()
    leaders = await leaders_of(deployment.bootstrap, [deployment.source])
    for node in cluster.nodes:
        led = {number for (_, number), leader in leaders.items() if leader == node.number}
        assert _served(node, deployment) <= led
    assert await worker.stop() == 0
