"""What holds on the real broker holds on the model: each contract is played on both."""

import asyncio
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import CoordinationType
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.admin.topic_ids import look_at_topics
from tests.simulation.clients import batch, raw_client
from tests.support.waiting import eventually

UNKNOWN_MEMBER, ILLEGAL_GENERATION, OUT_OF_ORDER, MEMBER_ID_REQUIRED = 25, 22, 45, 79
UNKNOWN_TOPIC = 3


def _consumer(kafka, topic=None, group=None, **more):
    options = {"enable_auto_commit": False, "auto_offset_reset": "none", "isolation_level": "read_committed"}  # fmt: skip
    options |= {"session_timeout_ms": 10_000, "heartbeat_interval_ms": 500, **more}
    topics = (topic,) if topic else ()
    return AIOKafkaConsumer(*topics, bootstrap_servers=kafka.bootstrap, group_id=group, **options)


async def _read(kafka, topic, count):
    consumer = _consumer(kafka)
    await consumer.start()
    try:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        records: list[Any] = []
        while len(records) < count:
            records += (await consumer.getmany(timeout_ms=500)).get(tp, [])
        return records, (await consumer.end_offsets([tp]))[tp]
    finally:
        await consumer.stop()


def test_what_was_written_is_read_in_order(play):
    """By offset from 0, with the broker's stamp where the topic has it."""

    async def contract(kafka):
        await kafka.create("c-order", 1, append_time=True)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, enable_idempotence=True)
        await producer.start()
        for number in range(20):
            stored = await producer.send_and_wait(
                "c-order", b"%d" % number, b"k", headers=[("h", b"1")]
            )
            assert (stored.offset, stored.timestamp_type) == (number, 1)
        await producer.stop()
        records, end = await _read(kafka, "c-order", 20)
        assert [record.value for record in records] == [b"%d" % number for number in range(20)]
        assert [record.offset for record in records] == list(range(20))
        assert {record.timestamp_type for record in records} == {1}
        assert end == 20

    play(contract)


def test_a_batch_that_comes_again_is_stored_once(play):
    """The answer to it is the place where it stands; a gap in the sequence is refused."""

    async def contract(kafka):
        await kafka.create("c-again", 1)
        async with raw_client(kafka, "c-again") as client:
            node = client.get_random_node()

            async def new_producer():
                made = await client.send(node, InitProducerIdRequest(None, 60_000))
                return made if made.error_code == 0 else None  # a broker that has just started

            producer = (await eventually(new_producer, what="a producer's id")).producer_id

            async def write(sequence, value):
                raw = batch(value, producer=producer, sequence=sequence)
                request = ProduceRequest(None, -1, 10_000, [("c-again", [(0, raw)])])
                answer = await client.send(node, request)
                ((_, ((_, error, offset, *_),)),) = answer.topics
                return error, offset

            assert await write(0, b"a") == (0, 0)
            assert await write(0, b"a") == (0, 0)
            assert await write(1, b"b") == (0, 1)
            assert (await write(5, b"c"))[0] == OUT_OF_ORDER
        _, end = await _read(kafka, "c-again", 2)
        assert end == 2

    play(contract)


def test_markers_take_an_offset_and_aborted_records_are_given_to_nobody(play):
    """So positions run ahead of records."""

    async def contract(kafka):
        await kafka.create("c-markers", 1)
        await kafka.transaction("c-markers", [b"a", b"b"], commit=True)
        await kafka.transaction("c-markers", [b"x"], commit=False)
        await kafka.transaction("c-markers", [b"c"], commit=True)
        records, end = await _read(kafka, "c-markers", 3)
        assert [(record.offset, record.value) for record in records] == [
            (0, b"a"), (1, b"b"), (5, b"c"),
        ]  # fmt: skip
        assert end == 7

    play(contract)


