"""Settling: what is too large, what the broker refuses, and what is learnt from its clock."""

import hashlib
import logging
from dataclasses import replace

import pytest
from aiokafka.errors import KafkaTimeoutError, NotLeaderForPartitionError

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.facts import Kind, read_fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import notification_record
from streams.kafka.producer import RecordTooLarge, Written
from streams.kafka.sizes import MAX_RECORD_BYTES
from streams.notification.decision import DeadLetter, DeadLetterReason, RetryAfter
from streams.notification.ladder import Wait
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Status
from streams.notification.profiles import PROFILES
from streams.operator.history.notification_history import histories_of
from streams.worker.oversized import fits
from streams.worker.settle import _clock_offset
from streams.worker.settlement import Park, Settlement
from tests.unit.bench import UNKNOWN, Bench, partner
from tests.unit.kit import NOW_MS, event, headers_of, read, read_back

SOURCE = "payment-final-state"
FIVE_MB = 5_000_000
REFUSED = Answered(Status.FAILED, "PARAM_ILLEGAL")
AGAIN = RetryAfter(Wait.parse("1s"))


@pytest.fixture
def bench():
    made = Bench(UNKNOWN)
    yield made
    for record in made.broker.on("pn-attempts"):
        AttemptRecord.model_validate_json(record.value or b"")


def notification(**changes):
    return replace(
        Notification(
            notification_id="evt-1",
            order_id="order-1",
            profile=PROFILES["mpp-to-ant"],
            partner_id="partner-1",
            notify_url="https://partner.example.com/",
            body=b"{}",
            due_at_ms=NOW_MS,
            occurred_at_ms=NOW_MS,
            accepted_at_ms=NOW_MS,
            origin="source/3/42",
        ),
        **changes,
    )


def facts_on(bench):
    """Return what the topics say of all that was written."""
    kinds: dict[str, Kind] = {"pn-attempts": "attempts", "pn-dead-letter": "dead-letter"}
    return [
        read_fact(
            kinds[record.topic],
            RawRecord(record.topic, 0, offset, record.key, record.value, record.headers, NOW_MS),
        )
        for offset, record in enumerate(bench.broker.written)
    ]


def assert_cut(letter, whole, origin=f"{SOURCE}/3/42"):
    headers = headers_of(letter)
    assert headers["dead-letter-reason"] == "oversized"
    assert letter.value == whole[:65_536]
    assert headers["value-sha256"] == hashlib.sha256(whole).hexdigest()
    assert headers["value-length"] == str(len(whole))
    assert headers["origin"] == origin
    assert headers["value-sha256"] in headers["dead-letter-detail"]


async def test_an_event_of_5_mb_that_is_no_json(bench):
    """Too large to be written again: its first 64 KiB, digest, length and origin."""
    await bench.event(read(SOURCE, b"x" * FIVE_MB))
    (letter,) = bench.letters
    assert_cut(letter, b"x" * FIVE_MB)
    assert headers_of(letter)["kind"] == "event"
    (line,) = bench.journal
    assert line["dead_letter_reason"] == "oversized"
    assert bench.count("notifier_dlq_total", reason="oversized") == 1


async def test_an_event_of_5_mb_whose_notification_is_small(bench):
    """Members that the profile does not know are not sent, so their size does not matter."""
    await bench.event(read(SOURCE, event(payment={"shoes": "x" * FIVE_MB})))
    assert bench.letters == []
    assert len(bench.moved) == len(bench.caller.made) == 1


async def test_a_body_of_nearly_a_megabyte(bench):
    """The contract bounds no free text of `payment`; what fits nowhere is told to an operator before any call."""
    big = "9" * 990_000
    value = event(payment={"paymentAmount": {"currency": "JPY", "value": big}})
    await bench.event(read(SOURCE, value))
    (letter,) = bench.letters
    assert bench.caller.made == []
    body_length = int(headers_of(letter)["value-length"])
    assert body_length > 990_000
    assert headers_of(letter)["dead-letter-reason"] == "oversized"
    assert headers_of(letter)["notification-id"] == "evt-1"
    assert len(letter.value or b"") == 65_536


