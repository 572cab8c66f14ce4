"""After a rebalance a worker reads from what is committed, wherever it stood."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.consumer.standing import Standing
from streams.sandbox.client import create_topic
from streams.sandbox.ledger_evidence import write_records

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("committed", [None, 0, 2])
async def test_records_that_were_fetched_and_dropped_are_read_again(broker, committed):
    """Also where nothing or 0 is committed: records of a fresh partition were lost when a rebalance dropped them."""
    name = f"seeking-{committed}"
    await create_topic(broker.bootstrap, name, 1)
    await write_records(broker.bootstrap, name, [(None, b"%d" % number) for number in range(5)])
    consumer = AIOKafkaConsumer(
        name,
        bootstrap_servers=broker.bootstrap,
        group_id=name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        partition = TopicPartition(name, 0)
        for _ in range(5):
            await consumer.getone()
        if committed is not None:
            await consumer.commit({partition: committed})
        unasked: Any = SimpleNamespace()
        lanes: Any = SimpleNamespace(recalled_of=lambda _topic: 0)
        standing = Standing(lambda: consumer, lambda: lanes, unasked)
        standing.seek(await standing.starts())
        again = await consumer.getone()
    finally:
        await consumer.stop()
    assert again.offset == (committed or 0)
