"""The producer: again and again until the broker has it; over aiokafka's place, a broker in memory."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    NotEnoughReplicasError,
    OutOfOrderSequenceNumber,
)

from streams.kafka import producer as producer_module
from streams.kafka.connection import Connection
from streams.kafka.format.records import OutRecord
from streams.kafka.patches import quick_close
from streams.kafka.producer import RecordProducer, RecordTooLarge, Written
from streams.kafka.sizes import MAX_RECORD_BYTES
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import MemoryBroker, MemoryProducer, MemoryRecordProducer, turns

A, B, C = (OutRecord(topic, b"k", topic.encode(), (("h", b"1"),)) for topic in "abc")


@pytest.fixture(autouse=True)
def producers_start_soon(monkeypatch):
    """Wait less between the starts of two producers."""
    monkeypatch.setattr(producer_module, "_BETWEEN_STARTS_SECONDS", 0.05)


@pytest.fixture
async def producer():
    made = MemoryRecordProducer(MemoryBroker())
    yield made
    await made.stop()


async def test_it_returns_when_the_broker_has_every_record(producer):
    """And not before."""
    producer.broker.held = asyncio.Event()
    writing = asyncio.create_task(producer.write(A, B))
    await turns()
    assert producer.broker.asked == [A, B]
    assert not writing.done()
    producer.broker.held.set()
    assert await writing == [Written(-1), Written(-1)]
    assert producer.broker.written == [A, B]


async def test_the_brokers_stamp_is_told_where_there_is_one(producer):
    """Only a topic with LogAppendTime shows the broker's clock."""
    producer.broker.append_time_ms = 1234
    assert await producer.write(A) == [Written(1234)]


async def test_only_what_failed_is_written_again(producer, caplog):
    """Twice is possible, but not by us."""
    producer.broker.errors.append(KafkaTimeoutError())
    assert len(await producer.write(A, B, C)) == 3
    assert sorted(record.topic for record in producer.broker.written) == ["a", "b", "c"]
    assert producer.errors == ["a"]
    assert "writing to a failed, trying again" in caplog.text


async def test_a_failure_after_the_send_is_tried_again_too(producer):
    """The broker took it into a batch and refused the batch."""
    refused = [NotEnoughReplicasError()]

    async def store(record, size):
        if refused:
            raise refused.pop()
        producer.broker.written.append(record)
        return await real(record, size)

    await producer.start()
    real = producer.made[0]._store
    producer.made[0]._store = store
    await producer.write(A)
    assert producer.broker.written[0] == A
    assert producer.errors == ["a"]


async def test_a_producer_whose_sequence_is_lost_is_replaced(producer):
    """aiokafka goes on with it, and the broker refuses everything for ever: a worker settled nothing any more."""

    async def refuse(_record, _size):
        raise OutOfOrderSequenceNumber

    await producer.start()
    producer.made[0]._store = refuse
    await producer.write(A)
    assert producer.broker.written == [A]
    assert producer.errors == ["a"]
    await producer.stop()
    assert [made.stopped for made in producer.made] == [True, True]


async def write_beside_a_retirement(producer, wait):
    """Write while the broker refuses the producer's sequence; the write to B's topic waits for metadata meanwhile."""
    await producer.start()
    old = producer.made[0]
    send = old.send

    async def wait_for_metadata(topic, value, key, headers, *, alone):
        if topic == B.topic:
            await wait(old)
        return await send(topic, value, key, headers, alone=alone)

    async def refuse(_record, _size):
        raise OutOfOrderSequenceNumber

    old.send, old._store = wait_for_metadata, refuse
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(producer.write(B, C), producer.write(A))


async def ask(client):
    """Wait for metadata, as aiokafka's client does."""
    if client._md_update_fut is None:
        client._md_update_fut = asyncio.get_running_loop().create_future()
    await asyncio.shield(client._md_update_fut)


async def ask_once_closed(client):
    """Sleep between two questions while the client is closed, and ask again."""
    while not client.stopped:
        await turns()
    await turns()
    await ask(client)


@pytest.mark.parametrize("wait", [ask, ask_once_closed])
async def test_a_write_that_waits_for_a_retired_producers_metadata_goes_on_with_the_next(
    producer, wait
):
    """aiokafka's closed client answers nobody: the write waited for ever, until the watch ended the worker."""
    await write_beside_a_retirement(producer, wait)
    assert sorted(record.topic for record in producer.broker.written) == ["a", "b", "c"]


@pytest.mark.parametrize("error", [KafkaConnectionError(), PermissionError(13, "denied")])
async def test_a_producer_that_can_not_be_started_is_tried_again(error):
    """While the caller still waits: no broker is there, or a file of the settings can't be read now."""

    class Unreachable(MemoryRecordProducer):
        tries = 0

        async def _start_new(self):
            self.tries += 1
            if self.tries < 3:
                raise error
            return await super()._start_new()

    producer = Unreachable(MemoryBroker())
    await producer.write(A, B)
    assert producer.tries == 3
    assert producer.broker.written == [A, B]
    await producer.stop()