async def test_the_largest_notification_that_fits_can_be_settled_in_every_way(bench):
    """Room is kept for what later records add: outcome, reason, detail."""
    room = MAX_RECORD_BYTES - 16_384 - notification_record("", notification(body=b"")).size_bytes
    largest = notification(body=b"x" * room, origin="source/3/42")
    assert fits(largest)
    assert not fits(replace(largest, body=largest.body + b"x"))
    tried = replace(
        largest,
        attempt=14,
        parks=99_999,
        first_attempt_at_ms=NOW_MS,
        last_outcome="x" * 128,
        traceparent=None,
    )
    for decision in (
        RetryAfter(Wait.parse("6h")),
        Park(Wait.parse("15m"), "paused"),
        DeadLetter(DeadLetterReason.REJECTED, "支" * 3000),
    ):
        settlement = bench.settlements.of_notification(tried, "ladder", decision, NOW_MS)
        settled = await bench.settler.settle(settlement)
        assert settled.settlement is settlement
    (letter,) = bench.letters
    assert letter.value == largest.body
    assert headers_of(letter)["dead-letter-reason"] == "rejected"


async def test_a_dead_letter_topic_that_takes_less_than_kafkas_default(bench):
    """The broker refuses it, so it is cut; the reason why it died stands in the detail."""
    bench.broker.max_message_bytes["pn-dead-letter"] = 100_000
    bench.caller.script[0] = REFUSED
    value = event(payment={"paymentAmount": {"currency": "JPY", "value": "9" * 200_000}})
    await bench.event(read(SOURCE, value))
    (letter,) = bench.letters
    assert_cut(letter, bench.caller.made[0][2])
    assert "PARAM_ILLEGAL" in headers_of(letter)["dead-letter-detail"]
    assert bench.journal[-1]["dead_letter_reason"] == "oversized"
    assert bench.count("notifier_dlq_total", reason="oversized") == 1
    assert bench.count("notifier_dlq_total", reason="rejected") == 0


async def test_a_dead_letter_topic_that_takes_not_even_the_cut_one(bench):
    """It is cut once, and no more: a topic that takes nothing is a fault of the set-up, which must be seen."""
    bench.broker.max_message_bytes["pn-dead-letter"] = 100
    rejected = DeadLetter(DeadLetterReason.REJECTED, "said so")
    whole = bench.settlements.of_notification(notification(), "event", rejected, NOW_MS)
    with pytest.raises(RecordTooLarge, match="pn-dead-letter"):
        await bench.settler.settle(whole)
    asked = [record for record in bench.broker.asked if record.topic == "pn-dead-letter"]
    reasons = [headers_of(record)["dead-letter-reason"] for record in asked]
    assert reasons == ["rejected", "oversized"]
    assert bench.letters == []


async def test_a_retry_that_its_tier_will_not_take_is_a_dead_letter(bench):
    """The partner is called once and no more; the attempt's own record says what was meant, and the next one what came of it."""
    bench.broker.max_message_bytes["pn-retry-1s"] = 131_072
    value = event(payment={"paymentAmount": {"currency": "JPY", "value": "9" * 200_000}})
    await bench.event(read(SOURCE, value))
    await bench.event(read(SOURCE, value, offset=43))
    ((*_, body, _),) = bench.caller.made
    (letter,) = bench.letters
    assert_cut(letter, body)
    headers = headers_of(letter)
    assert (headers["attempt"], headers["last-outcome"]) == ("1", "U:UNKNOWN_EXCEPTION")
    assert "max.message.bytes" in headers["dead-letter-detail"]
    assert "pn-retry-1s" in headers["dead-letter-detail"]
    attempt, decision, _ = bench.journal
    assert (attempt["kind"], attempt["decision"]) == ("attempt", "retry")
    assert (decision["kind"], decision["decision"]) == ("decision", "dead-letter")
    assert (decision["dead_letter_reason"], decision["attempt"]) == ("oversized", 1)
    assert bench.count("notifier_dlq_total", reason="oversized") == 1
    assert (
        bench.count("notifier_notifications_total", outcome="oversized", profile="mpp-to-ant") == 1
    )


async def test_a_park_that_its_tier_will_not_take_is_a_dead_letter(bench):
    """No attempt is made; what is known of it says that it was moved, and is no less than the park's own record."""
    bench.partners["partner-1"] = partner("partner-1", paused=True)
    bench.broker.max_message_bytes["pn-retry-1s"] = 131_072
    value = event(payment={"paymentAmount": {"currency": "JPY", "value": "9" * 200_000}})
    await bench.event(read(SOURCE, value))
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "oversized"
    assert bench.caller.made == []
    parked, decision = bench.journal
    assert (parked["decision"], parked["parks"]) == ("parked", 1)
    assert (decision["dead_letter_reason"], decision["parks"]) == ("oversized", 1)
    (history,) = histories_of(facts_on(bench))
    assert (history.status, history.reason) == ("dead-lettered", "oversized")


