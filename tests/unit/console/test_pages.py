"""The pages, asked over HTTP of a console that reads topics in memory."""

import re
from dataclasses import asdict

import pytest

from streams.operator.console.ingest import Freshness
from streams.operator.console.read_model import ReadModel
from streams.operator.console.render import visible
from streams.operator.console.views import AsOf
from tests.support.history import NAMES, SOURCE, T0
from tests.support.topics import Payment
from tests.support.waiting import eventually
from tests.unit.console.conftest import caught_up

MINUTE = 60_000
EVIL = '"><script>alert(1)</script>\u202e\x00'


async def test_an_order_says_whether_the_partner_was_told(topics, browse):
    """The order page has the verdict, the timeline and where the time went."""
    Payment(topics, "order-1").unanswered(100).delivered(306_000)
    async with browse() as browser:
        status, text, _ = await browser.get("/orders/order-1")
    assert status == 200
    assert "Told. acme acknowledged it" in text
    assert "Attempt 1 of 15" in text
    assert "no answer in 5.0 s" in text
    assert "agreed waits" in text
    assert "CANARY" not in text


async def test_an_order_says_what_of_an_answer_was_unreadable(topics, browse):
    """In the verdict and in the timeline; the partner's page counts such answers as one kind."""
    for order, what in (("order-1", "body: empty"), ("order-2", "301 headers, at most 300")):
        Payment(topics, order).attempt(
            100, failure="unreadable_answer", failure_detail=what, http_status=200
        )
    async with browse() as browser:
        _, text, _ = await browser.get("/orders/order-1")
        _, partner, _ = await browser.get("/partners/acme")
    assert text.count("answer unreadable (body: empty)") == 2
    assert "answer unreadable" in partner
    assert "body: empty" not in partner


async def test_an_order_that_waits_says_for_whom_and_until_when(topics, browse, clock):
    """Told or not, whose turn, the next attempt, and how many others wait for the same partner."""
    Payment(topics, "order-1").unanswered(570_000)
    Payment(topics, "order-2").unanswered(570_000)
    clock.ms = T0 + 580_000
    async with browse() as browser:
        _, text, _ = await browser.get("/orders/order-1")
    assert "Not acknowledged; acme may have received it." in text
    assert "Attempt 2 of 15 is due at" in text
    assert "1 other notification to" in text


async def test_search_finds_orders_and_notification_ids(topics, browse):
    """The search leads to the order's page, also by the event's id or place, and says where nothing is known."""
    Payment(topics, "order-1").delivered(100)
    async with browse() as browser:
        for asked in ("order-1", " order-1 ", "evt-order-1", f"{SOURCE}/0/0", f"{SOURCE}:0:0"):
            status, _, headers = await browser.get("/orders", params={"q": asked})
            assert (status, headers["Location"]) == (303, "/orders/order-1")
        for nowhere in (f"{SOURCE}/0/99", f"{SOURCE}/0/{2**63}"):
            status, _, headers = await browser.get("/orders", params={"q": nowhere})
            assert status == 303
            assert "order-1" not in headers["Location"]
        status, text, _ = await browser.get("/orders/order-9")
        assert status == 404
        assert "Nothing is known of order" in text
        assert "/orders/order-1" in text  # the one that begins alike
        status, _, headers = await browser.get("/orders", params={"q": "../login?x=1"})
        assert headers["Location"].startswith("/orders?id=../login?x%3D1")


async def test_the_overview_says_whose_it_is(topics, browse, clock):
    """A partner that fails while others answer is named; what is overdue is ours and comes first."""
    for number in range(3):
        Payment(topics, f"silent-{number}", "acme").unanswered(570_000)
        Payment(topics, f"good-{number}", "other").delivered(570_000)
    clock.ms = T0 + 590_000
    async with browse() as browser:
        _, text, _ = await browser.get("/")
        assert "acme does not answer. Nothing is overdue on our side." in text
        assert "1 other partner answers the same workers." in text
        clock.ms = T0 + 3_000_000
        await caught_up(browser.console)
        _, text, _ = await browser.get("/")
    assert "3 notifications are overdue. This is ours." in text


