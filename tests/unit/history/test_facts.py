"""Facts: what is read from a record, and that nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.format.facts import Fact, read_fact, topic_kinds
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.topics import TopicNames
from tests.support.history import ORDER, T0, HistoryBuilder

KINDS = ("event", "tier", "replay", "dead-letter", "attempts")
NAMES = ["kind", "attempt", "origin", "dead-letter-reason", "notify-url", "due-at-ms", "replay-of"]
values = st.one_of(
    st.none(),
    st.binary(max_size=50),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
        lambda inner: st.dictionaries(
            st.sampled_from(["eventId", "payment", "paymentRequestId", "occurredAt", "profile"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)
headers = st.lists(
    st.tuples(st.sampled_from(NAMES) | st.text(max_size=5), st.binary(max_size=20)), max_size=6
).map(tuple)


@given(
    kind=st.sampled_from(KINDS),
    key=st.one_of(st.none(), st.binary(max_size=10)),
    value=values,
    headers=headers,
    at_ms=st.integers(-1, 2**50),
)
def test_every_record_has_a_fact_that_json_keeps(kind, key, value, headers, at_ms):
    """Whatever bytes stand there: no exception, and what is written as JSON is read back the same."""
    fact = read_fact(kind, RawRecord("topic", 3, 7, key, value, headers, at_ms))
    text = json.dumps(fact.to_dict()).encode().decode()
    assert Fact.from_dict(json.loads(text)) == fact
    assert fact.record_id == RecordId("topic", 3, 7)


@pytest.mark.parametrize(
    "value", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b'"\\ud800"', b""]
)
def test_hostile_values_are_unreadable_facts(value):
    """Deep nesting, no UTF-8 and half a surrogate pair are said to be unreadable."""
    for kind in ("event", "attempts"):
        assert read_fact(kind, RawRecord("topic", 0, 0, b"k", value, (), 0)).unreadable


def test_a_fact_says_no_more_than_it_must():
    """Of a body the result, of a URL its origin, of an event its ids; nothing of the customer."""
    records = HistoryBuilder().event(
        notifyUrl="https://Shop.example.com.:0443/token-in-path?secret=1"
    )
    records.tier(50, 100, notify_url="http://shop.example.com:80/secret").dead_letter(60)
    event, tier, letter = records.facts
    assert event.url_origin == "https://shop.example.com"
    assert tier.url_origin == "http://shop.example.com"
    assert (event.order_id, event.result, event.occurred_at_ms) == (ORDER, "SUCCESS", T0 - 1000)
    assert (tier.result, tier.due_at_ms) == ("S:SUCCESS", T0 + 100)
    assert (letter.reason, letter.detail) == ("attempts-exhausted", "what was seen")
    assert len(letter.value_sha256 or "") == 64
    assert "secret" not in json.dumps([fact.to_dict() for fact in records.facts])


def test_the_kind_of_a_topic():
    """Ours by their names, the source topics by the settings, others not at all."""
    kinds = topic_kinds(TopicNames("pn"), ("final",))
    topics = ("pn-attempts", "pn-dead-letter", "pn-replay", "pn-retry-1s", "final", "other")
    assert [kinds.get(topic) for topic in topics] == [
        "attempts",
        "dead-letter",
        "replay",
        "tier",
        "event",
        None,
    ]


@pytest.mark.parametrize(
    "text", ["a:1:2", "a/1/2", "with:colon:1:2", "dotted.name-1:0:0", f"a:{2**31 - 1}:{2**63 - 1}"]
)
def test_a_place_is_read_in_both_spellings(text):
    """With colons as people write it, with slashes as headers have it."""
    record_id = RecordId.parse(text)
    assert RecordId.parse(str(record_id)) == RecordId.parse(record_id.header) == record_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a:1",
        "a:b:c",
        ":1:2",
        "a:-1:2",
        "a:1:²",
        "order-4711",
        f"a:1:{2**63}",
        f"a:{2**31}:1",
    ],
)
def test_what_is_no_place_is_refused(text):
    """An order id is not taken for one."""
    with pytest.raises(ValueError, match="expected TOPIC:PARTITION:OFFSET"):
        RecordId.parse(text)
