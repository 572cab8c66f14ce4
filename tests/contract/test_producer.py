"""What the producer promises, with a broker in memory and with a real one: the fake refuses and keeps what Kafka does."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field

import pytest

from streams.kafka.connection import Connection
from streams.kafka.format.records import OutRecord
from streams.kafka.producer import RecordProducer, RecordTooLarge
from streams.kafka.reader.reader import RecordReader
from streams.sandbox.client import create_topic
from tests.support.kafka import administration
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import MemoryBroker, MemoryRecordProducer


@dataclass
class InMemory:
    """The producer over a broker in memory."""

    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def __post_init__(self):
        self.producer = MemoryRecordProducer(self.broker)

    async def topic(self, name, config):
        if "max.message.bytes" in config:
            self.broker.max_message_bytes[name] = int(config["max.message.bytes"])
        if config.get("message.timestamp.type") == "LogAppendTime":
            self.broker.append_time_ms = time.time_ns() // 1_000_000
        return name

    async def stored(self, topic):
        return [(r.key, r.value, r.headers) for r in self.broker.on(topic)]

    async def close(self):
        await self.producer.stop()


class OnKafka:
    """The producer over a real broker."""

    def __init__(self, bootstrap):
        self.connection = Connection(bootstrap)
        self.bootstrap = bootstrap
        self.topics = []
        self.producer = RecordProducer(self.connection, "contract", lambda _: None)

    async def topic(self, name, config):
        self.topics.append(f"{name}-{uuid.uuid4()}")
        await create_topic(self.bootstrap, self.topics[-1], 1, config)
        return self.topics[-1]

    async def stored(self, topic):
        async with RecordReader(self.connection, "contract") as reader:
            batches = [batch async for batch in reader.read(await reader.spans(topic))]
        return [(r.key, r.value, r.headers) for batch in batches for r in batch]

    async def close(self):
        await self.producer.stop()
        async with administration(self.bootstrap) as admin:
            await admin.delete_topics(self.topics)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def side(request):
    """A producer of each kind, with what looks at its topics."""
    made = (
        InMemory()
        if request.param == "memory"
        else OnKafka(request.getfixturevalue("broker").bootstrap)
    )
    yield made
    await made.close()


async def test_what_was_written_stands_there_to_the_byte(side):
    """Keys, values and headers, also none, repeated ones, binary ones and names that are no UTF-8."""
    topic = await side.topic("plain", {})
    records = [
        OutRecord(topic, b"k", b"v", (("a", b"1"), ("a", b"2"), ("empty", b""), ("none", None))),
        OutRecord(topic, None, b"\xff\x00", (("binary", b"\xff"),)),
        OutRecord(topic, b"tombstone", None),
        OutRecord(topic, b"", b"raw", (("n\udcff", b"1"),)),
    ]
    for record in records:
        await side.producer.write(record)
    assert await side.stored(topic) == [(r.key, r.value, r.headers) for r in records]


async def test_it_returns_one_answer_for_each_record(side):
    """In the order in which they were given."""
    topic = await side.topic("many", {})
    written = await side.producer.write(
        *(OutRecord(topic, b"k", str(number).encode()) for number in range(50))
    )
    assert len(written) == 50
    assert sorted(value for _, value, _ in await side.stored(topic)) == sorted(
        str(number).encode() for number in range(50)
    )


async def test_the_writers_own_time_is_not_taken_for_the_brokers(side):
    """Only a topic that the broker stamps tells its clock."""
    topic = await side.topic("created", {"message.timestamp.type": "CreateTime"})
    assert [w.append_time_ms for w in await side.producer.write(OutRecord(topic, b"k", b"v"))] == [
        -1
    ]


async def test_the_brokers_time_is_told(side):
    """Where the topic is stamped when a record is appended."""
    topic = await side.topic("stamped", {"message.timestamp.type": "LogAppendTime"})
    (written,) = await side.producer.write(OutRecord(topic, b"k", b"v"))
    assert abs(written.append_time_ms - time.time_ns() // 1_000_000) < 600_000


async def test_what_no_broker_takes_is_refused_for_good(side):
    """Before it is sent: no retry would help."""
    topic = await side.topic("large", {})
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes of the topic"):
        await side.producer.write(OutRecord(topic, None, b"x" * 1_048_576))
    assert await side.stored(topic) == []


async def test_what_a_topic_does_not_take_is_refused_for_good(side):
    """By the broker; what was written before and after it stands."""
    topic = await side.topic("small", {"max.message.bytes": "1000"})
    await side.producer.write(OutRecord(topic, b"k", b"before"))
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes of the topic"):
        await side.producer.write(OutRecord(topic, b"k", b"x" * 2000))
    await side.producer.write(OutRecord(topic, b"k", b"after"))
    assert [value for _, value, _ in await side.stored(topic)] == [b"before", b"after"]


async def test_a_refused_record_takes_no_other_with_it(side):
    """What was to be written with it stands once it is known which one was refused, before it or behind it."""
    small, large = (
        await side.topic("small", {"max.message.bytes": "1000"}),
        await side.topic("all", {}),
    )
    refused = OutRecord(small, b"k", b"x" * 2000)
    with pytest.raises(RecordTooLarge) as raised:
        await side.producer.write(
            OutRecord(large, b"k", b"before"), refused, OutRecord(large, b"k", b"behind")
        )
    assert raised.value.record is refused
    assert {value for _, value, _ in await side.stored(large)} == {b"before", b"behind"}


async def test_records_that_fit_alone_are_taken_where_their_batch_is_too_large(side):
    """A topic may take less than a batch holds: none of the batch's records is called too large for that."""
    topic = await side.topic("narrow", {"max.message.bytes": "1000"})
    values = [b"%d" % n + b"x" * 300 for n in range(8)]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*(side.producer.write(OutRecord(topic, b"k", v)) for v in values))
    assert {value for _, value, _ in await side.stored(topic)} == set(values)


async def test_a_record_needs_a_key_or_a_value(side):
    """aiokafka takes no other: `Settlements.of_dead_letter` counts on it."""
    topic = await side.topic("nothing", {})
    with pytest.raises(AssertionError, match="Need at least one"):
        await side.producer.write(OutRecord(topic, None, None))


async def test_it_lives_until_it_is_stopped(side):
    """`/health/live` asks; afterwards nothing is written any more."""
    topic = await side.topic("stopped", {})
    await side.producer.start()
    assert side.producer.alive
    await side.producer.stop()
    assert not side.producer.alive
    with pytest.raises(asyncio.CancelledError):
        await side.producer.write(OutRecord(topic, b"k", b"v"))
