"""Records outlive the version that wrote them: golden files of each version, read by this one, and the other way round.

`tests/vectors/records/VERSION` holds what a version wrote; a change of form gets a folder of its own, and the old one
stays. `next` holds what a later version may add without a new `format`; this one must live with it.
"""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.attempt_record import AttemptRecord
from schemas.notify_url import check_notify_url
from streams.kafka.format.decoding import NewerRecord, decode_notification
from streams.kafka.format.event_headers import fresh_event, refused_event_headers
from streams.kafka.format.records import (
    FORMAT,
    InRecord,
    OutRecord,
    dead_letter_headers,
    notification_headers,
    notification_record,
)
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Refused
from streams.notification.notification import Notification
from streams.notification.profiles import PROFILES

RECORDS = Path(__file__).parents[2] / "vectors" / "records"
WRITTEN = "0.2.0"
"""The newest version whose form differs from the one before: what is written today."""
VERSIONS = sorted(path.name for path in RECORDS.iterdir() if path.name != "next")
NOW_MS = 1_795_385_194_937
EVENT = InRecord(
    "payment-final-state", 3, 42, b"order-1", b'{"eventId": "evt-2"', (("trace", b"\xff"),)
)

NOTIFICATION = Notification(
    notification_id="evt-1",
    order_id="order-1",
    profile=PROFILES["mpp-to-alipay-plus"],
    partner_id="alipayplus",
    notify_url="https://open-sea.example.com/aps/api/v1/payments/notifyPayment?a=1",
    body='{"paymentResult":{"resultCode":"SUCCESS","resultStatus":"S"},"paymentRequestId":"order-1","x":"é"}'.encode(),
    due_at_ms=NOW_MS,
    occurred_at_ms=NOW_MS - 5000,
    accepted_at_ms=NOW_MS - 4000,
    origin="payment-final-state/3/42",
    result_code="SUCCESS",
    attempt=2,
    parks=1,
    replays=1,
    first_attempt_at_ms=NOW_MS - 3999,
    last_outcome="U:UNKNOWN_EXCEPTION",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    extra_headers=(("tenant", b"blue"), ("raw", b"\xff\x00")),
)
ATTEMPT = AttemptRecord(
    kind="attempt",
    at_ms=NOW_MS,
    notification_id="evt-1",
    order_id="order-1",
    profile="mpp-to-alipay-plus",
    partner_id="alipayplus",
    url_origin="https://open-sea.example.com",
    attempt=2,
    parks=1,
    replays=1,
    trigger="ladder",
    sent_result_status="S",
    sent_result_code="SUCCESS",
    due_at_ms=NOW_MS - 10,
    started_at_ms=NOW_MS - 5,
    ended_at_ms=NOW_MS,
    lateness_ms=5,
    request_left="yes",
    http_status=200,
    result_status="U",
    result_code="UNKNOWN_EXCEPTION",
    outcome="U:UNKNOWN_EXCEPTION",
    decision="retry",
    next_due_at_ms=NOW_MS + 3000,
    next_topic="payment-notification-retry-3s",
    origin="payment-final-state/3/42",
    worker="notifier-0",
)

UNREADABLE = ATTEMPT.model_copy(
    update={
        "failure": "unreadable_answer",
        "failure_detail": "header line of 70,112 bytes, at most 65,536",
        "result_status": None,
        "result_code": None,
        "outcome": "unreadable_answer",
    }
)
"""Says what was unreadable, from 0.2.0 on."""

NEAR = ATTEMPT.model_copy(update={"near_names": ("notifyURL: not known, did you mean notifyUrl",)})
"""Says which names in the event are nearly known, from 0.2.0 on."""


def written_today():
    """Return one record of each form, as this version writes it, by the name of its file."""
    letter = dead_letter_headers(
        DeadLetterReason.ATTEMPTS_EXHAUSTED, "15 attempts, none settled it"
    )
    invalid = dead_letter_headers(DeadLetterReason.INVALID_EVENT, "value: not JSON")
    refused = Refused(DeadLetterReason.INVALID_EVENT, "value: not JSON", event_id="evt-2")
    of_event = refused_event_headers(refused, NOW_MS, fresh_event(EVENT))
    return {
        "tier": notification_record("", NOTIFICATION),
        "dead-letter": OutRecord(
            "", b"order-1", NOTIFICATION.body, notification_headers(NOTIFICATION) + letter
        ),
        "dead-letter-of-an-event": OutRecord("", EVENT.key, EVENT.value, of_event + invalid),
        "attempt": OutRecord("", b"order-1", ATTEMPT.to_bytes()),
        "attempt-near-names": OutRecord("", b"order-1", NEAR.to_bytes()),
        "attempt-unreadable": OutRecord("", b"order-1", UNREADABLE.to_bytes()),
    }


