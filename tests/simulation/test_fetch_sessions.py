"""Fetch sessions on the model and on the real broker: what it remembers of them, and a consumer of ours that reads in them."""

import asyncio
from itertools import count

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from streams.kafka.patches.fetch_sessions import keep_sessions
from tests.simulation.clients import raw_client
from tests.support.fetches import RawFetch, overheard
from tests.support.waiting import eventually

UNKNOWN_TOPIC, NO_SUCH_SESSION, WRONG_EPOCH = 3, 70, 71
WAIT_MS = 100


class Reader:
    """Fetches from the broker that has everything.

    Attributes:
        number: of the session that the last answer named.
    """

    def __init__(self, client, topic):
        self._client, self._topic = client, topic
        self._node = client.cluster.leader_for_partition(TopicPartition(topic, 0))
        self.number = 0

    async def led(self, *partitions):
        """Wait until the broker leads them: of a topic that was just made it does so a moment later."""

        async def is_leader():
            _, said = await self.fetch(dict.fromkeys(partitions, 0), 0, -1)
            return not any(said.values())

        await eventually(is_leader, what="the leader")

    async def fetch(self, positions, number, epoch, forgotten=()):
        """Return the error of the answer, and what it says of partitions: their errors, or how many bytes."""
        request = RawFetch(self._topic, positions, number, epoch, forgotten, wait_ms=WAIT_MS)
        answer = await self._client.send(self._node, request)
        self.number = answer.session_id
        said = {
            partition: error or len(raw)
            for _, parts in answer.topics
            for partition, error, *_, raw in parts
        }
        return answer.error_code, said


async def _write(kafka, topic, partition, *values):
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=partition)
    finally:
        await producer.stop()


def test_a_session_answers_what_is_new(play):
    """Records as often as they are asked for, the end of a partition once, errors always."""

    async def contract(kafka):
        await kafka.create("c-news", 3)
        async with raw_client(kafka, "c-news") as client:
            reader = Reader(client, "c-news")
            await reader.led(0, 1, 2)
            assert await reader.fetch({0: 0, 1: 0, 2: 0, 9: 0}, 0, 0) == (0, {0: 0, 1: 0, 2: 0, 9: UNKNOWN_TOPIC})  # fmt: skip
            number = reader.number
            assert number > 0
            assert await reader.fetch({}, number, 1) == (0, {9: UNKNOWN_TOPIC})
            assert await reader.fetch({}, number, 2, [9]) == (0, {})
            await _write(kafka, "c-news", 1, b"a")
            for epoch in (3, 4):
                error, said = await reader.fetch({}, number, epoch)
                assert (error, list(said)) == (0, [1])
                assert said[1] > 0
            assert await reader.fetch({1: 1}, number, 5) == (0, {})
            await _write(kafka, "c-news", 2, b"b")
            assert await reader.fetch({2: 1}, number, 6) == (0, {2: 0})  # where it ends now
            assert await reader.fetch({}, number, 7) == (0, {})
            assert reader.number == number

    play(contract)


def test_a_session_goes_on_where_the_broker_knows_it(play):
    """By its number and the next epoch; a fetch of everything ends it, and so does one that leaves nothing of it."""

    async def contract(kafka):
        await kafka.create("c-goes-on", 2)
        everything = {0: 0, 1: 0}
        async with raw_client(kafka, "c-goes-on") as client:
            reader = Reader(client, "c-goes-on")
            await reader.led(0, 1)
            assert await reader.fetch({}, 12345, 1) == (NO_SUCH_SESSION, {})
            await reader.fetch(everything, 0, 0)
            first = reader.number
            assert await reader.fetch({}, first, 2) == (WRONG_EPOCH, {})
            assert await reader.fetch({}, first, 1) == (0, {})
            assert await reader.fetch({}, first, 1) == (WRONG_EPOCH, {})

            assert await reader.fetch(everything, first, 0) == (0, everything)
            second = reader.number
            assert second not in {0, first}
            assert await reader.fetch({}, first, 2) == (NO_SUCH_SESSION, {})

            await _write(kafka, "c-goes-on", 1, b"a")
            assert await reader.fetch({}, second, 1, [1]) == (0, {})
            error, said = await reader.fetch({1: 0}, second, 2)  # it is new again
            assert (error, list(said)) == (0, [1])
            await reader.fetch({}, second, 3, [0, 1])
            assert reader.number == 0
            assert await reader.fetch({}, second, 4) == (NO_SUCH_SESSION, {})

            await reader.fetch(everything, 0, 0)
            third = reader.number
            await reader.fetch(everything, third, -1)
            assert reader.number == 0
            assert await reader.fetch({}, third, 1) == (NO_SUCH_SESSION, {})

    play(contract)


