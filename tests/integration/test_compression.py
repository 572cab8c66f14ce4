"""Topics whose broker compresses what is written to them: each kind of topic, with each codec, is read all the same."""

import json

import pytest
from aiokafka.admin import NewTopic

from streams.kafka.connection import Connection
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.raw_batch import batch_at
from streams.kafka.reader.reader import RecordReader
from streams.kafka.reader.tail import Tail
from streams.kafka.topics import topic_specs
from streams.notification.profiles import TIERS
from streams.sandbox.client import create_topic
from streams.sandbox.payments import order_id, payment_event
from tests.support.kafka import administration
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

CODECS = ("gzip", "snappy", "lz4", "zstd")


async def create_compressed(deployment, codecs):
    """Make the topics: source, tiers and replay, dead letters, attempts each with a codec of its own."""
    source, tiers, dead_letter, attempts = codecs
    names = deployment.names
    other = {names.dead_letter: dead_letter, names.attempts: attempts}
    new = [
        NewTopic(
            spec.name,
            spec.partitions,
            spec.replication,
            topic_configs=spec.config | {"compression.type": other.get(spec.name, tiers)},
        )
        for spec in topic_specs(names, TIERS, 1, 1)
    ]
    async with administration(deployment.bootstrap) as admin:
        await admin.create_topics(new)
    await create_topic(deployment.bootstrap, deployment.source, 1, {"compression.type": source})


@pytest.mark.parametrize("turn", range(len(CODECS)), ids=CODECS)
async def test_what_a_broker_compressed_is_read(make_deployment, turn):
    """By workers on source and tier, by `why` and `dead-letters` on attempts and dead letters, by the console's reader."""
    codecs = CODECS[turn:] + CODECS[:turn]
    async with make_deployment(
        topics=False, partitions=1, settings={"ladder_scale": 0.02}
    ) as deployment:
        await create_compressed(deployment, codecs)
        profile = "mpp-to-alipay-plus"
        deployment.add_partner("again", profile, "U,S")
        worker = await deployment.ready_worker()
        event = payment_event(profile, rng=deployment.rng, partner_id="again")
        nobody = payment_event(profile, rng=deployment.rng, partner_id="nobody")
        await deployment.send([event, nobody])
        await deployment.delivered([order_id(event)])
        assert len(deployment.requests(order_id(event))) == 2
        (letter,) = await deployment.dead_letters(1)
        why = await deployment.run("why", order_id(event), "--json")
        assert why.returncode == 0, why.stderr
        assert "acknowledged" in why.stdout
        letters = await deployment.run("dead-letters", "list", "--json")
        assert json.loads(letters.stdout)["count"] == 1, letters.stderr
        await deployment.all_committed()
        assert await worker.stop() == 0
        names = deployment.names
        topics = (deployment.source, names.tier(TIERS[0]), names.dead_letter, names.attempts)
        await check_stored(deployment.bootstrap, dict(zip(topics, codecs, strict=True)))
        assert letter.topic == names.dead_letter


async def check_stored(bootstrap, codecs):
    """See that the broker has compressed the first batch of each topic so, and follow them as the console does."""
    connection = Connection(bootstrap)
    async with RecordReader(connection, "test-reader") as reader:
        for topic, codec in codecs.items():
            stored = await batch_at(reader, RecordId(topic, 0, 0))
            assert stored is not None
            assert (stored.fault, stored.head["compression"]) == ("", codec)
    async with Tail(connection, "test-tail", codecs) as tail:
        ends = {tag: edges.end for tag, edges in (await tail.look()).items()}
        tail.follow(dict.fromkeys(ends, 0))

        async def all_read():
            await tail.fetch()
            return await tail.positions() == ends

        await eventually(all_read, what="every record of these topics")
