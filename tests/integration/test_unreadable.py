"""Batches that can't be read, on a real broker's own disk: their partitions stand still, an operator lets them pass.

The broker is stopped and bytes of its logs are changed: under a checksum that is wrong then, as a failing disk leaves
them, or with the checksum made right over what no reader takes, as a broken producer would make it.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.kafka.connection import Connection
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.batch_search import key_search
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import RecordReader, Span
from streams.kafka.reader.tail import Tail
from streams.sandbox.broker import Broker
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.batches import CRC_AT, ZSTD, Row, batch, flipped, with_checksum
from tests.support.deployment import Deployment
from tests.support.kafka import header_texts, producer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-alipay-plus"


def no_codec(raw):
    """Name a codec that there is none of."""
    at = CRC_AT + 5
    return with_checksum(raw[:at] + bytes([raw[at] | 7]) + raw[at + 1 :])


@dataclass(frozen=True)
class Damage:
    """What is done to the second batch of a partition.

    Attributes:
        change: makes it of the one that was written.
        fault: what the worker says of it.
        codec: that it is compressed with.
    """

    change: Callable[[bytes], bytes]
    fault: str
    codec: str | None = None


DAMAGES = (
    Damage(lambda raw: flipped(raw, len(raw) - 9), r"wrong checksum \(CRC\)"),
    Damage(lambda raw: with_checksum(flipped(raw, len(raw) - 9)), "can't be decomp", "zstd"),
    Damage(lambda raw: with_checksum(flipped(raw, len(raw) - 9)), "can't be decomp", "gzip"),
    Damage(no_codec, "Unknown compression codec 0x07"),
    Damage(lambda raw: raw[:16] + b"\x05" + raw[17:], "records of version 5, which nobody knows"),
)
WHOLE = len(DAMAGES)
"""The partition that nothing is done to."""


@pytest.fixture
async def deployment(keys, partner, tmp_path):
    """An installation on a broker whose disk may be damaged."""
    with Broker(tmp_path) as broker:
        deployment = Deployment(broker, partner, keys, tmp_path, WHOLE + 1)
        await deployment.create_topics()
        try:
            yield deployment
            assert deployment.unwanted == []
        finally:
            deployment.kill_workers()


async def write(deployment, partition, count, compression=None):
    """Write events, each in a batch of its own; return their orders."""
    events = [payment_event(PROFILE, rng=deployment.rng) for _ in range(count)]
    async with producer(deployment.bootstrap, compression) as client:
        for event in events:
            await client.send_and_wait(deployment.source, encode(event), partition=partition)
    return [order_id(event) for event in events]


@asynccontextmanager
async def logs_of(broker, topic):
    """Give the files that hold the partitions' records, by number, while the broker is down."""
    await asyncio.to_thread(broker.stop)
    yield logs_by_number(broker, topic)
    await asyncio.to_thread(broker.start)


def logs_by_number(broker, topic):
    """Return the files that hold the partitions' records, by number."""
    logs = Path(broker._home, "data").glob(f"{topic}-*/*.log")
    return {int(log.parent.name.rpartition("-")[2]): log for log in logs}


def damage_second(log, change):
    """Change the second batch of a log, and return what became of it."""
    raw = log.read_bytes()
    begin = 12 + int.from_bytes(raw[8:12], "big")
    end = begin + 12 + int.from_bytes(raw[begin + 8 : begin + 12], "big")
    changed = change(raw[begin:end])
    assert len(changed) == end - begin
    with log.open("r+b") as file:
        file.seek(begin)
        file.write(changed)
    return changed


