"""Records that break a rule are dead-lettered with every reason, and the partition goes on."""

import hashlib
import json
from base64 import b64encode

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.clock import Clock
from streams.kafka.connection import Connection
from streams.kafka.format.records import RESERVED_HEADERS
from streams.kafka.reader.reader import RecordReader
from streams.notification.profiles import TIERS
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.bad_records import (
    CASE,
    HUGE,
    PROFILE,
    Bad,
    bad_events,
    bad_notifications,
    too_far_away,
)
from tests.support.deployment import attempts_made
from tests.support.kafka import administration, header_texts, producer, write_header_name

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

KEPT = 64 * 1024
FIRST = TIERS[0]


async def _write(deployment, topic, records):
    """Write bad records, a good event after each, to one partition; return the good ones' orders."""
    good = []
    async with producer(deployment.bootstrap) as client:
        for bad in records:
            stored = await client.send_and_wait(topic, bad.value, bad.key, headers=bad.headers)
            bad.origin = f"{topic}/{stored.partition}/{stored.offset}"
            event = payment_event(PROFILE, rng=deployment.rng)
            await client.send_and_wait(deployment.source, encode(event), order_id(event).encode())
            good.append(order_id(event))
    return good


async def test_bad_records_end_as_dead_letters_and_partitions_go_on(make_deployment):
    """Events, tier records and replays that break a rule: each with its bytes and reasons, none to a partner."""
    source, now_ms = {"max.message.bytes": str(2 * HUGE)}, Clock().now_ms()
    async with make_deployment(partitions=1, source=source) as deployment:
        told = []

        def make():
            told.append(payment_event(PROFILE, rng=deployment.rng))
            return told[-1]

        events = bad_events(make)
        tier = [*bad_notifications(make, now_ms, "on a tier"), too_far_away(make(), now_ms)]
        replayed = bad_notifications(make, now_ms, "replayed")
        no_event = Bad("no event, replayed", b"{}", "eventId", headers=[("kind", b"event")])
        worker = await deployment.ready_worker()
        good = await _write(deployment, deployment.source, events)
        good += await _write(deployment, deployment.names.prefix + "-retry-3s", tier)
        good += await _write(deployment, deployment.names.replay, [*replayed, no_event])
        ignored = payment_event(PROFILE, rng=deployment.rng) | {"attachment": "x" * HUGE}
        good.append(order_id(ignored))
        await deployment.write(deployment.source, ignored)

        await deployment.delivered(good)
        events.append(no_event)
        every = [*events, *tier, *replayed]
        letters = await deployment.dead_letters(len(every))
        by_case = {header_texts(letter)[CASE]: letter for letter in letters}
        assert set(by_case) == {bad.name for bad in every}
        assert len(letters) == len(every)
        for bad in events:
            _check_event(by_case[bad.name], bad)
        for bad in [*tier, *replayed]:
            _check_notification(by_case[bad.name], bad)
        orders = {order_id(event) for event in told}
        assert not [
            request for request in deployment.partner.requests if request.order_id in orders
        ]
        await deployment.all_committed()  # the last dead letters may come after the last delivery
        attempts = await deployment.attempts()
        made = attempts_made(attempts)
        assert {order: len(deployment.requests(order)) for order in good} == made
        await _check_counts(worker, every, events, attempts)
        assert await worker.stop() == 0


async def test_a_retry_that_its_tier_will_not_take_calls_the_partner_once(make_deployment):
    """A tier that takes less than when the worker began: the notification is a dead letter, and the worker goes on."""
    async with make_deployment(partitions=1) as deployment:
        deployment.add_partner("again", PROFILE, "U")
        worker = await deployment.ready_worker()
        tier = deployment.names.tier(FIRST)
        async with administration(deployment.bootstrap) as admin:
            config = {"max.message.bytes": "131072", "message.timestamp.type": "LogAppendTime"}
            wanted = ConfigResource(ConfigResourceType.TOPIC, tier, configs=config)
            (altered,) = await admin.alter_configs([wanted])
            assert [code for code, *_ in altered.resources] == [0]
        event = payment_event(PROFILE, rng=deployment.rng, partner_id="again")
        event["payment"]["paymentAmount"] = {"currency": "JPY", "value": "9" * 200_000}
        await deployment.send([event])
        (letter,) = await deployment.dead_letters(1)
        headers = header_texts(letter)
        assert (headers["dead-letter-reason"], headers["attempt"]) == ("oversized", "1")
        assert tier in headers["dead-letter-detail"]
        assert int(headers["value-length"]) > 200_000
        await deployment.all_committed()
        assert len(deployment.requests(order_id(event))) == 1
        decisions = [item["decision"] for item in await deployment.attempts()]
        assert decisions == ["retry", "dead-letter"]
        assert await worker.stop() == 0


