"""A cluster of three brokers: leaders move and a broker is lost and regained under load, and every event is accounted for."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from streams.clock import uptime_seconds
from streams.kafka.admin.preflight import Answers, ask_brokers
from streams.kafka.connection import Connection
from streams.kafka.consumer import member
from streams.kafka.consumer.membership import Membership
from streams.kafka.format.records import OutRecord
from streams.kafka.patches.fetch_sessions import keep_sessions
from streams.kafka.patches.moved_leaders import learn_of_moved_leaders
from streams.kafka.producer import RecordProducer
from streams.sandbox.client import create_topic
from streams.sandbox.cluster import Cluster
from streams.sandbox.ledger_evidence import write_records
from streams.sandbox.partner_process import PartnerProcess
from tests.faults.rehearsal import Rehearsal
from tests.support.cluster import (
    OFFSETS,
    controller_of,
    coordinators_of,
    in_sync,
    leaders_of,
    move_leaders,
)
from tests.support.fetches import overheard
from tests.support.kafka import administration
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

RATE = 60.0
"""Events a second: enough to have some in flight whenever something breaks."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three brokers that may be lost one by one."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


async def test_leaders_move_and_a_broker_is_lost_under_load(cluster, keys, tmp_path):
    """Leaders and coordinators move; SIGKILL of the broker that has the group and leads the controllers: a clean ledger."""
    with PartnerProcess(keys) as partner:
        rehearsal = Rehearsal(
            "a broker lost",
            broker=cluster,
            partner=partner,
            keys=keys,
            directory=tmp_path,
            figures=tmp_path,
            seed="1",
        )
        try:
            (worker,) = await rehearsal.begin({}, rate=RATE)
            bootstrap, group = cluster.bootstrap, rehearsal.deployment.group
            controller, moves = await controller_of(bootstrap), 0
            while not moves or controller not in await coordinators_of(bootstrap, [group]):
                since = rehearsal.clock.now_ms()
                assert await move_leaders(bootstrap) > 0
                await rehearsal.delivering(50)
                rehearsal.broke(since)
                moves += 1

            lost = cluster.nodes[controller - 1]
            since = rehearsal.clock.now_ms()
            await asyncio.to_thread(lost.kill)
            await rehearsal.delivering(100)

            async def led_by_others():
                try:
                    return lost.number not in (await leaders_of(bootstrap)).values()
                except KafkaError:  # the client asked the lost one
                    return False

            await eventually(led_by_others, what="other leaders", every_seconds=0.5)
            await asyncio.to_thread(lost.start)
            await in_sync(bootstrap)
            await rehearsal.delivering(100)
            rehearsal.broke(since)
            assert await controller_of(bootstrap) != controller
            assert (await worker.get("/health/live")).is_success
            await rehearsal.end(worker)
            assert rehearsal.deployment.unwanted == []
            await rehearsal.deployment.delete_topics()
        finally:
            rehearsal.kill()


async def test_the_beginning_is_found_although_the_leader_moved(cluster):
    """Of a partition that nothing was fetched of meanwhile: without our doing aiokafka asks the old leader for minutes."""
    topic = "moved"
    await create_topic(cluster.bootstrap, topic, 1, copies=cluster.copies)
    await write_records(cluster.bootstrap, topic, [(b"k", b"v")] * 10)
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        learn_of_moved_leaders(consumer)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        while await consumer.position(partition) < 10:
            await consumer.getmany(timeout_ms=200)
        consumer.pause(partition)
        await asyncio.sleep(0.5)  # the fetch under way is answered
        assert await move_leaders(cluster.bootstrap, [topic]) == 1
        await asyncio.wait_for(consumer.seek_to_beginning(partition), 60)
        assert await consumer.position(partition) == 0
    finally:
        await consumer.stop()


async def test_who_leads_a_partition_that_nobody_leads_is_not_asked_without_end(
    cluster, monkeypatch
):
    """aiokafka asks again as soon as it has heard: 3,400 times a second, while the brokers have least to spare."""
    asked: list[object] = []
    send = AIOKafkaConnection.send

    def counted(self, request, *args, **options):
        if isinstance(request, MetadataRequest):
            asked.append(request)
        return send(self, request, *args, **options)

    await create_topic(cluster.bootstrap, "alone", 1)
    leader = (await leaders_of(cluster.bootstrap, ["alone"]))["alone", 0]
    producer = RecordProducer(Connection(cluster.bootstrap), "asks", lambda _topic: None)
    record = OutRecord("alone", b"k", b"v", ())
    await producer.start()
    try:
        await producer.write(record)
        await asyncio.to_thread(cluster.nodes[leader - 1].kill)
        writing = asyncio.create_task(producer.write(record))
        monkeypatch.setattr(AIOKafkaConnection, "send", counted)
        begun = asyncio.get_running_loop().time()

        async def asked_often() -> bool:
            return len(asked) > 20

        await eventually(asked_often, what="who leads", every_seconds=0.5)
        assert len(asked) <= (asyncio.get_running_loop().time() - begun) / 0.1 + 2
        assert not writing.done()
        await asyncio.to_thread(cluster.nodes[leader - 1].start)
        await asyncio.wait_for(writing, 120)
    finally:
        await asyncio.to_thread(cluster.nodes[leader - 1].start)
        await producer.stop()
    await in_sync(cluster.bootstrap)


