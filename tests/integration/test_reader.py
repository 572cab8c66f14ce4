"""Reading parts of topics: exactly the records between two offsets, and always to an end."""

import time

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from streams.kafka.connection import Connection
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.partitioning import partition_of
from streams.kafka.reader.reader import ReadProgress, RecordReader, Span
from streams.kafka.reader.tail import Tail
from tests.support.kafka import administration, producer, write_header_name

pytestmark = pytest.mark.kafka

FIRST_MS = time.time_ns() // 1_000_000 - 60_000
"""The first record's time. Of long ago, and the broker's retention would delete it in the middle of a test."""


@pytest.fixture
async def topic(make_deployment):
    """Give a deployment whose source topic has 500 records with keys in two partitions."""
    async with make_deployment() as deployment:
        async with producer(deployment.bootstrap) as client:
            for number in range(500):
                await client.send(
                    deployment.source,
                    b"v%d" % number,
                    b"k%d" % number,
                    timestamp_ms=FIRST_MS + number,
                )
        yield deployment


@pytest.fixture
async def reader(broker):
    """Give a reader."""
    async with RecordReader(Connection(broker.bootstrap), "test-reader") as opened:
        yield opened


async def everything(reader, spans, on_progress=None):
    return [record async for batch in reader.read(spans, on_progress) for record in batch]


async def test_all_records_of_a_topic_are_read_once(topic, reader):
    """In the order of each partition, with their times; the progress ends at the whole."""
    spans = await reader.spans(topic.source)
    seen: list[ReadProgress] = []
    records = await everything(reader, spans, seen.append)
    assert sorted(record.value for record in records) == sorted(b"v%d" % n for n in range(500))
    for partition in (0, 1):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(len(offsets)))
    assert {record.timestamp_ms - int(record.value[1:]) for record in records} == {FIRST_MS}
    assert (seen[-1].passed, seen[-1].of) == (500, 500)
    assert [step.passed for step in seen] == sorted(step.passed for step in seen)


async def test_parts_are_read_to_the_offset(topic, reader):
    """A part has no record before or after it; an empty part has none; a record alone is found by its place."""
    spans = [Span(topic.source, 0, 10, 20), Span(topic.source, 1, 5, 5)]
    records = await everything(reader, spans)
    assert [(record.partition, record.offset) for record in records] == [
        (0, offset) for offset in range(10, 20)
    ]
    place = RecordId(topic.source, 0, 17)
    found = await reader.at(place)
    assert found.record_id == place
    assert found == records[7]
    for partition, offset in ((0, 10**6), (7, 0)):
        assert await reader.at(RecordId(topic.source, partition, offset)) is None
    assert await reader.at(RecordId("no-such-topic", 0, 0)) is None


async def test_a_key_has_one_partition_and_a_time_a_beginning(topic, reader):
    """The partition that the producer chose; records that are as young as the time, no older ones."""
    found = await reader.key_spans(topic.source, key=b"k7")
    assert partition_of(b"k7", 2) in {span.partition for span in found.likely}
    assert b"k7" in {record.key for record in await everything(reader, found.likely)}
    both = [*found.likely, *found.rest]
    assert sum(span.length for span in both) == 500
    assert len(await everything(reader, found.likely) + await everything(reader, found.rest)) == 500
    late = await everything(reader, await reader.spans(topic.source, since_ms=FIRST_MS + 400))
    assert len(late) == 100
    assert min(record.timestamp_ms for record in late) == FIRST_MS + 400
    assert (
        await everything(reader, await reader.spans(topic.source, since_ms=FIRST_MS + 86_400_000))
        == []
    )
    nothing = await reader.key_spans("no-such-topic", topic.names.replay, key=b"k")
    assert (nothing.likely, nothing.rest) == ([], [])
    assert await everything(reader, await reader.spans("no-such-topic", topic.names.replay)) == []
    async with administration(topic.bootstrap) as admin:
        assert "no-such-topic" not in await admin.list_topics()


async def test_a_read_ends_over_deleted_records_aborted_transactions_and_odd_headers(topic, reader):
    """Where positions move on without records, and where aiokafka's own consumer raises."""
    spans = await reader.spans(topic.source)
    async with administration(topic.bootstrap) as admin:
        await admin.delete_records({TopicPartition(topic.source, 0): RecordsToDelete(100)})
    records = await everything(reader, spans)
    assert min(record.offset for record in records if record.partition == 0) == 100
    client = AIOKafkaProducer(bootstrap_servers=topic.bootstrap, transactional_id=topic.group)
    await client.start()
    try:
        for ends in (client.commit_transaction, client.abort_transaction):
            await client.begin_transaction()
            await client.send_and_wait(topic.source, ends.__name__.encode(), partition=1)
            await ends()
    finally:
        await client.stop()
    await write_header_name(topic.bootstrap, topic.source, b"odd", b"\xff\xfe")
    values = {record.value for record in await everything(reader, await reader.spans(topic.source))}
    assert {b"commit_transaction", b"odd"} <= values
    assert b"abort_transaction" not in values


async def test_no_broker_is_one_sentence():
    """That names the setting."""
    with pytest.raises(ReadFailed, match=r"NOTIFIER_BROKERS: .* expected a reachable Kafka"):
        async with RecordReader(Connection("127.0.0.1:1"), "test-reader"):
            pass


async def test_a_tail_begins_at_what_is_young_enough(topic):
    """Of the topics that are named for it; whatever comes later is read, also where all there was is too old."""
    connection = Connection(topic.bootstrap)

    async def edges(since_ms, kept):
        names = [topic.source]
        async with Tail(connection, "test-tail", names, kept, lambda: since_ms) as tail:
            return (await tail.look()).values()

    for since_ms, kept in ((FIRST_MS + 400, 100), (0, 500), (FIRST_MS + 86_400_000, 0)):
        found = await edges(since_ms, [topic.source])
        assert sum(edge.end - edge.begin for edge in found) == kept
        assert sum(edge.end for edge in found) == 500
    assert sum(edge.begin for edge in await edges(FIRST_MS + 86_400_000, [])) == 0
