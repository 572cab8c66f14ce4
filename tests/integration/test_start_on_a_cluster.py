"""The check before a start, on a cluster of which a broker is down."""

import asyncio

import pytest

from streams.kafka.admin.preflight import Brokers
from streams.kafka.admin.startup import prepare_start
from streams.sandbox.client import create_topic
from streams.sandbox.cluster import Cluster
from streams.settings import Settings

pytestmark = pytest.mark.kafka


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as running:
        yield running


async def test_a_broker_that_is_down_is_no_difference(cluster, tmp_path):
    """Topics have three copies where three brokers were; a worker that starts while one is down takes them as they are."""
    settings = Settings.model_validate(
        {
            "brokers": cluster.bootstrap,
            "partners_file": tmp_path / "partners.yaml",
            "topic_partitions": 1,
        }
    )
    await create_topic(cluster.bootstrap, settings.source_topics[0], 1, None, 3)
    async with Brokers(settings) as brokers:
        created = await brokers.create()
        assert {spec.replication for spec in await brokers.specs()} == {3}
    assert len(created) == 18
    await asyncio.to_thread(cluster.nodes[2].stop)
    async with Brokers(settings) as brokers:
        assert {spec.replication for spec in await brokers.specs()} == {3}
        assert await brokers.faults() == []
    await prepare_start(settings)
