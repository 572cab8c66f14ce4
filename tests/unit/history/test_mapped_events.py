"""Events of mapped topics as operators read them: in our own form, as a worker makes it."""

import json

import pytest

from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.mapping.registry import (
    RegisteredSchema,
    RegistryFault,
    SchemaRegistry,
    SchemaUnavailable,
)
from streams.operator.history.mapped_events import event_reader
from tests.support.mapping import AVRO_SCHEMA, avro_bytes, avro_example, event_of, example, framed


def raw(topic, value):
    return RawRecord(topic, 0, 7, None, value, (), 1)


class ChosenRegistry(SchemaRegistry):
    """Gives the Avro example's schema, or fails as the test says; counts how often it is asked."""

    fault: RegistryFault | None = None
    asked = 0

    def fetch(self, schema):
        self.asked += 1
        if self.fault is not None:
            message = "not now"
            raise SchemaUnavailable(message, schema, self.fault)
        self._schemas[schema] = RegisteredSchema("AVRO", AVRO_SCHEMA)
        return self._schemas[schema]


def test_what_a_mapped_event_says():
    """Its order, ids and outcome, as of an event of our own form; and its own length."""
    record = raw("core-payments", event_of("own-json"))
    fact = read_fact("event", record, event_reader(example("own-json")))
    assert (fact.order_id, fact.notification_id, fact.result, fact.partner_id) == (
        "20261122190741020001001234567", "P-2026-0042-3", "SUCCESS", "alipayplus",
    )  # fmt: skip
    assert fact.value_bytes == len(event_of("own-json"))
    assert fact.unreadable is None


def test_what_is_passed_over_says_nothing():
    """It is about no order of ours."""
    value = json.dumps(json.loads(event_of("own-json")) | {"state": "PENDING"}).encode()
    fact = read_fact("event", raw("core-payments", value), event_reader(example("own-json")))
    assert (fact.order_id, fact.unreadable) == (None, "no JSON object")


def test_other_topics_are_read_as_they_are():
    """With a mapping and without."""
    for mapping in (None, example("own-json")):
        assert event_reader(mapping)(raw("payment-final-state", b"{}")) == b"{}"


@pytest.mark.parametrize(("fault", "asked"), [("unreachable", 1), ("unknown-schema", 3)])
def test_a_registry_that_is_down_is_not_asked_for_each_record(fault, asked):
    """Whoever reads thousands of events goes on without them; an id that is not known says nothing of others."""
    mapping = example("avro")
    mapping.registry = registry = ChosenRegistry("http://127.0.0.1:9")
    registry.fault = fault
    event_of_record = event_reader(mapping)
    record = raw("payments-avro", framed(7, avro_bytes(avro_example())))
    assert [event_of_record(record) for _ in range(3)] == [None, None, None]
    assert registry.asked == asked


def test_a_schema_is_fetched_where_it_is_needed():
    """Once."""
    mapping = example("avro")
    mapping.registry = registry = ChosenRegistry("http://127.0.0.1:9")
    event_of_record = event_reader(mapping)
    for order in ("o-1", "o-2"):
        value = framed(7, avro_bytes(avro_example(order_ref=order)))
        event = json.loads(event_of_record(raw("payments-avro", value)) or b"")
        assert event["payment"]["paymentRequestId"] == order
    assert registry.asked == 1
