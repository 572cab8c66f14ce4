"""What stands beside an event: payment core's headers go on as they came, whatever they hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.format.event_headers import (
    OWN_KEY,
    EventSource,
    as_it_came,
    fresh_event,
    own_key_header,
    put_back_event,
    refused_event_headers,
)
from streams.kafka.format.records import RESERVED_HEADERS, InRecord, OutRecord
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Refused

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
REFUSED = Refused(DeadLetterReason.UNKNOWN_PARTNER, "why", "evt-1", "mpp-to-ant", "p", "o")


def event(*headers):
    return InRecord("source", 3, 42, b"k", b"v", headers)


def test_the_headers_of_a_refused_event():
    """Whatever could be read of it, what brings it back through the replay topic, and its own headers."""
    source = fresh_event(
        event(("x", b"1"), ("attempt", b"7"), ("kind", b"z"), ("traceparent", TRACE.encode()))
    )
    assert refused_event_headers(REFUSED, 1000, source) == (
        ("format", b"1"),
        ("kind", b"event"),
        ("notification-id", b"evt-1"),
        ("profile", b"mpp-to-ant"),
        ("partner-id", b"p"),
        ("accepted-at-ms", b"1000"),
        ("origin", b"source/3/42"),
        ("traceparent", TRACE.encode()),
        ("x", b"1"),
        ("event.attempt", b"7"),
        ("event.kind", b"z"),
    )
    unknown = Refused(DeadLetterReason.INVALID_EVENT, "why")
    names = [name for name, _ in refused_event_headers(unknown, 1000, source)]
    assert not {"notification-id", "profile", "partner-id"} & set(names)


def test_an_event_that_was_refused_again_keeps_what_its_replay_said():
    """Origin, count and run go on from the replay topic to the next dead letter; what is malformed there is left out."""
    said = (
        ("kind", b"event"),
        ("origin", b"final/3/42"),
        ("replays", b"2"),
        ("replay-run", b"r-1"),
    )
    source = put_back_event(InRecord("replay", 0, 7, b"k", b"v", said))
    assert source == EventSource("final/3/42", 2, "r-1")
    refused = Refused(DeadLetterReason.INVALID_EVENT, "why")
    headers = dict(refused_event_headers(refused, 1000, source))
    assert (headers["origin"], headers["replays"], headers["replay-run"]) == (
        b"final/3/42",
        b"2",
        b"r-1",
    )
    odd = (("replays", b"-1"), ("origin", b""), ("replay-run", None))
    assert put_back_event(InRecord("replay", 0, 7, b"k", b"v", odd)) == EventSource("replay/0/7")


OURS = (*sorted(RESERVED_HEADERS), "notifier-priority")
PREFIXED = ("event.", "event.type", "event.kind", "event.event.kind", "event.notifier-x")
RENAMED = (*OURS, *PREFIXED)
names = st.one_of(
    st.sampled_from(RENAMED),
    st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
values = st.one_of(st.none(), st.binary(max_size=40))


@given(st.lists(st.tuples(names, values), max_size=8))
def test_every_header_of_an_event_goes_on(headers):
    """In its order, to the byte, null as null, repeated as often as it came; put back and refused again as well."""
    source = fresh_event(event(*headers))
    expected = tuple(
        (f"event.{name}" if name in RENAMED else name, value)
        for name, value in headers
        if name != "traceparent"
    )
    assert source.carried == expected
    letter = OutRecord("dead-letter", b"k", b"v", refused_event_headers(REFUSED, 1000, source))
    assert letter.size_bytes > 0
    again = put_back_event(InRecord("replay", 0, 7, b"k", b"v", letter.headers))
    assert (again.carried, again.traceparent) == (expected, source.traceparent)
    assert again.traceparent_fault is None
    assert again.origin == "source/3/42"


@given(st.lists(st.tuples(names, values), max_size=8))
def test_a_put_back_event_has_the_headers_that_it_came_with(headers):
    """A mapping that reads `headers.kind` or `headers.event.type` makes the same of it as the first time."""
    others = [pair for pair in headers if pair[0] != "traceparent"]
    source = fresh_event(event(*others, ("traceparent", TRACE.encode())))
    own_key = own_key_header(event(), b"o")
    carried = replace(source, replays=2, replay_run="r-1", carried=source.carried + own_key)
    letter = InRecord("dead-letter", 0, 7, b"o", b"v", refused_event_headers(REFUSED, 1, carried))
    key, found = as_it_came(letter)
    assert (key, found) == (b"k", (("traceparent", TRACE.encode()), *others))


@pytest.mark.parametrize("own_key", [None, b"", b"\xff", b"o", b"k"])
@pytest.mark.parametrize("order", [None, b"o"])
def test_a_put_back_event_has_the_key_that_it_came_with(own_key, order):
    """Also none at all, however often it is put back: a mapping that reads the key would make another event of it."""
    record = InRecord("source", 3, 42, own_key, b"v", ())
    for _ in range(2):
        headers = put_back_event(record).carried + own_key_header(record, order)
        letter_key = record.key if order is None else order
        record = InRecord("replay", 0, 7, letter_key, b"v", (("kind", b"event"), *headers))
        assert as_it_came(record) == (own_key, ())
        assert sum(name == OWN_KEY for name, _ in record.headers) <= 1


def test_a_letter_of_an_older_version_keeps_the_key_that_it_has():
    """It did not write down that an event had no key."""
    record = InRecord("dead-letter", 0, 7, b"o", b"v", (("kind", b"event"),))
    assert as_it_came(record) == (b"o", ())


def test_headers_that_an_older_version_carried_come_back():
    """It renamed what is called like ours, and nothing that begins with `event.`."""
    carried = (("event.attempt", b"1"), ("event.type", b"2"), ("event.notifier-x", b"3"))
    record = InRecord("dead-letter", 0, 7, b"o", b"v", (("kind", b"event"), *carried))
    assert as_it_came(record)[1] == (("attempt", b"1"), ("event.type", b"2"), ("notifier-x", b"3"))


@pytest.mark.parametrize(
    ("given", "traceparent", "fault"),
    [
        ([], None, None),
        ([TRACE.encode()], TRACE, None),
        ([b"01" + TRACE[2:].encode() + b"-later"], f"01{TRACE[2:]}-later", None),
        ([TRACE.encode(), TRACE.encode()], None, "repeated"),
        ([None], None, "null"),
        ([b"\xff"], None, "not-utf8"),
        ([b""], None, "malformed"),
        ([b"0"], None, "malformed"),
        ([TRACE.upper().encode()], None, "malformed"),
        ([TRACE.encode() + b"\n"], None, "malformed"),
        ([TRACE.encode() + b"-later"], None, "malformed"),
        ([b"ff" + TRACE[2:].encode()], None, "malformed"),
        ([b"00-" + b"0" * 32 + TRACE[35:].encode()], None, "malformed"),
        ([TRACE[:36].encode() + b"0" * 16 + b"-01"], None, "malformed"),
        ([b"01" + TRACE[2:].encode() + b"-" + b"x" * 500], None, "malformed"),
    ],
)
def test_a_trace_context_that_cannot_be_read_is_left_out(given, traceparent, fault):
    """With the reason for the metric; W3C Trace Context says which ones a receiver must not take."""
    headers = [("traceparent", value) for value in given]
    for source in (fresh_event(event(*headers)), put_back_event(event(*headers))):
        assert (source.traceparent, source.traceparent_fault) == (traceparent, fault)
        assert source.carried == ()