async def test_what_cannot_be_read_holds_its_partition_until_it_is_passed(deployment, tmp_path):
    """Others flow on, restarts change nothing, and what is passed over on an operator's word is kept as a dead letter."""
    written = [await write(deployment, n, 4, DAMAGES[n].codec) for n in range(WHOLE)]
    async with logs_of(deployment.broker, deployment.source) as logs:
        raws = [damage_second(logs[n], damage.change) for n, damage in enumerate(DAMAGES)]
    before, lost, *behind = map(list, zip(*written, strict=True))
    places = [f"{deployment.source}:{n}:1" for n in range(WHOLE)]

    worker = await deployment.ready_worker()
    await deployment.delivered([*before, *await write(deployment, WHOLE, 3)])
    for damage, place in zip(DAMAGES, places, strict=True):
        topic, number, offset = place.split(":")
        await worker.said(
            f"topic {topic}, partition {number} stands still at offset {offset}, whose batch can't be read:"
            f" .*{damage.fault}.*; see: notifier unreadable show {place}"
        )
    await eventually(lambda: holds(worker, WHOLE), what="the metric")
    await refused_while_workers_run(deployment, places[0])
    await stands(deployment, worker)

    worker = await deployment.ready_worker()
    await eventually(lambda: holds(worker, WHOLE), what="the metric of a worker started again")
    await deployment.delivered(await write(deployment, WHOLE, 2))
    await stands(deployment, worker)
    assert await deployment.dead_letters() == []

    for place, raw in zip(places, raws, strict=True):
        await passed(deployment, place, tmp_path / place, raw)
    await twice(deployment, places[0])
    listed = await deployment.run("dead-letters", "list", "--json")
    assert json.loads(listed.stdout)["count"] == len(places), listed.stderr
    again = await deployment.run("dead-letters", "replay", "--reason", "invalid-event", "--json")
    assert json.loads(again.stdout)["selected"] == [], again.stdout
    worker = await deployment.ready_worker()
    attempts = await deployment.delivered([order for orders in behind for order in orders])
    await deployment.all_committed()
    assert await holds(worker, 0)
    assert [order for order in lost if deployment.requests(order)] == []
    decisions = [item for item in attempts if item.get("decision") == "dead-letter"]
    assert {item["origin"] for item in decisions} == {place.replace(":", "/") for place in places}
    assert {"INC-77: sent again" in item["why"] for item in decisions} == {True}
    assert {item["by"] for item in decisions} == {"jo"}
    assert await worker.stop() == 0


async def holds(worker, count):
    """Tell whether the worker says that so many partitions of the source topics stand still."""
    return await worker.metric("notifier_unreadable_partitions", tier="source") == count


async def stands(deployment, worker):
    """Stop a worker that is ready and has logged each look once; see that the offsets stand where they stood."""
    assert (await worker.get("/health/ready")).is_success
    assert worker.log.count("stands still") < 12 * WHOLE
    assert await worker.stop() == 0
    committed = await deployment.committed()
    assert {committed[deployment.source, number] for number in range(WHOLE)} == {1}


async def refused_while_workers_run(deployment, place):
    """Kafka lets nobody move a group that has members, and the sentence says what to do."""
    refused = await deployment.run("unreadable", "pass", place, "--why", "test", "--yes")
    assert refused.returncode == 1
    assert "has members; stop its workers first" in refused.stderr


async def passed(deployment, place, file, raw):
    """Look at a batch, keep it, and pass it."""
    shown = await deployment.run("unreadable", "show", place, "--export", str(file), "--json")
    assert shown.returncode == 0, shown.stderr
    facts = json.loads(shown.stdout)
    assert facts["place"] == place
    assert file.read_bytes() == raw
    await pass_over(deployment, place, raw)