async def test_the_overview_says_that_nobody_reads(topics, browse):
    """Events that no worker has settled are ours, not the partners'."""
    Payment(topics, "order-1")
    async with browse() as browser:
        _, text, _ = await browser.get("/")
    assert "1 event waits for a worker. This is ours." in text


async def test_the_overview_says_that_all_is_well(topics, browse):
    """Nothing waits and nobody is left out."""
    Payment(topics, "order-1").delivered(100)
    async with browse() as browser:
        _, text, _ = await browser.get("/")
    assert "Everyone is told." in text
    assert "every notification is accounted for" in text


async def test_tiers_tell_waiting_from_late(topics, browse):
    """A tier shows what waits, what is parked, what is overdue; its own page shows which."""
    Payment(topics, "order-1").unanswered(570_000)
    Payment(topics, "order-2").parked(10)
    async with browse() as browser:
        _, text, _ = await browser.get("/tiers")
        assert "1 notification is overdue. This is ours." in text
        status, text, _ = await browser.get("/tiers/5m")
        assert status == 200
        assert "order-1" in text
        assert "order-2" in text
        assert (await browser.get("/tiers/7m"))[0] == 404


async def test_partners_are_judged_by_their_last_answers(topics, browse):
    """Failing, since when, and by what; the page of one lists its answers and what waits for it."""
    Payment(topics, "order-1", "acme").delivered(1000)
    for number in range(10):
        Payment(topics, f"bad-{number}", "acme").unanswered(500_000 + number * 1000)
    async with browse() as browser:
        _, text, _ = await browser.get("/partners")
        assert "Failing" in text
        _, text, _ = await browser.get("/partners/acme")
        assert "since <time" in text
        assert "no answer" in text
        assert "10 notifications have not been acknowledged" in text
        _, text, _ = await browser.get("/partners", params={"text": "zzz"})
        assert "No partner matches." in text
        assert (await browser.get("/partners/nobody"))[0] == 404


async def test_dead_letters_are_counted_and_filtered(topics, browse):
    """Counts by kind, rows, filters; a letter in full, never its body."""
    Payment(topics, "order-1", "acme").refused(100)
    Payment(topics, "order-2", "other").refused(200, "PROCESS_FAIL")
    async with browse() as browser:
        _, text, _ = await browser.get("/dead-letters")
        assert "order-1" in text
        assert "order-2" in text
        _, text, _ = await browser.get("/dead-letters", params={"partner": "other"})
        assert "order-1" not in text
        assert "order-2" in text
        _, text, _ = await browser.get("/dead-letters", params={"partner": "third"})
        assert "No dead letter matches." in text
        status, text, _ = await browser.get(f"/dead-letters/{NAMES.dead_letter}:0:0")
        assert status == 200
        assert "what was seen" in text
        assert "CANARY" not in text
        too_large = f"{NAMES.dead_letter}:0:{2**63}"
        for there_is_none in (f"{NAMES.dead_letter}:0:9", too_large, "x", "a:b:c"):
            assert (await browser.get(f"/dead-letters/{there_is_none}"))[0] == 404


async def test_a_letter_is_closed_once_it_was_put_back(topics, browse):
    """What was put back is no longer listed as open, whichever record is read first."""
    Payment(topics, "order-1").refused(100).put_back(1000).delivered(1100)
    Payment(topics, "order-2").refused(100).put_back(1000, written=False)
    async with browse() as browser:
        _, text, _ = await browser.get("/dead-letters")
        assert "order-1" not in text
        assert "order-2" in text  # a decision without its effect puts nothing back
        _, text, _ = await browser.get("/dead-letters", params={"all": "1"})
        assert "dealt with" in text


