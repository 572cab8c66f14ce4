"""A record of a mapped topic becomes our event, is passed over, or has every fault named."""

import json
import re
from uuid import UUID

import pytest

from streams.mapping.mapping import MappedEvent, PassedOver, SchemaNeeded
from streams.mapping.registry import RegisteredSchema, SchemaRegistry
from streams.notification.intake import ReadEvent, Refused, read_members
from tests.support.mapping import (
    AVRO_SCHEMA,
    EVENT,
    avro_bytes,
    avro_example,
    event_of,
    example,
    framed,
    record,
    written,
)

TOPICS = {
    "own-json": "core-payments",
    "debezium-outbox": "shop.public.outbox",
    "cloudevents": "payment-events",
    "avro": "payments-avro",
}
STRUCTURED = ("content-type", b"application/cloudevents+json")
GOOD = {"id": "e-1", "state": "DONE", "at": "2026-11-22T10:15:29Z", "order": "o-1"}
FAILED = GOOD | {"state": "BROKEN"}


def mapped(name, value, *headers):
    """Return what the mapping of an example makes of this value."""
    return example(name).read(record(TOPICS[name], value, *headers))


def own(directory, value, above="", event=EVENT, **beside):
    """Return what a mapping written here makes of this value."""
    mapping = written(directory, f"topics:\n  t:\n{above}    event:{event}")
    return mapping.read(record("t", value, *beside.get("headers", ()), key=beside.get("key")))


def accepted(event):
    """Return an event as intake reads it; it must keep every rule."""
    assert isinstance(event, MappedEvent)
    read = read_members(event.members, dict(event.faults), allow_http=False)
    assert isinstance(read, ReadEvent), read
    return read


def test_own_json():
    """Decimals, milliseconds, a table of states and a version: every rule of our event is kept."""
    read = accepted(mapped("own-json", event_of("own-json")))
    assert read.event.event_id == "P-2026-0042-3"
    assert read.event.outcome == "SUCCESS"
    assert read.event.occurred_at == "2026-11-22T02:15:29.123Z"
    assert read.order_id == "20261122190741020001001234567"
    amount = read.body.model_dump()["paymentAmount"]
    assert amount == {"currency": "USD", "value": "1230"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decline_code": "51"}, "USER_BALANCE_NOT_ENOUGH"),
        ({"decline_code": 59}, "RISK_REJECT"),
        ({"decline_code": "E77"}, "E77"),
        ({}, None),
    ],
)
def test_reasons_by_a_table(changes, reason):
    """What the table does not list goes on where the mapping says so."""
    event = json.loads(event_of("own-json")) | {"state": "DECLINED"} | changes
    assert accepted(mapped("own-json", event)).event.reason == reason


@pytest.mark.parametrize(
    ("changes", "rule"),
    [({"state": "PENDING"}, "not-final"), ({"channel": "cash"}, "not-ours")],
)
def test_what_the_mapping_lists_is_passed_over(changes, rule):
    """By the rule's name, which is counted."""
    event = json.loads(event_of("own-json")) | changes
    assert mapped("own-json", event) == PassedOver(rule)


def test_what_the_mapping_does_not_list_is_a_fault():
    """A state that nobody knows is dead-lettered, so that somebody looks."""
    event = json.loads(event_of("own-json")) | {"state": "CAPTURED_LATE"}
    found = mapped("own-json", event)
    assert set(found.faults) == {"outcome"}
    assert "a value that its table does not list" in found.faults["outcome"]
    assert "CAPTURED_LATE" not in str(found.faults)


def test_every_fault_at_once():
    """Those of the mapping and those of our event, each by its path, none with a value."""
    event = json.loads(event_of("own-json"))
    event |= {"amount": 12.345, "final_at": "soon", "merchant_ref": None}
    found = mapped("own-json", event)
    refused = read_members(found.members, dict(found.faults), allow_http=False)
    assert isinstance(refused, Refused)
    for said in (
        "payment.paymentAmount.value: more decimals than the 2 of its currency",
        "occurredAt: expected a whole number of milliseconds since 1970",
        "payment.paymentTime: expected a whole number",
        "payment.paymentRequestId: missing or empty",
    ):
        assert said in refused.detail
    assert "12.345" not in refused.detail


