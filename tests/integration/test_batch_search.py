"""Searching topics for a key: from the end, in steps, over all that may stand on a topic."""

import json

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from streams.kafka.connection import Connection
from streams.kafka.reader.batch_search import BatchSearch, key_search, text_search
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import ReadProgress, RecordReader, Span
from streams.sandbox.broker import Broker
from tests.support.kafka import administration, producer

pytestmark = pytest.mark.kafka
MANY = 6_000  # more than the first step looks at


async def test_a_search_goes_back_in_steps(make_deployment):
    """Newest first; every record with the key and no other, once; how far it is."""
    async with make_deployment() as deployment:
        async with producer(deployment.bootstrap, "lz4") as client:
            for number in range(MANY):
                key = b"wanted" if number in {5, 3000, MANY - 1} else b"k%d" % number
                await client.send(
                    deployment.source, b"v%d" % number, key, partition=0, timestamp_ms=1000 + number
                )
        seen: list[ReadProgress] = []
        async with RecordReader(Connection(deployment.bootstrap), "test") as reader:
            spans = await reader.spans(deployment.source)
            search = key_search(reader, spans, b"wanted", seen.append)
            first, second = await search.step(), await search.step()
            assert [record.value for record in first] == [b"v3000", b"v%d" % (MANY - 1)]
            assert [(record.value, record.offset) for record in second] == [(b"v5", 5)]
            assert search.left == []
            assert (seen[-1].passed, seen[-1].of) == (MANY, MANY)
            assert search.passed >= MANY  # a batch in which a step begins is looked at twice
            assert search.oldest_ms == {deployment.source: 1000}


async def test_a_search_leaves_out_what_was_aborted(make_deployment):
    """A record of a transaction that was rolled back was never written; one that was committed was."""
    async with make_deployment() as deployment:
        client = AIOKafkaProducer(
            bootstrap_servers=deployment.bootstrap, transactional_id=deployment.group
        )
        await client.start()
        try:
            for ends in (client.abort_transaction, client.commit_transaction):
                await client.begin_transaction()
                await client.send_and_wait(deployment.source, ends.__name__.encode(), b"wanted")
                await ends()
        finally:
            await client.stop()
        async with RecordReader(Connection(deployment.bootstrap), "test") as reader:
            spans = await reader.spans(deployment.source)
            search = key_search(reader, spans, b"wanted")
            assert [record.value for record in await search.step()] == [b"commit_transaction"]
            scanned = [r.value async for batch in scan(reader, spans, None) for r in batch]
            assert scanned == [b"commit_transaction"]


async def test_a_text_is_found_wherever_it_stands_as_a_whole(make_deployment):
    """As key, as a header's value, as a string of JSON however it is escaped, anywhere in what is no JSON; not as a part."""
    wanted = 'id/7 é "x"'
    plain = wanted.encode()
    here = [
        (b"{}", plain, []),
        (b"{}", None, [("h", plain)]),
        (json.dumps({"a": [1, None, {"b": wanted}]}).encode(), None, []),
        (json.dumps([wanted], ensure_ascii=False).encode(), None, []),
        (json.dumps([wanted]).replace("/", "\\/").encode(), None, []),
        (b"\0avro" + plain + b"\xff", None, []),
    ]
    elsewhere = [
        (b"{}", plain + b"8", [("h", b"0" + plain)]),
        (json.dumps({"a": wanted + "8", wanted: 1}).encode(), None, []),
        (None, b"k", []),
    ]
    async with make_deployment() as deployment:
        async with producer(deployment.bootstrap, "lz4") as client:
            for value, key, headers in here + elsewhere:
                await client.send_and_wait(
                    deployment.source, value, key, partition=0, headers=headers
                )
        async with RecordReader(Connection(deployment.bootstrap), "test") as reader:
            spans = await reader.spans(deployment.source)
            search = text_search(reader, spans, wanted)
            assert [record.offset for record in await search.step()] == list(range(len(here)))
            assert not search.has_enough
            few = BatchSearch(reader, spans, [b"{}"], lambda _: True, most=1)
            assert await few.step()
            assert few.has_enough


async def test_a_scan_gives_what_is_wanted_within_its_spans(make_deployment):
    """As a read would, by what is asked of key and value; an old offset that retention deleted is passed over."""
    async with make_deployment() as deployment:
        async with producer(deployment.bootstrap, "zstd") as client:
            for number in range(400):
                await client.send(
                    deployment.source, b"v%d" % number, b"k%d" % (number % 3), partition=number % 2
                )
        tp = TopicPartition(deployment.source, 0)
        async with administration(deployment.bootstrap) as admin:
            await admin.delete_records({tp: RecordsToDelete(50)})
        async with RecordReader(Connection(deployment.bootstrap), "test") as reader:
            spans = [Span(deployment.source, 0, 60, 150), Span(deployment.source, 1, 0, 200)]
            seen: list[ReadProgress] = []
            found = [
                record.value
                async for batch in scan(reader, spans, lambda r: r.key == b"k1", seen.append)
                for record in batch
            ]
            wanted = [n for n in range(120, 300, 2) if n % 3 == 1]
            wanted += [n for n in range(1, 400, 2) if n % 3 == 1]
            assert found == [b"v%d" % number for number in wanted]
            assert (seen[-1].passed, seen[-1].of) == (290, 290)
            gone = [Span(deployment.source, 0, 0, 200)]
            kept = [r.offset async for batch in scan(reader, gone, lambda _: True) for r in batch]
            assert kept == list(range(50, 200))
            gone = [Span(deployment.source, 0, 0, 50)]
            assert [batch async for batch in scan(reader, gone, lambda _: True)] == []


async def test_a_search_ends_in_one_sentence_where_the_broker_is_gone(tmp_path):
    """Not in a group of errors, and not never."""
    with Broker(tmp_path) as running:
        async with administration(running.bootstrap) as admin:
            await admin.create_topics([NewTopic("t", 1, 1)])
        async with producer(running.bootstrap) as client:
            await client.send_and_wait("t", b"v", b"wanted")
        async with RecordReader(Connection(running.bootstrap), "test") as reader:
            search = key_search(reader, await reader.spans("t"), b"wanted")
            running.kill()
            with pytest.raises(ReadFailed, match="NOTIFIER_BROKERS"):
                await search.step()
