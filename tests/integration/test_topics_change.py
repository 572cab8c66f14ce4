"""Topics that change under a group: more partitions, another log under the same name, records that are gone."""

import asyncio
from collections.abc import Iterable
from functools import partial
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndMetadata
from confluent_kafka import Producer

from streams.kafka.admin.topic_ids import look_at_topics
from streams.kafka.committed_state import CommittedState
from streams.kafka.connection import Connection
from streams.kafka.format.records import OutRecord
from streams.kafka.producer import RecordProducer
from streams.notification.profiles import TIERS
from streams.sandbox.client import create_topic, encode
from streams.sandbox.ledger_evidence import read_topics
from streams.sandbox.payments import order_id, payment_event
from tests.support.deployment import Deployment
from tests.support.kafka import add_partitions, administration, offsets_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka

OTHER_ID = "A" * 22
"""Of a topic that nobody has."""


async def cluster_of(deployment: Deployment) -> str:
    """Return what stands for the cluster in a topic's id."""
    async with administration(deployment.bootstrap) as admin:
        send = partial(admin._client.send, admin._client.get_random_node())
        seen = await look_at_topics(send, [deployment.source])
    assert seen is not None
    return seen.id(deployment.source).partition("@")[2]


async def write(deployment: Deployment, partitions: Iterable[int], count: int) -> list[str]:
    """Write so many events to each of these partitions; return their order ids."""
    orders = []
    for partition in partitions:
        for _ in range(count):
            event = payment_event("mpp-to-ant", rng=deployment.rng)
            await deployment.write(
                deployment.source, event, key=order_id(event), partition=partition
            )
            orders.append(order_id(event))
    return orders


async def grow(deployment: Deployment, count: int) -> None:
    """Let the source topic have so many partitions."""
    async with administration(deployment.bootstrap) as admin:
        await add_partitions(admin, {deployment.source: count})


async def delete(bootstrap: str, topic: str) -> None:
    """Delete a topic, and wait until it is gone."""
    async with administration(bootstrap) as admin:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await eventually(gone, what="deletion", every_seconds=0.1)


async def commit(deployment: Deployment, offsets: dict[int, OffsetAndMetadata]) -> None:
    """Commit for the group, which has no members."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap, group_id=deployment.group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        wanted = {TopicPartition(deployment.source, n): at for n, at in offsets.items()}
        consumer.assign(list(wanted))
        await consumer.commit(wanted)
    finally:
        await consumer.stop()


async def pending(worker) -> float:
    """Return how many events wait."""
    return float(await worker.metric("notifier_pending_notifications", tier="source"))


async def nothing_pending(worker) -> None:
    """Wait until no event waits."""

    async def none() -> bool:
        return await pending(worker) == 0

    await eventually(none, what="nothing pending", every_seconds=0.5)


async def counted(worker, name: str, value: float, **labels: str) -> None:
    """Wait until a metric has this value."""

    async def so() -> bool:
        found: float = await worker.metric(name, **labels)
        return found == value

    await eventually(so, what=f"{name} {value}", every_seconds=0.5)


async def test_partitions_that_come_while_a_worker_runs_are_read(make_deployment):
    """The client's own metadata are looked up every 5 minutes; whatever `latest` meant was meant for the first start."""
    async with make_deployment(settings={"role": "main", "start_from": "latest"}) as deployment:
        await deployment.ready_worker()
        await grow(deployment, 5)
        orders = await write(deployment, range(5), 2)
        await deployment.delivered(orders)


async def test_partitions_that_come_while_none_runs_begin_at_their_beginning(make_deployment):
    """`latest` is for a group that has never read the topic."""
    async with make_deployment(settings={"role": "main", "start_from": "latest"}) as deployment:
        passed = await write(deployment, [0], 1)
        worker = await deployment.ready_worker()
        first = await write(deployment, [0], 1)
        await deployment.delivered(first)
        assert await worker.stop() == 0
        await grow(deployment, 4)
        orders = await write(deployment, range(4), 2)
        worker = await deployment.ready_worker()
        await deployment.delivered(orders)
        assert not any(deployment.requests(order) for order in passed)
        assert await worker.metric("notifier_topic_resets_total") == 0


