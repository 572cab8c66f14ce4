"""The producer's batches: who leaves together, what comes back to whom; over aiokafka's place, a test that answers each batch."""

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner

from streams.kafka.batching import BatchingProducer, BatchTooLarge
from streams.kafka.format.batches import AnyNames
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import turns

HOUR = 3600.0


@dataclass
class Sent:
    """A batch as aiokafka got it."""

    topic: str
    partition: int
    values: list[bytes]
    answer: asyncio.Future[object]


async def until_cancelled():
    """Stand for aiokafka's sender, which ends so too."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


class Answered(BatchingProducer):
    """The real one, whose batches wait for the test's answer."""

    def __init__(self, partitions=4, linger_seconds=HOUR):
        super().__init__(
            linger_seconds=linger_seconds,
            bootstrap_servers="127.0.0.1:1",
            acks="all",
            enable_idempotence=True,
            max_batch_size=2000,
            max_request_size=10_000,
        )
        self.partitions, self.sent = partitions, []
        self.has_sent = asyncio.Event()
        self._sender._sender_task = asyncio.ensure_future(until_cancelled())

    async def partitions_for(self, _topic):
        return set(range(self.partitions))

    async def send_batch(self, batch, topic, *, partition):
        batch._set_producer_state(1, 0, 0)
        values = [record.value for record in AnyNames(bytes(batch._build()))]
        answer = asyncio.get_running_loop().create_future()
        self.has_sent.set()
        self.sent.append(Sent(topic, partition, values, answer))
        return answer


@pytest.fixture
async def producer():
    made = Answered()
    yield made
    for sent in made.sent:
        if not sent.answer.done():
            sent.answer.cancel()
    made._sender._sender_task.cancel()
    await made.stop()


async def test_all_partitions_leave_together_each_with_its_records_in_order(producer):
    """One request for a moment's records, where each partition's batch used to linger by itself."""
    waiting = [await producer.send("t", b"%d" % n, b"k%d" % (n % 5)) for n in range(20)]
    await turns()
    assert producer.sent == []
    producer._depart()
    await turns()
    by_partition: dict[int, list[bytes]] = {}
    for n in range(20):
        partition = DefaultPartitioner()(b"k%d" % (n % 5), list(range(4)), [])
        by_partition.setdefault(partition, []).append(b"%d" % n)
    assert {sent.partition: sent.values for sent in producer.sent} == by_partition
    assert len(by_partition) > 1
    assert not any(waiter.done() for waiter in waiting)
    for sent in producer.sent:
        sent.answer.set_result(sent.partition)
    stored = [await waiter for waiter in waiting]
    assert stored[:5] * 4 == stored


async def test_the_first_record_waits_for_others_and_no_longer_than_the_linger():
    """Nobody has to ask for the departure."""
    producer = Answered(linger_seconds=0.001)
    waiter = await producer.send("t", b"1", b"k")
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await producer.has_sent.wait()
    producer.sent[0].answer.set_result("stored")
    assert await waiter == "stored"
    await producer.stop()


async def test_every_topic_that_was_written_to_is_asked_for_by_name(producer):
    """aiokafka asks for all topics as long as it is to ask for none, and then for those alone: a batch of another never left."""
    asked = []

    async def _metadata_update(_cluster, topics):
        asked.append(set(topics))
        return True

    producer.client._metadata_update = _metadata_update
    for topic in ("t", "u"):
        await producer.send(topic, b"", b"k")
    producer._depart()
    await turns()
    synchronizer = asyncio.create_task(producer.client._md_synchronizer())
    await producer.client.add_topic("new")
    synchronizer.cancel()
    assert asked == [{"t", "u", "new"}]


