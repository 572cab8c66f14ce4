"""Copies of one record, side by side or one after the other: who settles it, and what is remembered of that.

Everything is real but the network, the brokers and the clock; what single records become is in test_stage_arrival.
"""

import asyncio
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kafka.consumer.deduplication import Deduplicator, Held
from streams.notification.outcome import Failure, NoResult
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, Bench, partner
from tests.unit.kit import event, headers_of, read, read_back, turns

SOURCE = "payment-final-state"


@pytest.fixture
def bench():
    return Bench(ACKNOWLEDGED)


def decisions(bench):
    return [line["decision"] for line in bench.journal]


def result_status(body):
    return json.loads(body)["paymentResult"]["resultStatus"]


async def moved_record(bench):
    """Let an event go up the ladder; return its record, due."""
    bench.caller.script[0] = UNKNOWN
    await bench.event(read(SOURCE, event()))
    moved = bench.moved[-1]
    bench.clock.ms = int(headers_of(moved)["due-at-ms"])
    return moved


async def test_when_the_first_copy_is_drained_the_second_goes_on(bench):
    """Nothing was settled, so there is nothing to absorb."""
    bench.broker.held = asyncio.Event()
    first, second = (
        asyncio.create_task(bench.event(read(SOURCE, event(), offset=offset))) for offset in (1, 2)
    )
    await turns(50)
    assert len(bench.caller.made) == 1
    first.cancel()
    await asyncio.wait([first])
    bench.broker.held.set()
    await second
    assert len(bench.caller.made) == 2
    assert "absorbed" not in decisions(bench)
    assert bench.count("notifier_repeats_total", tier="source") == 0


async def test_a_tier_record_whose_first_copy_is_drained_goes_on(bench):
    """The same on the ladder."""
    moved = await moved_record(bench)
    bench.broker.held = asyncio.Event()
    first, second = (
        asyncio.create_task(bench.tier(read_back(moved, offset=offset))) for offset in (1, 2)
    )
    await turns(50)
    assert len(bench.caller.made) == 2
    first.cancel()
    await asyncio.wait([first])
    bench.broker.held.set()
    await second
    assert len(bench.caller.made) == 3


async def test_copies_of_a_tier_record_side_by_side_climb_one_ladder(bench):
    """The second waits until the first lies on its next tier."""
    moved = await moved_record(bench)
    bench.broker.held = asyncio.Event()
    copies = [
        asyncio.create_task(bench.tier(read_back(moved, offset=offset))) for offset in range(5)
    ]
    await turns(50)
    assert len(bench.caller.made) == 2
    bench.broker.held.set()
    await asyncio.gather(*copies)
    assert len(bench.caller.made) == 2
    assert Counter(decisions(bench)) == {"retry": 2, "absorbed": 4}
    assert bench.count("notifier_repeats_total", tier="1s") == 4


async def test_a_fault_of_ours_is_not_taken_for_settled(bench):
    """The worker stops, the record stays; where it is handled again it is attempted."""
    bench.caller.raises = RuntimeError("broken")
    with pytest.raises(RuntimeError, match=r"^broken$"):
        await bench.event(read(SOURCE, event()))
    bench.caller.raises = None
    await bench.event(read(SOURCE, event()))
    assert decisions(bench) == ["delivered"]
    assert bench.admission.in_flight == 0


async def test_a_copy_of_a_refused_event_is_refused_like_it(bench):
    """Only settled notifications are remembered: what an operator mends must go through, whichever copy it is."""
    bench.broker.held = asyncio.Event()
    copies = [
        asyncio.create_task(bench.event(read(SOURCE, event(partnerId="newcomer"), offset=offset)))
        for offset in (1, 2)
    ]
    await turns(50)
    bench.broker.held.set()
    await asyncio.gather(*copies)
    assert [headers_of(letter)["dead-letter-reason"] for letter in bench.letters] == [
        "unknown-partner"
    ] * 2
    bench.partners["newcomer"] = partner("newcomer")
    await bench.event(read(SOURCE, event(partnerId="newcomer"), offset=3))
    assert len(bench.caller.made) == 1


async def test_a_conflict_is_not_remembered_in_place_of_the_result(bench):
    """After it the true event is still absorbed, and the false one refused again."""
    false = event(outcome="CANCELLED", resultMessage=None)
    for value in (event(), false, event(), false):
        await bench.event(read(SOURCE, value))
    assert decisions(bench) == ["delivered", "dead-letter", "absorbed", "dead-letter"]


