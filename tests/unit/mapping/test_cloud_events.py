"""CloudEvents 1.0 in both modes of the Kafka binding."""

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.mapping.cloud_events import CloudEvent, InvalidCloudEvent, read_cloud_event

STRUCTURED = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
ATTRIBUTES = {"specversion": "1.0", "id": "7", "source": "/core", "type": "paid"}
BINARY = tuple((f"ce_{name}", value.encode()) for name, value in ATTRIBUTES.items())
JSON = ("content-type", b"application/json")


def structured(**members):
    """Return a structured CloudEvent; None leaves a member out."""
    text = json.dumps({name: v for name, v in (ATTRIBUTES | members).items() if v is not None})
    return read_cloud_event(STRUCTURED, text.encode())


def test_both_modes_give_the_same_event():
    """What stands in headers and value, and what stands in one object, is one event."""
    extension = {"time": "2026-11-22T10:15:29Z", "traceparent": "00-1-2-3"}
    one = structured(**extension, datacontenttype="application/json", data={"a": "b"})
    headers = (*BINARY, *((f"ce_{k}", v.encode()) for k, v in extension.items()), JSON)
    other = read_cloud_event(headers, b'{"a":"b"}')
    assert one == other
    assert one.data == {"a": "b"}
    assert one.attributes["time"] == "2026-11-22T10:15:29Z"


def test_header_names_in_capitals():
    """Some bridges write them so."""
    headers = (("Content-Type", b"application/json"), *((n.upper(), v) for n, v in BINARY))
    assert read_cloud_event(headers, b"{}").attributes["id"] == "7"


@pytest.mark.parametrize("kind", [b"application/avro", b"avro/binary", b"application/x.y+avro"])
def test_binary_data_in_avro(kind):
    """It stays bytes, to be decoded with its schema."""
    event = read_cloud_event((*BINARY, ("content-type", kind)), b"\x00\x01")
    assert (event.is_avro, event.data) == (True, b"\x00\x01")


def test_packed_data():
    """`data_base64` is decoded as its content type says."""
    packed = base64.b64encode(b'{"a":"b"}').decode()
    assert structured(data_base64=packed).data == {"a": "b"}
    avro = structured(data_base64=packed, datacontenttype="application/avro")
    assert (avro.is_avro, avro.data) == (True, b'{"a":"b"}')


def test_without_data():
    """A type may say it all."""
    assert structured().data is None
    assert read_cloud_event(BINARY, None).data is None


@pytest.mark.parametrize(
    ("headers", "value", "fault"),
    [
        ((), b"{}", "no CloudEvent"),
        (STRUCTURED, b"[]", "expected one JSON object"),
        (STRUCTURED, b"{", "no JSON at character"),
        (STRUCTURED, b"", "no JSON at character 0"),
        (STRUCTURED, None, "a tombstone; expected one JSON object"),
        ((("content-type", b"application/cloudevents+avro"),), b"", "another format than JSON"),
        ((("content-type", b"application/cloudevents-batch+json"),), b"[]", "another format"),
        (BINARY[1:], b"{}", "without specversion"),
        ((*BINARY, ("ce_id", b"8")), b"{}", "id: a header of the CloudEvent that stands there twice"),
        ((*BINARY[1:], ("ce_specversion", b"\xff")), b"{}", "specversion: .*no UTF-8"),
        ((*BINARY[:1], ("ce_id", b"\0\0\0\x07"), *BINARY[2:]), b"{}", "id: an attribute with control characters"),
        ((*BINARY, JSON, ("Content-Type", b"text/xml")), b"{}", "content-type: .*twice"),
    ],
)  # fmt: skip
def test_what_is_none(headers, value, fault):
    """Each says what was expected."""
    with pytest.raises(InvalidCloudEvent, match=fault):
        read_cloud_event(headers, value)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"id": None}, "without id"),
        ({"id": "", "type": None}, "without id, type"),
        ({"specversion": "0.3"}, "another specversion"),
        ({"source": "/a b"}, "no URI reference"),
        ({"source": "/a|b"}, "no URI reference"),
        ({"id": 1.5}, "id: an attribute that is no text"),
    ],
)
def test_members_that_break_a_rule(members, fault):
    """Of the specification, or of what can be an id of ours."""
    with pytest.raises(InvalidCloudEvent, match=fault):
        structured(**members)


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (lambda: structured(data_base64="?"), "no Base64"),
        (lambda: structured(data_base64="", data={}), "both data and data_base64"),
        (lambda: structured(data_base64="", datacontenttype=["x"]), "in a format that is not read"),
        (lambda: read_cloud_event((*BINARY, ("content-type", b"text/xml")), b"<a/>"), "in a format that is not read"),
        (lambda: read_cloud_event((*BINARY, JSON), b"{"), "data: no JSON at character"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_read(event, fault):
    """It is said, and the attributes can be used: they may say that the event is not ours."""
    read = event()
    assert fault in read.fault
    assert (read.data, read.attributes["type"]) == (None, "paid")


@pytest.mark.parametrize("said", [["red"], 1.5, "x" * 4097])
def test_an_extension_that_is_no_text(said):
    """It is refused where it is used, and nowhere else."""
    event = structured(colour=said)
    assert "no text of up to 4096 characters" in event.attributes["colour"].why


def test_an_extension_with_control_characters():
    """In both modes."""
    in_headers = read_cloud_event((*BINARY, ("ce_colour", b"\0\x07")), b"{}")
    for event in (structured(colour="\0\x07"), in_headers):
        assert "control characters" in event.attributes["colour"].why


@pytest.mark.parametrize("more", [[("ce_x", b"\xff")], [("ce_x", b"1"), ("CE_X", b"2")]])
def test_headers_that_nobody_may_use(more):
    """An extension that can't be read keeps no payment from being told."""
    event = read_cloud_event((*BINARY, *more), b"{}")
    assert "a header of the CloudEvent that" in event.attributes["x"].why


def test_the_same_header_twice():
    """As two libraries in a row write it."""
    headers = (*BINARY, BINARY[0], JSON, ("Content-Type", JSON[1]))
    assert read_cloud_event(headers, b"{}") == read_cloud_event((*BINARY, JSON), b"{}")


def test_attributes_of_other_types_are_text():
    """Extensions may be numbers and booleans."""
    event = structured(count=3, test=True, live=False)
    assert {name: event.attributes[name] for name in ("count", "test", "live")} == {
        "count": "3",
        "test": "true",
        "live": "false",
    }


def test_identity():
    """Source and id; a hash where that is longer than an event id may be."""
    assert structured().identity == "/core|7"
    longest = structured(id="x" * (64 - len("/core|")))
    assert longest.identity == f"/core|{longest.attributes['id']}"
    longer = structured(id="x" * 59)
    assert longer.identity == hashlib.sha256(b"/core|" + b"x" * 59).hexdigest()
    assert len(longer.identity) == 64


PART = st.text(
    st.characters(codec="ascii", exclude_characters="| \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"), min_size=1
)


@given(PART, st.text(min_size=1), PART, st.text(min_size=1))
def test_no_two_events_have_one_identity(source, number, other_source, other_number):
    """Wherever the border between source and id lies."""
    one = CloudEvent({"source": source, "id": number}, None)
    other = CloudEvent({"source": other_source, "id": other_number}, None)
    assert (one.identity == other.identity) == (one.attributes == other.attributes)
