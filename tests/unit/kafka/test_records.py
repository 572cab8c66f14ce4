"""Records of ours: written, read back, and refused when anything about them is wrong."""

import json
from dataclasses import replace

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from schemas.notify_url import check_notify_url
from streams.kafka.format.decoding import MalformedRecord, NewerRecord, decode_notification
from streams.kafka.format.records import (
    RESERVED_HEADERS,
    InRecord,
    OutRecord,
    dead_letter_headers,
    due_at_ms,
    header_text,
    notification_headers,
    notification_record,
    replace_headers,
    unknown_headers,
)
from streams.notification.decision import DeadLetterReason
from streams.notification.notification import Notification
from streams.notification.profiles import PROFILES
from tests.unit.kit import NOW_MS, read_back

LATEST = NOW_MS + 10_000
ARABIC_ONE = "\N{ARABIC-INDIC DIGIT ONE}".encode()  # str.isdigit() takes it


def check_url(url):
    check_notify_url(url, allow_http=False)


def body(profile, order_id, code="SUCCESS", status="S", **more):
    members = {
        profile.result_member: {"resultCode": code, "resultStatus": status},
        profile.order_id_member: order_id,
    }
    return json.dumps(members | more, ensure_ascii=False).encode()


def notification(**changes):
    profile = changes.get("profile", PROFILES["mpp-to-ant"])
    order_id = changes.get("order_id", "order-1")
    return replace(
        Notification(
            notification_id="evt-1",
            order_id=order_id,
            profile=profile,
            partner_id="partner-1",
            notify_url="https://partner.example.com/notify?a=1",
            body=body(profile, order_id),
            due_at_ms=NOW_MS,
            occurred_at_ms=NOW_MS - 5000,
            accepted_at_ms=NOW_MS - 4000,
            origin="payment-final-state/3/42",
            result_code="SUCCESS",
            attempt=2,
            parks=1,
            first_attempt_at_ms=NOW_MS - 3999,
            last_outcome="U:UNKNOWN_EXCEPTION",
        ),
        **changes,
    )


def decode(record, latest=LATEST):
    return decode_notification(record, latest_due_ms=latest, check_url=check_url)


def faults_of(record, latest=LATEST):
    with pytest.raises(MalformedRecord) as caught:
        decode(record, latest)
    return list(caught.value.faults)


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
moments = st.integers(0, 999_999_999_999_999)
unknown = st.tuples(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(
        lambda name: name not in RESERVED_HEADERS
    ),
    st.one_of(st.none(), st.binary(max_size=40)),
)


@st.composite
def notifications(draw):
    profile = draw(st.sampled_from(list(PROFILES.values())))
    order_id, attempt = draw(ids), draw(st.integers(0, profile.ladder.attempts - 1))
    return notification(
        notification_id=draw(ids),
        order_id=order_id,
        profile=profile,
        partner_id=draw(ids),
        notify_url=draw(
            st.one_of(
                st.none(), st.text("abc/?=&%", max_size=40).map("https://example.com/".__add__)
            )
        ),
        body=body(profile, order_id),
        due_at_ms=draw(moments),
        occurred_at_ms=draw(moments),
        accepted_at_ms=draw(moments),
        origin=draw(ids),
        attempt=attempt,
        parks=draw(st.integers(0, 99)),
        replays=draw(st.integers(0, 99)),
        replay_run=draw(st.one_of(st.none(), ids)),
        first_attempt_at_ms=draw(moments if attempt else st.one_of(st.none(), moments)),
        last_outcome=draw(st.sampled_from(["", "parked", "S", "F:X", "read_timeout"])),
        traceparent=draw(st.one_of(st.none(), st.just("00-4bf92f3577b34da6-00f067aa0ba902b7-01"))),
        extra_headers=tuple(draw(st.lists(unknown, max_size=4))),
    )


@given(notifications())
def test_what_is_written_is_read(made):
    """The identity, unknown headers and their order included."""
    assert decode(read_back(notification_record("topic", made)), latest=None) == made