async def test_two_merchants_may_number_their_orders_alike(bench):
    """Each is told its own result; a second one for the same merchant is a conflict, and so is its event id elsewhere."""
    ours = {"partnerId": "partner-1"}
    other = {"partnerId": "partner-2", "outcome": "CANCELLED", "resultMessage": None}
    for members in (
        ours | {"eventId": "e-1"},
        other | {"eventId": "e-2"},
        other | {"eventId": "e-3", "outcome": "SUCCESS"},
        other | {"eventId": "e-1"},
    ):
        await bench.event(read(SOURCE, event(**members)))
    assert decisions(bench) == ["delivered", "delivered", "dead-letter", "dead-letter"]
    assert [who for who, *_ in bench.caller.made] == ["partner-1", "partner-2"]
    details = [headers_of(letter)["dead-letter-detail"] for letter in bench.letters]
    assert [detail.partition(":")[0] for detail in details] == ["outcome", "eventId"]


async def test_an_event_of_an_order_that_is_being_told_waits_outside(bench):
    """Its handler does not wait for the other's partner: it says so at once, and has its turn afterwards."""
    bench.broker.held = asyncio.Event()
    first = asyncio.create_task(bench.event(read(SOURCE, event(), offset=1)))
    await turns(50)
    second = read(SOURCE, event(eventId="e-2"), offset=2)
    with pytest.raises(Held) as held:
        await bench.handler.event(second, bench.lane)
    turn_came: list[int] = []
    held.value.lock.on_turn = lambda: turn_came.append(len(bench.journal))
    other = event(eventId="e-3", partnerId="partner-2")  # another partner's order waits for nobody
    third = asyncio.create_task(bench.event(read(SOURCE, other, offset=3)))
    await turns(50)
    assert (len(bench.caller.made), turn_came) == (2, [])
    bench.broker.held.set()
    await asyncio.gather(first, third)
    assert len(turn_came) == 1
    await bench.handler.event(second, bench.lane)
    assert decisions(bench) == ["delivered"] * 3


async def test_a_parked_event_is_settled(bench):
    """It lies on a tier now; a second copy of the event must not lie there too."""
    bench.partners["partner-1"] = partner("partner-1", paused=True)
    for offset in (1, 2):
        await bench.event(read(SOURCE, event(), offset=offset))
    assert len(bench.moved) == 1
    assert decisions(bench) == ["parked", "absorbed"]


async def test_a_second_copy_of_a_parked_record_is_absorbed(bench):
    """And the parks among the attempts records say that it was a park that brought it back."""
    bench.partners["partner-1"] = partner("partner-1", paused=True)
    await bench.event(read(SOURCE, event()))
    (parked,) = bench.moved
    bench.clock.ms = int(headers_of(parked)["due-at-ms"])
    await bench.tier(read_back(parked, offset=1))
    await bench.tier(read_back(parked, offset=2))
    assert len(bench.moved) == 2
    assert decisions(bench) == ["parked", "parked", "absorbed"]
    assert [line["trigger"] for line in bench.journal] == ["event", "park", "park"]
    bench.partners["partner-1"] = partner("partner-1")
    bench.clock.ms = int(headers_of(bench.moved[1])["due-at-ms"])
    await bench.tier(read_back(bench.moved[1]))
    assert headers_of(bench.moved[1])["parks"] == "2"
    assert len(bench.caller.made) == 1


async def test_each_step_of_one_notification_is_another_record(bench):
    """All the way up the ladder, each twice: as many attempts as the ladder has, and as many copies absorbed."""
    bench.caller.script[0] = NoResult(Failure.READ_TIMEOUT)
    await bench.event(read(SOURCE, event()))
    for step in range(14):
        assert len(bench.moved) == step + 1
        moved = bench.moved[step]
        bench.clock.ms = max(bench.clock.ms, int(headers_of(moved)["due-at-ms"]))
        await bench.tier(read_back(moved, offset=1))
        await bench.tier(read_back(moved, offset=2))
    assert len(bench.caller.made) == 15
    assert [headers_of(letter)["dead-letter-reason"] for letter in bench.letters] == [
        "attempts-exhausted"
    ]
    assert Counter(decisions(bench)) == {"retry": 14, "absorbed": 14, "dead-letter": 1}


