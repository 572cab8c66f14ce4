"""Events in Avro with a real schema registry, through a real broker to a signed notification."""

import asyncio
import json
import struct
from uuid import uuid4

import pytest
import yaml

from streams.mapping.avro import AvroDecoder
from streams.mapping.registry import SchemaRegistry, SchemaUnavailable
from tests.support.mapping import AVRO_SCHEMA, EXAMPLES, avro_bytes, avro_example, framed
from tests.support.registry import Registry
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

UNKNOWN_ID = 4_000_000


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry for the tests that leave it as it is."""
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def installation(make_deployment, tmp_path):
    """Make an installation whose source topic is in Avro."""

    def make(registry):
        return make_deployment(
            partitions=1,
            settings={
                "event_mapping": tmp_path / "mapping.yaml",
                "schema_registry_url": registry.url,
                "allow_http": "true",
            },
        )

    return make


def write_mapping(deployment, tmp_path):
    content = yaml.safe_load((EXAMPLES / "avro" / "mapping.yaml").read_text("utf-8"))
    (topic,) = content["topics"].values()
    text = yaml.safe_dump({"topics": {deployment.source: topic}})
    (tmp_path / "mapping.yaml").write_text(text, "utf-8")


def payment(order, **changes):
    return avro_example(order_ref=order, event_id=str(uuid4()), **changes)


def body_of(deployment, order):
    (request,) = deployment.requests(order)
    assert request.signature_valid
    return json.loads(request.body)


async def test_the_worked_example_reaches_the_partner(installation, registry, tmp_path):
    """With the id before the value and in a header: decimals exact, a schema asked for once, what is not final passed over."""
    number = registry.register("payments-value", AVRO_SCHEMA)
    async with installation(registry) as deployment:
        write_mapping(deployment, tmp_path)
        worker = await deployment.ready_worker()
        await deployment.write(deployment.source, framed(number, avro_bytes(payment("avro-1"))))
        header = {"__value_schema_id": b"\x00" + number.to_bytes(4, "big")}
        value = avro_bytes(payment("avro-2", amount={"currency": "USD", "value": "12.3000"}))
        await deployment.write(deployment.source, value, headers=header)
        pending = avro_bytes(payment("avro-3", status="PENDING"))
        await deployment.write(deployment.source, framed(number, pending))
        await deployment.delivered(["avro-1", "avro-2"])
        await deployment.all_committed()
        assert body_of(deployment, "avro-1")["paymentAmount"] == {
            "currency": "KWD",
            "value": "1500",
        }
        assert body_of(deployment, "avro-2")["paymentAmount"] == {
            "currency": "USD",
            "value": "1230",
        }
        assert not deployment.requests("avro-3")
        asked = "notifier_schema_registry_requests_total"
        assert await worker.metric(asked, result="found") == 1
        assert await worker.metric("notifier_passed_over_events_total", rule="not-final") == 1
        why = await deployment.run("why", "avro-1")
        assert "acknowledged" in why.stdout, why.stderr
        assert await worker.stop() == 0


async def test_a_registry_that_is_down_holds_the_partition(installation, tmp_path):
    """Nothing is dead-lettered, the offset stays, other topics go on; once it is back the event is told."""
    registry = Registry(tmp_path)
    await asyncio.to_thread(registry.start)
    try:
        number = registry.register("payments-value", AVRO_SCHEMA)
        await asyncio.to_thread(registry.stop)
        async with installation(registry) as deployment:
            write_mapping(deployment, tmp_path)
            worker = await deployment.ready_worker()
            await deployment.write(deployment.source, framed(number, avro_bytes(payment("down-1"))))
            held = "notifier_events_awaiting_schema"

            async def is_held():
                return await worker.metric(held, reason="unreachable") == 1

            await eventually(is_held, what="the event is held")
            await worker.said(r"events wait for schema \d+, and none is dead-lettered for it")
            assert await deployment.dead_letters() == []
            assert (await deployment.committed()).get((deployment.source, 0), 0) == 0
            health = await worker.get("/health/live")
            assert health.status_code == 200
            await asyncio.to_thread(registry.start)
            assert registry.register("payments-value", AVRO_SCHEMA) == number
            await deployment.delivered(["down-1"])
            await deployment.all_committed()
            assert await worker.metric(held, reason="unreachable") == 0
            assert await deployment.dead_letters() == []
            assert await worker.stop() == 0
    finally:
        await asyncio.to_thread(registry.stop)


async def test_a_schema_that_the_registry_does_not_know_holds_the_event(
    installation, registry, tmp_path
):
    """It waits and says so, those behind it go on, and a worker that takes over holds it as well."""
    number = registry.register("payments-value", AVRO_SCHEMA)
    async with installation(registry) as deployment:
        write_mapping(deployment, tmp_path)
        worker = await deployment.ready_worker()
        unknown = framed(UNKNOWN_ID, avro_bytes(payment("unknown-1")))
        await deployment.write(deployment.source, unknown)
        await deployment.write(deployment.source, framed(number, avro_bytes(payment("known-1"))))
        await deployment.delivered(["known-1"])

        async def is_held():
            metric = "notifier_events_awaiting_schema"
            return await worker.metric(metric, reason="unknown-schema") == 1

        await eventually(is_held, what="the event is held")
        assert await worker.stop() == 0
        worker = await deployment.ready_worker()
        await eventually(is_held, what="the event is held by the next worker")
        assert await deployment.dead_letters() == []
        assert not deployment.requests("unknown-1")
        assert (await deployment.committed()).get((deployment.source, 0), 0) == 0
        assert await worker.stop() == 0


async def test_bytes_of_another_schema_are_dead_lettered(installation, registry, tmp_path):
    """That is the record's own fault, and keeps its bytes."""
    number = registry.register("other-value", json.dumps({"type": "record", "name": "O", "fields": [{"name": "a", "type": "double"}]}))  # fmt: skip
    async with installation(registry) as deployment:
        write_mapping(deployment, tmp_path)
        worker = await deployment.ready_worker()
        cut = framed(number, b"\x01")
        for value in (cut, framed(number, struct.pack("<d", 1.5)), b'{"no": "avro"}'):
            await deployment.write(deployment.source, value)
        letters = await deployment.dead_letters(3)
        assert cut in [letter.value for letter in letters]
        await deployment.all_committed()
        assert await worker.stop() == 0


def test_references_are_followed(registry):
    """A schema that names another one is decoded with it, by what the registry says they are."""
    money = {"type": "record", "name": "Money", "namespace": "com.example", "fields": [{"name": "value", "type": "string"}]}  # fmt: skip
    registry.register("money", json.dumps(money))
    order = {"type": "record", "name": "Order", "namespace": "com.example", "fields": [{"name": "paid", "type": "com.example.Money"}]}  # fmt: skip
    references = [{"name": "com.example.Money", "subject": "money", "version": 1}]
    number = registry.register("order", json.dumps(order), references)
    client = SchemaRegistry(registry.url)
    found = client.fetch(number)
    assert [json.loads(text)["name"] for text in found.references] == ["Money"]
    assert AvroDecoder().decode(found, b"\x0412") == {"paid": {"value": "12"}}


def test_an_id_that_is_not_there(registry):
    """The registry's 404 is told from all else."""
    with pytest.raises(SchemaUnavailable) as missing:
        SchemaRegistry(registry.url).fetch(UNKNOWN_ID)
    assert missing.value.fault == "unknown-schema"
    assert "does not know schema 4000000" in str(missing.value)