async def pass_over(deployment, place, raw, *more):
    """Let the group pass a batch; its bytes are a dead letter."""
    arguments = ["unreadable", "pass", place, "--why", "INC-77: sent again", "--who", "jo", "--yes"]
    done = await deployment.run(*arguments, *more, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["last_offset"] == 1
    origin = place.replace(":", "/")
    letters = {header_texts(letter)["origin"]: letter for letter in await deployment.dead_letters()}
    headers = header_texts(letters[origin])
    assert letters[origin].value == raw
    assert headers["dead-letter-reason"] == "invalid-event"
    assert "passed over by jo" in headers["dead-letter-detail"]


async def twice(deployment, place):
    """A batch that the group has passed is not passed again."""
    again = await deployment.run("unreadable", "pass", place, "--why", "again", "--yes")
    assert again.returncode == 1
    assert f"stands at {deployment.source}:0:2, expected at {place}" in again.stderr


def peak_kilobytes(pid):
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def test_a_bomb_takes_no_more_memory_than_a_batch_may(make_deployment):
    """A hundred megabytes of zeros in some kilobytes, which the broker takes: held, said, and never made whole."""
    async with make_deployment() as deployment:
        bomb = batch([Row(bytes(100_000_000))], codec=ZSTD)
        assert len(bomb) < 10_000
        async with producer(deployment.bootstrap) as client:
            builder = client.create_batch()
            builder.append(key=None, value=b"stands in", timestamp=None)
            builder.close()
            builder._build()
            builder._buffer = bomb
            await (await client.send_batch(builder, deployment.source, partition=0))
        worker = await deployment.ready_worker()
        await deployment.delivered(await write(deployment, 1, 3))
        await worker.said(r"stands still at offset 0, .*: decompresses to more than 64 MiB;")
        await eventually(lambda: holds(worker, 1), what="the metric")
        assert peak_kilobytes(worker.pid) < 300_000
        assert await worker.stop() == 0


async def test_what_only_looks_goes_on_behind(deployment, caplog):
    """Commands and the console leave out what can't be read, say so, and show the rest."""
    for number in range(2):
        await write(deployment, number, 3)
    async with logs_of(deployment.broker, deployment.source) as logs:
        damage_second(logs[0], DAMAGES[0].change)
    connection = Connection(deployment.bootstrap)
    wanted = {(number, offset) for number in range(2) for offset in range(3)} - {(0, 1)}
    async with RecordReader(connection, "test-reader") as reader:
        spans = await reader.spans(deployment.source)
        seen = [record async for batch in reader.read(spans) for record in batch]
        assert {(record.partition, record.offset) for record in seen} == wanted
        assert reader.left_out == [damaged := Span(deployment.source, 0, 1, 2)]
        assert await reader.at(RecordId(deployment.source, 0, 1)) is None
        assert reader.left_out == [damaged] * 2
        _ = [batch async for batch in scan(reader, spans, None)]
        assert reader.left_out == [damaged] * 3
        await key_search(reader, spans, b"none").step()
        # Batches without the key were not looked into: what was left out may begin earlier.
        assert reader.left_out[3:] == [Span(deployment.source, 0, 0, 2)]
    unknown = await deployment.run("why", "none", "--json")
    assert json.loads(unknown.stdout)["complete"] is False
    assert f"offsets 1 to 1 of topic {deployment.source}, partition 0 are left out" in caplog.text
    async with Tail(connection, "test-tail", [deployment.source]) as tail:
        tail.follow(dict.fromkeys(await tail.look(), 0))
        followed, left_out = [], []

        async def all_seen():
            followed.extend(await tail.fetch())
            left_out.extend(tail.left_out())
            return len(followed) >= len(wanted)

        await eventually(all_seen, what="what can be read")
        assert {(record.partition, record.offset) for record in followed} == wanted
        assert left_out == [RecordId(deployment.source, 0, 1)]
        assert tail.stands_at() is None
        assert (await tail.positions())[deployment.source, 0] == 3


async def test_what_the_broker_refuses_holds_its_partition_as_well(deployment):
    """A batch that the broker itself can't walk over: aiokafka would ask for it again at once, for ever."""
    before, *_ = await write(deployment, 0, 3)
    # It reads its logs from end to end when it starts, so that this can only happen to one that runs.
    damage_second(
        logs_by_number(deployment.broker, deployment.source)[0],
        lambda raw: raw[:8] + b"\0\0\0\5" + raw[12:],
    )
    place = f"{deployment.source}:0:1"
    worker = await deployment.ready_worker()
    await deployment.delivered([before, *await write(deployment, 1, 2)])
    await worker.said(
        r"stands still at offset 1, .*the broker can't give it: 2 \(CORRUPT_MESSAGE\)"
    )
    await eventually(lambda: holds(worker, 1), what="the metric")
    assert await worker.stop() == 0
    async with RecordReader(Connection(deployment.bootstrap), "test-reader") as reader:
        spans = await reader.spans(deployment.source)
        with pytest.raises(ReadFailed, match=r":0:[12] can't be read, and where"):
            _ = [batch async for batch in reader.read(spans)]
    async with Tail(Connection(deployment.bootstrap), "test-tail", [deployment.source]) as tail:
        tail.follow(dict.fromkeys(await tail.look(), 0))

        async def stands():
            await tail.fetch()
            return tail.stands_at()

        await eventually(stands, what="the partition to stand still")
        assert f"notifier unreadable show {deployment.source}:0:" in (tail.stands_at() or "")
        assert (await tail.positions())[deployment.source, 1] == 2
    unknown = await deployment.run("unreadable", "pass", place, "--why", "test", "--yes")
    assert "where the batch ends can't be told" in unknown.stderr
    await pass_over(deployment, place, None, "--to", "2")
    assert (await deployment.committed())[deployment.source, 0] == 2
