"""What arrives on a topic: events, tier records, replays, copies, and whatever else somebody wrote."""

import asyncio
import json
from dataclasses import replace

import pytest

from schemas.attempt_record import AttemptRecord
from streams.kafka.consumer.deduplication import KEEP_MS, Deduplicator
from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import dead_letter_headers, replace_headers
from streams.notification.decision import DeadLetterReason
from streams.notification.ladder import Wait
from streams.notification.notification import Notification
from streams.notification.profiles import PROFILES
from streams.operator.console.rows import unit_of
from streams.worker.unread_records import fact_of
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, Bench, partner
from tests.unit.kit import NOW_MS, event, headers_of, read, read_back, turns

SOURCE = "payment-final-state"
AMOUNT = {"currency": "JPY", "value": "100"}


@pytest.fixture
def bench():
    made = Bench(ACKNOWLEDGED)
    yield made
    for record in made.broker.on("pn-attempts"):
        AttemptRecord.model_validate_json(record.value or b"")


def letter_of(bench):
    (letter,) = bench.letters
    return letter, headers_of(letter)


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (b"not JSON", "event: no JSON at character 0"),
        (b'{"eventId": "e', "event: no JSON"),
        (b"\xe6\x94", "event: no UTF-8 at byte 0"),
        (b"", "event: no JSON"),
        (None, "event: a tombstone"),
        (event(profile="mpp-to-nobody"), "profile: expected one of"),
        (event(outcome="PENDING"), "outcome: "),
        (event(eventId="x" * 65), "eventId: "),
        (event(payment={"paymentAmount": {"currency": "JPY", "value": "1.5"}}), "payment.paymentAmount.value: "),
        (event(payment={"paymentId": None}), "payment.paymentId: "),
        (event(notifyUrl="http://partner-1.example.com/"), "notifyUrl: plain http"),
        (event(notifyUrl=None), "notifyUrl: missing or empty, and the partner has no notify_url"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [b"any key", "键".encode(), b"\xff", None])
async def test_an_invalid_event_is_kept_as_it_came(bench, value, detail, key):
    """Original bytes, its headers, every reason; counted; never sent; even a tombstone without a key is settled."""
    await bench.event(read(SOURCE, value, key=key, headers=[("shop", b"7"), ("traceparent", b"0")]))
    letter, headers = letter_of(bench)
    assert letter.value == value
    assert headers["dead-letter-reason"] == "invalid-event"
    assert detail in headers["dead-letter-detail"]
    assert (headers["kind"], headers["format"], headers["shop"]) == ("event", "1", "7")
    assert headers["origin"] == f"{SOURCE}/3/42"
    assert headers["accepted-at-ms"] == str(NOW_MS)
    assert bench.caller.made == []
    (line,) = bench.journal
    assert (line["decision"], line["dead_letter_reason"]) == ("dead-letter", "invalid-event")
    assert (line["trigger"], line["origin"]) == ("event", f"{SOURCE}/3/42")
    assert bench.count("notifier_payments_consumed_total", result="invalid-event") == 1
    assert bench.count("notifier_dlq_total", reason="invalid-event") == 1
    if "order_id" not in line and key is not None:
        assert letter.key == key
    elif "order_id" in line:
        assert letter.key == line["order_id"].encode()


OWN_HEADERS = (
    ("schema-id", b"\x01\xff\xfe\x00"),
    ("shop", b"7"),
    ("shop", b"8"),
    ("x-null", None),
    ("x-\udcff", b""),
)
CARRIED = (*OWN_HEADERS, ("event.format", b"\xff"), ("event.attempt", None))


async def test_an_events_headers_are_not_judged(bench):
    """Bytes, repeated, null, unspeakable names, names like ours: the partner is told, and tiers and dead letters keep them."""
    bench.caller.script[0] = UNKNOWN
    headers = [*OWN_HEADERS, ("format", b"\xff"), ("attempt", None), ("traceparent", b"\xfe")]
    await bench.event(read(SOURCE, event(), headers=headers))
    assert bench.count("notifier_unreadable_traceparents_total", fault="not-utf8") == 1
    for attempt in range(1, 15):
        moved = bench.moved[-1]
        assert moved.headers[-len(CARRIED) :] == CARRIED
        assert dict(moved.headers)["attempt"] == str(attempt).encode()
        assert "traceparent" not in dict(moved.headers)
        await bench.tier(read_back(moved))
    (letter,) = bench.letters
    assert dict(letter.headers)["dead-letter-reason"] == b"attempts-exhausted"
    assert tuple(header for header in letter.headers if header in CARRIED) == CARRIED
    assert bench.caller.traceparents == [None] * 15