async def test_a_partition_has_one_batch_under_way(producer):
    """Else a batch that aiokafka sends again would stand behind a later one; what came meanwhile follows at once."""
    first = await producer.send("t", b"1", b"k")
    producer._depart()
    await turns()
    second, third = [await producer.send("t", value, b"k") for value in (b"2", b"3")]
    producer._depart()
    await turns()
    assert [sent.values for sent in producer.sent] == [[b"1"]]
    producer.sent[0].answer.set_result("one")
    await turns()
    assert [sent.values for sent in producer.sent] == [[b"1"], [b"2", b"3"]]
    producer.sent[1].answer.set_result("two")
    assert [await waiter for waiter in (first, second, third)] == ["one", "two", "two"]


@pytest.mark.parametrize(
    ("seen", "given_up"),
    [
        (({9}, {9}), True),
        (({9}, {0, 9}, {9}), False),
        ((None, None), False),
        ((set(), set()), False),
    ],
    ids=["gone", "a broker was told late", "the topic is away", "the topic has no partitions yet"],
)
async def test_a_batch_is_given_up_where_two_looks_find_its_partition_gone(
    producer, monkeypatch, seen, given_up
):
    """Its topic was made again with fewer partitions: aiokafka would send it for ever."""
    partitions = iter(seen)
    monkeypatch.setattr(producer.client.cluster, "partitions_for_topic", lambda _: next(partitions))
    waiter = await producer.send("t", b"1", b"k")
    producer._depart()
    await turns()
    batch, at = SimpleNamespace(_ttl=math.inf), TopicPartition("t", 0)
    monkeypatch.setitem(producer._message_accumulator._batches, at, [batch])
    for _ in seen:
        assert batch._ttl == math.inf
        producer._look_later.cancel()
        producer._look()
    assert (batch._ttl < math.inf) == given_up
    producer.sent[0].answer.set_result("stored")
    assert await waiter == "stored"


async def test_what_has_not_lingered_waits_although_the_batch_before_it_is_back(producer):
    """A fast broker must not make a batch of each record."""
    await producer.send("t", b"1", b"k")
    producer._depart()
    await turns()
    await producer.send("t", b"2", b"k")
    producer.sent[0].answer.set_result("one")
    await turns()
    assert len(producer.sent) == 1
    producer._depart()
    await turns()
    assert producer.sent[1].values == [b"2"]


async def test_a_full_batch_is_followed_by_another_in_order(producer):
    """None of them waits for a further departure."""
    values = [b"%d" % n + b"x" * 900 for n in range(5)]
    waiting = [await producer.send("t", value, b"k") for value in values]
    producer._depart()
    for number in range(3):
        await turns()
        assert len(producer.sent) == number + 1
        producer.sent[number].answer.set_result(number)
    assert [value for sent in producer.sent for value in sent.values] == values
    assert [await waiter for waiter in waiting] == [0, 0, 1, 1, 2]


async def test_a_record_larger_than_a_batch_has_one_of_its_own(producer):
    """Up to what a request may hold."""
    waiter = await producer.send("t", b"x" * 5000, b"k")
    producer._depart()
    await turns()
    producer.sent[0].answer.set_result("stored")
    assert await waiter == "stored"
    with pytest.raises(MessageSizeTooLargeError, match="expected at most 10000"):
        await producer.send("t", b"x" * 10_000, b"k")


async def test_each_writer_of_a_refused_batch_is_told(producer):
    """With an exception of its own; the next batch of the partition goes on."""
    waiting = [await producer.send("t", b"1", b"k"), await producer.send("t", b"2", b"k")]
    producer._depart()
    await turns()
    later = await producer.send("t", b"3", b"k")
    producer._depart()
    producer.sent[0].answer.set_exception(NotEnoughReplicasError())
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [NotEnoughReplicasError] * 2
    assert errors[0] is not errors[1]
    await turns()
    producer.sent[1].answer.set_result("stored")
    assert await later == "stored"


