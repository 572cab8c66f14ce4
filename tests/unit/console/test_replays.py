"""Replays from the console: checked first, begun once, refused with a reason. What a run writes, `tests/unit/dead_letters` says."""

import asyncio
import re
from typing import Any

import pytest

from streams.kafka.format.raw import RecordId
from streams.kafka.reader.failures import ReadFailed
from streams.operator.console.checks import Refusal
from streams.operator.console.store import ReadModelStore
from tests.support.history import NAMES, SOURCE
from tests.support.topics import Payment
from tests.support.waiting import eventually

LETTER = f"{NAMES.dead_letter}:0:0"


@pytest.fixture(autouse=True)
def letters(topics):
    """Two open dead letters and one that was put back and delivered."""
    Payment(topics, "one").refused(100)
    Payment(topics, "two").refused(200, "PROCESS_FAIL")
    Payment(topics, "back").refused(100).put_back(2000).delivered(2100)


class Away:
    """The brokers can't be read any more when the run begins."""

    async def __aenter__(self):
        message = "the brokers are away"
        raise ReadFailed(message)

    async def __aexit__(self, *_):
        pass


async def check(browser, form):
    """Return the form that the check page holds, and the page."""
    status, text, _ = await browser.post("/dead-letters/check", form)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
    return status, text, hidden


async def test_a_check_says_what_would_happen(topics, browse):
    """How many, what is left and why; nothing is written."""
    before = {tag: len(there) for tag, there in topics.records.items()}
    async with browse() as browser:
        form = [("letter", f"{NAMES.dead_letter}:0:{number}") for number in range(3)]
        status, text, hidden = await check(browser, form)
        assert status == 200
        assert "Put back 2 dead letters?" in text
        assert "put back before" in text
        assert hidden["expected"] == "2"
        _, text, hidden = await check(browser, {"which": "matching", "answer": "read_timeout"})
        assert hidden["expected"] == "2"
    assert {tag: len(there) for tag, there in topics.records.items()} == before


async def test_a_selection_must_be_one(browse):
    """Nothing selected, too much, no place at all: a sentence, or 404."""
    async with browse() as browser:
        status, text, _ = await check(browser, {})
        assert status == 409
        assert "No dead letter was selected." in text
        assert (await check(browser, {"letter": "x"}))[0] == 404
        _, text, _ = await check(browser, {"letter": f"{NAMES.dead_letter}:0:99"})
        assert "Nothing to put back" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"why": "x"}, "Say why"),
        ({"rate": "0"}, "expected a number from 1 to 1000"),
        ({"rate": "many"}, "expected a number"),
        ({"expected": "3"}, "not 3 as when you checked"),
        ({"selection": "unknown"}, "no longer known"),
        ({"why": "line\nbreak"}, "why: expected"),
    ],
)
async def test_a_replay_that_is_not_right_is_not_begun(topics, browse, changes, says):
    """The reason stands beside the form; nothing is written, and what was typed is kept."""
    before = {tag: len(there) for tag, there in topics.records.items()}
    async with browse() as browser:
        _, _, hidden = await check(browser, {"letter": LETTER})
        status, text, _ = await browser.post(
            "/replays", hidden | {"why": "acme is back", "rate": "20"} | changes
        )
        assert status in {400, 409}
        assert says in text
    assert {tag: len(there) for tag, there in topics.records.items()} == before


async def test_two_who_press_at_the_same_moment_begin_one_run(browse):
    """What would be put back is looked up in between; the second hears that a run is under way."""
    async with browse(replay_clients=Away) as browser:
        replays = browser.console.replays
        one, two = (
            replays.select(by, [RecordId.parse(f"{NAMES.dead_letter}:0:{number}")])
            for by, number in (("alice", 0), ("bob", 1))
        )
        ended: tuple[Any, Any] = await asyncio.gather(
            replays.start(one, "acme is back", 20, 1),
            replays.start(two, "acme is back", 20, 1),
            return_exceptions=True,
        )
        begun, refused = ended
        assert begun == one.run
        assert isinstance(refused, Refusal)
        assert "is under way" in str(refused)
        assert two.run is None