def test_debezium():
    """The row's payload is JSON in a column; the envelope adds nothing."""
    read = accepted(mapped("debezium-outbox", event_of("debezium-outbox")))
    assert read.event.event_id == "6f1d7a52-9a63-4bd0-8f0e-5f7bb2c4f3f1"
    assert read.order_id == "20261122190741020001001234568"
    assert read.body.model_dump()["paymentAmount"] == {"currency": "JPY", "value": "1500"}


def test_a_snapshot_of_debezium_is_the_same_event():
    """Another envelope around the same row: other times, another op, another place in the log."""
    event = json.loads(event_of("debezium-outbox"))
    again = event | {"op": "r", "ts_ms": 1, "source": event["source"] | {"snapshot": "true"}}
    one, other = (mapped("debezium-outbox", value) for value in (event, again))
    assert one.canonical == other.canonical


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"op": "d"}, "deleted"),
        ({"after": {"aggregatetype": "refund", "payload": None}}, "not-ours"),
        ({"after": {"aggregatetype": "payment", "type": "PaymentCreated"}}, "not-final"),
        (None, "tombstones"),
    ],
)
def test_what_debezium_writes_besides_is_passed_over(change, rule):
    """Deleted rows with their tombstones, and rows about something else."""
    event = None if change is None else json.loads(event_of("debezium-outbox")) | change
    value = None if event is None else json.dumps(event).encode()
    assert mapped("debezium-outbox", value) == PassedOver(rule)


def test_a_broken_payload():
    """What is unpacked must be JSON."""
    event = json.loads(event_of("debezium-outbox"))
    event["after"]["payload"] = "{"
    assert (
        "unpack.payload: no JSON at character" in mapped("debezium-outbox", event).faults["event"]
    )


def test_a_cloud_event():
    """Its id, source, time and trace context are the event's."""
    event = mapped("cloudevents", event_of("cloudevents"), STRUCTURED)
    read = accepted(event)
    assert read.event.event_id == "https://core.example.com/payments|evt-4711"
    assert read.event.occurred_at == "2026-11-22T10:15:29+08:00"
    assert event.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_cloud_event_in_the_other_mode_is_the_same():
    """A bridge that republishes it changes the envelope, not the event."""
    event = json.loads(event_of("cloudevents"))
    data = json.dumps(event.pop("data"), indent=2).encode()
    event.pop("datacontenttype")
    headers = [(f"ce_{name}", value.encode()) for name, value in event.items()]
    binary = mapped("cloudevents", data, *headers, ("content-type", b"application/json"))
    structured = mapped("cloudevents", event_of("cloudevents"), STRUCTURED)
    assert binary.canonical == structured.canonical


def test_several_types_of_one_topic():
    """Each by its rule; a type that none lists is a fault."""
    event = json.loads(event_of("cloudevents"))
    event["data"]["reason"] = "RISK_REJECT"
    declined = event | {"type": "com.example.payment.declined"}
    assert accepted(mapped("cloudevents", declined, STRUCTURED)).event.outcome == "FAILED"
    created = event | {"type": "com.example.payment.created"}
    assert mapped("cloudevents", created, STRUCTURED) == PassedOver("not-final")
    misspelt = event | {"type": "com.example.payment.Captured"}
    assert "knows no event for" in mapped("cloudevents", misspelt, STRUCTURED).faults["event"]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "a tombstone; expected an event"),
        (b"{", "no JSON at character"),
        (b"\xff", "no UTF-8"),
        ({**GOOD, "id": {"a": True}}, "eventId: true or false"),
        ({**GOOD, "at": 5}, "occurredAt"),
        ([], "missing or empty"),
        (framed(7, b"{}"), "five bytes stand before it"),
    ],
)
def test_values_that_are_no_event(tmp_path, value, fault):
    """As on any other topic: every reason, never an exception."""
    found = own(tmp_path, value)
    refused = read_members(found.members, dict(found.faults), allow_http=False)
    assert isinstance(refused, Refused)
    assert fault in refused.detail