def test_the_headers_of_a_tier_record():
    """The contract's names, in text; those that have nothing to say are left out."""
    made = notification(notify_url=None, extra_headers=(("x", b"\xff"),))
    assert notification_headers(made) == (
        ("format", b"1"),
        ("notification-id", b"evt-1"),
        ("profile", b"mpp-to-ant"),
        ("partner-id", b"partner-1"),
        ("attempt", b"2"),
        ("parks", b"1"),
        ("replays", b"0"),
        ("due-at-ms", str(NOW_MS).encode()),
        ("occurred-at-ms", str(NOW_MS - 5000).encode()),
        ("accepted-at-ms", str(NOW_MS - 4000).encode()),
        ("first-attempt-at-ms", str(NOW_MS - 3999).encode()),
        ("last-outcome", b"U:UNKNOWN_EXCEPTION"),
        ("origin", b"payment-final-state/3/42"),
        ("x", b"\xff"),
    )
    record = notification_record("topic", made)
    assert (record.topic, record.key, record.value) == ("topic", b"order-1", made.body)


def without(name):
    return lambda headers: tuple(header for header in headers if header[0] != name)


def with_(name, value):
    return lambda headers: (*without(name)(headers), (name, value))


def twice(name):
    return lambda headers: (*headers, (name, dict(headers)[name]))


NUMBERS = [
    "attempt",
    "parks",
    "replays",
    "due-at-ms",
    "occurred-at-ms",
    "accepted-at-ms",
    "first-attempt-at-ms",
]
TEXTS = {"notification-id": 64, "partner-id": 64, "origin": 300}
REQUIRED = [
    *("format", "notification-id", "profile", "partner-id", "attempt", "parks", "replays"),
    *("due-at-ms", "occurred-at-ms", "accepted-at-ms", "last-outcome", "origin"),
]
CHOICES = ", ".join(PROFILES)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        *((without(name), f"header {name}: missing") for name in REQUIRED),
        *(
            (with_(name, value), f"header {name}: not a whole number")
            for name in NUMBERS
            for value in (b"-1", b"+1", b"1.0", b"1e3", b" 1", b"0x1", ARABIC_ONE)
        ),
        *(
            (with_(name, b""), f"header {name}: has 0 characters, expected 1 to 15")
            for name in NUMBERS
        ),
        *(
            (with_(name, b"1" * 16), f"header {name}: has 16 characters, expected 1 to 15")
            for name in NUMBERS
        ),
        *(
            (with_(name, b"1" * 5000), f"header {name}: has 5000 characters, expected 1 to 15")
            for name in NUMBERS
        ),
        *(
            (with_(name, b"x" * (most + 1)), f"header {name}: has {most + 1} characters, expected 1 to {most}")
            for name, most in TEXTS.items()
        ),
        *(
            (with_(name, b""), f"header {name}: has 0 characters, expected 1 to {most}")
            for name, most in TEXTS.items()
        ),
        *((with_(name, b"\xff"), f"header {name}: not UTF-8") for name in (*REQUIRED, "traceparent")),
        *((with_(name, None), f"header {name}: has no value") for name in (*REQUIRED, "notify-url")),
        *((twice(name), f"header {name}: stands more than once") for name in REQUIRED),
        *(
            (with_("format", value), "header format: this version reads format 1")
            for value in (b"0", b"02", b"-2", b"two", b"1.1", ARABIC_ONE)
        ),
        *(
            (with_("profile", value), f"header profile: expected one of {CHOICES}")
            for value in (b"Mpp", b"mpp to ant", b"2-mars", b"mpp\n")
        ),
        (with_("last-outcome", b"x" * 129), "header last-outcome: has 129 characters, expected 0 to 128"),
        (with_("traceparent", b"x" * 513), "header traceparent: has 513 characters, expected 1 to 512"),
        (without("first-attempt-at-ms"), "header first-attempt-at-ms: missing although an attempt was made"),
        (with_("due-at-ms", str(LATEST + 1).encode()), "header due-at-ms: further away than this tier's wait"),
        (with_("notify-url", b"http://example.com/"), "header notify-url: plain http"),
        (with_("notify-url", b"ftp://example.com/"), "header notify-url: expected an absolute https URL"),
        (with_("notify-url", b"https://u:p@example.com/"), "header notify-url: expected an absolute"),
        (with_("notify-url", b"https://e.com/" + b"x" * 2048), "header notify-url: has 2062 characters"),
        (with_("notify-url", b""), "header notify-url: has 0 characters"),
    ],
)  # fmt: skip
def test_a_header_that_is_wrong_is_named(change, fault):
    """Each alone, with what was expected."""
    record = read_back(notification_record("topic", notification()))
    found = faults_of(replace(record, headers=change(record.headers)))
    assert [seen for seen in found if seen.startswith(fault)], found
    assert {seen.split(":")[0] for seen in found} == {fault.split(":")[0]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"key": None}, "key: missing, expected the order id"),
        ({"key": b""}, "key: missing, expected the order id"),
        ({"key": b"\xff"}, "key: not UTF-8"),
        ({"key": b"order-2"}, "body: paymentRequestId is not the record's key"),
        ({"value": None}, "value: missing"),
        ({"value": b"["}, "body: no JSON at character 1"),
        ({"value": b"\xff"}, "body: no UTF-8 at byte 0"),
        ({"value": b"[]"}, "body: the body is no JSON object"),
        ({"value": b"{}"}, "body: paymentResult is not S with code SUCCESS or F with another code"),
    ],
)
def test_a_key_or_value_that_is_wrong_is_named(change, fault):
    """The key is the order id, and the body must be about it."""
    record = read_back(notification_record("topic", notification()))
    (found,) = faults_of(replace(record, **change))
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("code", "status"),
    [("SUCCESS", "F"), ("RISK_REJECT", "S"), ("X", "U"), ("", "F"), (None, "F"), ("SUCCESS", None)],
)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_body_whose_result_contradicts_itself_is_refused(code, status, profile):
    """A failed payment must not be reported as a success by a record that was tampered with."""
    made = notification(profile=profile, body=body(profile, "order-1", code, status))
    (fault,) = faults_of(read_back(notification_record("topic", made)))
    assert fault == (
        f"body: {profile.result_member} is not S with code SUCCESS or F with another code"
    )


