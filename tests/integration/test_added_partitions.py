"""Orders are found whatever the number of partitions was when they came, and whoever spread the events."""

import json

import pytest
from confluent_kafka import Producer

from streams.kafka.reader.partitioning import partition_of
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.kafka import add_partitions, administration
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-alipay-plus"
SIZES = (2, 3, 5)
EACH = 3


async def _grow(deployment, size):
    """Add partitions to every topic, as an administrator does before the setting is raised."""
    async with administration(deployment.bootstrap) as admin:
        prefix = deployment.source.removesuffix("final")
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        await add_partitions(admin, dict.fromkeys(names, size))


def _moved(order):
    """Whether the order's records would be written elsewhere today."""
    key = order.encode()
    return partition_of(key, SIZES[0]) != partition_of(key, SIZES[-1])


async def _events(deployment, partner_id):
    """Write events of which at least one goes elsewhere when there are more partitions; return their order ids."""
    events = [
        payment_event(PROFILE, rng=deployment.rng, partner_id=partner_id) for _ in range(EACH)
    ]
    while not any(_moved(order_id(event)) for event in events):
        events[0] = payment_event(PROFILE, rng=deployment.rng, partner_id=partner_id)
    return await deployment.send(events)


async def _settled(deployment, orders):
    async def all_of_them():
        ends = {"delivered", "dead-letter"}
        records = await deployment.attempts()
        return {r["order_id"] for r in records if r.get("decision") in ends} >= set(orders)

    await eventually(all_of_them, what="the end of each order", every_seconds=0.2)


async def _run(deployment, *arguments, code=0):
    done = await deployment.run(*arguments, "--json", topic_partitions=SIZES[-1])
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


async def test_orders_are_found_whatever_the_number_of_partitions_was(make_deployment):
    """Written to 2, 3 and 5 partitions: why, replay and resend find each; a letter is put back once, a life is whole."""
    async with make_deployment(partitions=SIZES[0]) as deployment:
        deployment.add_partner("refusing", PROFILE, "F:RISK_REJECT,S")
        deployment.add_partner("willing", PROFILE, "S")
        told, refused = [], []
        for size in SIZES:
            if size != SIZES[0]:
                await _grow(deployment, size)
            worker = await deployment.ready_worker(topic_partitions=size)
            told.append(await _events(deployment, "willing"))
            refused.append(await _events(deployment, "refusing"))
            await _settled(deployment, told[-1] + refused[-1])
            assert await worker.stop() == 0
        for orders, state in ((told, "delivered"), (refused, "rejected")):
            for order in (order for some in orders for order in some):
                (life,) = (await _run(deployment, "why", order))["notifications"]
                assert (life["state"], life["attempts"]) == (state, 1), order

        worker = await deployment.ready_worker(topic_partitions=SIZES[-1])
        old = next(order for order in refused[0] if _moved(order))
        replay = ("dead-letters", "replay", old, "--execute", "--why", "mended", "--yes")
        assert (await _run(deployment, *replay))["put_back"] == 1
        await deployment.delivered([old])
        again = await _run(deployment, *replay)
        assert (again["put_back"], again["skipped"][0]["kind"]) == (0, "put back before")
        (life,) = (await _run(deployment, "why", old))["notifications"]
        assert (life["state"], life["replays"]) == ("delivered", 1)
        kinds = [entry["kind"] for entry in life["timeline"]]
        assert kinds.count("attempt") == 2, "the attempt of then and the one of today"

        old = next(order for order in told[0] if _moved(order))
        assert (await _run(deployment, "resend", old, "--why", "lost it", "--yes"))["resent"]

        async def twice():
            return len(deployment.requests(old)) == 2

        await eventually(twice, what="the second request")
        assert await worker.stop() == 0


async def test_a_record_in_another_partition_is_found_before_nothing_is_known(make_deployment):
    """Copied by a tool that spreads records in its own way: all partitions are read before we say that nothing is known."""
    async with make_deployment(partitions=5) as deployment:
        worker = await deployment.ready_worker()
        event = payment_event(PROFILE, rng=deployment.rng)
        (order,) = await deployment.send([event])
        await deployment.delivered([order])
        await deployment.all_committed()
        assert await worker.stop() == 0
        (record,) = await deployment.records(deployment.names.attempts)
        copied = order[:-1] + "X"  # an order that is known in the wrong place alone
        partition = (partition_of(copied.encode(), 5) + 1) % 5
        value = record.value.replace(order.encode(), copied.encode())
        # Busy partitions show that the topic never had fewer of them.
        for number in range(5):
            await deployment.write(deployment.names.attempts, record.value, "other", None, number)
        await deployment.write(deployment.names.attempts, value, copied, None, partition)
        (life,) = (await _run(deployment, "why", copied))["notifications"]
        assert life["state"] == "delivered"
        nobody = await _run(deployment, "why", "no-such-order", code=1)
        assert nobody["found"] is False


@pytest.mark.parametrize("spread", ["consistent_random", "murmur2_random", "fnv1a_random"])
async def test_an_unread_event_is_found_whoever_spread_it(make_deployment, spread):
    """librdkafka's rules (its usual one is CRC-32), and events without a key: each event that waits is found."""
    async with make_deployment(partitions=5) as deployment:
        client = Producer({"bootstrap.servers": deployment.bootstrap, "partitioner": spread})
        events = [payment_event(PROFILE, rng=deployment.rng) for _ in range(3)]
        for number, event in enumerate(events):
            key = order_id(event) if number % 2 else None
            client.produce(deployment.source, encode(event), key)
        assert client.flush(30) == 0
        for event in events:
            (life,) = (await _run(deployment, "why", order_id(event)))["notifications"]
            assert (life["state"], life["told"]) == ("due", "no")
