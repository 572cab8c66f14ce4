"""Sending a delivered notification again."""

from dataclasses import replace

import pytest

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.decoding import decode_notification
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import header_text
from streams.operator.dead_letters.replay_record import CannotReplay, ReplayAudit
from streams.operator.dead_letters.resend import event_to_resend, resend
from streams.operator.history.notification_history import histories_of
from tests.support.history import HistoryBuilder
from tests.unit.dead_letters.records import ORDER, ORIGIN
from tests.unit.dead_letters.test_run import Bench
from tests.unit.kit import NOW_MS, event

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


async def test_it_goes_back_as_its_event_has_it(send_again):
    """Attempt 1, one replay more, the event's origin and headers; the decision comes first and says who and why."""
    decision, effect = await send_again(TOLD, EVENT)
    assert (decision.topic, effect.topic) == ("pn-attempts", "pn-replay")
    read = decode_notification(
        RawRecord(effect.topic, 0, 0, effect.key, effect.value, effect.headers),
        latest_due_ms=None,
        check_url=lambda _: None,
    )
    assert (read.order_id, read.attempt, read.replays, read.replay_run) == (ORDER, 0, 1, "r-1")
    assert (read.origin, read.extra_headers) == (ORIGIN, (("x", b"1"),))
    assert header_text(effect.headers, "replay-of") == ORIGIN
    said = AttemptRecord.model_validate_json(decision.value or b"")
    assert (said.by, said.why, said.replay_of, said.replays) == ("bob", "they lost it", ORIGIN, 1)


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
