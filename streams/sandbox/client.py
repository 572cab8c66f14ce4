"""Kafka as the world around the notifier uses it: payment core's side, and a look whether a broker works.

Knows nothing of `streams.kafka`, as payment core doesn't.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.sandbox.payments import order_id

_LOOK_EVERY_SECONDS = 0.05
_UNACKNOWLEDGED = 1000


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """What a broker says of its cluster.

    Attributes:
        cluster: its id.
        brokers: the numbers of those that work.
    """

    cluster: str
    brokers: frozenset[int]


def cluster_seen(bootstrap: str) -> ClusterSeen | None:
    """Ask once which cluster this is; None when it does not answer within 2 s or names no broker and controller."""
    # in a thread without an event loop, because the caller's may have one running
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _cluster_seen(bootstrap)).result()


def cluster_id(bootstrap: str) -> str | None:
    """Ask once for the cluster's id; None as for `cluster_seen`."""
    seen = cluster_seen(bootstrap)
    return None if seen is None else seen.cluster


async def _cluster_seen(bootstrap: str) -> ClusterSeen | None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        await client.start()
        cluster = await client.describe_cluster()
    except (KafkaError, OSError):
        return None
    finally:
        await client.close()
    brokers = frozenset(broker["node_id"] for broker in cluster["brokers"])
    works = brokers and cluster["controller_id"] >= 0
    return ClusterSeen(str(cluster["cluster_id"]), brokers) if works else None


async def create_topic(
    bootstrap: str,
    name: str,
    partitions: int,
    config: Mapping[str, str] | None = None,
    copies: int = 1,
) -> bool:
    """Create a topic with so many replicas and return when it can be written to; False when it existed.

    Raises:
        KafkaError: the broker refused.
    """
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await client.start()
        wanted = NewTopic(name, partitions, copies, topic_configs=dict(config or {}))
        response = await client.create_topics([wanted], timeout_ms=30_000)
        _, code, message = response.topic_errors[0]
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise for_code(code)(message)
        while not await has_leaders(client, name, partitions):  # noqa: ASYNC110  # Kafka tells nobody
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return not code
    finally:
        await client.close()


async def has_leaders(client: AIOKafkaAdminClient, name: str, partitions: int) -> bool:
    """Tell whether a topic has so many partitions, and all that it has can be written to."""
    (topic,) = await client.describe_topics([name])
    described = topic["partitions"]
    return len(described) >= partitions and all(partition["leader"] >= 0 for partition in described)


async def produce(
    bootstrap: str,
    topic: str,
    events: Iterable[Mapping[str, Any]],
    *,
    rate_per_second: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write events as payment core does: JSON, keyed by the order id, acks=all. Return how many.

    Args:
        bootstrap: the brokers.
        topic: a source topic.
        events: what to write.
        rate_per_second: as fast as it goes when None.
        progress: called with the number written so far, after each.

    Raises:
        KafkaError: the broker did not take one.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    sent = 0
    pending: deque[asyncio.Future[Any]] = deque()
    try:
        await producer.start()
        started = time.monotonic()
        for event in events:
            if rate_per_second is not None:
                await asyncio.sleep(started + sent / rate_per_second - time.monotonic())
            pending.append(await producer.send(topic, encode(event), order_id(event).encode()))
            sent += 1
            if len(pending) >= _UNACKNOWLEDGED:
                await pending.popleft()
            if progress is not None:
                progress(sent)
        while pending:
            await pending.popleft()
    finally:
        await producer.stop()
    return sent


def encode(event: Mapping[str, Any]) -> bytes:
    """Return an event as a record's value."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