async def test_a_refused_events_headers_come_back_with_it(bench):
    """From its dead letter through the replay topic to the tier: none is lost and none becomes another."""
    headers = [*OWN_HEADERS, ("format", b"\xff"), ("attempt", None)]
    await bench.event(read(SOURCE, event(partnerId="newcomer"), headers=headers))
    (letter,) = bench.letters
    bench.partners["newcomer"] = partner("newcomer")
    bench.caller.script[0] = UNKNOWN
    await bench.replay(read("pn-replay", letter.value, key=letter.key, headers=letter.headers))
    (moved,) = bench.moved
    assert moved.headers[-len(CARRIED) :] == CARRIED


async def test_a_dead_letter_cut_for_its_size_keeps_null_headers(bench):
    """What is too large to be kept whole keeps its short headers, those without a value too."""
    await bench.event(
        read(SOURCE, b"x" * 1_200_000, headers=[("x-null", None), ("long", b"x" * 5000)])
    )
    (letter,) = bench.letters
    assert dict(letter.headers)["dead-letter-reason"] == b"oversized"
    assert ("x-null", None) in letter.headers
    assert "long" not in dict(letter.headers)


@pytest.mark.parametrize("value", ["", "x" * 513, "x" * 100_000], ids=len)
@pytest.mark.parametrize("name", ["traceparent", "shop"])
async def test_odd_headers_of_an_event_do_not_cost_it_its_retries(bench, name, value):
    """What is carried along must be readable on the tiers too."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event(), headers=[(name, value.encode())]))
    await bench.tier(read_back(bench.moved[0]))
    assert bench.letters == []
    assert len(bench.caller.made) == 2


async def test_an_unknown_partner_can_be_added_and_the_event_put_back(bench):
    """With `kind: event` the dead letter goes through the replay topic as it is."""
    await bench.event(read(SOURCE, event(partnerId="newcomer"), headers=[("shop", b"7")]))
    letter, headers = letter_of(bench)
    assert headers["dead-letter-reason"] == "unknown-partner"
    assert (letter.value, letter.key) == (
        event(partnerId="newcomer"),
        b"20261122190741020001001234567",
    )
    assert headers["notification-id"] == "evt-1"
    assert (headers["partner-id"], headers["profile"]) == ("newcomer", "mpp-to-ant")
    bench.partners["newcomer"] = partner("newcomer")
    await bench.replay(read("pn-replay", letter.value, key=letter.key, headers=letter.headers))
    assert len(bench.letters) == 1
    assert bench.caller.made[0][0] == "newcomer"
    assert bench.journal[-1]["decision"] == "delivered"
    assert bench.count("notifier_last_processed_timestamp_seconds", tier="replay") > 0


async def test_an_event_put_back_keeps_its_origin_and_says_whose_replay_it_was(bench):
    """The attempts and the tier records that follow name the event's first place, the count and the operator's run."""
    bench.caller.script[0] = UNKNOWN
    said = [
        ("kind", b"event"),
        ("origin", b"final/3/42"),
        ("replays", b"1"),
        ("replay-run", b"r-1"),
    ]
    await bench.replay(read("pn-replay", event(), headers=said))
    (record,) = bench.moved
    moved = headers_of(record)
    assert (moved["origin"], moved["replays"], moved["replay-run"]) == ("final/3/42", "1", "r-1")
    (journal,) = bench.journal
    assert (journal["trigger"], journal["replays"], journal["replay_run"]) == ("replay", 1, "r-1")
    assert journal["origin"] == "final/3/42"


async def test_a_reason_without_a_code_is_held_where_the_partner_wants_it(bench):
    """Before the first call; after the mending it is put back."""
    bench.partners["partner-1"] = partner("partner-1", hold_unmapped=True)
    await bench.event(read(SOURCE, event(outcome="FAILED", reason="E1042")))
    letter, headers = letter_of(bench)
    assert headers["dead-letter-reason"] == "unmapped-reason"
    assert bench.caller.made == []
    bench.partners["partner-1"] = partner("partner-1", reasons={"E1042": "RISK_REJECT"})
    await bench.replay(read("pn-replay", letter.value, headers=letter.headers))
    assert b"RISK_REJECT" in bench.caller.made[0][2]


async def test_a_dead_notification_is_put_back(bench):
    """With the attempts that it has made, on the ladder where it stood; its dead-letter headers go."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (record,) = bench.moved
    letter = (*record.headers, *dead_letter_headers(DeadLetterReason.REJECTED, "F X"))
    await bench.replay(read("pn-replay", record.value, key=record.key, headers=letter))
    assert bench.moved[1].topic == "pn-retry-3s"
    assert headers_of(bench.moved[1])["attempt"] == "2"
    assert not {name for name in headers_of(bench.moved[1]) if name.startswith("dead-letter")}
    assert bench.journal[-1]["trigger"] == "replay"
    assert (
        bench.count(
            "notifier_attempts_total",
            profile="mpp-to-ant",
            attempt_class="replay",
            result="unknown",
        )
        == 1
    )


