"""One way to ask two Kafkas: the real broker, and the model of it. What holds on both is what the model may be trusted in."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.simulation.kafka.cluster import Cluster
from tests.simulation.loop import Process, WorldLoop
from tests.simulation.network import Network
from tests.simulation.worker import forget_brokers, in_the_world


class Kafka(Protocol):
    """What a contract needs beside the client library."""

    bootstrap: str

    async def create(self, topic: str, partitions: int, *, append_time: bool = False) -> None:
        """Make a topic."""

    async def delete(self, topic: str) -> None:
        """Delete it."""

    async def transaction(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        """Write values to partition 0 in a transaction, and end it."""


Contract = Callable[[Kafka], Awaitable[None]]


def batch(*values: bytes, producer: int = -1, sequence: int = -1, transactional: bool = False) -> bytes:  # fmt: skip
    """Return a batch of records as a producer sends it."""
    builder = DefaultRecordBatchBuilder(2, 0, int(transactional), producer, 0, sequence, 1 << 20)
    for number, value in enumerate(values):
        builder.append(number, 1_795_342_530_000, b"k", value, [])
    return bytes(builder.build())


class RealKafka:
    """A broker that runs."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    @asynccontextmanager
    async def _admin(self) -> Any:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def create(self, topic: str, partitions: int, *, append_time: bool = False) -> None:
        stamp = {"message.timestamp.type": "LogAppendTime"} if append_time else {}
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=stamp)])

    async def delete(self, topic: str) -> None:
        async with self._admin() as admin:
            await admin.delete_topics([topic])

    async def transaction(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=f"tx-{topic}"
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            for value in values:
                await producer.send(topic, value, partition=0)
            await producer.flush()
            await (producer.commit_transaction() if commit else producer.abort_transaction())
        finally:
            await producer.stop()


class ModelKafka:
    """The model, in a world of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.bootstrap = cluster.bootstrap
        self._cluster = cluster
        self._producers = 5000

    async def create(self, topic: str, partitions: int, *, append_time: bool = False) -> None:
        self._cluster.create(topic, partitions, append_time=append_time)

    async def delete(self, topic: str) -> None:
        self._cluster.delete(topic)

    async def transaction(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        self._producers += 1
        raw = batch(*values, producer=self._producers, sequence=0, transactional=True)
        self._cluster.write(topic, 0, raw)
        log = self._cluster.topics[topic].logs[0]
        log.mark(self._producers, commit=commit, now_ms=self._cluster.now_ms())
        log.replicate()


def on_the_real_one(bootstrap: str, contract: Contract) -> None:
    """Play a contract on a broker."""
    asyncio.run(_bounded(contract, RealKafka(bootstrap)))


def on_the_model(contract: Contract) -> None:
    """Play it on the model, in virtual time."""
    with in_the_world():
        _play(contract)


def _play(contract: Contract) -> None:
    forget_brokers()
    loop = WorldLoop("contract")
    network = Network(loop)
    cluster = Cluster(loop, network, Process("brokers"), 1, lambda _: None)
    client = Process("client").context()
    loop.run_until_complete(
        loop.create_task(_bounded(contract, ModelKafka(cluster)), context=client)
    )
    loop.end()


async def _bounded(contract: Contract, kafka: Kafka) -> None:
    async with asyncio.timeout(180):
        await contract(kafka)


@asynccontextmanager
async def raw_client(kafka: Kafka, topic: str) -> Any:
    """Give a client for requests as they go over the wire, that knows a topic's leaders."""
    client = AIOKafkaClient(bootstrap_servers=kafka.bootstrap)
    await client.bootstrap()
    try:
        await client._wait_on_metadata(topic)
        yield client
    finally:
        await client.close()