async def test_the_history_of_a_retry_that_its_tier_will_not_take_has_one_attempt(bench):
    """One call was made, and one is shown, whatever was written of it."""
    bench.broker.max_message_bytes["pn-retry-1s"] = 131_072
    value = event(payment={"paymentAmount": {"currency": "JPY", "value": "9" * 200_000}})
    await bench.event(read(SOURCE, value))
    (history,) = histories_of(facts_on(bench))
    assert (history.status, history.reason) == ("dead-lettered", "oversized")
    assert [entry.kind for entry in history.entries].count("attempt") == 1
    assert (history.attempts, history.attempts_missing) == (1, 0)


@pytest.mark.parametrize("outcome", [UNKNOWN, REFUSED])
async def test_a_report_that_the_attempts_topic_will_not_take_makes_no_second_place(bench, outcome):
    """What was refused is not the next record: that stands, once, and nothing else is put in its stead."""
    bench.caller.script[0] = outcome
    bench.broker.max_message_bytes["pn-attempts"] = 100
    with pytest.raises(RecordTooLarge, match="pn-attempts"):
        await bench.event(read(SOURCE, event()))
    assert len(bench.letters) + len(bench.moved) == 1


async def test_what_an_operator_puts_back_is_written_down_first(bench):
    """Who did it and why stands on the attempts topic before the record is on the replay topic."""
    moved = notification_record("pn-replay", notification(replays=1))
    report = bench.settlements.of_notification(notification(), "replay", AGAIN, NOW_MS).report
    replayed = Settlement("replayed", report, moved)
    bench.broker.max_message_bytes["pn-attempts"] = 0
    with pytest.raises(RecordTooLarge, match="pn-attempts"):
        await bench.settler.settle(replayed)
    assert [record.topic for record in bench.broker.asked] == ["pn-attempts"]
    bench.broker.max_message_bytes.clear()
    assert (await bench.settler.settle(replayed)).settlement is replayed
    assert [record.topic for record in bench.broker.written] == ["pn-attempts", "pn-replay"]


async def test_a_park_tells_the_brokers_clock_too(bench):
    """By its report, which the broker stamps: a worker that only parks must not miss a clock that is off."""
    bench.broker.append_time_ms = NOW_MS + 3000
    park = Park(Wait.parse("15m"), "paused")
    settlement = bench.settlements.of_notification(notification(), "event", park, NOW_MS)
    settled = await bench.settler.settle(settlement)
    assert settled.clock_offset_seconds == pytest.approx(3.0)


@pytest.mark.parametrize(
    "headers",
    [
        [("big", b"x" * FIVE_MB)],
        [("x" * 1_500_000, b"")],
        [(f"{number}" * 100, b"x" * 4000) for number in range(400)],
        [(f"shop-{number}", b"x" * 9000) for number in range(200)],
        [("\N{OWL}" * 4000 + str(number), b"") for number in range(70)],
    ],
    ids=["a value", "a name", "many", "many large ones", "many wide names"],
)
@pytest.mark.parametrize("topic", [SOURCE, "pn-retry-1s", "pn-replay"])
async def test_headers_that_are_too_large(bench, topic, headers):
    """Whatever somebody writes is settled; where it came from is told."""
    value = b"x" * 70_000
    record = read(topic, value, headers=headers)
    arrive = {SOURCE: bench.event, "pn-replay": bench.replay}.get(topic, bench.tier)
    await arrive(record)
    (letter,) = bench.letters
    assert_cut(letter, value, origin=record.origin)


async def test_a_key_that_is_too_large(bench):
    """Nor does a key stop the partition."""
    await bench.tier(read("pn-retry-1s", b"small", key=b"k" * 1_200_000))
    (letter,) = bench.letters
    assert_cut(letter, b"small", origin="pn-retry-1s/3/42")
    assert letter.key is None


async def test_an_event_whose_headers_leave_no_room_for_its_notification(bench):
    """It is kept whole, headers too: nothing is sent that could not be kept for a retry."""
    await bench.event(read(SOURCE, event(), headers=[("shop", b"x" * 990_000)]))
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "oversized"
    assert bench.caller.made == []


async def test_a_broker_that_is_down_is_asked_again(bench, caplog):
    """Nothing is lost and nothing raised; each failed try is counted by its topic."""
    bench.broker.errors.extend([KafkaTimeoutError(), NotLeaderForPartitionError()])
    await bench.event(read(SOURCE, event()))
    assert len(bench.moved) == 1
    assert len(bench.journal) == 1
    assert sorted(bench.producer.errors) == ["pn-attempts", "pn-retry-1s"]
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * 2