@pytest.mark.parametrize("away", [False, True])
async def test_a_topic_made_again_under_a_worker_is_read_from_its_beginning(make_deployment, away):
    """As many new events as the old log had held were passed over, or all of them for five minutes; what is gone is said."""
    async with make_deployment(settings={"role": "main"}) as deployment:
        worker = await deployment.ready_worker()
        await deployment.delivered(await write(deployment, [0, 1], 4))
        await nothing_pending(worker)
        await delete(deployment.bootstrap, deployment.source)
        if away:
            await worker.said("does not exist any more, expected a topic that this worker reads")
            assert (await worker.get("/health/ready")).status_code == 503
            assert await worker.metric("notifier_missing_topics") == 1
            assert (await worker.get("/health/live")).status_code == 200
        await create_topic(deployment.bootstrap, deployment.source, deployment.partitions)
        orders = await write(deployment, [0, 1], 6)
        await deployment.delivered(orders)
        await worker.said("is not the log any more that was read before")
        resets = "notifier_topic_resets_total"
        await counted(worker, resets, 1, topic=deployment.source)
        await counted(worker, "notifier_missing_topics", 0)
        await nothing_pending(worker)
        assert (await worker.get("/health/ready")).status_code == 200


async def test_a_topic_made_again_while_none_runs_is_read_from_its_beginning(make_deployment):
    """Its brokers have deleted the group's offsets with it; `latest` would pass over all of the new one."""
    async with make_deployment(settings={"role": "main", "start_from": "latest"}) as deployment:
        worker = await deployment.ready_worker()
        await deployment.delivered(await write(deployment, [0, 1], 2))
        await deployment.all_committed()
        assert await worker.stop() == 0
        await delete(deployment.bootstrap, deployment.source)
        await create_topic(deployment.bootstrap, deployment.source, deployment.partitions)
        orders = await write(deployment, [0, 1], 2)
        worker = await deployment.ready_worker()
        await deployment.delivered(orders)
        await worker.said("is not the log any more that was read before")


async def test_a_tier_made_again_is_read_from_its_beginning(make_deployment):
    """Our own topics alike: what waits there at an offset that the old one had settled is attempted when due."""
    async with make_deployment(settings={"ladder_scale": 0.1}) as deployment:
        worker = await deployment.ready_worker()

        async def told_twice() -> None:
            url = deployment.partner.notify_url("mpp-to-ant", "U,S")
            event = payment_event("mpp-to-ant", rng=deployment.rng, notify_url=url)
            await deployment.delivered(await deployment.send([event]))

        await told_twice()
        await deployment.all_committed()
        tier = deployment.names.tier(TIERS[0])
        async with administration(deployment.bootstrap) as admin:
            await admin.delete_topics([tier])
        await worker.said(f"topic {tier} does not exist any more")
        assert (await deployment.run("topics", "create")).returncode == 0
        await told_twice()
        await counted(worker, "notifier_topic_resets_total", 1, topic=tier)


async def test_what_was_on_its_way_to_a_partition_that_is_gone_goes_to_another(broker):
    """aiokafka sends it there again for ever, and the record that it came from is never settled."""
    topic, bootstrap = f"fewer-{uuid4().hex[:8]}", broker.bootstrap
    await create_topic(bootstrap, topic, 2)
    key = next(b"%d" % n for n in range(99) if DefaultPartitioner()(b"%d" % n, [0, 1], [0, 1]))
    producer = RecordProducer(Connection(bootstrap), "on-its-way", lambda _topic: None)
    await producer.start()
    try:
        await producer.write(OutRecord(topic, key, b"before", ()))
        await delete(bootstrap, topic)
        writing = asyncio.create_task(producer.write(OutRecord(topic, key, b"after", ())))
        await asyncio.sleep(0.5)  # it is sent, and refused
        await create_topic(bootstrap, topic, 1)
        await asyncio.wait_for(writing, 60)
        (record,) = await read_topics(bootstrap, [topic])
        assert (record.partition, record.value) == (0, b"after")
    finally:
        await asyncio.wait_for(producer.stop(), 60)


