"""From a due notification to its next place: what is written for which outcome, and that it is never too early."""

import asyncio
import json
import logging

import pytest

from streams.kafka.consumer.membership import Membership
from streams.notification.decision import DeadLetterReason
from streams.notification.ladder import Wait
from streams.notification.outcome import Answered, Blocked, Failure, NoResult, Status
from streams.notification.profiles import PROFILES
from tests.support.deliveries import TIMED_OUT, climb, ladder
from tests.support.events import EVENTS, f_is_final
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, Bench, partner
from tests.unit.kit import NOW_MS, event, headers_of, read, read_back, turns

FORGED = NoResult(Failure.WRONG_SIGNATURE, Status.SUCCESS, "SUCCESS")


@pytest.mark.parametrize("name", PROFILES)
async def test_an_acknowledged_notification_leaves_one_attempts_record_and_nothing_else(
    new_bench, name
):
    """The call is made with the event's URL and body; the record says what happened."""
    bench = new_bench(ACKNOWLEDGED)
    await bench.event(read("payment-final-state", event(name)))
    ((partner_id, url, body, signed),) = bench.caller.made
    assert (partner_id, url) == (EVENTS[name]["partnerId"], EVENTS[name]["notifyUrl"])
    assert signed is PROFILES[name].signed_answer
    order_id = EVENTS[name]["payment"][PROFILES[name].order_id_member]
    assert json.loads(body)[PROFILES[name].order_id_member] == order_id
    sent = json.loads(body)[PROFILES[name].result_member]
    (record,) = bench.broker.written
    assert (record.topic, record.key, record.headers) == ("pn-attempts", order_id.encode(), ())
    assert bench.journal == [
        {
            "v": 1,
            "kind": "attempt",
            "at_ms": NOW_MS + 40,
            "notification_id": EVENTS[name]["eventId"],
            "order_id": order_id,
            "profile": name,
            "partner_id": partner_id,
            "url_origin": f"https://{partner_id}.example.com",
            "attempt": 1,
            "parks": 0,
            "replays": 0,
            "trigger": "event",
            "sent_result_status": sent["resultStatus"],
            "sent_result_code": sent["resultCode"],
            "due_at_ms": NOW_MS,
            "started_at_ms": NOW_MS,
            "ended_at_ms": NOW_MS + 40,
            "lateness_ms": 0,
            "request_left": "yes",
            "http_status": 200,
            "result_status": "S",
            "result_code": "SUCCESS",
            "outcome": "S:SUCCESS",
            "decision": "delivered",
            "origin": "payment-final-state/3/42",
            "worker": "worker-1",
        }
    ]
    assert bench.count("notifier_notifications_total", profile=name, outcome="acknowledged") == 1
    assert bench.count("notifier_payments_consumed_total", result="accepted") == 1


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ({"outcome": "SUCCESS"}, "S", "SUCCESS"),
        ({"outcome": "CANCELLED"}, "F", "ORDER_IS_CLOSED"),
        ({"outcome": "FAILED", "resultCode": "OWN_CODE"}, "F", "OWN_CODE"),
    ],
)
@pytest.mark.parametrize("name", PROFILES)
async def test_every_record_says_which_payment_result_is_sent(new_bench, name, told, status, code):
    """The first attempt, a park, attempts from the tiers and the dead letter: S or F and the code, as in the body."""
    bench = new_bench(TIMED_OUT)
    partner_id = EVENTS[name]["partnerId"]
    bench.partners[partner_id] = partner(partner_id, paused=True)
    await bench.event(read("payment-final-state", event(name, **told)))
    bench.partners[partner_id] = partner(partner_id)
    while not bench.letters:
        bench.clock.ms = int(headers_of(bench.moved[-1])["due-at-ms"])
        await bench.tier(read_back(bench.moved[-1], offset=len(bench.moved)))
    assert [line["kind"] for line in bench.journal].count("park") == 1
    said = {(line["sent_result_status"], line["sent_result_code"]) for line in bench.journal}
    assert said == {(status, code)}
    result = json.loads(bench.caller.made[-1][2])[PROFILES[name].result_member]
    assert (result["resultStatus"], result["resultCode"]) == (status, code)