def test_keys_and_headers_can_be_used(tmp_path):
    """Members may stand beside the value."""
    event = EVENT.replace("data.id", "headers.id").replace("data.order", "key")
    broken = GOOD | {"state": "BROKEN"}
    found = own(tmp_path, broken, event=event, key=b"o-9", headers=[("id", b"h-7"), ("x", None)])
    read = accepted(found)
    assert (read.event.event_id, read.order_id) == ("h-7", "o-9")


def test_an_expression_that_cannot_be_applied(tmp_path):
    """Its fault names the member and not what stands there."""
    found = own(tmp_path, {**GOOD, "id": 4711}, event=EVENT.replace("data.id", "length(data.id)"))
    assert "can't be applied to what stands there" in found.faults["eventId"]
    assert "4711" not in str(found.faults)


def test_a_rule_that_cannot_be_applied(tmp_path):
    """It passes nothing over; the event is refused and says so."""
    above = "    pass_over: {a: {from: 'length(data.state)', in: ['4']}}\n"
    assert own(tmp_path, GOOD, above=above) == PassedOver("a")
    assert (
        "a rule of the mapping" in own(tmp_path, GOOD | {"state": 4}, above=above).faults["event"]
    )


RULES = """    pass_over:
      by-data: {from: data.state, in: [PENDING]}
      by-length: {from: length(data.state), in: ['1']}
      by-header: {from: headers.kind, in: [refund]}
"""


@pytest.mark.parametrize("value", [b"<a/>", b"\xff", {"state": 7}])
def test_what_does_not_decode_is_passed_over_by_what_does(tmp_path, value):
    """A rule that needs nothing of the data holds, whatever stands there and whatever other rules need."""
    headers = [("kind", b"refund")]
    assert own(tmp_path, value, above=RULES, headers=headers) == PassedOver("by-header")
    assert set(own(tmp_path, value, above=RULES).faults) == {"event"}


def test_a_schema_that_is_not_needed_is_not_asked_for(tmp_path):
    """The event is passed over; another is, once its schema is there."""
    text = f"topics:\n  t:\n    format: avro\n{RULES}    event:{EVENT}"
    mapping = written(tmp_path, text)
    mapping.registry = SchemaRegistry("http://127.0.0.1:9")
    refund = record("t", framed(7, b""), ("kind", b"refund"))
    assert mapping.read(refund) == PassedOver("by-header")
    with pytest.raises(SchemaNeeded):
        mapping.read(record("t", framed(7, b"")))


def test_a_schema_is_waited_for_before_a_rule_is_a_fault(tmp_path):
    """One rule can't be told; another may hold once the schema is there."""
    rules = (
        "    pass_over: {a: {from: length(key), in: ['1']}, b: {from: data.state, in: [PENDING]}}\n"
    )
    mapping = written(tmp_path, f"topics:\n  t:\n    format: avro\n{rules}    event:{EVENT}")
    mapping.registry = SchemaRegistry("http://127.0.0.1:9")
    with pytest.raises(SchemaNeeded):
        mapping.read(record("t", framed(7, b"")))


@pytest.mark.parametrize(
    ("value", "key"), [(None, b"k"), (b"{", b"k"), (b"<a/>", b"k")], ids=["tombstone", "{", "xml"]
)
def test_what_is_not_of_its_format_is_no_event(tmp_path, value, key):
    """Although the mapping reads nothing of it."""
    event = EVENT.replace("data.state", "key").replace("DONE", "k")
    event = event.replace("data.id", "key").replace("data.at", "key").replace("data.order", "key")
    assert set(own(tmp_path, value, event=event, key=key).faults) == {"event"}


@pytest.mark.parametrize("payload", ["", None])
def test_an_empty_text_unpacks_to_nothing(tmp_path, payload):
    """As everywhere an empty text is nothing."""
    above = "    unpack: {p: data.payload}\n"
    event = EVENT.replace("data.id", "p.id || data.id")
    assert (
        accepted(own(tmp_path, FAILED | {"payload": payload}, above, event)).event.event_id == "e-1"
    )


def test_what_is_unpacked_harms_only_who_reads_it(tmp_path):
    """A column that holds no JSON in rows of another kind."""
    above = "    unpack: {p: data.payload, q: length(data.n)}\n"
    value = FAILED | {"payload": "__unavailable", "n": 7}
    assert accepted(own(tmp_path, value, above))
    for name in "pq":
        found = own(tmp_path, value, above, EVENT.replace("data.id", f"{name}.id"))
        assert found.faults["event"].startswith(f"unpack.{name}: ")