def newer(record):
    with pytest.raises(NewerRecord) as caught:
        decode(record)
    found = caught.value
    return found.unknown, found.parks, found.accepted_at_ms


def test_what_a_newer_version_wrote_is_no_fault():
    """A profile that this version does not have, or a later format: with what it takes to put the record aside."""
    record = read_back(notification_record("topic", notification(parks=3)))
    accepted = NOW_MS - 4000
    profile = replace(record, headers=with_("profile", b"mpp-to-mars")(record.headers))
    assert newer(profile) == ("profile", 3, accepted)
    later = replace(record, headers=with_("format", b"2")(record.headers))
    assert newer(later) == ("format", 3, accepted)
    # In a later format anything may be otherwise.
    headers = (("format", b"12"), ("accepted-at-ms", b"7"), ("profile", b"\xff"), ("parks", b"x"))
    assert newer(replace(record, headers=headers, key=None, value=None)) == ("format", 0, 7)


@pytest.mark.parametrize("accepted", [None, b"soon", b""])
def test_a_later_format_without_its_time_is_refused(accepted):
    """When its event was read stands in every format: without it nobody knows how long the record may wait."""
    record = read_back(notification_record("topic", notification()))
    headers = with_("accepted-at-ms", accepted)(with_("format", b"2")(record.headers))
    faults = faults_of(replace(record, headers=headers))
    assert faults == [
        "header format: this version reads format 1",
        "header accepted-at-ms: not a whole number, which it is in every format",
    ]


def test_an_unknown_profile_with_another_fault_is_refused():
    """What is broken besides is broken in every version."""
    record = read_back(notification_record("topic", notification()))
    headers = without("origin")(with_("profile", b"mpp-to-mars")(record.headers))
    assert {fault.split(":")[0] for fault in faults_of(replace(record, headers=headers))} == {
        "header profile",
        "header origin",
    }


def test_more_attempts_than_the_ladder_has_are_read():
    """Its ladder became shorter: that is no fault of the record."""
    made = notification(attempt=99)
    assert decode(read_back(notification_record("topic", made))) == made