async def test_what_others_wrote_is_shown_and_never_run(topics, browse):
    """Hostile ids, partners and details are escaped, and what can't be seen in them is spelt out."""
    pay = Payment(topics, EVIL, EVIL)
    pay.refused(100, url_origin=EVIL)
    pay.dead_letter(200, EVIL, EVIL * 100)
    topics.write(NAMES.attempts, None, b"\xff\xfe no record", (), T0)
    topics.write(NAMES.dead_letter, None, None, (("dead-letter-reason", b"\xff"),), T0)
    topics.write(SOURCE, None, b"[[[" * 1000, (), T0)
    async with browse() as browser:
        pages = [
            "/",
            "/orders/" + "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%E2%80%AE%00",
            "/partners",
        ]
        pages += ["/dead-letters", "/replays", "/about", "/tiers"]
        pages += [f"/dead-letters/{NAMES.dead_letter}:0:{number}" for number in range(3)]
        for path in pages:
            status, text, _ = await browser.get(path)
            assert status == 200, path
            assert "<script>alert" not in text
            shown = re.sub('value="[^"]*"', "", text)  # a filter must send what it is
            assert "\u202e" not in shown
            assert "\x00" not in shown


def test_visible_spells_out_what_hides():
    """Control characters and direction marks become escapes; the rest is escaped for HTML."""
    assert visible("a\u202eb\x00<é") == "a\\u202eb\\x00&lt;é"


async def test_a_stale_console_says_so(topics, browse, clock):
    """Half a minute behind, every page has a banner with the reason, and the overview does not judge."""
    Payment(topics, "order-1").delivered(100)
    async with browse() as browser:
        topics.fault = "the brokers are away"

        async def look():
            return browser.console.read_model.ingest.freshness.fault

        await eventually(look, what="the console to notice")
        clock.ms += 40_000
        _, text, _ = await browser.get("/")
        assert 'class="stale"' in text
        assert "the brokers are away" in text
        assert "This console can&#39;t read Kafka, so it can&#39;t say." in text
        topics.fault = None
        await caught_up(browser.console)
        _, text, _ = await browser.get("/")
    assert "Everyone is told." in text


@pytest.mark.parametrize(
    "path", ["/", "/tiers", "/partners", "/dead-letters", "/replays", "/about", "/api", "/login"]
)
async def test_an_empty_console_says_whether_that_is_good(browse, path):
    """Every page works before anything was written."""
    async with browse() as browser:
        status, text, _ = await browser.get(path)
    assert status == 200
    assert "<h1>" in text or "<h1" in text


async def test_all_that_match_are_all_that_are_shown(topics, browse):
    """With "also those dealt with" the button takes these too; the check says which of them stay where they are."""
    Payment(topics, "one").refused(100)
    Payment(topics, "back").refused(100).put_back(2000).delivered(2100)
    async with browse() as browser:
        for query, count in (("", 1), ("?all=1", 2)):
            _, text, _ = await browser.get(f"/dead-letters{query}")
            assert f"Check a replay of all {count} that match" in text
            selects = text.partition('action="/dead-letters/check"')[2]
            hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', selects))
            _, text, _ = await browser.post("/dead-letters/check", hidden | {"which": "matching"})
            assert "Put back 1 dead letter?" in text
            assert ("put back before" in text) == (count == 2)


@pytest.mark.parametrize("fault", [None, "NOTIFIER_BROKERS: the brokers can't be read"])
async def test_a_console_that_is_built_says_how_long_it_takes(browse, clock, monkeypatch, fault):
    """On every page: how far it is, as a bar too, and when it will be ready; or that Kafka can't be read."""
    fresh = Freshness(behind=1000, read=3000, began_ms=clock.ms - 90_000, fault=fault)
    async with browse() as browser:
        now = AsOf(
            at_ms=clock.ms, percent=fresh.percent, left_ms=fresh.left_ms(clock.ms), **asdict(fresh)
        )
        monkeypatch.setattr(ReadModel, "as_of", lambda _: now)
        for path in ("/", "/tiers"):
            _, text, _ = await browser.get(path)
            if fault is None:
                assert '<progress max="100" value="75"' in text
                assert "75 % read, about 30 s more." in text
            else:
                assert "the brokers can&#39;t be read" in text
                assert "<progress max" not in text