async def test_offsets_of_another_topic_of_the_same_name_count_for_nothing(make_deployment):
    """A log that was filled again hides behind its offsets; the id beside the commit tells. One without an id holds."""
    async with make_deployment(settings={"role": "main"}) as deployment:
        orders = await write(deployment, [0, 1], 3)
        other = CommittedState(2, topic_id=f"{OTHER_ID}@{await cluster_of(deployment)}").metadata()
        await commit(deployment, {0: OffsetAndMetadata(2, other), 1: OffsetAndMetadata(2, "")})
        worker = await deployment.ready_worker()
        await deployment.delivered([*orders[:3], orders[5]])
        await worker.said("is not the log any more that was read before")
        await deployment.all_committed()
        assert not any(deployment.requests(order) for order in orders[3:5])


async def test_offsets_that_a_mirror_brought_hold(make_deployment):
    """It has translated the offset; what is said to be finished above it is not translated, and is attempted."""
    async with make_deployment(settings={"role": "main"}) as deployment:
        orders = await write(deployment, [0], 5)
        mirrored = CommittedState(2, frozenset({3}), topic_id=f"{OTHER_ID}@00000000").metadata()
        await commit(deployment, {0: OffsetAndMetadata(2, mirrored)})
        worker = await deployment.ready_worker()
        await deployment.delivered(orders[2:])
        await deployment.all_committed()
        assert not any(deployment.requests(order) for order in orders[:2])
        assert await worker.metric("notifier_topic_resets_total") == 0


async def test_a_log_that_ends_before_what_was_read_is_read_again(make_deployment):
    """Brokers that lost its end, or a topic made again on brokers that give no ids: nothing of what came since is passed over."""
    async with make_deployment(settings={"role": "main"}) as deployment:
        orders = await write(deployment, [0, 1], 3)
        await commit(deployment, {0: OffsetAndMetadata(1000, ""), 1: OffsetAndMetadata(0, "")})
        worker = await deployment.ready_worker()
        await deployment.delivered(orders)
        await worker.said("is not the log any more that was read before")
        await deployment.all_committed()


async def test_offsets_that_retention_passed_are_counted_as_lost(make_deployment):
    """What was finished above the committed offset is none of them; each is counted once, whoever starts again."""
    async with make_deployment(settings={"role": "main"}) as deployment:
        orders = await write(deployment, [0], 8)
        settled = CommittedState(1, frozenset({3})).metadata()
        await commit(deployment, {0: OffsetAndMetadata(1, settled)})
        source = TopicPartition(deployment.source, 0)
        async with administration(deployment.bootstrap) as admin:
            await admin.delete_records({source: RecordsToDelete(5)})
        worker = await deployment.ready_worker()
        await deployment.delivered(orders[5:])
        said = "the offsets from 1 to 4 are gone before anybody settled them, 3 in all"
        await worker.said(said)
        await counted(worker, "notifier_lost_offsets_total", 3, topic=deployment.source)
        await deployment.all_committed()
        assert await worker.stop() == 0
        worker = await deployment.ready_worker()
        await nothing_pending(worker)
        assert await worker.metric("notifier_lost_offsets_total") == 0


