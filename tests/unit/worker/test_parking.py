"""Notifications that wait without an attempt: paused and slow partners, parks, and what grows too old."""

import pytest

from streams.notification.ladder import Wait
from streams.notification.outcome import Failure, NoResult
from tests.support.deliveries import TIMED_OUT, climb, ladder
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, partner
from tests.unit.kit import NOW_MS, event, headers_of, read, read_back


async def test_a_paused_partners_notifications_are_parked_and_climb(new_bench):
    """Without an attempt, on longer and longer tiers, 15m at most; all of it written down before it happens."""
    bench = new_bench(ACKNOWLEDGED)
    bench.partners["partner-1"] = partner("partner-1", paused=True)
    await bench.event(read("payment-final-state", event()))
    for number in range(10):
        bench.clock.ms = int(headers_of(bench.moved[number])["due-at-ms"])
        await bench.tier(read_back(bench.moved[number], offset=number))
    waits = ["1s", "3s", "30s", "1m", "2m", "5m", "10m", "15m", "15m", "15m", "15m"]
    assert [record.topic for record in bench.moved] == [f"pn-retry-{wait}" for wait in waits]
    assert [headers_of(record)["parks"] for record in bench.moved] == [str(n) for n in range(1, 12)]
    assert {headers_of(record)["attempt"] for record in bench.moved} == {"0"}
    assert {headers_of(record)["last-outcome"] for record in bench.moved} == {"parked"}
    assert bench.caller.made == bench.letters == []
    topics = [record.topic for record in bench.broker.written]
    assert topics == [t for wait in waits for t in ("pn-attempts", f"pn-retry-{wait}")]
    assert [line["trigger"] for line in bench.journal] == ["event"] + ["park"] * 10
    for line, record, wait in zip(bench.journal, bench.moved, waits, strict=True):
        assert (line["kind"], line["decision"], line["why"]) == ("park", "parked", "paused")
        assert line["next_topic"] == record.topic
        assert str(line["next_due_at_ms"]) == headers_of(record)["due-at-ms"]
        assert line["next_due_at_ms"] - line["at_ms"] >= Wait.parse(wait).seconds * 1000
    assert bench.count("notifier_parks_total", profile="mpp-to-ant", reason="paused") == 11
    bench.partners["partner-1"] = partner("partner-1")
    bench.clock.ms = int(headers_of(bench.moved[-1])["due-at-ms"])
    await bench.tier(read_back(bench.moved[-1], offset=99))
    assert bench.journal[-1]["trigger"] == "park"
    assert (bench.journal[-1]["decision"], bench.journal[-1]["attempt"]) == ("delivered", 1)


async def test_nothing_is_parked_before_the_park_is_written_down(new_bench):
    """`why` must never have to guess; the tier record follows the attempts record's acknowledgement."""
    bench = new_bench()
    bench.partners["partner-1"] = partner("partner-1", paused=True)
    bench.broker.max_message_bytes["pn-attempts"] = 0
    with pytest.raises(ValueError, match="pn-attempts"):
        await bench.event(read("payment-final-state", event()))
    assert bench.broker.written == []


async def test_a_partner_that_asks_for_a_pause_slows_its_destination_not_the_due_time(new_bench):
    """429 with Retry-After: this notification keeps its wait, the next one is parked until then."""
    bench = new_bench(NoResult(Failure.HTTP_STATUS))
    bench.caller.slow_down, bench.caller.retry_after_seconds = True, 100.0
    await bench.event(read("payment-final-state", event()))
    assert headers_of(bench.moved[0])["due-at-ms"] == str(NOW_MS + 40 + 1001)
    await bench.event(
        read("payment-final-state", event(eventId="evt-2", payment={"paymentRequestId": "o-2"}))
    )
    second = bench.moved[1]
    assert len(bench.caller.made) == 1
    assert second.topic == "pn-retry-2m"  # the first tier that is not shorter than 100 s
    assert (headers_of(second)["attempt"], headers_of(second)["parks"]) == ("0", "1")
    assert bench.journal[-1]["kind"] == "park"
    await bench.event(
        read(
            "payment-final-state",
            event(
                "mpp-to-alipay-plus",
                partnerId="partner-1",
                notifyUrl="https://elsewhere.example.com/",
            ),
        )
    )
    assert len(bench.caller.made) == 2, "another origin of the same partner is another destination"


async def test_a_shop_that_is_slowed_down_for_an_hour_is_parked_for_a_quarter(new_bench):
    """Parks are 15m at most."""
    bench = new_bench(NoResult(Failure.HTTP_STATUS))
    bench.caller.slow_down, bench.caller.retry_after_seconds = True, 3600.0
    await bench.event(read("payment-final-state", event()))
    await bench.event(
        read("payment-final-state", event(eventId="evt-2", payment={"paymentRequestId": "o-2"}))
    )
    assert bench.moved[1].topic == "pn-retry-15m"
    assert bench.journal[-1]["next_due_at_ms"] - bench.clock.ms <= 900_001


async def test_no_notification_lives_longer_than_it_may(new_bench):
    """Counted from when it was accepted; the retry that would come too late is not even planned."""
    bench = new_bench(TIMED_OUT, give_up_after_h=1)
    await climb(bench, "mpp-to-ant")
    assert [record.topic for record in bench.moved] == [
        f"pn-retry-{wait}" for wait in ladder("mpp-to-ant")[:8]
    ]  # 33m34s; the ninth wait, 30m, would end after an hour
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "expired"
    assert headers_of(letter)["attempt"] == "9"
    assert "NOTIFIER_GIVE_UP_AFTER" in headers_of(letter)["dead-letter-detail"]
    assert bench.journal[-1]["kind"] == "attempt"


async def test_what_is_found_too_old_is_not_attempted(new_bench):
    """The worker was down for three days: the partner is not called any more, an operator is."""
    bench = new_bench(UNKNOWN)
    await bench.event(read("payment-final-state", event()))
    bench.clock.ms = NOW_MS + 72 * 3_600_000
    await bench.tier(read_back(bench.moved[0]))
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "expired"
    assert len(bench.caller.made) == 1


async def test_a_paused_partners_notifications_expire_too(new_bench):
    """Parked or not."""
    bench = new_bench(give_up_after_h=0.5)
    bench.partners["partner-1"] = partner("partner-1", paused=True)
    await climb(bench, "mpp-to-ant")
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "expired"
    assert headers_of(letter)["parks"] == "7"  # 18m34s; another 15m would be too long
    assert bench.caller.made == []
