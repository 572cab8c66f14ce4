"""The ledger's evidence from a real broker is complete."""

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.sandbox.client import create_topic
from streams.sandbox.ledger import Kept
from streams.sandbox.ledger_evidence import (
    committed_offsets,
    read_topics,
    settled_offsets,
    topics_with_prefix,
    write_records,
)

pytestmark = pytest.mark.kafka


async def test_reads_all_that_was_written(broker):
    """Every record of every partition, tombstones and headerless ones too, where the broker said that it put them."""
    await create_topic(broker.bootstrap, "evidence-a", 3)
    await create_topic(broker.bootstrap, "evidence-empty", 2)
    values = [(f"key {number}".encode(), f"value {number}".encode()) for number in range(500)]
    sent = [*values, (b"tombstone", None)]
    places = await write_records(broker.bootstrap, "evidence-a", sent)
    names = await topics_with_prefix(broker.bootstrap, "evidence")
    assert names == ["evidence-a", "evidence-empty"]
    kept = await read_topics(broker.bootstrap, names)
    assert {record.place: (record.key, record.value) for record in kept} == dict(
        zip(places, sent, strict=True)
    )
    assert len(kept) == 501
    assert all(record.origin == record.place for record in kept)


async def test_tells_what_groups_have_committed(broker):
    """Offsets of several groups come together; what was never committed is absent, and waiting for it ends in time."""
    for name in ("evidence-b", "evidence-c"):
        await create_topic(broker.bootstrap, name, 2)
    for group, topic in (("group-b", "evidence-b"), ("group-c", "evidence-c")):
        consumer = AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, 1)])
            await consumer.commit({TopicPartition(topic, 1): 7})
        finally:
            await consumer.stop()
    groups = ["group-b", "group-c"]
    expected = {("evidence-b", 1): 7, ("evidence-c", 1): 7}
    assert await committed_offsets(broker.bootstrap, groups) == expected
    read = [Kept("evidence-b", 1, 6, b""), Kept("evidence-b", 1, 5, b"")]
    assert await settled_offsets(broker.bootstrap, groups, read, 30) == expected
    unread = [Kept("evidence-b", 1, 7, b"")]
    assert await settled_offsets(broker.bootstrap, groups, unread, 0) == expected