async def test_a_writer_that_gives_up_takes_nothing_out_of_the_batch(producer):
    """Others are in it, and the broker gets the record all the same, whether it takes the batch or not."""
    for answer in ("stored", NotEnoughReplicasError()):
        given_up, waiter = [await producer.send("t", value, b"k") for value in (b"1", b"2")]
        given_up.cancel()
        producer._depart()
        await turns()
        assert producer.sent[-1].values == [b"1", b"2"]
        if isinstance(answer, KafkaError):
            producer.sent[-1].answer.set_exception(answer)
            with pytest.raises(NotEnoughReplicasError):
                await waiter
        else:
            producer.sent[-1].answer.set_result(answer)
            assert await waiter == "stored"


async def test_a_partition_that_is_gone_fails_its_own_records_only(producer):
    """The topic was made again with fewer; the writers try again, and find another partition then."""
    keys = {DefaultPartitioner()(b"%d" % n, list(range(4)), []): b"%d" % n for n in range(50)}
    lost, kept = [await producer.send("t", b"v", keys[partition]) for partition in (3, 0)]
    producer.partitions = 3
    producer._depart()
    await turns()
    with pytest.raises(UnknownTopicOrPartitionError):
        await lost
    assert [sent.partition for sent in producer.sent] == [0]
    producer.sent[0].answer.set_result("stored")
    assert await kept == "stored"
    await producer.send("t", b"v", keys[3])
    producer._depart()
    await turns()
    assert producer.sent[1].partition < 3


async def test_a_record_without_a_key_goes_to_any_partition(producer):
    """As aiokafka's own producer has it; without key and value there is no record."""
    await producer.send("t", b"v")
    producer._depart()
    await turns()
    assert producer.sent[0].partition in range(4)
    with pytest.raises(AssertionError, match="Need at least one"):
        await producer.send("t")


async def test_the_stop_sends_what_is_open_and_takes_nothing_more():
    """Also what waits behind a batch under way; then it ends."""
    producer = Answered()
    first = await producer.send("t", b"1", b"k")
    producer._depart()
    await turns()
    second = await producer.send("t", b"2", b"k")
    stopping = asyncio.create_task(producer.stop())
    await turns()
    with pytest.raises(ProducerClosed):
        await producer.send("t", b"3", b"k")
    producer.sent[0].answer.set_result("one")
    await turns()
    producer.sent[1].answer.set_result("two")
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await stopping
    assert [await first, await second] == ["one", "two"]


async def test_the_stop_of_a_dead_producer_fails_what_nobody_will_send():
    """Else the writers would wait for ever, and with them the records' lanes."""
    producer = Answered()
    first = await producer.send("t", b"1", b"k")
    producer._depart()
    await turns()
    second = await producer.send("t", b"2", b"k")
    producer._sender._sender_task.cancel()
    await turns()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await producer.stop()
    for waiter in (first, second):
        with pytest.raises(ProducerClosed):
            await waiter


async def test_a_cancelled_task_fails_its_batch(producer):
    """When the event loop ends every task is cancelled; no writer is left behind."""
    waiter = await producer.send("t", b"1", b"k")
    producer._depart()
    await turns()
    (task,) = producer._sending.values()
    task.cancel()
    with pytest.raises(ProducerClosed):
        await waiter
    assert task.cancelled()


async def test_several_records_that_are_too_large_together_are_told_so(producer):
    """Each may fit by itself: only a record that was alone is too large."""
    together = [await producer.send("t", b"%d" % n, b"k") for n in range(2)]
    producer._depart()
    await turns()
    producer.sent[0].answer.set_exception(MessageSizeTooLargeError())
    for error in await asyncio.gather(*together, return_exceptions=True):
        assert isinstance(error, BatchTooLarge)
        assert str(error).endswith("2 records together are too large")
    alone = await producer.send("t", b"0", b"k", alone=True)
    other = await producer.send("t", b"1", b"k")
    producer._depart()
    await turns()
    producer.sent[1].answer.set_exception(MessageSizeTooLargeError())
    with pytest.raises(MessageSizeTooLargeError):
        await alone
    await turns()
    assert [sent.values for sent in producer.sent[1:]] == [[b"0"], [b"1"]]
    producer.sent[2].answer.set_result("stored")
    assert await other == "stored"
