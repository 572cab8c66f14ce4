"""Fetch sessions where the broker loses them: it starts again, or gives their room to others. And a worker that is idle."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.patches.fetch_sessions import keep_sessions
from streams.sandbox.broker import Broker
from streams.sandbox.client import create_topic
from streams.sandbox.cluster import Cluster
from streams.sandbox.ledger_evidence import write_records
from streams.sandbox.payments import payment_event
from tests.simulation.clients import raw_client
from tests.support.deployment import Deployment
from tests.support.fetches import RawFetch, overheard
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

WAIT_MS = 100


@asynccontextmanager
async def reading(bootstrap, topic, partitions):
    """Give a consumer of a topic that keeps sessions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, fetch_max_wait_ms=WAIT_MS, enable_auto_commit=False
    )
    await consumer.start()
    try:
        keep_sessions(consumer)
        all_of_it = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(all_of_it)
        for tp in all_of_it:
            consumer.seek(tp, 0)
        yield consumer
    finally:
        await consumer.stop()


async def values(consumer, how_many):
    """Return the next so many values."""
    found: list[bytes] = []
    async with asyncio.timeout(120):
        while len(found) < how_many:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record.value for record in records]
    return sorted(found)


async def idle(consumer):
    """Poll for a while."""
    for _ in range(5):
        assert not await consumer.getmany(timeout_ms=200)


async def write(bootstrap, topic, *written):
    await write_records(bootstrap, topic, ((value, value) for value in written))


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_session_is_gone_with_its_broker(own_broker, how):
    """The first fetch after it is refused or fails, the next names everything: what was written meanwhile is read once."""
    await create_topic(own_broker.bootstrap, "t", 3)
    async with reading(own_broker.bootstrap, "t", 3) as consumer:
        with overheard() as heard:
            await write(own_broker.bootstrap, "t", b"1", b"2")
            assert await values(consumer, 2) == [b"1", b"2"]
            await idle(consumer)
            before = heard[-1].number
            assert before > 0
            assert not heard[-1].named
            await asyncio.to_thread(getattr(own_broker, how))
            await asyncio.to_thread(own_broker.start)
            await write(own_broker.bootstrap, "t", b"3")
            assert await values(consumer, 1) == [b"3"]
            await idle(consumer)
            assert heard[-1].number not in {0, before}
            assert not heard[-1].named


async def test_a_session_may_have_to_make_room(own_broker):
    """Its reader begins another at once; nothing is lost or read twice.

    A broker puts a session out after two minutes at the earliest. Here somebody else ends it, by its number.
    """
    await create_topic(own_broker.bootstrap, "t", 3)
    async with reading(own_broker.bootstrap, "t", 3) as consumer:
        with overheard() as heard:
            await write(own_broker.bootstrap, "t", b"1")
            assert await values(consumer, 1) == [b"1"]
            await idle(consumer)
            before = heard[-1].number
            assert before > 0
            begun = len(heard)
            async with raw_client(own_broker, "t") as client:
                ends = RawFetch("t", {0: 0}, before, -1, wait_ms=0)
                await client.send(client.get_random_node(), ends)
            await idle(consumer)
            await write(own_broker.bootstrap, "t", b"2")
            assert await values(consumer, 1) == [b"2"]
        (whole,) = [one for one in heard[begun:] if one.epoch == 0]
        assert len(whole.named) == 3
        assert heard[-1].number not in {0, before}


async def test_a_broker_without_room_for_sessions(tmp_path):
    """Each fetch names everything, waits for records as ever, and brings them."""
    properties = {"max.incremental.fetch.session.cache.slots": "0"}
    with Broker(tmp_path, properties=properties) as broker:
        await create_topic(broker.bootstrap, "t", 3)
        async with reading(broker.bootstrap, "t", 3) as consumer:
            with overheard() as heard:
                await write(broker.bootstrap, "t", b"1", b"2")
                assert await values(consumer, 2) == [b"1", b"2"]
                del heard[:]
                begun = asyncio.get_running_loop().time()
                await idle(consumer)
                seconds = asyncio.get_running_loop().time() - begun
        assert {(one.number, one.epoch, len(one.named)) for one in heard} == {(0, 0, 3)}
        assert len(heard) < 2 * seconds * 1000 / WAIT_MS


async def test_an_idle_worker_names_nothing(partner, keys, tmp_path):
    """As its broker heard it: neither group names a partition, and the answers are empty."""
    with Cluster(tmp_path, log_levels={"kafka.request.logger": "debug"}) as cluster:
        deployment = Deployment(cluster, partner, keys, tmp_path, 3, {"ladder_scale": 0.1})
        try:
            await deployment.create_topics()
            worker = await deployment.ready_worker()
            url = deployment.partner.notify_url("mpp-to-ant", "U,S")
            events = [payment_event("mpp-to-ant", rng=deployment.rng, notify_url=url) for _ in range(20)]  # fmt: skip
            await deployment.delivered(await deployment.send(events))
            await deployment.all_committed()

            async def names_nothing():
                last = [_fetches(node, deployment.group)[-8:] for node in cluster.nodes]
                return all(
                    fetch["request"]["sessionEpoch"] > 0
                    and not fetch["request"]["topics"]
                    and not fetch["response"]["responses"]
                    for fetches in last
                    for fetch in fetches
                ) and all(last)

            await eventually(names_nothing, what="fetches that name nothing", every_seconds=0.5)
            assert await worker.stop() == 0
            assert deployment.unwanted == []
        finally:
            deployment.kill_workers()


def _fetches(node, group):
    """Return the fetches of a worker at a node, from its log."""
    found = []
    for line in node.log_tail(1_000_000).splitlines():
        _, completed, text = line.partition("Completed request:")
        if completed:
            said = json.loads(text)
            header = said["requestHeader"]
            if header["requestApiKeyName"] == "FETCH" and header["clientId"].startswith(group):
                found.append(said)
    return found