def to_json(record):
    """Return a record as a golden file holds it: bytes that are no UTF-8 in base64."""

    def text(raw):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(raw).decode()}

    headers = [[name, text(value)] for name, value in record.headers]
    return {"key": text(record.key), "value": text(record.value), "headers": headers}


def from_json(path):
    """Read a golden file as a record that stands on a tier."""
    golden = json.loads(path.read_text("utf-8"))

    def raw(text):
        return base64.b64decode(text["base64"]) if isinstance(text, dict) else text.encode()

    headers = tuple((name, raw(value)) for name, value in golden["headers"])
    return InRecord("tier", 0, 7, raw(golden["key"]), raw(golden["value"]), headers)


def read(record):
    """Read a notification as a worker does."""
    return decode_notification(
        record,
        latest_due_ms=NOW_MS + 60_000,
        check_url=lambda url: check_notify_url(url, allow_http=False),
    )


@pytest.mark.parametrize("name", sorted(written_today()))
def test_what_is_written_is_the_golden_form(name):
    """Each form is, to the byte, what the golden file of the present version holds; a change needs a new folder."""
    golden = json.loads((RECORDS / WRITTEN / f"{name}.json").read_text("utf-8"))
    assert to_json(written_today()[name]) == golden


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["tier", "dead-letter"])
def test_notifications_of_every_version_are_read(version, name):
    """A notification that any version left on a tier, or among the dead letters, is read whole."""
    assert read(from_json(RECORDS / version / f"{name}.json")) == NOTIFICATION


@pytest.mark.parametrize("version", VERSIONS)
def test_attempts_records_of_every_version_are_read(version):
    """An attempts record that any version wrote is read whole; 0.1.0 did not say which payment result was sent."""
    value = from_json(RECORDS / version / "attempt.json").value
    silent = {"sent_result_status": None, "sent_result_code": None} if version == "0.1.0" else {}
    assert AttemptRecord.model_validate_json(value) == ATTEMPT.model_copy(update=silent)


@pytest.mark.parametrize(
    ("name", "record"), [("attempt-unreadable", UNREADABLE), ("attempt-near-names", NEAR)]
)
def test_what_was_unreadable_or_misnamed_is_read_back(name, record):
    """From the first version that says it."""
    value = from_json(RECORDS / "0.2.0" / f"{name}.json").value
    assert AttemptRecord.model_validate_json(value) == record


def test_a_later_version_may_add_headers():
    """A tier record with headers that this version does not know is read, and they are kept for who knows them."""
    later = read(from_json(RECORDS / "next" / "tier.json"))
    added = (("priority", b"high"), ("region", b"eu"))
    assert later == replace(NOTIFICATION, extra_headers=NOTIFICATION.extra_headers + added)
    assert notification_record("", later).headers[-2:] == added


def test_a_later_version_may_add_members():
    """An attempts record with members that this version does not know is read without them."""
    value = from_json(RECORDS / "next" / "attempt.json").value
    assert b'"tls_version"' in value
    assert AttemptRecord.model_validate_json(value) == ATTEMPT


def test_a_later_format_is_told_apart_and_not_misread():
    """A record that says a later `format` is never guessed at: what it takes to put it aside is all that is read of it."""
    record = from_json(RECORDS / WRITTEN / "tier.json")
    headers = tuple(
        (name, str(int(FORMAT) + 1).encode() if name == "format" else value)
        for name, value in record.headers
    )
    with pytest.raises(NewerRecord) as caught:
        read(replace(record, headers=headers))
    newer = caught.value
    assert (newer.unknown, newer.parks) == ("format", NOTIFICATION.parks)
    assert newer.accepted_at_ms == NOTIFICATION.accepted_at_ms
