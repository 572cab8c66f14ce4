"""What a reader of topics gives, from records in memory and from a real broker."""

import uuid

import pytest

from streams.kafka.connection import Connection
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.reader.reader import RecordReader
from streams.sandbox.client import create_topic
from streams.sandbox.ledger_evidence import write_records
from tests.support.kafka import administration
from tests.unit.kit import MemoryReader

COUNT = 40


class InMemory:
    """The reader that unit tests use."""

    topic = "pn-dead-letter"

    async def __aenter__(self):
        return MemoryReader(
            *(
                RawRecord(self.topic, 0, number, f"k{number}".encode(), b"v", (), 1)
                for number in range(COUNT)
            )
        )

    async def __aexit__(self, *_):
        pass


class OnKafka:
    """The reader of a real broker, on a topic of one partition."""

    def __init__(self, bootstrap):
        self.bootstrap, self.topic = bootstrap, f"contract-{uuid.uuid4()}"
        self.reader = RecordReader(Connection(bootstrap), "contract")

    async def __aenter__(self):
        await create_topic(self.bootstrap, self.topic, 1)
        await write_records(
            self.bootstrap,
            self.topic,
            ((f"k{number}".encode(), b"v") for number in range(COUNT)),
        )
        return await self.reader.__aenter__()

    async def __aexit__(self, *_):
        await self.reader.__aexit__()
        async with administration(self.bootstrap) as admin:
            await admin.delete_topics([self.topic])


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def side(request):
    """A reader of each kind, and its topic."""
    if request.param == "memory":
        return InMemory()
    return OnKafka(request.getfixturevalue("broker").bootstrap)


async def test_spans_hold_all_that_stands_there(side):
    """In order, each record once."""
    async with side as reader:
        spans = await reader.spans(side.topic)
        batches = [batch async for batch in reader.read(spans)]
    assert [record.offset for batch in batches for record in batch] == list(range(COUNT))
    assert all(batches)
    assert {record.record_id.topic for batch in batches for record in batch} == {side.topic}


async def test_a_span_has_no_record_before_or_after_it(side):
    """Its end does not belong to it."""
    async with side as reader:
        (span,) = await reader.spans(side.topic)
        part = type(span)(span.topic, span.partition, 5, 23)
        batches = [batch async for batch in reader.read([part])]
    assert [record.offset for batch in batches for record in batch] == list(range(5, 23))


async def test_one_record_is_given_by_its_id(side):
    """And None where none stands."""
    async with side as reader:
        record = await reader.at(RecordId(side.topic, 0, 17))
        assert (record.offset, record.key, record.value) == (17, b"k17", b"v")
        assert await reader.at(RecordId(side.topic, 0, COUNT)) is None
        assert await reader.at(RecordId("no-such-topic", 0, 0)) is None
