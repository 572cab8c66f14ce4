"""Kafka as a test looks at it: whole topics, committed offsets, and records that no decent program writes."""

import json
from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.record.util import calc_crc32c

from streams.sandbox.client import has_leaders
from tests.support.waiting import eventually

LARGEST_REQUEST = 16 * 1024 * 1024
_CRC_AT = 17  # in a batch, over all that follows it


@asynccontextmanager
async def administration(bootstrap: str):
    """Give an admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def add_partitions(admin: AIOKafkaAdminClient, topics: Mapping[str, int]) -> None:
    """Let topics have so many partitions, and wait until each can be written to.

    Brokers answer before they have heard of them, and a producer of aiokafka that asks too early refuses to write to one.
    """
    await admin.create_partitions({name: NewPartitions(count) for name, count in topics.items()})

    async def led() -> bool:
        return all([await has_leaders(admin, name, count) for name, count in topics.items()])

    await eventually(led, what=f"leaders of {dict(topics)}")


async def partitions_of(bootstrap: str, topics: Iterable[str]) -> list[TopicPartition]:
    """Return the partitions of topics."""
    async with administration(bootstrap) as admin:
        described = await admin.describe_topics(list(topics))
    return [
        TopicPartition(topic["topic"], part["partition"])
        for topic in described
        for part in topic["partitions"]
    ]


class TopicReader:
    """Reads the partitions that a topic has now from their beginning, and what is appended while it is open.

    Args:
        bootstrap: of the brokers.
        topic: which one.

    Attributes:
        records: what was read so far, in the order of the timestamps.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.records: list[ConsumerRecord] = []
        self._bootstrap, self._topic = bootstrap, topic
        self._partitions: list[TopicPartition] = []
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            max_partition_fetch_bytes=LARGEST_REQUEST,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        try:
            self._partitions = await partitions_of(self._bootstrap, [self._topic])
            self._consumer.assign(self._partitions)
            await self._consumer.seek_to_beginning(*self._partitions)
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def to_end(self) -> list[ConsumerRecord]:
        """Read on to the end that the topic has now; return what is new."""
        stored = await self._consumer.end_offsets(self._partitions)
        behind = set(self._partitions)
        new: list[ConsumerRecord] = []
        while behind := {p for p in behind if await self._consumer.position(p) < stored[p]}:
            for batch in (await self._consumer.getmany(timeout_ms=200)).values():
                new += batch
        self.records += new
        self.records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
        return new


async def read_topic(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Return every record that stands in a topic now, in the order of their timestamps."""
    async with TopicReader(bootstrap, topic) as reader:
        await reader.to_end()
        return reader.records


def values_of(records: Iterable[ConsumerRecord]) -> list[dict[str, Any]]:
    """Return the JSON objects in records, each with the time it was appended as `append_ms`."""
    return [json.loads(record.value) | {"append_ms": record.timestamp} for record in records]


async def read_values(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    """Return the JSON objects that stand in a topic, each with the time it was appended as `append_ms`."""
    return values_of(await read_topic(bootstrap, topic))


async def ends_of(bootstrap: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Return the end of every partition that has records, by topic and partition."""
    async with ends(bootstrap, topics) as look:
        found: dict[tuple[str, int], int] = await look()
        return found


@asynccontextmanager
async def ends(bootstrap: str, topics: Iterable[str]):
    """Give what returns the end of every partition that has records, as often as it is asked."""
    partitions = await partitions_of(bootstrap, topics)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()

    async def look() -> dict[tuple[str, int], int]:
        stored = await consumer.end_offsets(partitions)
        return {(part.topic, part.partition): end for part, end in stored.items() if end}

    try:
        yield look
    finally:
        await consumer.stop()


async def offsets_of(admin: AIOKafkaAdminClient, group: str) -> dict[tuple[str, int], int]:
    """Return a group's committed offsets by topic and partition; those without one are left out."""
    found = await admin.list_consumer_group_offsets(group)
    return {(part.topic, part.partition): seen.offset for part, seen in found.items()}


@asynccontextmanager
async def producer(bootstrap: str, compression: str | None = None):
    """Give a producer for records of up to 16 MiB."""
    client = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        max_request_size=LARGEST_REQUEST,
        compression_type=compression,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def write_header_name(
    bootstrap: str,
    topic: str,
    value: bytes,
    name: bytes,
    others: Iterable[tuple[str, bytes | None]] = (),
) -> None:
    """Write a record to partition 0 with a header of this name, which need not be UTF-8 as aiokafka would have it."""
    stand_in = "?" * len(name)
    async with producer(bootstrap) as client:
        batch = client.create_batch()
        batch.append(key=None, value=value, timestamp=None, headers=[(stand_in, b""), *others])
        batch.close()
        raw = bytes(batch._build()).replace(stand_in.encode(), name)
        checked = raw[_CRC_AT + 4 :]
        batch._buffer = raw[:_CRC_AT] + calc_crc32c(checked).to_bytes(4, "big") + checked
        await (await client.send_batch(batch, topic, partition=0))


def header_texts(record: ConsumerRecord) -> dict[str, str]:
    """Return a record's headers as text, those with a value; bytes that are no UTF-8 become lone surrogates."""
    return {
        name: value.decode("utf-8", "surrogateescape")
        for name, value in record.headers
        if value is not None
    }


def header_bytes(headers: Mapping[str, str | bytes]) -> list[tuple[str, bytes]]:
    """Return headers as a producer takes them."""
    return [
        (name, value.encode() if isinstance(value, str) else value)
        for name, value in headers.items()
    ]


def by_order(records: Iterable[ConsumerRecord]) -> dict[str, list[ConsumerRecord]]:
    """Return records by their key."""
    found: dict[str, list[ConsumerRecord]] = {}
    for record in records:
        found.setdefault((record.key or b"").decode("utf-8", "surrogateescape"), []).append(record)
    return found