def test_a_position_outside_of_the_log_is_said(play):
    """With no policy for it, it is an error that names the partition."""

    async def contract(kafka):
        await kafka.create("c-range", 1)
        consumer = _consumer(kafka)
        await consumer.start()
        tp = TopicPartition("c-range", 0)
        consumer.assign([tp])
        consumer.seek(tp, 7)

        async def read_on():
            while True:
                await consumer.getmany(timeout_ms=500)

        with pytest.raises(OffsetOutOfRangeError) as caught:
            await read_on()
        assert caught.value.args[0] == {tp: 7}
        await consumer.stop()

    play(contract)


def test_a_commit_is_kept_with_its_text_and_strangers_are_refused(play):
    """Offsets of one group, by generation and member: a zombie can't commit."""

    async def contract(kafka):
        await kafka.create("c-commit", 2)
        tp = TopicPartition("c-commit", 1)
        consumer = _consumer(kafka, "c-commit", "g-commit")
        await consumer.start()
        await eventually(lambda: _assigned(consumer, 2), what="partitions")
        await consumer.commit({tp: OffsetAndMetadata(0, "2::1-3:")})
        coordinator = consumer._coordinator
        found = await coordinator.fetch_committed_offsets([TopicPartition("c-commit", 0), tp])
        assert {one: (made.offset, made.metadata) for one, made in found.items()} == {tp: (0, "2::1-3:")}  # fmt: skip

        async def commit_as(generation, member):
            topics = [("c-commit", [(1, 0, "")])]
            request = OffsetCommitRequest("g-commit", generation, member, -1, topics)
            answer = await coordinator._send_req(request)
            ((_, ((_, error),)),) = answer.topics
            return error

        assert await commit_as(coordinator.generation, "nobody") == UNKNOWN_MEMBER
        assert await commit_as(coordinator.generation - 1, coordinator.member_id) == ILLEGAL_GENERATION  # fmt: skip
        beat = HeartbeatRequest("g-commit", coordinator.generation - 1, coordinator.member_id)
        assert (await coordinator._send_req(beat)).error_code == ILLEGAL_GENERATION
        assert await commit_as(coordinator.generation, coordinator.member_id) == 0
        assert await commit_as(-1, "") == UNKNOWN_MEMBER
        other = _consumer(kafka, "c-commit", "g-other")
        await other.start()
        await consumer.stop()
        coordinator = other._coordinator
        await eventually(lambda: _assigned(other, 2), what="partitions")
        assert await commit_as(-1, "") == 0  # the group is empty: whoever it is may commit
        await other.stop()

    play(contract)


async def _assigned(consumer, count):
    return len(consumer.assignment()) == count


def test_members_share_partitions_and_take_over(play):
    """Who comes gets a part; who leaves, or says nothing for its session, loses it to the others."""

    async def contract(kafka):
        await kafka.create("c-share", 4)
        first = _consumer(kafka, "c-share", "g-share")
        await first.start()
        await eventually(lambda: _assigned(first, 4), what="all partitions")
        second = _consumer(kafka, "c-share", "g-share")
        await second.start()
        await eventually(lambda: _assigned(first, 2), what="half")
        await eventually(lambda: _assigned(second, 2), what="half")
        assert not first.assignment() & second.assignment()
        await second.stop()
        await eventually(lambda: _assigned(first, 4), what="all again")

        before = first._coordinator.generation
        coordinator = first._coordinator
        metadata = coordinator._assignors[0].metadata({"c-share"}).encode()
        async with raw_client(kafka, "c-share") as client:
            protocols = [(coordinator._assignors[0].name, metadata)]

            async def join(member):
                request = JoinGroupRequest(
                    "g-share", 6000, 6000, member, None, "consumer", protocols
                )
                return await client.send(coordinator.coordinator_id, request)

            named = await join("")
            assert named.error_code == MEMBER_ID_REQUIRED  # it is to come again under that name
            joined = await join(named.member_id)
            assert joined.error_code == 0
            assert joined.generation_id > before
        await eventually(lambda: _assigned(first, 4), what="all after its session")
        await first.stop()

    play(contract)