async def test_what_cannot_be_planned_may_be_tried_again(browse, monkeypatch):
    """A fault while it is looked up begins nothing, and holds up nobody."""
    async with browse(replay_clients=Away) as browser:
        replays = browser.console.replays
        chosen = replays.select("alice", [RecordId.parse(LETTER)])
        with monkeypatch.context() as patch:
            patch.setattr(ReadModelStore, "fact_at", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await replays.start(chosen, "acme is back", 20, 1)
        assert await replays.start(chosen, "acme is back", 20, 1) == chosen.run


async def test_nothing_is_put_back_where_it_may_be_unread_that_it_was(topics, browse):
    """A batch of the attempts that can't be read: it is said where, before and after the check, until retention takes it."""
    async with browse() as browser:
        _, _, hidden = await check(browser, {"letter": LETTER})
        topics.unread = [RecordId(SOURCE, 0, 1), RecordId(NAMES.attempts, 0, 1)]
        store = browser.console.read_model.store

        async def known():
            return store.left_out()

        await eventually(known, what="the batches")
        form = hidden | {"why": "acme is back", "rate": "20"}
        for path, sent in (("/dead-letters/check", {"letter": LETTER}), ("/replays", form)):
            _, text, _ = await browser.post(path, sent)
            assert f"{NAMES.attempts}:0:1 can" in text
            assert "Nothing was sent." in text
        _, text, _ = await browser.get("/about")
        assert f"<code>{NAMES.attempts}:0:1</code>" in text
        _, text, _ = await browser.get("/api/orders/one/facts")
        assert '"complete":false' in text
        store.forget({(NAMES.attempts, 0): 2})
        _, text, hidden = await check(browser, {"letter": LETTER})
        assert hidden["expected"] == "1"


async def test_what_the_console_has_forgotten_is_not_put_back(topics, browse, clock):
    """Older than it reads attempts and replays: one was put back and told, which it can't know, nor that others were not."""
    for tag, there in topics.records.items():
        if tag[0] != NAMES.dead_letter:
            topics.begins[tag] = len(there)
    clock.ms += 25 * 86_400_000
    Payment(topics, "new", at=25 * 86_400_000).refused(25 * 86_400_000 + 100)
    async with browse() as browser:
        _, text, hidden = await check(browser, {"which": "matching"})
        assert hidden["expected"] == "1"
        assert "forgotten" in text
        _, text, _ = await browser.get("/dead-letters")
        assert "3 from before" in text
        assert text.count('<span class="state">forgotten</span>') == 3
        assert text.count('name="letter"') == 1
        _, text, _ = await browser.get(f"/dead-letters/{LETTER}")
        assert "what was done about it since is not known any more" in text
        assert "/dead-letters/check" not in text
        for order in ("back", "one"):
            _, text, _ = await browser.get(f"/orders/{order}")
            assert (
                "What was done about it since is not known any more: acme may have been told."
                in text
            )


async def test_what_was_checked_holds_for_a_quarter_of_an_hour(browse, clock):
    """And for who checked it only."""
    async with browse() as browser:
        _, _, hidden = await check(browser, {"letter": LETTER})
        clock.ms += 16 * 60_000
        status, text, _ = await browser.post(
            "/replays", hidden | {"why": "acme is back", "rate": "20"}
        )
        assert status == 409
        assert "15 minutes" in text


async def test_a_stale_console_puts_nothing_back(topics, browse, clock):
    """It could put back what was put back already."""
    async with browse() as browser:
        _, _, hidden = await check(browser, {"letter": LETTER})
        topics.fault = "the brokers are away"

        async def noticed():
            return browser.console.read_model.ingest.freshness.fault

        await eventually(noticed, what="the console to notice")
        clock.ms += 40_000
        status, text, _ = await browser.post(
            "/replays", hidden | {"why": "acme is back", "rate": "20"}
        )
        assert status == 400
        assert "behind Kafka" in text


async def test_a_run_whose_brokers_go_away_says_so(browse):
    """Begun once however often the form is sent; its page has the reason of its end."""
    async with browse(replay_clients=Away) as browser:
        _, _, hidden = await check(browser, {"letter": LETTER})
        form = hidden | {"why": "acme is back", "rate": "20"}
        status, _, headers = await browser.post("/replays", form)
        assert status == 303
        assert (await browser.post("/replays", form))[2]["Location"] == headers["Location"]

        async def ended():
            return "It ended early" in (await browser.get(headers["Location"]))[1]

        await eventually(ended, what="the end of the run")
        _, text, _ = await browser.get(headers["Location"])
        assert "the brokers are away" in text
        assert (await browser.post(headers["Location"] + "/stop"))[0] == 303
        _, text, _ = await browser.get("/metrics")
        assert "notifier_console_replays_total 1.0" in text


async def test_runs_of_the_command_line_are_shown_too(browse):
    """Who, why, how many, what came of it."""
    async with browse() as browser:
        _, text, _ = await browser.get("/replays")
        assert "r-1" in text
        _, text, _ = await browser.get("/replays/r-1")
        assert "1 of 1 delivered." in text
        assert "acme is back" in text
        assert (await browser.get("/replays/none"))[0] == 404