def test_an_expression_may_read_all_of_the_document(tmp_path):
    """As one object."""
    event = EVENT.replace("data.id", "keys(@)[0]").replace("data.order", "'@.data.order'")
    read = accepted(own(tmp_path, FAILED, event=event))
    assert (read.event.event_id, read.order_id) == ("key", "o-1")


@pytest.mark.parametrize("of", ["key", "headers.id"])
def test_bytes_that_are_no_text_are_no_id(tmp_path, of):
    """They are a fault where they are used, and nowhere else."""
    beside = {"key": b"\xff", "headers": [("id", b"\xff")]}
    assert accepted(own(tmp_path, FAILED, **beside))
    found = own(tmp_path, FAILED, event=EVENT.replace("data.id", of), **beside)
    assert found.faults == {"eventId": "bytes that are no UTF-8; expected text"}


@pytest.mark.parametrize("of", ["key", "headers.id"])
@pytest.mark.parametrize(
    "raw",
    [
        (9).to_bytes(8, "big"),
        b"0" * 8 + b"\x009",
        framed(7, b"\x06abc"),
        b"a\tb",
        b"a\n",
        b"\x7f",
        b"\x1b[31m",
    ],
)
def test_bytes_that_are_text_by_chance_are_no_id(tmp_path, of, raw):
    """A number, Avro, or what a terminal obeys: each is UTF-8, and none is what a partner should be told."""
    beside = {"key": raw, "headers": [("id", raw)]}
    assert accepted(own(tmp_path, FAILED, **beside))
    found = own(tmp_path, FAILED, event=EVENT.replace("data.id", of), **beside)
    why = "control characters, as in a binary number or in Avro; expected text"
    assert found.faults == {"eventId": why}


@pytest.mark.parametrize("value", [framed(7, b'{"id":"e-1"}'), framed(7, b"\x06abc")])
def test_what_a_schema_registry_puts_before_a_value(tmp_path, value):
    """The fault says so, and what to do, and no member is called missing of what can't be read at all."""
    found = own(tmp_path, value)
    refused = read_members(found.members, dict(found.faults), allow_http=False)
    assert isinstance(refused, Refused)
    (fault,) = refused.faults
    assert fault.startswith("event: no JSON: five bytes stand before it, as of a schema registry")
    assert "format: avro" in fault


@pytest.mark.parametrize("value", [b"\x00", b"\x00abcd", b"{", b"abcdefgh"])
def test_what_is_no_json_and_has_no_schema_id(tmp_path, value):
    """The fault says where it is none."""
    assert own(tmp_path, value).faults["event"].startswith("no JSON at character")


def test_what_is_no_cloud_event_is_passed_over_by_its_key_or_headers(tmp_path):
    """They can be read; a rule over its attributes can't be told, and neither can one over its data."""
    rules = """    pass_over:
      by-type: {from: attributes.type, in: [refund]}
      by-data: {from: data.state, in: [PENDING]}
      by-header: {from: headers.kind, in: [x]}
      by-key: {from: key, in: [heartbeat]}
"""
    lines = EVENT.replace("      eventId: data.id\n", "")
    text = f"topics:\n  t:\n    format: cloudevents\n{rules}    event:{lines}"
    mapping = written(tmp_path, text)
    for value in (b"{}", None, b"\xff"):
        by_header = record("t", value, ("kind", b"x"))
        assert mapping.read(by_header) == PassedOver("by-header")
        assert mapping.read(record("t", value, key=b"heartbeat")) == PassedOver("by-key")
        found = mapping.read(record("t", value, ("kind", b"y"), key=b"o-1"))
        assert isinstance(found, MappedEvent)
        assert found.faults["event"].startswith("no CloudEvent: expected the header content-type")