async def test_another_lane_remembers_nothing_of_it(bench):
    """The memory goes with the partition; at least once is what is left."""
    await bench.event(read(SOURCE, event()))
    bench.memory = Deduplicator(bench.clock.now_ms, 1000)
    await bench.event(read(SOURCE, event()))
    assert decisions(bench) == ["delivered", "delivered"]


async def test_an_event_put_back_is_counted_where_it_was_read(bench):
    """`kind: event` on the replay topic; a second copy there is absorbed there."""
    record = read("pn-replay", event(), headers=[("kind", b"event")])
    await bench.replay(record)
    await bench.replay(record)
    assert decisions(bench) == ["delivered", "absorbed"]
    assert bench.count("notifier_repeats_total", tier="replay") == 1
    assert bench.count("notifier_repeats_total", tier="source") == 0
    assert bench.count("notifier_last_processed_timestamp_seconds", tier="replay") > 0


@pytest.mark.parametrize("headers", [[], [("kind", b"Event")], [("kind", b"notification")]])
async def test_what_does_not_say_event_is_read_as_a_notification(bench, headers):
    """On the replay topic; an event without the header is refused, not guessed at."""
    await bench.replay(read("pn-replay", event(), headers=headers))
    (letter,) = bench.letters
    assert headers_of(letter)["dead-letter-reason"] == "invalid-event"
    assert bench.caller.made == []


arrivals = st.lists(
    st.tuples(
        st.sampled_from(["e1", "e2", "e3"]),
        st.sampled_from(["order-1", "order-2"]),
        st.sampled_from(["SUCCESS", "CANCELLED"]),
    ),
    min_size=1,
    max_size=12,
)


@given(arrivals, st.integers(1, 12), st.sampled_from([ACKNOWLEDGED, UNKNOWN]))
@settings(max_examples=60, deadline=None)
def test_no_order_is_told_two_results(events, window, outcome):
    """Whatever comes in whatever order, so many at once: one result for an order, one notification for an event id."""

    async def run():
        bench = Bench(outcome)
        values = [
            event(
                eventId=event_id,
                outcome=result,
                resultMessage=None,
                payment={"paymentRequestId": order_id},
            )
            for event_id, order_id, result in events
        ]
        for first in range(0, len(values), window):
            await asyncio.gather(
                *(
                    bench.event(read(SOURCE, value, offset=first + number))
                    for number, value in enumerate(values[first : first + window])
                )
            )
        told: dict[str, set[str]] = {}
        for _, _, body, _ in bench.caller.made:
            told.setdefault(json.loads(body)["paymentRequestId"], set()).add(result_status(body))
        assert all(len(results) == 1 for results in told.values())
        assert events[0][1] in told
        called = Counter(
            line["notification_id"] for line in bench.journal if line["kind"] == "attempt"
        )
        assert set(called.values()) == {1}
        assert len(bench.journal) == len(events)
        assert len(bench.letters) == decisions(bench).count("dead-letter")

    asyncio.run(run())


async def test_an_event_that_is_put_back_and_refused_again_stays_whole(bench):
    """Its partner is still unknown: it is dead-lettered anew, with how often and by whom it was put back."""
    headers = [("kind", b"event"), ("replays", b"2"), ("replay-run", b"run-7")]
    await bench.replay(read("pn-replay", event(partnerId="nobody"), headers=headers))
    (letter,) = bench.letters
    found = headers_of(letter)
    assert found["dead-letter-reason"] == "unknown-partner"
    assert (found["kind"], found["replays"], found["replay-run"]) == ("event", "2", "run-7")
    assert bench.caller.made == []


async def test_another_orders_outcome_is_no_conflict(bench):
    """One order has one final result; what became of another says nothing of it."""
    other = event(
        eventId="evt-2",
        outcome="FAILED",
        reason="RISK_REJECT",
        payment={"paymentRequestId": "order-2"},
    )
    for offset, value in enumerate((event(), other)):
        await bench.event(read(SOURCE, value, offset=offset))
    assert decisions(bench) == ["delivered", "delivered"]
    assert [result_status(body) for _, _, body, _ in bench.caller.made] == ["S", "F"]