@pytest.mark.parametrize(
    ("stamp", "offset"),
    [
        (NOW_MS + 40, 0.0),  # while we waited
        (NOW_MS + 5040, 5.0),  # after we heard of it: the broker is ahead
        (NOW_MS - 5000, -5.039),  # before we sent it: the broker is behind
        (None, 0.0),
    ],
)
async def test_the_brokers_clock_is_compared_with_ours(bench, stamp, offset):
    """The attempts topic is stamped at append; the stamp must lie between sending and hearing."""
    bench.broker.append_time_ms = stamp
    await bench.event(read(SOURCE, event()))
    assert bench.health.clock_offset_seconds == pytest.approx(offset, abs=0.0011)
    assert bench.count("notifier_clock_offset_seconds") == bench.health.clock_offset_seconds


@pytest.mark.parametrize(
    ("stamp_ms", "offset"),
    [(-1, None), (0, -0.999), (999, 0.0), (1000, 0.0), (1100, 0.0), (1200, 0.0), (1500, 0.3)],
)
def test_a_stamp_between_sending_and_hearing_shows_no_difference(stamp_ms, offset):
    """Sent at 1 s, heard of at 1.2 s; a stamp is rounded down to its millisecond, and -1 is none."""
    found = _clock_offset(1.0, 1.2, Written(stamp_ms))
    assert found == (None if offset is None else pytest.approx(offset))


async def test_a_dead_letter_is_logged_once_and_by_id(bench, caplog):
    """With the reason and no value."""
    bench.caller.script[0] = REFUSED
    await bench.event(read(SOURCE, event()))
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert line.getMessage() == (
        "dead letter rejected: notification evt-1 of order 20261122190741020001001234567:"
        " the partner refused it: F PARAM_ILLEGAL"
    )


ORDER = "20261122190741020001001234567"


async def test_a_refused_events_line_names_order_and_event(bench, caplog):
    """In the text and as members, as far as the event could be read."""
    await bench.event(read(SOURCE, event(outcome="PENDING")))
    await bench.event(read(SOURCE, b"no JSON"))
    known, unknown = caplog.records
    assert known.getMessage().startswith(
        f"dead letter invalid-event: event evt-1 of order {ORDER} at {SOURCE}/3/42: outcome: "
    )
    assert (known.notification_id, known.order_id) == ("evt-1", ORDER)
    assert unknown.getMessage().startswith(
        f"dead letter invalid-event: event at {SOURCE}/3/42: event: no JSON"
    )


async def test_the_line_of_a_record_that_cannot_be_read_names_what_can(bench, caplog):
    """Event id from the header, order id from the key or else from the body; nothing that may be something else."""
    await bench.event(read(SOURCE, event()))
    moved = bench.moved[0]
    broken = tuple(header for header in moved.headers if header[0] != "origin")
    hostile = (("notification-id", b"evt-1\nERROR forged"), ("profile", b"x" * 65))
    tier = "pn-retry-1s"
    await bench.tier(read(tier, moved.value, key=moved.key, headers=broken))
    await bench.tier(read(tier, moved.value, key=None, headers=broken))
    await bench.tier(read(tier, b"{}", key=b"o" * 65, headers=hostile))
    by_key, by_body, nothing = caplog.records
    for line in (by_key, by_body):
        assert line.getMessage().startswith(
            f"dead letter invalid-event: record evt-1 of order {ORDER} at {tier}/3/42: header origin"
        )
        assert (line.notification_id, line.order_id) == ("evt-1", ORDER)
        assert (line.profile, line.partner, line.attempt) == ("mpp-to-ant", "partner-1", 1)
        assert line.decision == "invalid-event"
    assert nothing.getMessage().startswith(f"dead letter invalid-event: record at {tier}/3/42: ")
    assert {nothing.notification_id, nothing.order_id, nothing.profile} == {None}


async def test_what_is_dead_lettered_can_be_read_by_the_replay_topic(bench):
    """Every dead letter of a notification is a whole one."""
    bench.caller.script[0] = REFUSED
    await bench.event(read(SOURCE, event()))
    bench.caller.script[0] = UNKNOWN
    await bench.replay(read_back(bench.letters[0]))
    assert len(bench.letters) == 1
    assert headers_of(bench.moved[0])["attempt"] == "2"
    assert bench.count("notifier_settled_records_total", tier="replay") == 1