async def test_nobody_waits_for_the_connections_of_a_producer_that_could_not_start(monkeypatch):
    """Over TLS a broker that stands still takes 30 s for their end, and all writers wait for the next producer."""
    monkeypatch.setattr(quick_close, "_CLOSE_SECONDS", 0.001)

    class Silent:
        def __init__(self, **_):
            self.client = SimpleNamespace(close=asyncio.Event().wait)
            self._message_accumulator = SimpleNamespace()

        async def start(self):
            raise KafkaConnectionError

        async def stop(self):
            await self.client.close()

    monkeypatch.setattr(producer_module, "BatchingProducer", Silent)
    producer = RecordProducer(Connection("a:1"), "test", lambda _topic: None)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        with pytest.raises(KafkaConnectionError):
            await producer.start()


@pytest.mark.parametrize("size", [1_048_576, 5_000_000])
async def test_a_record_too_large_is_refused_for_good(producer, size):
    """By us before it is sent: no retry would help."""
    with pytest.raises(RecordTooLarge, match="bytes for a is over the broker's limit"):
        await producer.write(OutRecord("a", None, b"x" * size))
    assert producer.errors == []


async def test_a_record_too_large_for_its_topic_is_refused_for_good(producer):
    """By the broker; the message names topic and property and quotes nothing."""
    producer.broker.max_message_bytes["a"] = 50
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes of the topic"):
        await producer.write(OutRecord("a", None, b"secret" * 20))


async def test_what_is_written_with_a_record_too_large_is_tried_until_it_is_stored(producer):
    """A broker that fails at first says nothing of the others; only then is the refusal told."""
    producer.broker.max_message_bytes["a"] = 50
    refused = OutRecord("a", None, b"x" * 120)
    producer.broker.errors.extend([KafkaTimeoutError(), KafkaTimeoutError()])
    with pytest.raises(RecordTooLarge) as raised:
        await producer.write(refused, B)
    assert raised.value.record is refused
    assert producer.broker.written == [B]


async def test_the_largest_record_we_write_is_taken(producer):
    """Our own limit is below aiokafka's and Kafka's default."""
    largest = OutRecord("a", b"", b"")
    largest = OutRecord("a", b"", b"x" * (MAX_RECORD_BYTES - largest.size_bytes))
    assert largest.size_bytes == MAX_RECORD_BYTES
    await producer.write(largest)
    assert producer.broker.written == [largest]


@pytest.mark.parametrize("end", [MemoryProducer.die, MemoryProducer.learn_nothing_more])
async def test_a_producer_that_died_is_replaced(producer, caplog, end):
    """An idempotent one dies when the broker mixes up its sequence; one that learns of no other leader waits for ever."""
    await producer.write(A)
    assert producer.alive
    end(producer.made[0])
    await turns()
    assert not producer.alive
    await producer.write(B)
    assert producer.broker.written == [A, B]
    assert len(producer.made) == 2
    assert producer.alive
    assert "the producer died" in caplog.text


async def test_nobody_waits_until_a_dead_producers_connections_are_closed(producer, monkeypatch):
    """Over TLS a silent broker takes 30 s; a writer that gives up meanwhile leaves nobody waiting for the dead one's metadata."""
    monkeypatch.setattr(quick_close, "_CLOSE_SECONDS", 0.2)
    await producer.start()
    dead = producer.made[0]
    waiting = asyncio.create_task(ask(dead))
    dead.close = asyncio.Event().wait
    dead.die()
    await turns()
    first = asyncio.create_task(producer.write(A))
    await turns()
    first.cancel()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await producer.write(B)
        assert not waiting.done()
        with pytest.raises(KafkaConnectionError):
            await waiting
    assert producer.broker.written == [B]


async def test_writers_share_one_producer(producer):
    """However many begin at once."""
    await asyncio.gather(*(producer.write(A) for _ in range(50)))
    assert len(producer.made) == 1
    assert len(producer.broker.written) == 50


async def test_a_caller_that_gives_up_takes_no_record_out_of_a_batch(producer):
    """Others are in the same batch; the record is stored all the same."""
    producer.broker.held = asyncio.Event()
    writing = asyncio.create_task(producer.write(A))
    await turns()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    producer.broker.held.set()
    await turns()
    assert producer.broker.written == [A]


async def test_nothing_is_written_after_the_stop(producer):
    """Whoever still tries is told that it is over, and holds its record."""
    await producer.start()
    await producer.stop()
    assert producer.made[0].stopped
    assert not producer.alive
    with pytest.raises(asyncio.CancelledError):
        await producer.write(A)


async def test_a_start_without_a_broker_fails():
    """The real one, against a port where nobody listens: the worker does not start."""
    producer = RecordProducer(Connection("127.0.0.1:1"), "test", lambda _topic: None)
    with pytest.raises(KafkaConnectionError):
        await producer.start()
    assert not producer.alive
    await producer.stop()