def cloud(tmp_path, members="", headers=(), value=None):
    """Return what a mapping of CloudEvents makes of a good one, with some members of the event from elsewhere."""
    lines = EVENT.replace("      eventId: data.id\n", "").replace("      occurredAt: data.at\n", "")
    rules = "    pass_over: {not-ours: {from: attributes.type, in: [refund]}}\n"
    text = f"topics:\n  t:\n    format: cloudevents\n{rules}    event:{lines}{members}"
    kind = [] if any(name == "ce_type" for name, _ in headers) else [("ce_type", b"paid")]
    named = [("ce_id", b"1"), ("ce_source", b"/s"), ("ce_specversion", b"1.0"), *kind, *headers]
    return written(tmp_path, text).read(record("t", FAILED if value is None else value, *named))


def test_data_that_cannot_be_read_of_an_event_that_is_not_ours(tmp_path):
    """It is passed over by its type; of one of ours it is a fault."""
    xml = ("content-type", b"application/xml")
    assert cloud(tmp_path, headers=[xml, ("ce_type", b"refund")], value=b"<a/>") == PassedOver(
        "not-ours"
    )
    found = cloud(tmp_path, headers=[xml], value=b"<a/>")
    assert "in a format that is not read" in found.faults["event"]


@pytest.mark.parametrize("member", ["eventId", "occurredAt"])
def test_what_the_mapping_names_is_not_taken_from_the_envelope(tmp_path, member):
    """An id that is missing is a fault: the envelope's would make two events of two copies."""
    time = ("ce_time", b"2026-11-22T10:15:29Z")
    read = accepted(cloud(tmp_path, headers=[time]))
    assert (read.event.event_id, read.event.occurred_at) == ("/s|1", "2026-11-22T10:15:29Z")
    found = cloud(tmp_path, f"      {member}: data.absent\n", [time])
    refused = read_members(found.members, dict(found.faults), allow_http=False)
    assert isinstance(refused, Refused)
    assert refused.detail == f"{member}: missing or empty"


def test_extensions_of_ours_that_cannot_be_read(tmp_path):
    """A time is a fault unless the mapping has another; a trace context is left out, and counted."""
    broken = [("ce_time", b"\xff"), ("ce_traceparent", b"\xff")]
    found = cloud(tmp_path, headers=broken)
    assert "no UTF-8" in found.faults["occurredAt"]
    found = cloud(tmp_path, "      occurredAt: data.at\n", broken)
    assert accepted(found)
    assert found.traceparent == ""


TWICE = [("ce_state", b"FINAL"), ("ce_state", b"OTHER")]
NO_UTF_8 = [("ce_state", b"\xff")]
OBJECT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "paid", "state": {"a": 1}, "data": FAILED}  # fmt: skip
CHOICES = [
    ("attributes.state", "FINAL"),
    ("attributes.state != 'FINAL'", "true"),
    ("attributes.state == 'FINAL'", "false"),
    ("contains(['FINAL', 'DONE'], attributes.state)", "false"),
    ("attributes.state == 'FINAL' && 'keep' || 'drop'", "drop"),
    ("not_null(attributes.state, 'none')", "none"),
    ("type(attributes.state)", "'null'"),
    ("attributes", "x"),
]


