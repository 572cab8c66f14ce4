"""All profiles end to end, with the contract's settings alone: what the partner gets, what stands on the topics."""

import json

import pytest
from aiokafka import ConsumerRecord

from streams.notification.profiles import PROFILES
from streams.sandbox.keys import CLIENT_ID, PARTNERS
from streams.sandbox.payments import Outcome, order_id, payment_event
from tests.support.events import fixed_members
from tests.support.kafka import by_order, header_texts

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

SCALE = 0.002
OUTCOMES: tuple[Outcome, ...] = ("SUCCESS", "FAILED", "CANCELLED")
CODES = {"SUCCESS": "SUCCESS", "CANCELLED": "ORDER_IS_CLOSED"}
PRIVATE = ("customerId", "acquirerId", "mppPaymentId", "walletBrandName")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEADERS = {"traceparent": TRACE, "x-tenant": "höhe"}
FIRST_WAITS = {name: profile.ladder.waits[:2] for name, profile in PROFILES.items()}
ALWAYS = (
    "format notification-id profile partner-id attempt parks replays due-at-ms occurred-at-ms"
    " accepted-at-ms first-attempt-at-ms last-outcome origin traceparent x-tenant"
)


def _events(deployment):
    """One event of each profile and outcome; those of SUCCESS name no URL, the partner's entry does."""
    for profile in PROFILES:
        for outcome in OUTCOMES:
            url = None if outcome == "SUCCESS" else deployment.partner.notify_url(profile, "U,U,S")
            yield payment_event(profile, rng=deployment.rng, outcome=outcome, notify_url=url)


class Delivered:
    """Three events of each profile, told three times each: what was sent in, and what was seen."""

    def __init__(self, events, origins, requests, tiers, attempts):
        self.events, self.origins, self.requests = events, origins, requests
        self.tiers, self.attempts = tiers, attempts


@pytest.fixture
async def delivered(make_deployment, partner):
    """Run one worker over one event of each profile and outcome, each answered U, U, S."""
    async with make_deployment(settings={"ladder_scale": SCALE}) as deployment:
        entries = deployment.partners
        for profile, name in PARTNERS.items():
            entries[name]["notify_url"] = partner.notify_url(profile, "U,U,S")
            entries[name]["request_time_format"] = (
                "iso8601" if profile == "mpp-to-ant" else "epoch-ms"
            )
        deployment.write_partners(entries)
        worker = await deployment.ready_worker()
        events, origins = {}, {}
        for event in _events(deployment):
            order = order_id(event)
            events[order] = event
            origins[order] = await deployment.write(
                deployment.source, event, f"core/{order}", HEADERS
            )
        attempts = await deployment.delivered(events)
        await deployment.all_committed()
        tiers: dict[str, list[ConsumerRecord]] = {}
        for label in [
            w.label for w in sorted({w for waits in FIRST_WAITS.values() for w in waits})
        ]:
            for order, records in by_order(
                await deployment.records(f"{deployment.names.prefix}-retry-{label}")
            ).items():
                tiers.setdefault(order, []).extend(records)
        assert await worker.metric("notifier_notifications_total", outcome="acknowledged") == len(
            events
        )
        assert await deployment.dead_letters() == []
        assert await worker.stop() == 0
        requests = {order: deployment.requests(order) for order in events}
        yield Delivered(events, origins, requests, tiers, attempts)


async def test_three_attempts_of_every_profile(delivered):
    """U, U, S is three requests, tier records and attempts records, as the contract has them, and no more."""
    for order, event in delivered.events.items():
        profile = PROFILES[event["profile"]]
        waits = [wait.seconds for wait in FIRST_WAITS[profile.name]]
        _check_requests(delivered.requests[order], event, profile)
        mine = [item for item in delivered.attempts if item.get("order_id") == order]
        _check_attempts(mine, event, delivered.origins[order], waits)
        _check_tiers(
            delivered.tiers[order], event, delivered.origins[order], mine, delivered.requests[order]
        )