def test_a_member_that_joins_again_begins_a_generation_only_where_something_changes(play):
    """A follower is given the one that it has; the leader may have seen other topics, so it begins another."""

    class Assignments(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
        count = size = 0

        async def on_partitions_revoked(self, revoked):
            """Keep nothing."""

        async def on_partitions_assigned(self, assigned):
            """Count it."""
            self.count, self.size = self.count + 1, len(assigned)

    async def contract(kafka):
        await kafka.create("c-joins-again", 4)
        members = []
        for _ in range(2):
            member, listener = _consumer(kafka, group="g-joins-again"), Assignments()
            member.subscribe(["c-joins-again"], listener=listener)
            await member.start()
            members.append((member, listener))

            async def shared_out():
                return all(listener.size == 4 // len(members) for _, listener in members)

            await eventually(shared_out, what="its part of each")
        members.sort(key=lambda each: each[0]._coordinator._group_subscription is None)
        (leader, _), (follower, assignments) = members

        async def join_again(member):
            before, count = member._coordinator.generation, assignments.count
            member._coordinator.request_rejoin()

            async def came():
                return assignments.count > count

            await eventually(came, what="an assignment")
            return before, follower._coordinator.generation

        before, after = await join_again(follower)
        assert after == before
        before, after = await join_again(leader)
        assert after == before + 1
        for member, _ in members:
            await member.stop()

    play(contract)


def test_a_topic_made_again_has_another_id_and_its_offsets_are_gone(play):
    """An offset counts only for the topic whose id stands beside it. While there is none, none can be committed."""

    async def contract(kafka):
        await kafka.create("c-anew", 1)
        await kafka.create("c-stays", 1)
        consumer = _consumer(kafka, "c-anew", "g-anew")
        await consumer.start()
        await eventually(lambda: _assigned(consumer, 1), what="the partition")
        await consumer.commit({TopicPartition("c-anew", 0): OffsetAndMetadata(0, "x")})
        await consumer.stop()

        async with raw_client(kafka, "c-anew") as client:

            async def ask():
                found = await look_at_topics(partial(client.send, client.get_random_node()), ["c-anew", "c-none"])  # fmt: skip
                assert found is not None
                assert "c-none" in found.missing
                return found

            before = (await ask()).id("c-anew")
            await kafka.delete("c-anew")

            async def is_missing():
                return "c-anew" in (await ask()).missing

            await eventually(is_missing, what="the end of the topic", every_seconds=0.2)
            both = [("c-anew", [(0, 1, "")]), ("c-stays", [(0, 1, ""), (7, 1, "")])]
            coordinator = await client.coordinator_lookup(CoordinationType.GROUP, "g-anew")
            request = OffsetCommitRequest("g-anew", -1, "", -1, both)
            await client.ready(coordinator)
            answered = await client.send(coordinator, request)
            errors = {(t, p): error for t, parts in answered.topics for p, error in parts}
            assert errors == {
                ("c-anew", 0): UNKNOWN_TOPIC, ("c-stays", 0): 0, ("c-stays", 7): UNKNOWN_TOPIC,
            }  # fmt: skip
            await kafka.create("c-anew", 1)

            async def is_back():
                return (await ask()).id("c-anew")

            after = await eventually(is_back, what="the new topic", every_seconds=0.2)
            assert before
            assert after != before

        again = _consumer(kafka, "c-anew", "g-anew")
        await again.start()
        await eventually(lambda: _assigned(again, 1), what="the partition")

        async def forgotten():
            return not await again._coordinator.fetch_committed_offsets(
                [TopicPartition("c-anew", 0)]
            )

        await eventually(forgotten, what="the end of its offset")
        await again.stop()
        await asyncio.sleep(0)

    play(contract)