async def test_markers_of_transactions_do_not_wait(make_deployment):
    """Of committed and of aborted ones, and what was aborted: nothing pending, and no lag for whoever looks at offsets."""

    def transactions(bootstrap: str, topic: str, values: list[tuple[str, bytes]]) -> None:
        client = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-t"})
        client.init_transactions(30)
        for end in (client.commit_transaction, client.abort_transaction, client.commit_transaction):
            client.begin_transaction()
            wanted = values if end == client.commit_transaction else [("aborted", b"{}")] * 5
            for key, value in wanted:
                client.produce(topic, value, key, partition=0)
            client.flush(30)  # else an abort writes nothing
            end(30)
            values = values[:0]

    async with make_deployment(settings={"role": "main"}) as deployment:
        worker = await deployment.ready_worker()
        events = [payment_event("mpp-to-ant", rng=deployment.rng) for _ in range(3)]
        pairs = [(order_id(event), encode(event)) for event in events]
        await asyncio.to_thread(transactions, deployment.bootstrap, deployment.source, pairs)
        await deployment.delivered([order for order, _ in pairs])
        await deployment.all_committed()  # to the end of the log, markers included
        await nothing_pending(worker)
        async with administration(deployment.bootstrap) as admin:
            offsets = await offsets_of(admin, deployment.group)
        assert offsets[deployment.source, 0] == 3 + 1 + 5 + 1
        assert not await deployment.dead_letters()


async def open_transaction(deployment, inside):
    """Write an event to the first partition in a transaction; return its client, which is to end it."""
    client = Producer(
        {"bootstrap.servers": deployment.bootstrap, "transactional.id": deployment.source}
    )
    await asyncio.to_thread(client.init_transactions, 30)
    client.begin_transaction()
    client.produce(deployment.source, encode(inside), order_id(inside), partition=0)
    await asyncio.to_thread(client.flush, 30)
    return client


async def test_an_open_transaction_holds_back_and_is_seen(make_deployment):
    """What stands behind it can't be given to anybody: it is not pending, and goes on when the transaction ends."""
    async with make_deployment(settings={"role": "main"}) as deployment:
        worker = await deployment.ready_worker()
        inside, behind = (payment_event("mpp-to-ant", rng=deployment.rng) for _ in range(2))
        client = await open_transaction(deployment, inside)
        key = order_id(behind)
        await deployment.write(deployment.source, behind, key=key, partition=0)
        await counted(worker, "notifier_undecided_offsets", 2, tier="source")
        assert await pending(worker) == 0
        assert not deployment.requests(key)
        await asyncio.to_thread(client.commit_transaction, 30)
        await deployment.delivered([order_id(inside), key])
        await counted(worker, "notifier_undecided_offsets", 0, tier="source")
        await deployment.all_committed()


async def test_latest_is_before_an_open_transaction(make_deployment):
    """Its records come to readers when it ends, after the group has begun; behind the end of the log nobody would read them."""
    async with make_deployment(settings={"role": "main", "start_from": "latest"}) as deployment:
        passed = await write(deployment, [0], 1)
        inside = payment_event("mpp-to-ant", rng=deployment.rng)
        client = await open_transaction(deployment, inside)
        await deployment.ready_worker()
        await asyncio.to_thread(client.commit_transaction, 30)
        await deployment.delivered([order_id(inside)])
        assert not any(deployment.requests(order) for order in passed)


async def test_two_workers_share_what_comes_and_what_is_made_again(make_deployment):
    """Each minds its own partitions, and one of them shares out the new ones."""
    async with make_deployment(settings={"role": "main"}) as deployment:
        workers = [await deployment.ready_worker() for _ in range(2)]
        await deployment.delivered(await write(deployment, [0, 1], 3))
        await grow(deployment, 6)
        await deployment.delivered(await write(deployment, range(6), 2))
        await delete(deployment.bootstrap, deployment.source)
        await create_topic(deployment.bootstrap, deployment.source, 3)
        await deployment.delivered(await write(deployment, range(3), 6))
        await deployment.all_committed()

        async def said() -> bool:
            counts = [await one.metric("notifier_topic_resets_total") for one in workers]
            return any(counts)

        await eventually(said, what="resets", every_seconds=0.5)