@pytest.mark.parametrize("topic", ["pn-retry-1s", "pn-replay"])
@pytest.mark.parametrize(
    ("value", "key", "headers"),
    [
        (b"x", b"k", []),
        (None, b"k", [("attempt", b"1")]),
        (None, None, []),
        (b"{}", None, [("due-at-ms", b"\xff"), ("shop", b"\xfe")]),
        (b"x", b"\xff", [("origin", b"elsewhere/0/1"), ("attempt", b"9" * 5000)]),
        (b"x", b"k", [("dead-letter-reason", b"rejected"), ("attempt", b"1"), ("attempt", b"2")]),
    ],
)
async def test_a_record_of_ours_that_cannot_be_read_is_kept_as_it_is(
    bench, topic, value, key, headers
):
    """Headers and all; the partition goes on."""
    record = read(topic, value, key=key, headers=headers)
    await (bench.replay(record) if topic == "pn-replay" else bench.tier(record))
    (letter,) = bench.letters
    assert letter.value == value
    assert letter.key == key or (key is None and value is None)
    kept = [header for header in headers if not header[0].startswith("dead-letter-")]
    assert list(letter.headers[: len(kept)]) == kept
    assert dict(letter.headers)["origin"] in {b"elsewhere/0/1", f"{topic}/3/42".encode()}
    assert dict(letter.headers)["dead-letter-reason"] == b"invalid-event"
    assert bench.count("notifier_dlq_total", reason="invalid-event") == 1
    assert bench.journal[0]["trigger"] == ("replay" if topic == "pn-replay" else "ladder")


@pytest.mark.parametrize("replays", ["0", "2"])
@pytest.mark.parametrize("changed", [{"notify-url": "http://localhost/"}, {"attempt": "x"}, {}])
async def test_a_record_that_can_no_longer_be_read_ends_what_its_event_began(
    bench, changed, replays
):
    """As the reconciliation counts it: by the event's place and how often it was put back, not by the record's own place."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    texts = {"replays": replays, "replay-run": "r-7"} | changed
    headers = replace_headers(moved.headers, texts)
    value = moved.value if changed else b"no JSON"
    record = read_back(replace(moved, value=value, headers=headers))
    await bench.tier(record)
    letter_of(bench)
    report = bench.broker.on("pn-attempts")[-1]
    written = RawRecord(report.topic, 0, 1, report.key, report.value, report.headers, NOW_MS)
    said = read_fact("attempts", written)
    assert said.record is not None
    assert (said.record.decision, said.reason) == ("dead-letter", "invalid-event")
    assert unit_of(said) == unit_of(fact_of(record)) != record.origin
    assert (said.origin, said.replays) == (f"{SOURCE}/3/42", int(replays))
    assert report.key == moved.key == (said.order_id or "").encode()
    assert (said.notification_id, said.profile) == ("evt-1", "mpp-to-ant")
    assert (said.partner_id, said.replay_run) == ("partner-1", "r-7")


async def test_a_due_time_beyond_the_tiers_wait_is_refused(bench):
    """Nobody parks a notification for a year by a header; clocks may differ by a little."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    for late, letters in ((0, 0), (4_000, 0), (60_000, 1)):
        due = str(bench.clock.ms + 1000 + late).encode()
        headers = [(n, due if n == "due-at-ms" else v) for n, v in moved.headers]
        headers = [(n, str(late).encode() if n == "parks" else v) for n, v in headers]
        await bench.tier(read("pn-retry-1s", moved.value, key=moved.key, headers=headers))
        assert len(bench.letters) == letters