@pytest.mark.parametrize(("expression", "value"), CHOICES)
@pytest.mark.parametrize("headers", [TWICE, NO_UTF_8, TWICE + NO_UTF_8, NO_UTF_8 + TWICE, None])
@pytest.mark.parametrize("use", ["rule", "when", "outcome"])
def test_an_attribute_that_cannot_be_read_decides_nothing(
    tmp_path, expression, value, headers, use
):
    """Neither that nobody is told, nor which kind of event it is, nor how the payment ended."""
    rule = f'{{from: "{expression}", in: [{value}]}}'
    lines = EVENT.replace("      eventId: data.id\n", "")
    if use == "outcome":
        source = f'{{from: "{expression}", table: {{{value}: FAILED}}, otherwise: keep}}'
        text = f"    event:{lines.replace('{from: data.state, table: {DONE: SUCCESS, BROKEN: FAILED}}', source)}"
    elif use == "rule":
        text = f"    pass_over: {{not-ours: {rule}}}\n    event:{lines}"
    else:
        kinds = (
            f"      - when: {when}\n        event:{lines.replace(chr(10), chr(10) + '    ')}\n"
            for when in (rule, "{from: attributes.type, in: [paid]}")
        )
        text = f"    events:\n{''.join(kinds)}"
    mapping = written(tmp_path, f"topics:\n  t:\n    format: cloudevents\n{text}")
    named = [("ce_id", b"1"), ("ce_source", b"/s"), ("ce_specversion", b"1.0"), ("ce_type", b"paid")]  # fmt: skip
    of = record("t", OBJECT, STRUCTURED) if headers is None else record("t", FAILED, *named, *headers)  # fmt: skip
    found = mapping.read(of)
    assert isinstance(found, MappedEvent)
    assert list(found.faults) == ["outcome" if use == "outcome" else "event"]
    assert re.search(
        r"UTF-8|stands there twice|no text of up to|an object, which no rule", str(found.faults)
    )
    assert not {"outcome", "reason"} & found.members.keys()
    assert isinstance(read_members(found.members, dict(found.faults), allow_http=False), Refused)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("key", "x"),
        ("key != 'x'", "true"),
        ("starts_with(key, 'a')", "true"),
        ("headers.state", "TEST"),
        ("headers.state != 'FINAL'", "true"),
        ("headers.*", "x"),
    ],
)
def test_a_key_or_header_that_is_no_text_decides_nothing(tmp_path, expression, value):
    """Its rule can't be told, and the event is refused."""
    above = f'    pass_over: {{a: {{from: "{expression}", in: [{value}]}}}}\n'
    found = own(tmp_path, GOOD, above=above, key=b"\xff", headers=[("state", b"\xff")])
    why = "a rule of the mapping: bytes that are no UTF-8; expected text"
    assert found.faults == {"event": why}


def test_an_avro_value_without_form_decides_nothing(tmp_path):
    """A local time is no text that could be another one than the rule's."""
    kind = {"type": "long", "logicalType": "local-timestamp-millis"}
    schema = {"type": "record", "name": "R", "fields": [{"name": "at", "type": kind}]}
    rule = "{from: \"data.at != '2026'\", in: [true]}"
    mapping = written(
        tmp_path,
        f"topics:\n  t:\n    format: avro\n    pass_over: {{a: {rule}}}\n    event:{EVENT}",
    )
    mapping.registry = SchemaRegistry("http://127.0.0.1:9")
    mapping.registry._schemas[7] = RegisteredSchema("AVRO", json.dumps(schema))
    found = mapping.read(record("t", framed(7, b"\x02")))
    assert isinstance(found, MappedEvent)
    assert "a rule of the mapping: a local time" in found.faults["event"]


def test_what_is_unpacked_may_stand_in_what_was_unpacked_before(tmp_path):
    """An envelope as text, with a payload as text."""
    above = "    unpack: {env: data.msg, payload: env.payload}\n"
    event = EVENT.replace("data.order", "payload.order")
    value = FAILED | {"msg": json.dumps({"payload": json.dumps({"order": "o-7"})})}
    assert accepted(own(tmp_path, value, above=above, event=event)).order_id == "o-7"


@pytest.mark.parametrize("expression", ["'@.data.msg'", "'@ | data.msg'", "'not_null(@.data).msg'"])
def test_what_is_unpacked_may_be_looked_for_in_the_whole_document(tmp_path, expression):
    """As far as it is there before."""
    above = f"    unpack: {{none: data.none, payload: {expression}, last: '*.order | [0]'}}\n"
    event = EVENT.replace("data.order", "payload.order").replace("data.id", "to_string(last)")
    value = FAILED | {"order": '"o-8"', "msg": json.dumps({"order": "o-7"})}
    read = accepted(own(tmp_path, value, above=above, event=event))
    assert (read.order_id, read.event.event_id) == ("o-7", "o-8")


