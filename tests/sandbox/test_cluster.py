"""The rehearsal cluster is a real one: it outlives the loss of any one node, and keeps what it had acknowledged."""

import asyncio

import pytest
from aiokafka.errors import KafkaError

from streams.sandbox.client import cluster_seen, create_topic
from streams.sandbox.cluster import Cluster
from streams.sandbox.ledger_evidence import read_topics, write_records
from streams.sandbox.node import BrokerError
from tests.support.cluster import controller_of, described, in_sync, leaders_of, move_leaders
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka


async def test_a_node_may_be_lost_and_regained(tmp_path):
    """While one is away the other two lead and take records; back again it has every copy. Nothing stays on disk."""
    with Cluster(tmp_path) as cluster:
        seen = cluster_seen(cluster.bootstrap)
        assert seen is not None
        assert seen.brokers == {1, 2, 3}
        await create_topic(cluster.bootstrap, "kept", 3, copies=cluster.copies)
        node = cluster.nodes[0]
        await asyncio.to_thread(node.kill)
        assert node.pid is None

        async def led_by_others():
            try:
                leaders = await leaders_of(cluster.bootstrap, ["kept"])
            except KafkaError:  # the first to be asked was the lost one
                return False
            return node.number not in leaders.values() and min(leaders.values()) > 0

        await eventually(led_by_others, what="other leaders", every_seconds=0.5)
        written = {b"%d" % number for number in range(30)}
        await write_records(cluster.bootstrap, "kept", [(key, b"v") for key in written])
        await asyncio.to_thread(node.start)
        await in_sync(cluster.bootstrap)
        kept = await read_topics(cluster.bootstrap, ["kept"])
        assert {record.key for record in kept} == written
        assert await controller_of(cluster.bootstrap) in {1, 2, 3}
        assert await move_leaders(cluster.bootstrap, ["kept"]) == 3
        assert {len(part["replicas"]) for part in await described(cluster.bootstrap)} == {3}
    assert list(tmp_path.iterdir()) == []


def test_a_node_starts_only_with_its_cluster(tmp_path):
    """Alone and without data it would wait for the others for ever: a mistake with a name."""
    with pytest.raises(BrokerError, match="start its cluster first"):
        Cluster(tmp_path).nodes[0].start()
    assert list(tmp_path.iterdir()) == []