@pytest.mark.parametrize(("late", "letters"), [(5_000, 0), (5_001, 1)])
async def test_a_due_time_is_honest_up_to_five_seconds_beyond_the_wait(bench, late, letters):
    """The longest jitter, or the difference of two clocks; not a millisecond more."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    due = str(bench.clock.ms + 1000 + late).encode()
    headers = [(n, due if n == "due-at-ms" else v) for n, v in moved.headers]
    await bench.tier(read("pn-retry-1s", moved.value, key=moved.key, headers=headers))
    assert len(bench.letters) == letters


async def test_a_copy_that_was_absorbed_is_not_remembered_anew(bench):
    """Ten minutes run from when the first was settled, however often copies come."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    for later, calls in ((0, 2), (KEEP_MS - 1000, 2), (2000, 3)):
        bench.clock.ms += later
        await bench.tier(read_back(moved))
        assert len(bench.caller.made) == calls


async def test_a_plain_http_url_on_a_tier_is_read_where_it_is_allowed(bench):
    """The setting holds for records as it does for events."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    headers = [
        (name, b"http://localhost:1/n" if name == "notify-url" else value)
        for name, value in moved.headers
    ]
    record = read(moved.topic, moved.value, key=moved.key, headers=headers)
    for allow_http in (True, False):
        receiver = replace(bench.receiver, allow_http=allow_http)
        received = receiver.read_record(record, put_back=False, latest_due_ms=None)
        assert isinstance(received.content, Notification) == allow_http


async def test_the_same_event_again_is_absorbed(bench):
    """Payment core may write twice; the partner is told once."""
    for offset in (1, 2, 3):
        await bench.event(read(SOURCE, event(), offset=offset))
    assert len(bench.caller.made) == 1
    assert bench.letters == []
    assert [line["decision"] for line in bench.journal] == ["delivered", "absorbed", "absorbed"]
    assert bench.journal[1]["origin"] == f"{SOURCE}/3/2"
    assert bench.count("notifier_repeats_total", tier="source") == 2


@pytest.mark.parametrize("second", [
    {"resultMessage": "other bytes"},
    {"outcome": "FAILED", "resultMessage": None},
    {"eventId": "evt-2", "outcome": "CANCELLED", "resultMessage": None},
])  # fmt: skip
async def test_a_result_that_contradicts_the_one_sent_is_never_sent(bench, second):
    """The same id with other bytes, or another outcome of the same order."""
    await bench.event(read(SOURCE, event()))
    await bench.event(read(SOURCE, event(**second)))
    letter, headers = letter_of(bench)
    assert headers["dead-letter-reason"] == "conflicting-result"
    assert (headers["kind"], letter.value) == ("event", event(**second))
    assert len(bench.caller.made) == 1
    assert bench.count("notifier_dlq_total", reason="conflicting-result") == 1
    report, sent = bench.journal[-1], json.loads(event(**second))
    assert report["notification_id"] == sent["eventId"]
    assert (report["profile"], report["partner_id"]) == (sent["profile"], sent["partnerId"])
    assert report["order_id"] == sent["payment"]["paymentRequestId"]
    assert report["why"].endswith("an order has one final result, and this one was not sent")


async def test_another_event_about_the_same_outcome_is_sent(bench):
    """It is another notification with an id of its own."""
    await bench.event(read(SOURCE, event()))
    await bench.event(read(SOURCE, event(eventId="evt-2")))
    assert len(bench.caller.made) == 2


async def test_copies_side_by_side_are_one_notification(bench):
    """Both in flight at once: the second waits for what becomes of the first."""
    bench.broker.held = asyncio.Event()
    arrivals = [
        asyncio.create_task(bench.event(read(SOURCE, value, offset=offset)))
        for offset, value in enumerate((event(), event(), event(eventId="e2", outcome="CANCELLED")))
    ]
    await turns(50)
    assert len(bench.caller.made) == 1
    bench.broker.held.set()
    await asyncio.gather(*arrivals)
    assert len(bench.caller.made) == 1
    assert sorted(line["decision"] for line in bench.journal) == [
        "absorbed",
        "dead-letter",
        "delivered",
    ]


async def test_what_was_refused_is_not_remembered(bench):
    """Only settled results stand in the way of others."""
    await bench.event(read(SOURCE, event(partnerId="newcomer", outcome="CANCELLED", resultMessage=None)))  # fmt: skip
    await bench.event(read(SOURCE, event()))
    assert len(bench.caller.made) == 1
    assert len(bench.letters) == 1


async def test_a_result_is_forgotten_after_ten_minutes(bench):
    """The memory is bounded; payment core keeps the order, not we."""
    await bench.event(read(SOURCE, event()))
    bench.clock.ms += KEEP_MS + 1000
    await bench.event(read(SOURCE, event()))
    assert len(bench.caller.made) == 2


@pytest.mark.parametrize("name", PROFILES)
async def test_a_second_copy_of_a_tier_record_climbs_no_ladder(name):
    """A crash between the broker's acknowledgement and the commit leaves two; one goes on."""
    bench = Bench(UNKNOWN)
    await bench.event(read(SOURCE, event(name)))
    (moved,) = bench.moved
    bench.clock.ms = int(headers_of(moved)["due-at-ms"])
    await bench.tier(read_back(moved, offset=1))
    await bench.tier(read_back(moved, offset=2))
    assert len(bench.moved) == 2
    assert bench.journal[-1]["decision"] == "absorbed"
    tier = moved.topic.rsplit("-", 1)[1]
    assert bench.count("notifier_repeats_total", tier=tier) == 1
    assert bench.count("notifier_settled_records_total", tier=tier) == 2


