"""Putting back: the decision before its effect, no faster than agreed, and nothing half-done when it is stopped."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import header_text
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.topics import TopicNames
from streams.notification.intake import PartnerTerms
from streams.operator.dead_letters.clients import ReplayClients
from streams.operator.dead_letters.plan import Options, plan
from streams.operator.dead_letters.rebuild import Rebuild
from streams.operator.dead_letters.replay_record import ReplayAudit
from streams.operator.dead_letters.run import RunResult, run
from streams.worker.settle import Settler
from tests.unit.dead_letters.records import ORIGIN, body_of, dead_letter_of
from tests.unit.kit import (
    NOW_MS,
    ManualClock,
    MemoryBroker,
    MemoryReader,
    MemoryRecordProducer,
    event,
    turns,
)
from tests.unit.webhook.virtual_time import in_virtual_time

NAMES = TopicNames("pn")
AUDIT = ReplayAudit("r-1", "alice", "acme is back")


class Bench:
    """A run with everything real but the brokers."""

    def __init__(self, *records, source=()):
        self.records = records
        self.broker = MemoryBroker()
        self.producer = MemoryRecordProducer(self.broker)
        clock = ManualClock()
        terms = PartnerTerms(
            frozenset({"mpp-to-ant"}), {}, hold_unmapped=False, notify_url="https://a.example/"
        )
        partner = type("Entry", (), {"terms": terms})()
        rebuild = Rebuild(MemoryReader(*source), NAMES, ("final",), lambda _: partner, False)  # noqa: FBT003
        self.clients = ReplayClients(
            MemoryReader(*records),
            Settler(self.producer, NAMES.attempts, clock.now_seconds),
            NAMES,
            clock,
            lambda _: None,
            rebuild,
        )
        self.result = RunResult(0)

    def plan(self, **options):
        letters = [read_fact("dead-letter", record) for record in self.records]
        chosen = Options(**({"rate_per_second": 200.0} | options))
        made = plan(letters, [], chosen, NOW_MS, known_since_ms=0)
        assert len(made.selected) == len(letters)
        self.result.of = len(letters)
        return made

    async def run(self, made, **more):
        return await run(made, self.clients, AUDIT, self.result, **more)

    def put_back(self):
        return [header_text(record.headers, "replay-of") for record in self.broker.on("pn-replay")]

    def decided(self):
        return len(self.broker.on("pn-attempts"))


@pytest.fixture
async def bench():
    """Make benches, and stop their producers."""
    made = []

    def make(*records, **more):
        made.append(Bench(*records, **more))
        return made[-1]

    yield make
    for each in made:
        await each.producer.stop()


async def test_each_is_put_back_once_after_its_decision(bench):
    """All of them, in the order of their places; when a record is written its decision stands already."""
    b = bench(*(dead_letter_of(number) for number in range(70)))
    seen = []
    result = await b.run(b.plan(), on_progress=lambda r: seen.append(r.replayed))
    assert (result.replayed, result.of, result.refused) == (70, 70, [])
    assert b.put_back() == [f"pn-dead-letter/0/{number}" for number in range(70)]
    assert seen == [32, 64, 70]
    decided = 0
    for record in b.broker.written:
        decided += 1 if record.topic == "pn-attempts" else -1
        assert decided >= 0
    assert Counter(record.key for record in b.broker.on("pn-replay")).most_common(1)[0][1] == 1


@in_virtual_time
async def test_the_rate_is_kept():
    """Twenty at eight a second: eight at once, eight a second later, the rest another second later."""
    b, loop, at = (
        Bench(*(dead_letter_of(number) for number in range(20))),
        asyncio.get_running_loop(),
        [],
    )
    began = loop.time()
    await b.run(b.plan(rate_per_second=8.0), on_progress=lambda _: at.append(loop.time() - began))
    assert at == pytest.approx([0, 1, 2], abs=0.01)
    assert b.result.replayed == 20
    await b.producer.stop()


async def test_what_is_begun_is_ended_when_it_is_cancelled(bench):
    """Ctrl-C between a decision and its effect waits for the effect; what was not begun is left."""
    b = bench(*(dead_letter_of(number) for number in range(70)))
    b.broker.held = asyncio.Event()
    going = asyncio.ensure_future(b.run(b.plan()))
    await turns(50)
    going.cancel()
    await turns(50)
    assert not going.done()
    b.broker.held.set()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert len(b.put_back()) == b.decided() == b.result.replayed == 32


async def test_a_run_is_stopped_from_elsewhere(bench):
    """After the round trip under way; the same plan again puts back what was selected anew only."""
    b = bench(*(dead_letter_of(number) for number in range(70)))

    def stop(result):
        result.stop = True

    await b.run(b.plan(), on_progress=stop)
    assert b.result.replayed == len(b.put_back()) == 32


async def test_what_cannot_be_put_back_is_named_and_the_rest_goes_on(bench):
    """A letter that is gone, one that no worker could read, one that is too large."""
    good, broken, large = dead_letter_of(0), dead_letter_of(1, value=b"{"), dead_letter_of(2)
    b = bench(good, broken, large)
    made = b.plan()
    del b.clients.reader.records[good.record_id]
    b.broker.max_message_bytes["pn-replay"] = 10
    await b.run(made)
    why = dict(b.result.refused)
    assert "not there any more" in why[good.record_id]
    assert "no worker could read it: body" in why[broken.record_id]
    assert "over the broker's limit" in why[large.record_id]
    assert (b.put_back(), b.result.replayed) == ([], 0)


async def test_what_was_put_back_beside_a_failure_is_counted(bench):
    """Of those of one round trip: whoever hears of the failure hears how many were put back."""
    b = bench(*map(dead_letter_of, range(3)))
    left = iter([ReadFailed("the brokers are away")])

    class Failing:
        async def settle(self, _):
            for error in left:
                raise error

    b.clients = replace(b.clients, settler=Failing())
    with pytest.raises(ReadFailed, match="are away"):
        await b.run(b.plan())
    assert b.result.replayed == 2


async def test_a_body_is_made_anew_from_its_event(bench):
    """With today's rules; without the event the letter is refused, and another event at its place is not taken for it."""
    record_id = RecordId.parse(ORIGIN)
    source = RawRecord(*record_id, b"any", event(resultMessage="anew"), (), NOW_MS)
    b = bench(dead_letter_of(0, value=b"{"), source=[source])
    await b.run(b.plan(rebuild=True))
    (record,) = b.broker.on("pn-replay")
    assert b.result.refused == []
    assert b'"anew"' in record.value
    headers = dict(record.headers)
    assert (headers["replay-of"], headers["replay-run"]) == (b"pn-dead-letter/0/0", b"r-1")
    assert (headers["replays"], headers["attempt"], headers["origin"]) == (
        b"1",
        b"0",
        b"final/3/42",
    )
    assert record.value != body_of()
    for events, why in (
        ((), "is not there any more (retention"),
        ((RawRecord(*record_id, b"k", event(eventId="evt-2"), (), NOW_MS),), "is another one"),
        ((RawRecord(*record_id, b"k", b"{", (), NOW_MS),), "breaks a rule"),
        (
            (RawRecord(*record_id, b"k", event(profile="mpp-to-alipay-plus"), (), NOW_MS),),
            "invalid-event",
        ),
    ):
        c = bench(dead_letter_of(0), source=events)
        await c.run(c.plan(rebuild=True))
        ((_, said),) = c.result.refused
        assert why in said
        assert c.broker.written == []