@pytest.mark.parametrize("name", PROFILES)
async def test_a_partner_that_never_answers_gets_every_attempt_of_the_ladder(new_bench, name):
    """Tier by tier, the same bytes, no wait shorter than stated, then one dead letter."""
    bench = new_bench(TIMED_OUT)
    await climb(bench, name)
    waits = ladder(name)
    assert [record.topic for record in bench.moved] == [f"pn-retry-{wait}" for wait in waits]
    assert len(bench.caller.made) == len(waits) + 1
    assert len({body for _, _, body, _ in bench.caller.made}) == 1
    attempts = [line for line in bench.journal if line["kind"] == "attempt"]
    assert [line["attempt"] for line in attempts] == list(range(1, len(waits) + 2))
    jitter_ms = PROFILES[name].jitter_seconds * 1000
    for before, after, wait in zip(attempts, attempts[1:], waits, strict=False):
        due = before["ended_at_ms"] + Wait.parse(wait).seconds * 1000
        assert due <= before["next_due_at_ms"] <= due + 1 + jitter_ms
        assert after["started_at_ms"] >= before["next_due_at_ms"]
        assert after["due_at_ms"] == before["next_due_at_ms"]
        assert (before["decision"], before["next_topic"]) == ("retry", f"pn-retry-{wait}")
        assert (before["failure"], before["request_left"]) == ("read_timeout", "perhaps")
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "attempts-exhausted"
    assert attempts[-1]["dead_letter_reason"] == "attempts-exhausted"
    assert letter.value == bench.caller.made[0][2]
    assert [line["trigger"] for line in attempts] == ["event"] + ["ladder"] * len(waits)


async def test_a_tier_record_holds_the_notification_and_how_far_it_came(new_bench):
    """Headers as the contract names them; the first attempt's time stays, the due time moves."""
    bench = new_bench(UNKNOWN)
    value = event()
    await bench.event(
        read(
            "payment-final-state",
            value,
            headers=[
                ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                ("shop", b"7"),
            ],
        )
    )
    bench.clock.ms += 5000
    await bench.tier(read_back(bench.moved[0]))
    first, second = bench.moved
    assert headers_of(first) == {
        "format": "1",
        "notification-id": "evt-1",
        "profile": "mpp-to-ant",
        "partner-id": "partner-1",
        "notify-url": EVENTS["mpp-to-ant"]["notifyUrl"],
        "attempt": "1",
        "parks": "0",
        "replays": "0",
        "due-at-ms": str(NOW_MS + 40 + 1000 + 1),
        "occurred-at-ms": "1795311929500",
        "accepted-at-ms": str(NOW_MS),
        "first-attempt-at-ms": str(NOW_MS),
        "last-outcome": "U:UNKNOWN_EXCEPTION",
        "origin": "payment-final-state/3/42",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "shop": "7",
    }
    assert headers_of(second) == headers_of(first) | {
        "attempt": "2",
        "due-at-ms": str(NOW_MS + 5080 + 3000 + 1),
    }
    assert (
        (second.key, second.value)
        == (first.key, first.value)
        == (
            b"20261122190741020001001234567",
            bench.caller.made[0][2],
        )
    )
    assert bench.journal[1]["lateness_ms"] == 5040 - 1041
    assert bench.count("notifier_dispatch_lag_seconds_count", tier="1s") == 1


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(
    "code", ["INVALID_SIGNATURE", "KEY_NOT_FOUND", "PROCESS_FAIL", "PARAM_ILLEGAL", ""]
)
async def test_f_means_what_the_profile_says(new_bench, name, code):
    """By code, all but PROCESS_FAIL, or always up the ladder: whichever rule the profile has."""
    bench = new_bench(Answered(Status.FAILED, code))
    await bench.event(read("payment-final-state", event(name)))
    (line,) = bench.journal
    assert (line["outcome"], line["result_status"]) == (f"F:{code}" if code else "F", "F")
    if not f_is_final(PROFILES[name], code):
        assert (len(bench.moved), bench.letters) == (1, [])
    else:
        (letter,) = bench.letters
        assert bench.moved == []
        assert headers_of(letter)["dead-letter-reason"] == line["dead_letter_reason"] == "rejected"
        assert (
            headers_of(letter)["dead-letter-detail"] == f"the partner refused it: F {code}".strip()
        )
        assert headers_of(letter)["last-outcome"] == (f"F:{code}" if code else "F")
        assert headers_of(letter)["attempt"] == "1"
        assert letter.value == bench.caller.made[0][2]