@pytest.mark.parametrize("name", ["replays", "attempt", "parks", "notification-id"])
async def test_what_differs_in_its_identity_is_no_copy(bench, name):
    """A replay, the next attempt, the next park, another notification: each is attempted."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    changed = {name: b"3"} | ({"last-outcome": b"parked"} if name == "parks" else {})
    other = [(n, changed.get(n, v)) for n, v in moved.headers]
    bench.clock.ms += 5000
    await bench.tier(read_back(moved))
    await bench.tier(read(moved.topic, moved.value, key=moved.key, headers=other))
    assert len(bench.caller.made) == 3


async def test_a_copy_that_was_parked_more_often_on_its_way_is_a_copy(bench):
    """A repeated attempt may have waited for room before it: what it leaves is the same step of the same ladder."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    other = [(n, b"1" if n == "parks" else v) for n, v in moved.headers]
    bench.clock.ms += 5000
    await bench.tier(read_back(moved))
    await bench.tier(read(moved.topic, moved.value, key=moved.key, headers=other))
    assert len(bench.caller.made) == 2
    assert bench.journal[-1]["decision"] == "absorbed"


async def test_a_second_copy_after_a_rebalance_climbs_no_ladder(bench):
    """The lane is new: it has read the first copy again, which was settled before, and done nothing with it."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    bench.clock.ms += 5000
    await bench.tier(read_back(moved))
    made, written = len(bench.caller.made), len(bench.broker.written)
    bench.memory = Deduplicator(bench.clock.now_ms, 1000)
    wait = Wait.parse(moved.topic.rsplit("-", 1)[1])
    bench.handler.recall(read_back(moved), bench.memory, wait=wait)
    assert (len(bench.caller.made), len(bench.broker.written)) == (made, written)
    await bench.tier(read_back(moved, offset=2))
    assert len(bench.caller.made) == made
    assert bench.journal[-1]["decision"] == "absorbed"


async def test_a_broken_record_is_not_remembered(bench):
    """It was dead-lettered as it was; one that can be read is no copy of it."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    (moved,) = bench.moved
    broken = read(moved.topic, b"{}", key=moved.key, headers=moved.headers)
    bench.memory = Deduplicator(bench.clock.now_ms, 1000)
    bench.handler.recall(broken, bench.memory, wait=Wait.parse(moved.topic.rsplit("-", 1)[1]))
    assert len(bench.memory) == 0


async def test_members_and_reasons_that_nobody_knows_are_counted(bench):
    """So that the gap is seen."""
    await bench.event(
        read(SOURCE, event(outcome="FAILED", reason="E1042", payment={"shoeSize": "43"}))
    )
    assert bench.count("notifier_unmapped_reasons_total", profile="mpp-to-ant") == 1
    assert bench.count("notifier_unsent_members_total", profile="mpp-to-ant") == 1
    await bench.event(
        read(SOURCE, event(eventId="e2", payment={"paymentRequestId": "o"}, outcome="FAILED", resultCode="NEW_ONE"))
    )  # fmt: skip
    assert bench.count("notifier_unknown_result_codes_total", profile="mpp-to-ant") == 1


