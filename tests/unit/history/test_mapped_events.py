"""Events of mapped topics as operators read them: in our own form, as a worker makes it."""

import json

import pytest

from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.operator.history.mapped_events import EventReader
from tests.support.mapping import (
    ChosenRegistry,
    avro_bytes,
    avro_example,
    event_of,
    example,
    framed,
)


def raw(topic, value):
    return RawRecord(topic, 0, 7, None, value, (), 1)


def test_what_a_mapped_event_says():
    """Its order, ids and outcome, as of an event of our own form; and its own length."""
    record = raw("core-payments", event_of("own-json"))
    fact = read_fact("event", record, EventReader(example("own-json")))
    assert (fact.order_id, fact.notification_id, fact.result, fact.partner_id) == (
        "20261122190741020001001234567", "P-2026-0042-3", "SUCCESS", "alipayplus",
    )  # fmt: skip
    assert fact.value_bytes == len(event_of("own-json"))
    assert fact.unreadable is None


def test_what_is_passed_over_says_nothing():
    """It is about no order of ours."""
    value = json.dumps(json.loads(event_of("own-json")) | {"state": "PENDING"}).encode()
    fact = read_fact("event", raw("core-payments", value), EventReader(example("own-json")))
    assert (fact.order_id, fact.unreadable) == (None, "no JSON object")


def test_other_topics_are_read_as_they_are():
    """With a mapping and without."""
    for mapping in (None, example("own-json")):
        assert EventReader(mapping)(raw("payment-final-state", b"{}")) == b"{}"


@pytest.mark.parametrize(("fault", "asked"), [("unreachable", 1), ("unknown-schema", 3)])
def test_a_registry_that_is_down_is_not_asked_for_each_record(fault, asked):
    """Whoever reads thousands of events goes on without them; an id that is not known says nothing of others."""
    mapping = example("avro")
    mapping.registry = registry = ChosenRegistry("http://127.0.0.1:9")
    registry.fault = fault
    event_of_record = EventReader(mapping)
    record = raw("payments-avro", framed(7, avro_bytes(avro_example())))
    assert [event_of_record(record) for _ in range(3)] == [None, None, None]
    assert registry.asked == asked


def test_a_schema_is_fetched_where_it_is_needed():
    """Once."""
    mapping = example("avro")
    mapping.registry = registry = ChosenRegistry("http://127.0.0.1:9")
    event_of_record = EventReader(mapping)
    for order in ("o-1", "o-2"):
        value = framed(7, avro_bytes(avro_example(order_ref=order)))
        event = json.loads(event_of_record(raw("payments-avro", value)) or b"")
        assert event["payment"]["paymentRequestId"] == order
    assert registry.asked == 1


def test_a_registry_that_answers_again_is_noticed():
    """It is asked every half minute for what was missed; an id that it does not know any more is no reason to wait."""
    mapping, now = example("avro"), [100.0]
    mapping.registry = registry = ChosenRegistry("http://127.0.0.1:9")
    registry.fault = "unreachable"
    read = EventReader(mapping, lambda: now[0])
    assert read.has_schema_again()  # nothing was missed
    record = raw("payments-avro", framed(7, avro_bytes(avro_example())))
    assert [read(record), read(record)] == [None, None]
    assert read.take_without_schema() == [record.record_id] * 2
    assert read.take_without_schema() == []
    assert not read.has_schema_again()
    assert registry.asked == 1
    now[0] += 31
    assert not read.has_schema_again()
    assert registry.asked == 2
    now[0] += 31
    registry.fault = "unknown-schema"
    assert read.has_schema_again()
    registry.fault = None
    assert read(record) is not None
    assert read.take_without_schema() == []


def test_a_schema_that_there_is_not_is_not_waited_for():
    """The registry has answered."""
    mapping = example("avro")
    mapping.registry = registry = ChosenRegistry("http://127.0.0.1:9")
    registry.fault = "unknown-schema"
    read = EventReader(mapping)
    assert read(raw("payments-avro", framed(7, avro_bytes(avro_example())))) is None
    assert read.take_without_schema() == []