def test_a_session_outlives_a_topic(play):
    """By name: one that is made again under the name is read on, from where the reader stood in the old one."""

    async def contract(kafka):
        await kafka.create("c-stays", 1)
        await kafka.create("c-goes", 1)
        async with raw_client(kafka, "c-goes") as client:
            reader, epochs = Reader(client, "c-goes"), count(1)
            await reader.led(0)
            await reader.fetch({0: 0}, 0, 0)
            number = reader.number

            async def says(wanted):
                error, said = await reader.fetch({}, number, next(epochs))
                assert (error, reader.number) == (0, number)
                return wanted(said.get(0, 0))

            await kafka.delete("c-goes")
            await eventually(lambda: says(lambda said: said == UNKNOWN_TOPIC), what="its end")
            await kafka.create("c-goes", 1)
            await _write(kafka, "c-goes", 0, b"a")
            await eventually(lambda: says(lambda said: said > 20), what="records of the new one")

    play(contract)


class Consuming:
    """A consumer that keeps sessions."""

    def __init__(self, kafka, topic, partitions):
        self.all = [TopicPartition(topic, number) for number in range(partitions)]
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap, enable_auto_commit=False, auto_offset_reset="none",
            isolation_level="read_committed", fetch_max_wait_ms=WAIT_MS,
        )  # fmt: skip

    async def __aenter__(self):
        await self.consumer.start()
        keep_sessions(self.consumer)
        self.consumer.assign(self.all)
        for tp in self.all:
            self.consumer.seek(tp, 0)
        return self

    async def __aexit__(self, *_):
        await self.consumer.stop()

    async def read(self, how_many):
        """Return so many values, by partition."""
        found: dict[int, list[bytes]] = {}
        while sum(len(values) for values in found.values()) < how_many:
            for tp, records in (await self.consumer.getmany(timeout_ms=200)).items():
                found.setdefault(tp.partition, []).extend(record.value for record in records)
        return found

    async def nothing_comes(self):
        """Poll for a while."""
        for _ in range(3):
            assert not await self.consumer.getmany(timeout_ms=200)


def test_a_consumer_reads_in_a_session(play):
    """It names what has moved on; what is paused is forgotten, and named again."""

    async def contract(kafka):
        await kafka.create("c-reads", 3)
        with overheard() as heard:
            async with Consuming(kafka, "c-reads", 3) as reader:
                await reader.nothing_comes()
                first, *idle = heard
                assert first.is_whole
                assert len(first.named) == 3
                assert len(idle) > 2
                assert {(one.named, one.forgotten) for one in idle} == {(frozenset(), frozenset())}
                assert [one.epoch for one in idle] == list(range(1, len(idle) + 1))
                assert max(one.size for one in idle) < first.size / 2

                await _write(kafka, "c-reads", 1, b"a", b"b")
                assert await reader.read(2) == {1: [b"a", b"b"]}
                await reader.nothing_comes()
                named = [one.named for one in heard[len(idle) + 1 :] if one.named]
                assert set(named) == {frozenset({("c-reads", 1)})}

                reader.consumer.pause(reader.all[2])
                await reader.nothing_comes()
                await _write(kafka, "c-reads", 2, b"c")
                await reader.nothing_comes()
                assert [one.forgotten for one in heard if one.forgotten] == [frozenset({("c-reads", 2)})]  # fmt: skip
                reader.consumer.resume(reader.all[2])
                assert await reader.read(1) == {2: [b"c"]}

                reader.consumer.seek(reader.all[1], 1)
                assert await reader.read(1) == {1: [b"b"]}
                assert [one.is_whole for one in heard].count(True) <= 2  # a seek while one waits

    play(contract)


def test_a_consumer_learns_that_its_topic_was_made_again(play):
    """Its position lies outside of the new one; from there on it reads on."""

    async def contract(kafka):
        await kafka.create("c-made-again", 2)
        await _write(kafka, "c-made-again", 0, b"a", b"b")
        async with Consuming(kafka, "c-made-again", 2) as reader:
            assert await reader.read(2) == {0: [b"a", b"b"]}
            await kafka.delete("c-made-again")
            await asyncio.sleep(1)
            await kafka.create("c-made-again", 2)
            await _write(kafka, "c-made-again", 0, b"c")
            with pytest.raises(OffsetOutOfRangeError):
                await reader.read(1)
            reader.consumer.seek(reader.all[0], 0)
            assert await reader.read(1) == {0: [b"c"]}

    play(contract)