def test_headers_are_replaced_where_they_stand():
    """The first of a name stays in its place with the new value, later ones go, missing ones come last."""
    headers = (("a", b"1"), ("b", None), ("a", b"2"), ("\udcff", b"3"))
    assert replace_headers(headers, {"a": "9", "c": "4"}) == (
        ("a", b"9"),
        ("b", None),
        ("\udcff", b"3"),
        ("c", b"4"),
    )


def test_every_fault_is_named_at_once():
    """A record of somebody else's making; nothing of it is quoted."""
    faults = faults_of(InRecord("topic", 0, 0, b"4111-1111", b"secret", (("attempt", b"secret"),)))
    assert {fault.split(":")[0] for fault in faults} >= {f"header {name}" for name in REQUIRED}
    assert "secret" not in "".join(faults)
    assert "4111" not in "".join(faults)


def test_on_the_replay_topic_any_due_time_may_stand():
    """A dead letter comes back with the due time that it had."""
    made = notification(due_at_ms=LATEST + 10**9)
    record = read_back(notification_record("topic", made))
    assert decode(record, latest=None) == made


def test_a_dead_letter_comes_back_as_the_notification_that_it_was():
    """Its own headers are no part of it and are not carried further."""
    made = notification()
    record = notification_record("topic", made)
    letter = replace(
        record,
        headers=record.headers + dead_letter_headers(DeadLetterReason.REJECTED, "F RISK_REJECT"),
    )
    assert decode(read_back(letter)) == made


@pytest.mark.parametrize(
    ("headers", "due"),
    [
        ((("due-at-ms", b"12"),), 12),
        ((("x", b"1"), ("due-at-ms", b"12"), ("due-at-ms", b"13")), 12),
        ((), None),
        ((("due-at-ms", b""),), None),
        ((("due-at-ms", None),), None),
        ((("due-at-ms", b"-1"),), None),
        ((("due-at-ms", ARABIC_ONE),), None),
        ((("due-at-ms", b"1" * 15),), 111_111_111_111_111),
        ((("due-at-ms", b"1" * 16),), None),
    ],
)
def test_the_due_time_is_read_without_reading_the_record(headers, due):
    """A lane asks for it before anything else is looked at."""
    assert due_at_ms(headers) == due


def test_single_headers():
    """The first of a name; unknown ones are those that mean nothing to us."""
    headers = (("traceparent", b"00-1"), ("traceparent", b"00-2"), ("x", b"1"), ("kind", b"event"))
    assert header_text(headers, "traceparent") == "00-1"
    assert header_text(headers, "y") is None
    assert header_text((("y", None),), "y") is None
    assert unknown_headers(headers) == (("x", b"1"),)


@pytest.mark.parametrize("detail", ["x" * 5000, "支" * 3000, "a" + "🦉" * 2000, "short", ""])
def test_a_detail_is_cut_to_4_kib_between_characters(detail):
    """Still text at its end."""
    (_, reason), (_, cut) = dead_letter_headers(DeadLetterReason.INVALID_EVENT, detail)
    assert reason == b"invalid-event"
    assert cut is not None
    assert detail.startswith(cut.decode())
    assert len(cut) <= 4096
    assert len(cut) > 4092 or cut.decode() == detail


blobs = st.one_of(
    st.none(), st.binary(max_size=40), st.integers(0, 200_000).map(lambda size: b"x" * size)
)


@given(
    key=blobs,
    value=blobs,
    headers=st.lists(
        st.tuples(st.text("aé支🦉", max_size=60), st.one_of(st.none(), st.binary(max_size=300))),
        max_size=20,
    ),
)
def test_a_size_is_never_less_than_what_goes_into_a_batch(key, value, headers):
    """Measured against aiokafka's own batches, far into one, where offsets and times take the most bytes."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1,
        base_sequence=0, batch_size=1 << 30,
    )  # fmt: skip
    builder.append(0, 0, b"", b"", [])
    taken = builder.append(2**31 - 1, 2**43, key, value, headers).size
    assert taken <= OutRecord("topic", key, value, tuple(headers)).size_bytes