ODD_NAME = b"x-\xff\xfe-name"
ODD = (
    ("schema-id", b"\x01\xff\xfe\x00"),
    ("shop", b"7"),
    ("shop", b"8"),
    ("x-null", None),
    ("traceparent", b"\xff"),
    ("attempt", b"\xff"),
)
CARRIED = (
    (ODD_NAME.decode("utf-8", "surrogateescape"), b""),
    *ODD[:4],
    ("event.attempt", b"\xff"),
)
"""What a tier record and a dead letter have of them: all but the trace context, which can't be read."""


async def test_odd_headers_stop_nothing(make_deployment):
    """Binary, null and repeated values, names that are no UTF-8 or ours: the partner is told, and all of it is kept."""
    async with make_deployment(partitions=1) as deployment:
        deployment.add_partner("again", PROFILE, "U,S")
        worker = await deployment.ready_worker()
        told = payment_event(PROFILE, rng=deployment.rng, partner_id="again")
        refused, after = (payment_event(PROFILE, rng=deployment.rng) for _ in range(2))
        for event in (told, refused | {"partnerId": "nobody"}):
            await write_header_name(
                deployment.bootstrap, deployment.source, encode(event), ODD_NAME, ODD
            )
        await deployment.send([after])
        await deployment.delivered([order_id(told), order_id(after)])
        assert len(deployment.requests(order_id(told))) == 2
        await deployment.all_committed()
        fault = {"fault": "not-utf8"}
        assert await worker.metric("notifier_unreadable_traceparents_total", **fault) == 2
        async with RecordReader(Connection(deployment.bootstrap), "test") as reader:
            spans = await reader.spans(deployment.names.dead_letter, deployment.names.tier(FIRST))
            records = [record async for batch in reader.read(spans) for record in batch]
        assert {record.key for record in records} == {
            order_id(told).encode(),
            order_id(refused).encode(),
        }
        for record in records:
            own = [header for header in record.headers if header in CARRIED]
            assert own == list(CARRIED), record.topic
            assert "traceparent" not in dict(record.headers)
        lines = (await deployment.run("dead-letters", "export")).stdout.splitlines()
        (exported,) = [json.loads(line)["headers"] for line in lines]
        own = [pair for pair in exported if str(pair[0]) not in RESERVED_HEADERS]
        assert own == [
            [{"base64": b64encode(ODD_NAME).decode()}, ""],
            ["schema-id", {"base64": b64encode(ODD[0][1]).decode()}],
            ["shop", "7"],
            ["shop", "8"],
            ["x-null", None],
            ["event.attempt", {"base64": b64encode(b"\xff").decode()}],
        ]
        shown = (await deployment.run("dead-letters", "show", order_id(refused))).stdout
        assert "x-null\t(null)" in shown
        assert await worker.stop() == 0


def _check_reason(headers, bad):
    assert headers["dead-letter-reason"] == bad.reason, (bad.name, headers)
    detail = headers["dead-letter-detail"]
    assert [text for text in bad.says if text not in detail] == [], (bad.name, detail)
    assert len(detail.encode()) <= 4096


def _check_event(letter, bad):
    """An event: its bytes, its own headers, and what is needed to put it back."""
    headers = header_texts(letter)
    _check_reason(headers, bad)
    assert headers["origin"] == bad.origin, bad.name
    assert headers["format"] == "1"
    if bad.reason != "oversized":
        assert headers["kind"] == "event"
        assert letter.value == bad.value, bad.name
        return
    assert len(letter.value) == KEPT
    if bad.value.startswith(letter.value):
        assert headers["value-length"] == str(len(bad.value))
        assert headers["value-sha256"] == hashlib.sha256(bad.value).hexdigest()
    else:  # the body was too large, not the event
        assert int(headers["value-length"]) > HUGE
        assert letter.value.startswith(b'{"')


def _check_notification(letter, bad):
    """A record of ours: as it is, with reason and detail added, and its origin where it had none."""
    headers = header_texts(letter)
    _check_reason(headers, bad)
    assert (letter.key, letter.value) == (bad.key, bad.value), bad.name
    kept = [item for item in letter.headers if not item[0].startswith("dead-letter-")]
    own = {name for name, _ in bad.headers}
    assert sorted(item for item in kept if item[0] in own) == sorted(bad.headers), bad.name
    assert {name for name, _ in kept} - own <= {"origin"}
    assert headers["origin"] == dict(bad.headers).get("origin", bad.origin.encode()).decode()


async def _check_counts(worker, every, events, attempts):
    decided = [item for item in attempts if item.get("decision") == "dead-letter"]
    assert len(decided) == len(every)
    for reason in ("invalid-event", "unknown-partner", "oversized"):
        number = sum(bad.reason == reason for bad in every)
        assert await worker.metric("notifier_dlq_total", reason=reason) == number
        assert sum(item["dead_letter_reason"] == reason for item in decided) == number
    refused = "notifier_payments_consumed_total"
    assert await worker.metric(refused, result="unknown-partner") == 1
    invalid = sum(bad.reason == "invalid-event" for bad in events)
    assert await worker.metric(refused, result="invalid-event") >= invalid