async def test_fetch_sessions_follow_the_leaders(cluster):
    """What one broker leads no more is forgotten there, and named at the one that does; every record is read once."""
    topic, partitions = "led", 6
    await create_topic(cluster.bootstrap, topic, partitions, copies=cluster.copies)
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, fetch_max_wait_ms=50)
    await consumer.start()
    read: list[bytes] = []
    written: list[bytes] = []

    async def read_on(seconds=0.0):
        end = asyncio.get_running_loop().time() + seconds
        while len(read) < len(written) or asyncio.get_running_loop().time() < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                read.extend(record.value for record in records)

    async def write_on():
        more = [b"%d" % number for number in range(len(written), len(written) + 30)]
        await write_records(cluster.bootstrap, topic, [(value, value) for value in more])
        written.extend(more)

    try:
        keep_sessions(consumer)
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        await consumer.seek_to_beginning()
        with overheard() as heard:
            for _ in range(3):
                await write_on()
                await asyncio.wait_for(read_on(1.0), 120)
                assert await move_leaders(cluster.bootstrap, [topic]) == partitions
                await asyncio.wait_for(read_on(1.0), 120)
            await write_on()
            await asyncio.wait_for(read_on(2.0), 120)
        assert sorted(read) == sorted(written)
        assert len({one.number for one in heard[-20:]}) == len(cluster.nodes)
        assert not frozenset().union(*(one.named for one in heard[-8:]))
        whole = [one for one in heard if one.is_whole]
        assert len(whole) < len(heard) / 4
    finally:
        await consumer.stop()


async def test_a_broker_that_does_not_keep_a_group_is_not_believed(cluster):
    """It names no offset and says why once, for all of them: that is not a group that has committed nothing."""
    await create_topic(cluster.bootstrap, "kept", 1, copies=cluster.copies)
    partition = TopicPartition("kept", 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=cluster.bootstrap, group_id="keeper", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.commit({partition: 5})
        coordinator = consumer._coordinator
        keeps = coordinator.coordinator_id
        for node in range(1, len(cluster.nodes) + 1):
            coordinator.coordinator_id = node
            offsets = await coordinator.fetch_committed_offsets([partition])
            assert {tp: committed.offset for tp, committed in offsets.items()} == {partition: 5}
            assert coordinator.coordinator_id == keeps
    finally:
        await consumer.stop()


async def _need_in_sync(bootstrap, copies):
    """Let groups be written down only where so many copies are in sync."""
    config = {"cleanup.policy": "compact", "min.insync.replicas": str(copies)}
    async with administration(bootstrap) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, OFFSETS, config)
        (answer,) = await admin.alter_configs([resource])
        assert [error[0] for error in answer.resources] == [0], answer


async def test_a_group_that_can_not_be_written_down_puts_its_members_off(cluster):
    """Whoever joins hears COORDINATOR_NOT_AVAILABLE, for as long as it lasts, and all else is answered; then it goes on by itself.

    Kafka 3.9 says so at once, Kafka 4 after 5 s.
    """
    group, topic = "not-written-down", "two"
    await create_topic(cluster.bootstrap, topic, 2, copies=cluster.copies)
    conf = SimpleNamespace(
        id=group,
        broker_client_id=group,
        consumer_group_instance_id=None,
        broker_max_poll_records=500,
        broker_max_poll_interval=1e9,
        consumer_max_fetch_size=1024,
        broker_request_timeout=40.0,
        broker_session_timeout=10.0,
        broker_rebalance_timeout=60.0,
        broker_heartbeat_interval=0.5,
    )
    connection = Connection(cluster.bootstrap)
    consumers = [member.make_consumer(connection, conf) for _ in range(2)]
    memberships = [Membership(10.0, uptime_seconds, lambda: None) for _ in consumers]

    async def start(number):
        told = memberships[number]
        await member.start(
            consumers[number],
            0.0,
            told.confirm,
            told.put_off,
            lambda error: pytest.fail(repr(error)),
        )
        consumers[number].subscribe([topic])

    async def share(*counts):
        async def shared():
            return tuple(len(consumer.assignment()) for consumer in consumers) == counts

        await eventually(shared, what=f"shares of {counts}")

    async def both_put_off():
        return all(told.is_put_off() for told in memberships)

    try:
        await start(0)
        await share(2, 0)
        (coordinator,) = await coordinators_of(cluster.bootstrap, [group])
        await _need_in_sync(cluster.bootstrap, 3)
        lost = cluster.nodes[coordinator % len(cluster.nodes)]
        await asyncio.to_thread(lost.kill)
        await start(1)
        await eventually(both_put_off, what="members that are put off")
        assert await ask_brokers(connection, "watch", [group]) == Answers(broker=True)
        await asyncio.to_thread(lost.start)
        await in_sync(cluster.bootstrap)
        await share(1, 1)
    finally:
        await asyncio.to_thread(lost.start)
        await _need_in_sync(cluster.bootstrap, 2)
        for consumer in consumers:
            await member.stop(consumer)
