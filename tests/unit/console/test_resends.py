"""Sending a delivered notification again from the console: checked first, sent once, refused with a reason."""

import re
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from schemas.attempt_record import AttemptRecord
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import header_text
from tests.support.topics import Payment
from tests.support.waiting import eventually
from tests.unit.dead_letters.records import ORDER
from tests.unit.dead_letters.test_run import Bench
from tests.unit.kit import NOW_MS, event

TOLD = ORDER
WHY = {"why": "acme lost its database"}


@pytest.fixture(autouse=True)
def payments(topics):
    """One that was delivered, one under way and one that is a dead letter."""
    Payment(topics, TOLD).delivered(100)
    Payment(topics, "waits").unanswered(200)
    Payment(topics, "dead").refused(300)


@pytest.fixture
async def brokers():
    """What a run works with: an event stands on the source topic, and what is written is kept."""
    place = ("final", 0, 0)
    bench = Bench(source=[RawRecord(*place, b"any", event(eventId=f"evt-{TOLD}"), (), NOW_MS)])

    @asynccontextmanager
    async def connect():
        yield bench.clients

    yield SimpleNamespace(connect=connect, broker=bench.broker, clients=bench.clients)
    await bench.producer.stop()


async def check(browser, order, **more):
    """Return status and text of the check page, and what its form holds."""
    status, text, _ = await browser.post("/resends/check", {"order": order} | more)
    return status, text, dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))


async def test_the_page_of_a_delivered_order_leads_to_the_check(topics, browse):
    """The check says whom it would tell and what it knows already; nothing is written."""
    before = {tag: len(there) for tag, there in topics.records.items()}
    async with browse() as browser:
        _, text, _ = await browser.get(f"/orders/{TOLD}")
        form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
        assert form == {"order": TOLD, "notification": f"evt-{TOLD}"}
        for order in ("waits", "dead"):
            assert "/resends/check" not in (await browser.get(f"/orders/{order}"))[1]
        status, text, hidden = await check(browser, **form)
        assert status == 200
        assert "Nothing has been sent." in text
        assert "final:0:0" in text
        assert list(hidden) == ["resend"]
    assert {tag: len(there) for tag, there in topics.records.items()} == before


async def test_it_is_sent_once_however_often_the_form_is(browse, brokers):
    """The event goes onto the replay topic, the decision with who and why before it; both forms lead to one run."""
    async with browse(replay_clients=brokers.connect) as browser:
        _, _, hidden = await check(browser, TOLD)
        status, _, headers = await browser.post("/resends", hidden | WHY)
        assert status == 303
        assert (await browser.post("/resends", hidden | WHY))[2]["Location"] == headers["Location"]

        async def ended():
            return "Going on" not in (await browser.get(headers["Location"]))[1]

        await eventually(ended, what="the end of the run")
        _, text, _ = await browser.get("/metrics")
        assert "notifier_console_replays_total 1.0" in text
    decision, effect = brokers.broker.written
    said = AttemptRecord.model_validate_json(decision.value)
    assert (said.decision, said.by, said.why) == ("replayed", "alice", WHY["why"])
    assert (effect.topic, effect.value) == ("pn-replay", event(eventId=f"evt-{TOLD}"))
    assert header_text(effect.headers, "replay-run") == said.replay_run


@pytest.mark.parametrize(
    ("order", "says"),
    [("waits", "it is under way"), ("dead", "dead-lettered"), ("nobody", "nothing is known of it")],
)
async def test_what_was_not_delivered_is_refused(browse, order, says):
    """With what to do instead, by the same rules as the command."""
    async with browse() as browser:
        status, text, _ = await check(browser, order)
        assert status == 409
        assert says in text
        assert "Nothing was sent." in text


async def test_several_notifications_need_to_be_told_apart(topics, browse):
    """A form without the notification id, of an order that has two."""
    paid = Payment(topics, "twice").delivered(400)
    paid.notification_id = "evt-second"
    paid.event(3000).delivered(3100)
    async with browse() as browser:
        status, text, _ = await check(browser, "twice")
        assert status == 409
        assert "it has several notifications" in text
        assert (await check(browser, "twice", notification="evt-second"))[0] == 200


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"why": "x"}, 400, "Say why"),
        ({"why": "line\nbreak"}, 400, "why: expected"),
        ({"resend": "unknown"}, 409, "no longer known"),
    ],
)
async def test_a_resend_that_is_not_right_is_not_begun(browse, brokers, changes, status, says):
    """The reason stands beside the form; nothing is written."""
    async with browse(replay_clients=brokers.connect) as browser:
        _, _, hidden = await check(browser, TOLD)
        got, text, _ = await browser.post("/resends", hidden | WHY | changes)
        assert (got, says in text) == (status, True)
    assert brokers.broker.written == []


async def test_what_was_checked_holds_for_a_quarter_of_an_hour(browse, brokers, clock):
    """As for a replay."""
    async with browse(replay_clients=brokers.connect) as browser:
        _, _, hidden = await check(browser, TOLD)
        clock.ms += 16 * 60_000
        status, text, _ = await browser.post("/resends", hidden | WHY)
        assert (status, "15 minutes" in text) == (409, True)
    assert brokers.broker.written == []


async def test_one_that_was_sent_again_meanwhile_is_not(topics, browse, brokers):
    """By the command, or by somebody else: the check must be made anew."""
    told = Payment(topics, "other").delivered(400)
    async with browse(replay_clients=brokers.connect) as browser:
        _, _, hidden = await check(browser, "other")
        told.put_back(2000).delivered(2100)

        async def noticed():
            return "put back 1 times" in (await browser.get("/orders/other"))[1]

        await eventually(noticed, what="the console to know of it")
        status, text, _ = await browser.post("/resends", hidden | WHY)
        assert (status, "sent again since" in text) == (400, True)
    assert brokers.broker.written == []


async def test_who_may_only_read_sends_nothing(browse):
    """The button is not to be pressed, and the forms are refused."""
    async with browse(name="reader") as browser:
        _, text, _ = await browser.get(f"/orders/{TOLD}")
        assert "may read but not send again" in text
        assert (await check(browser, TOLD))[0] == 403
        assert (await browser.post("/resends", WHY))[0] == 403


async def test_an_event_that_is_gone_is_named(browse, brokers):
    """The run's page says what could not be sent and why; nothing was written."""
    brokers.clients.rebuild.reader.records.clear()
    async with browse(replay_clients=brokers.connect) as browser:
        _, _, hidden = await check(browser, TOLD)
        _, _, headers = await browser.post("/resends", hidden | WHY)

        async def named():
            return "Could not be put back" in (await browser.get(headers["Location"]))[1]

        await eventually(named, what="the refusal")
        assert "is not there any more" in (await browser.get(headers["Location"]))[1]
    assert brokers.broker.written == []