@pytest.mark.parametrize("error", [AttributeError, KeyError])
def test_a_part_whose_reading_fails_is_not_absent(tmp_path, monkeypatch, error):
    """A slip of ours must not look like a record in which nothing stands."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("streams.mapping.mapping.loads", fail)
    above = "    pass_over: {a: {from: \"data.state != 'DONE'\", in: [true]}}\n"
    found = own(tmp_path, GOOD, above=above)
    assert found.faults == {"event": f"data: reading it fails with {error.__name__}"}


def test_rules_have_names_for_the_metrics(tmp_path):
    """With `tombstones` where some are passed over."""
    assert example("debezium-outbox").rules == ("deleted", "not-final", "not-ours", "tombstones")
    assert written(tmp_path, f"topics:\n  t:\n    event:{EVENT}").rules == ()


def with_schema(kind="AVRO", text=AVRO_SCHEMA, number=7):
    """Return the Avro example with a registry that has read one schema."""
    mapping = example("avro")
    mapping.registry = SchemaRegistry("http://127.0.0.1:9")
    mapping.registry._schemas[number] = RegisteredSchema(kind, text)
    return mapping


def test_avro_with_decimals():
    """A decimal of four digits in a currency of three, a moment, a GUID, an enum and a union."""
    value = framed(7, avro_bytes(avro_example()))
    read = accepted(with_schema().read(record(TOPICS["avro"], value)))
    assert read.body.model_dump()["paymentAmount"] == {"currency": "KWD", "value": "1500"}
    assert read.event.event_id == "0a3f5d1e-7b1f-4c38-9d3e-6c1f0a7b9e11"
    assert read.event.occurred_at == "2026-11-22T02:15:29.123Z"
    assert read.event.reason is None


def test_avro_with_the_schema_id_in_a_header():
    """As Confluent's newer clients write it: a number or a GUID, and the value alone."""
    guid = UUID(int=5)
    mapping = with_schema()
    mapping.registry._schemas[str(guid)] = mapping.registry._schemas[7]
    value = avro_bytes(avro_example())
    for header in (b"\x00\x00\x00\x00\x07", b"\x01" + guid.bytes):
        found = mapping.read(record(TOPICS["avro"], value, ("__value_schema_id", header)))
        assert accepted(found).order_id == "20261122190741020001001234569"


def test_a_schema_that_is_not_there_yet():
    """It is to be fetched first; nothing is decided about the record."""
    with pytest.raises(SchemaNeeded) as needed:
        with_schema().read(record(TOPICS["avro"], framed(8, b"")))
    assert needed.value.schema == 8


@pytest.mark.parametrize(
    ("mapping", "value", "headers", "fault"),
    [
        (with_schema(), b"{}", (), "no Avro of a schema registry"),
        (with_schema(), b"", (), "no Avro of a schema registry"),
        (with_schema(), framed(0, b""), (), "id is not from 1 to 2147483647"),
        (with_schema(), framed(2**31, b""), (), "id is not from 1 to 2147483647"),
        (with_schema(), b"", (("__value_schema_id", bytes(5)),), "id is not from 1"),
        (with_schema(), b"", (("__value_schema_id", b"\x02"),), "has 1 bytes"),
        (with_schema(), framed(7, b"\x02"), (), "not of its schema"),
        (with_schema(), framed(7, avro_bytes(avro_example()) + b"x"), (), "more bytes than its schema"),
        (with_schema("PROTOBUF"), framed(7, b""), (), "of type PROTOBUF; expected AVRO"),
        (with_schema(text="{"), framed(7, b""), (), "its schema can't be read"),
        (example("avro"), framed(7, b""), (), "no NOTIFIER_SCHEMA_REGISTRY_URL"),
    ],
)  # fmt: skip
def test_avro_that_cannot_be_decoded(mapping, value, headers, fault):
    """The record's own fault: it is dead-lettered, in words."""
    assert fault in mapping.read(record(TOPICS["avro"], value, *headers)).faults["event"]


def test_a_cloud_event_with_avro_inside():
    """Its data are decoded with their schema, as a value is."""
    event = json.loads(event_of("cloudevents"))
    schema = json.dumps({
        "type": "record", "name": "Data",
        "fields": [{"name": "payment", "type": {"type": "map", "values": "string"}}],
    })  # fmt: skip
    mapping = example("cloudevents")
    mapping.registry = SchemaRegistry("http://127.0.0.1:9")
    mapping.registry._schemas[7] = RegisteredSchema("AVRO", schema)
    encoded = avro_bytes({"payment": {"paymentRequestId": "o-1"}}, schema)
    headers = [
        (f"ce_{name}", event[name].encode()) for name in ("specversion", "id", "source", "time")
    ]
    headers += [("ce_type", b"com.example.payment.declined"), ("content-type", b"application/avro")]
    found = mapping.read(record("payment-events", framed(7, encoded), *headers))
    assert accepted(found).order_id == "o-1"