def _check_requests(requests, event, profile):
    assert [request.answer for request in requests] == ["U", "U", "S"]
    assert [request.faults for request in requests] == [(), (), ()]
    assert len({request.body for request in requests}) == 1
    code = profile.reasons[event["reason"]] if "reason" in event else CODES[event["outcome"]]
    result = {"resultCode": code}
    result["resultStatus"] = "S" if event["outcome"] == "SUCCESS" else "F"
    sent = json.loads(requests[0].body)
    assert sent == fixed_members(profile) | event["payment"] | {profile.result_member: result}
    for request in requests:
        assert request.headers["client-id"] == CLIENT_ID
        assert request.headers["content-type"].replace(" ", "") == "application/json;charset=UTF-8"
        assert request.headers["signature"].startswith("algorithm=RSA256,keyVersion=1,signature=")
        assert request.headers["accept-encoding"] == "identity"
    times = [request.headers["request-time"] for request in requests]
    if event["profile"] == "mpp-to-ant":
        assert all(time.endswith("+00:00") for time in times)
    else:
        assert all(
            int(time) <= request.at_ms for time, request in zip(times, requests, strict=True)
        )
        assert len({request.headers["signature"] for request in requests}) == 3


def _check_attempts(records, event, origin, waits):
    assert [item["attempt"] for item in records] == [1, 2, 3]
    assert [item["decision"] for item in records] == ["retry", "retry", "delivered"]
    assert [item["trigger"] for item in records] == ["event", "ladder", "ladder"]
    assert [item["result_status"] for item in records] == ["U", "U", "S"]
    for item in records:
        assert item["v"] == 1
        assert item["kind"] == "attempt"
        assert item["notification_id"] == event["eventId"]
        assert (item["profile"], item["partner_id"]) == (event["profile"], event["partnerId"])
        assert item["origin"] == origin
        assert item["url_origin"].startswith("https://127.0.0.1:")
        assert "script" not in item["url_origin"]
        assert (item["http_status"], item["request_left"]) == (200, "yes")
        assert item["due_at_ms"] <= item["started_at_ms"] <= item["ended_at_ms"]
        text = json.dumps(item, ensure_ascii=False)
        assert not [name for name in PRIVATE if event["payment"].get(name, "\0") in text]
    for before, after, wait in zip(records, records[1:], waits, strict=False):
        assert before["next_due_at_ms"] == after["due_at_ms"]
        spread = PROFILES[event["profile"]].jitter_seconds * 1000
        assert 0 <= after["due_at_ms"] - before["ended_at_ms"] - wait * 1000 * SCALE <= 2 + spread


def _check_tiers(records, event, origin, attempts, requests):
    names = [record.topic.rpartition("-")[2] for record in records]
    assert names == [wait.label for wait in FIRST_WAITS[event["profile"]]]
    for number, record in enumerate(records, start=1):
        assert record.value == requests[0].body
        assert len(dict(record.headers)) == len(record.headers)
        headers = header_texts(record)
        url = event.get("notifyUrl")
        assert set(headers) == {*ALWAYS.split(), *(["notify-url"] if url else [])}
        assert headers.get("notify-url") == url
        assert (
            headers.items()
            >= {
                "format": "1",
                "notification-id": event["eventId"],
                "profile": event["profile"],
                "partner-id": event["partnerId"],
                "attempt": str(number),
                "parks": "0",
                "replays": "0",
                "last-outcome": "U:UNKNOWN_EXCEPTION",
                "origin": origin,
                **HEADERS,
            }.items()
        )
        assert int(headers["due-at-ms"]) == attempts[number]["due_at_ms"]
        assert int(headers["first-attempt-at-ms"]) == attempts[0]["started_at_ms"]
        assert int(headers["accepted-at-ms"]) == attempts[0]["due_at_ms"]
        assert int(headers["occurred-at-ms"]) < int(headers["accepted-at-ms"])