@pytest.mark.parametrize(
    "code", ["INVALID_SIGNATURE", "KEY_NOT_FOUND", "MEDIA_TYPE_NOT_ACCEPTABLE"]
)
async def test_a_fault_of_our_set_up_is_told_at_the_first(new_bench, code, caplog):
    """Operators have hours to mend it, if they know."""
    bench = new_bench(Answered(Status.FAILED, code))
    await bench.event(read("payment-final-state", event()))
    assert bench.count("notifier_set_up_faults_total", profile="mpp-to-ant", code=code) == 1
    assert [r.levelno for r in caplog.records if code in r.getMessage()] == [logging.ERROR]


async def test_an_s_that_could_never_be_verified(new_bench):
    """The partner says S all the time; perhaps its keys changed. An operator must look."""
    bench = new_bench(FORGED)
    await climb(bench, "alipay-plus-to-acquirer")
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "unverified-acknowledgement"
    assert bench.journal[-1]["result_status"] == "S"
    assert bench.journal[-1]["failure"] == "wrong_signature"
    assert (
        bench.count(
            "notifier_signature_failures_total",
            profile="alipay-plus-to-acquirer",
            reason="wrong_signature",
        )
        == 8
    )


async def test_a_blocked_destination_is_no_attempt(new_bench):
    """Egress rules: nothing left us, so nothing is counted as an attempt."""
    bench = new_bench(Blocked("the host is private"))
    await bench.event(read("payment-final-state", event()))
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "blocked-destination"
    assert headers_of(letter)["dead-letter-detail"] == "the host is private"
    assert headers_of(letter)["attempt"] == "0"
    assert "first-attempt-at-ms" not in headers_of(letter)
    (line,) = bench.journal
    assert (line["kind"], line["decision"], line["attempt"]) == ("decision", "dead-letter", 0)
    assert bench.metrics.registry.get_sample_value(
        "notifier_attempts_total",
        {"profile": "mpp-to-ant", "attempt_class": "first", "result": "blocked"},
    ) in {None, 0.0}


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (lambda p: p.pop("partner-1"), "unknown-partner", "no longer has this partner"),
        (
            lambda p: p.update({"partner-1": partner("partner-1", profiles=frozenset())}),
            "invalid-event",
            "no longer lists this profile",
        ),
    ],
)
async def test_a_partner_that_was_changed_after_the_event(new_bench, change, reason, detail):
    """What is on a tier is checked against the file in force when its time comes."""
    bench = new_bench(UNKNOWN)
    await bench.event(read("payment-final-state", event()))
    change(bench.partners)
    await bench.tier(read_back(bench.moved[0]))
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == reason
    assert detail in headers_of(letter)["dead-letter-detail"]
    assert headers_of(letter)["attempt"] == "1"
    assert len(bench.caller.made) == 1
    assert bench.journal[-1]["kind"] == "decision"


async def test_a_partners_own_url_is_looked_up_at_each_attempt(new_bench):
    """And without any there is no way to go."""
    bench = new_bench(UNKNOWN)
    bench.partners["partner-1"] = partner("partner-1", notify_url="https://old.example.com/")
    await bench.event(read("payment-final-state", event(notifyUrl=None)))
    assert "notify-url" not in headers_of(bench.moved[0])
    bench.partners["partner-1"] = partner("partner-1", notify_url="https://new.example.com/")
    await bench.tier(read_back(bench.moved[0]))
    bench.partners["partner-1"] = partner("partner-1")
    await bench.tier(read_back(bench.moved[1]))
    assert [url for _, url, _, _ in bench.caller.made] == [
        "https://old.example.com/",
        "https://new.example.com/",
    ]
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "invalid-event"
    assert "notify URL" in headers_of(letter)["dead-letter-detail"]


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.001])
async def test_the_scale_shortens_every_wait_and_keeps_the_topics(new_bench, scale):
    """For rehearsals: the same tiers, in less time."""
    bench = new_bench(NoResult(Failure.HTTP_STATUS), scale=scale)
    await climb(bench, "alipay-to-merchant")
    for line, wait in zip(bench.journal[:-1], ladder("alipay-to-merchant"), strict=True):
        planned = line["next_due_at_ms"] - line["ended_at_ms"]
        least = Wait.parse(wait).seconds * 1000 * scale
        assert least <= planned <= least + 2
        assert line["next_topic"] == f"pn-retry-{wait}"


