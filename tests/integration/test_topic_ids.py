"""What topics are, asked with our own request: the answer is what another client hears."""

import asyncio
from functools import partial
from uuid import UUID

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from streams.kafka.admin.topic_ids import Topic, Topics, look_at_topics, read_answer
from streams.sandbox.client import create_topic
from tests.support.kafka import add_partitions, administration
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka


async def look(bootstrap: str, *topics: str) -> Topics:
    """Ask."""
    async with administration(bootstrap) as admin:
        send = partial(admin._client.send, admin._client.get_random_node())
        found = await look_at_topics(send, topics)
    assert found is not None
    return found


async def test_ids_and_numbers_of_partitions_are_what_librdkafka_hears(broker):
    """Of several topics in one request; one that is not there is said to be missing and is not made."""
    await create_topic(broker.bootstrap, "ids-one", 1)
    await create_topic(broker.bootstrap, "ids-many", 30)
    seen = await look(broker.bootstrap, "ids-many", "ids-none", "ids-one")
    assert seen.missing == {"ids-none"}
    assert seen.id("ids-none") == ""
    other = AdminClient({"bootstrap.servers": broker.bootstrap})
    asked = other.describe_topics(TopicCollection(["ids-one", "ids-many"]))
    for name, future in asked.items():
        described = await asyncio.to_thread(future.result, 30)
        topic_id, _, cluster = seen.existing[name].id.partition("@")
        assert topic_id == str(described.topic_id).translate(str.maketrans("+/", "-_"))
        assert len(cluster) == 8
        assert seen.existing[name].partitions == len(described.partitions)
    assert seen == await look(broker.bootstrap, "ids-many", "ids-none", "ids-one")


async def test_a_topic_made_again_has_another_id(broker):
    """And one that got more partitions has the same."""
    await create_topic(broker.bootstrap, "ids-again", 1)
    first = (await look(broker.bootstrap, "ids-again")).existing["ids-again"]
    async with administration(broker.bootstrap) as admin:
        await add_partitions(admin, {"ids-again": 2})

        async def grown() -> bool:
            seen = await look(broker.bootstrap, "ids-again")
            return seen.existing["ids-again"] == Topic(first.id, 2)

        await eventually(grown, what="a second partition", every_seconds=0.1)
        await admin.delete_topics(["ids-again"])

        async def gone() -> bool:
            return bool((await look(broker.bootstrap, "ids-again")).missing)

        await eventually(gone, what="deletion", every_seconds=0.1)
    await create_topic(broker.bootstrap, "ids-again", 1)
    assert (await look(broker.bootstrap, "ids-again")).id("ids-again") not in {first.id, ""}


def test_an_answer_that_ends_too_early_is_an_error():
    """Wherever it ends: no topic is taken for missing because of it."""
    whole = answer()
    assert read_answer(whole).existing["t"].partitions == 1
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="ends too early"):
            read_answer(whole[:length])


def answer() -> bytes:
    """Return a version 10 answer: one broker, one topic with one partition, tagged fields that nobody knows yet."""
    tags = b"\x01\x07\x02xx"
    broker = bytes(4) + b"\x02h" + bytes(4) + b"\x00" + tags
    partition = bytes(2 + 4 + 4 + 4) + 2 * (b"\x02" + bytes(4)) + b"\x01" + tags
    topic = (
        bytes(2) + b"\x02t" + UUID(int=7).bytes + b"\x00" + b"\x02" + partition + bytes(4) + tags
    )
    return bytes(4) + b"\x02" + broker + b"\x02c" + bytes(4) + b"\x02" + topic
