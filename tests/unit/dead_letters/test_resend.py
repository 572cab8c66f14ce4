"""Sending a delivered notification again."""

import json
from dataclasses import replace

import pytest

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.event_headers import as_it_came, put_back_event
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import OutRecord, header_text, replace_headers
from streams.kafka.producer import RecordTooLarge
from streams.operator.dead_letters.replay_record import CannotReplay, ReplayAudit
from streams.operator.dead_letters.resend import event_to_resend, resend
from streams.operator.history.notification_history import histories_of
from streams.worker.settle import Settler
from tests.support.history import HistoryBuilder
from tests.unit.bench import ACKNOWLEDGED
from tests.unit.bench import Bench as Worker
from tests.unit.dead_letters.records import ORDER, ORIGIN
from tests.unit.dead_letters.test_run import Bench
from tests.unit.kit import NOW_MS, event, read_back

AUDIT = ReplayAudit("r-1", "bob", "they lost it")
TOLD = HistoryBuilder(ORIGIN).attempt(20, decision="delivered", result_status="S")
AGAIN = HistoryBuilder(ORIGIN, "evt-2", 100).attempt(20, decision="delivered", result_status="S")
EVENT = RawRecord(*RecordId.parse(ORIGIN), b"any", event(), (("x", b"1"),), NOW_MS)


@pytest.fixture
async def send_again():
    """Send what a tale is about again, from these events; return what was written."""
    benches = []

    async def send(tale, *events):
        benches.append(bench := Bench(source=events))
        histories = [replace(history, order_id=ORDER) for history in histories_of(tale.facts)]
        await resend(event_to_resend(histories, None), bench.clients, AUDIT)
        return bench.broker.written

    yield send
    for bench in benches:
        await bench.producer.stop()


async def test_it_goes_back_as_its_event(send_again):
    """To the byte, with its headers, place and key; one replay more; the decision comes first and says who and why."""
    decision, effect = await send_again(TOLD, EVENT)
    assert (decision.topic, effect.topic) == ("pn-attempts", "pn-replay")
    assert (effect.key, effect.value) == (ORDER.encode(), EVENT.value)
    read = RawRecord(effect.topic, 0, 0, effect.key, effect.value, effect.headers)
    source = put_back_event(read)
    assert (source.origin, source.replays, source.replay_run) == (ORIGIN, 1, "r-1")
    assert as_it_came(read)[0] == EVENT.key
    assert source.carried[0] == ("x", b"1")
    assert header_text(effect.headers, "replay-of") == ORIGIN
    said = AttemptRecord.model_validate_json(decision.value or b"")
    assert (said.by, said.why, said.replay_of, said.replays) == ("bob", "they lost it", ORIGIN, 1)


async def test_a_worker_tells_the_partner_of_it(send_again):
    """Attempt 1 of a new ladder, with the body that the event has today; a second record of the same time is absorbed."""
    _, effect = await send_again(TOLD, EVENT)
    worker = Worker(ACKNOWLEDGED)
    for offset in (0, 1):
        await worker.replay(read_back(effect, offset=offset))
    ((_, _, body, _),) = worker.caller.made
    assert json.loads(body)["paymentResult"]["resultStatus"] == "S"
    assert [line["decision"] for line in worker.journal] == ["delivered", "absorbed"]
    assert (worker.journal[0]["attempt"], worker.journal[0]["replays"]) == (1, 1)
    again = replace_headers(effect.headers, {"replays": "2", "replay-run": "r-2"})
    await worker.replay(read_back(replace(effect, headers=again), offset=2))
    assert [line["decision"] for line in worker.journal][2:] == ["delivered"]


async def test_an_event_without_a_key_goes_back_without_one(send_again):
    """Its mapping may read the key; ours is the order id."""
    _, effect = await send_again(TOLD, replace(EVENT, key=None))
    assert effect.key == ORDER.encode()
    read = RawRecord(effect.topic, 0, 0, effect.key, effect.value, effect.headers)
    assert as_it_came(read)[0] is None


async def test_what_the_replay_topic_cannot_take_is_refused(send_again, monkeypatch):
    """As any other reason for which nothing is sent, not as a fault of the program."""

    async def too_large(*_):
        raise RecordTooLarge(OutRecord("pn-replay", None, b"x" * 2_000_000))

    monkeypatch.setattr(Settler, "settle", too_large)
    with pytest.raises(CannotReplay, match="2000032 bytes for pn-replay"):
        await send_again(TOLD, EVENT)


@pytest.mark.parametrize(
    ("tale", "events", "why"),
    [
        (HistoryBuilder(ORIGIN).attempt(20), (EVENT,), "it is under way"),
        (HistoryBuilder(ORIGIN).dead_letter(20), (EVENT,), "dead-letters replay"),
        (TOLD, (), "is not there any more"),
        (TOLD, (replace(EVENT, value=event(eventId="evt-2")),), "is another one"),
    ],
)
async def test_what_is_not_delivered_or_has_no_event_is_refused(send_again, tale, events, why):
    """With what to do instead."""
    with pytest.raises(CannotReplay, match=why):
        await send_again(tale, *events)


def test_which_notification_is_meant_must_be_clear():
    """None is known, several were delivered, or one of them is named."""
    histories = [*histories_of(TOLD.facts), *histories_of(AGAIN.facts)]
    with pytest.raises(CannotReplay, match="nothing is known"):
        event_to_resend([], None)
    with pytest.raises(CannotReplay, match="nothing is known"):
        event_to_resend(histories, "evt-3")
    with pytest.raises(CannotReplay, match="evt-1, evt-2; choose one with --notification"):
        event_to_resend(histories, None)
    assert event_to_resend(histories, "evt-2").notification_id == "evt-2"
    waiting = histories_of(HistoryBuilder(ORIGIN, "evt-4", 200).attempt(20).facts)
    assert event_to_resend([*histories[:1], *waiting], None).notification_id == "evt-1"