@pytest.mark.parametrize("why", [TIMED_OUT, UNKNOWN, Answered(Status.FAILED, "PROCESS_FAIL")])
async def test_nothing_is_settled_before_the_broker_has_it(new_bench, why):
    """The handler returns, and so the offset moves, only after every write is acknowledged."""
    bench = new_bench(why)
    bench.broker.held = asyncio.Event()
    settling = asyncio.create_task(bench.event(read("payment-final-state", event())))
    await turns(50)
    assert len(bench.broker.asked) == 2
    assert not settling.done()
    bench.broker.held.set()
    await settling
    assert len(bench.broker.written) == 2


async def test_a_caller_that_raises_gives_its_place_back(new_bench):
    """The worker stops for it, but a cancelled attempt must not count against the destination for ever."""
    bench = new_bench()
    bench.caller.raises = RuntimeError("broken")
    with pytest.raises(RuntimeError, match="broken"):
        await bench.event(read("payment-final-state", event()))
    assert bench.admission.in_flight == 0
    assert bench.broker.written == []


@pytest.mark.parametrize(
    "outcome",
    [ACKNOWLEDGED, UNKNOWN, TIMED_OUT, FORGED, Answered(Status.FAILED, "PARAM_ILLEGAL")],
)
async def test_no_customer_data_leaves_the_tiers(new_bench, outcome, caplog):
    """Canaries in the body and in the URL's path and query: not on the attempts topic, in logs or in metrics."""
    caplog.set_level(logging.DEBUG)
    bench = new_bench(outcome)
    value = event(
        notifyUrl="https://partner-1.example.com/canary-path?canary=query",
        resultMessage="canary-message",
        payment={"customerId": "canary-customer"},
    )
    await bench.event(read("payment-final-state", value, headers=[("shop", b"canary-header")]))
    for number, record in enumerate(bench.moved):
        if number < 14:
            bench.clock.ms = int(headers_of(record)["due-at-ms"])
            await bench.tier(read_back(record, offset=number))
    assert b"canary" in bench.caller.made[0][2]
    seen = json.dumps(bench.journal) + caplog.text
    seen += "".join(
        f"{sample.labels}"
        for metric in bench.metrics.registry.collect()
        for sample in metric.samples
    )
    assert "canary" not in seen


@pytest.mark.parametrize("reason", DeadLetterReason)
def test_every_reason_of_the_contract_has_a_series(reason):
    """And nothing else ends a notification."""
    bench = Bench()
    assert (
        bench.metrics.registry.get_sample_value("notifier_dlq_total", {"reason": reason.value}) == 0
    )


@pytest.mark.parametrize("while_", ["sending", "settling"])
async def test_a_lost_lease_ends_it_without_a_record(new_bench, while_):
    """Whoever has the partition now delivers it: nothing is sent, or at least nothing is written."""
    bench = new_bench(ACKNOWLEDGED)
    bench.lease = lease = Membership(10.0, bench.clock.now_seconds, lambda: None)
    if while_ == "sending":
        bench.clock.ms += 10_000
    else:
        bench.caller.took_ms = 10_000
    handled = asyncio.ensure_future(bench.event(read("payment-final-state", event())))
    await turns()
    assert not handled.done()
    lease.lose()
    with pytest.raises(asyncio.CancelledError):
        await handled
    assert len(bench.caller.made) == (while_ == "settling")
    assert bench.broker.written == []
    assert bench.admission.in_flight == 0


async def test_a_lease_that_is_regained_loses_nothing(new_bench):
    """The attempt is made, or settled, once the coordinator has answered."""
    bench = new_bench(ACKNOWLEDGED)
    bench.lease = lease = Membership(10.0, bench.clock.now_seconds, lambda: None)
    bench.clock.ms += 10_000
    handled = asyncio.ensure_future(bench.event(read("payment-final-state", event())))
    await turns()
    assert bench.caller.made == []
    lease.confirm(bench.clock.now_seconds())
    await handled
    assert [entry["decision"] for entry in bench.journal] == ["delivered"]