async def test_names_that_are_nearly_known_are_said(bench, caplog):
    """In the log once a minute, in the attempts record of the first attempt, and counted each time; the rest goes on."""
    payment = {"customerID": "canary-1", "paymentAmount": AMOUNT | {"Currency": "canary-2"}}
    for number in range(3):
        payment["paymentRequestId"] = f"order-{number}"
        misnamed = event(
            eventId=f"evt-{number}", payment=payment, notifyURL="canary-3", tenant="canary-4"
        )
        await bench.event(read(SOURCE, misnamed, offset=number))
    said = [
        "notifyURL: not known, did you mean notifyUrl",
        "payment.paymentAmount.Currency: not known, did you mean currency",
        "payment.customerID: not known, did you mean customerId",
    ]
    assert [line["near_names"] for line in bench.journal] == [said] * 3
    assert [line["decision"] for line in bench.journal] == ["delivered"] * 3
    assert [record.getMessage() for record in caplog.records] == [f"event: {name}" for name in said]
    assert [record.order_id for record in caplog.records] == ["order-0"] * 3
    for member in ("notifyUrl", "customerId", "currency"):
        assert bench.count("notifier_near_names_total", profile="mpp-to-ant", member=member) == 3
    assert "canary" not in caplog.text + json.dumps(bench.journal)


async def test_a_later_attempt_does_not_say_it_again():
    """The names are known up to the first record; what waits carries none of them."""
    bench = Bench(UNKNOWN)
    await bench.event(read(SOURCE, event(notifyURL="x")))
    bench.clock.ms = int(headers_of(bench.moved[0])["due-at-ms"])
    await bench.tier(read_back(bench.moved[0]))
    assert [line.get("near_names") is not None for line in bench.journal] == [True, False]


@pytest.mark.parametrize(
    ("changed", "missing", "near"),
    [
        ({"occurredAt": None, "occuredAt": "canary"}, "occurredAt", "occuredAt: not known, did you mean occurredAt"),
        ({"eventId": None, "eventID": "canary"}, "eventId", "eventID: not known, did you mean eventId"),
        ({"payment": {"paymentTime": None, "paymenttime": "canary"}}, "payment.paymentTime", "payment.paymenttime: not known, did you mean paymentTime"),
        ({"payment": {"paymentAmount": {"currency": "JPY", "Value": "canary"}}}, "payment.paymentAmount.value", "payment.paymentAmount.Value: not known, did you mean value"),
        ({"notifyUrl": None, "notifyURL": "canary"}, "notifyUrl", "notifyURL: not known, did you mean notifyUrl"),
    ],
)  # fmt: skip
async def test_a_required_member_under_a_wrong_name(bench, changed, missing, near):
    """The dead letter names the member that is missing and the one that is there."""
    await bench.event(read(SOURCE, event(**changed)))
    _, headers = letter_of(bench)
    detail = headers["dead-letter-detail"]
    assert f"{missing}: missing or empty" in detail
    assert detail.endswith(near)
    assert "canary" not in detail
    (line,) = bench.journal
    assert line["why"] == detail
    meant = missing.rpartition(".")[2]
    assert bench.count("notifier_near_names_total", profile="mpp-to-ant", member=meant) == 1


async def test_no_value_is_quoted_in_what_an_operator_reads(bench, caplog):
    """Dead letters carry the bytes; details, logs and attempts records do not."""
    await bench.event(
        read(
            SOURCE,
            event(
                occurredAt="canary-1",
                notifyUrl="canary-2",
                payment={"paymentTime": "canary-3", "customerId": "canary-4" * 100},
            ),
        )
    )
    await bench.tier(
        read("pn-retry-1s", b"canary-5", headers=[("attempt", b"canary-6"), ("notify-url", b"canary-7")])
    )  # fmt: skip
    details = [dict(letter.headers)["dead-letter-detail"].decode() for letter in bench.letters]
    assert len(details) == 2
    assert "canary" not in "".join(details) + caplog.text + json.dumps(bench.journal)
