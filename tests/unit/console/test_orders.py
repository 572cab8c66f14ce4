"""Finding orders: by what people have in hand, by partner, state, text and time, and what was meant by a mistyped name."""

import json
import re
from itertools import pairwise

import pytest

from streams.operator.did_you_mean import did_you_mean, nearest
from tests.support.history import NAMES, SOURCE, T0
from tests.support.topics import Payment
from tests.unit.console.conftest import caught_up


def listed(text):
    """Return the orders of a page's table, from the top."""
    return re.findall(r'data-label="Order"><a class="id" href="/orders/([^"]+)"', text)


@pytest.fixture
def four(topics):
    """One order told, one waiting, one late, one refused."""
    Payment(topics, "told-1", "acme", at=0).delivered(100)
    Payment(topics, "waits-2", "acme", at=1000).unanswered(590_000)
    Payment(topics, "late-3", "other", at=2000).unanswered(3000)
    Payment(topics, "refused-4", "other", at=4000).refused(5000)


async def test_the_payments_other_id_is_found(topics, browse):
    """`paymentId`, where the order id is the request's."""
    event = {
        "eventId": "evt-1",
        "profile": "mpp-to-alipay-plus",
        "partnerId": "acme",
        "payment": {"paymentRequestId": "order-1", "paymentId": "pay-77"},
    }
    topics.write(SOURCE, "any", json.dumps(event).encode(), (), T0)
    async with browse() as browser:
        _, _, headers = await browser.get("/orders", params={"q": "pay-77"})
    assert headers["Location"] == "/orders/order-1"


async def test_an_origin_is_found_after_kafka_deleted_the_event(topics, browse):
    """What was done about it names its place."""
    payment = Payment(topics, "order-1").delivered(100)
    topics.begins[SOURCE, 0] = 1
    async with browse() as browser:
        _, _, headers = await browser.get("/orders", params={"q": payment.origin})
        assert headers["Location"] == "/orders/order-1"
        _, _, headers = await browser.get("/orders", params={"q": f"{NAMES.attempts}/0/0"})
        assert headers["Location"] == "/orders/order-1"


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("query", "orders"),
    [
        ("", ["waits-2", "late-3", "refused-4", "told-1"]),
        ("partner=acme", ["waits-2", "told-1"]),
        ("state=delivered", ["told-1"]),
        ("state=overdue", ["late-3"]),
        ("state=dead-lettered&partner=other", ["refused-4"]),
        ("text=-3", ["late-3"]),
        ("text=evt-refused", ["refused-4"]),
        ("since=2026-11-22T10:25", ["waits-2"]),
        ("until=2026-11-22T10:15:31", ["told-1"]),
        ("until=2026-11-22T11:15:31%2B01:00", ["told-1"]),
        ("state=nothing-of-ours&partner=acme", ["waits-2", "told-1"]),
    ],
)
async def test_orders_are_listed_by_what_is_asked(browse, query, orders):
    """The one that changed last first; each filter alone and together."""
    async with browse() as browser:
        status, text, _ = await browser.get(f"/orders?{query}")
    assert status == 200
    assert listed(text) == orders


@pytest.mark.usefixtures("four")
async def test_what_is_late_is_marked(browse):
    """In the list and for the partner; the page of that partner says that it is ours, whatever it answered."""
    async with browse() as browser:
        _, text, _ = await browser.get("/orders")
        assert text.count('class="loud"') == 1
        _, text, _ = await browser.get("/partners/other")
        assert "1 notification is overdue. This is ours." in text
        assert "Struggling" not in text
        assert text.count('class="loud"') == 1
        _, text, _ = await browser.get("/partners")
        assert "1: ours" in text
        page = json.loads((await browser.get("/api/partners/other"))[1])
        assert (page["whose"], page["partner"]["overdue"]) == ("us", 1)
        assert [row["overdue"] for row in page["waiting"]] == [True]
        page = json.loads((await browser.get("/api/partners/acme"))[1])
        assert (page["whose"], page["partner"]["overdue"]) == ("partner", 0)


async def test_events_without_a_worker_are_ours(topics, browse, clock):
    """Nobody settles what stands on the source topic: the partner's page does not blame the partner."""
    Payment(topics, "order-1").unanswered(50).delivered(306_000)
    for order in ("order-2", "order-3"):
        Payment(topics, order, at=310_000)
    clock.ms = T0 + 500_000
    async with browse() as browser:
        _, text, _ = await browser.get("/partners/acme")
        assert "2 notifications are overdue. This is ours." in text
        _, text, _ = await browser.get("/orders?state=overdue")
        assert sorted(listed(text)) == ["order-2", "order-3"]


async def test_what_a_group_never_took_is_not_late(topics, browse):
    """A group that began later (NOTIFIER_START_FROM) has settled what stood there before: nobody waits for it."""
    before = Payment(topics, "order-1")
    topics.settle(before.rests)
    Payment(topics, "order-2").delivered(100)
    async with browse() as browser:
        _, text, _ = await browser.get("/orders?state=overdue")
        assert listed(text) == []
        _, text, _ = await browser.get("/partners/acme")
        assert "overdue" not in text


@pytest.mark.usefixtures("four")
async def test_nothing_is_called_late_of_which_nothing_newer_is_known(browse, topics, clock):
    """A console that can't read Kafka does not see attempts: it judges as of when it last could."""
    async with browse() as browser:
        topics.fault = "the brokers are away"
        clock.ms = T0 + 3_000_000
        _, text, _ = await browser.get("/orders?state=overdue")
        assert listed(text) == ["late-3"]
        topics.fault = None
        await caught_up(browser.console)
        _, text, _ = await browser.get("/orders?state=overdue")
    assert listed(text) == ["waits-2", "late-3"]


async def test_a_list_has_pages(topics, browse):
    """Every order is on one page, in order; the filter goes along."""
    for number in range(120):
        Payment(topics, f"order-{number:03d}", at=number).delivered(number + 10)
    seen, path, links = [], "/orders?partner=acme", {}
    async with browse() as browser:
        for _ in range(3):
            _, text, _ = await browser.get(path)
            seen += listed(text)
            links = dict(re.findall(r'<a rel="(prev|next)" href="([^"]+)"', text))
            path = "/orders" + links.get("next", "").replace("&amp;", "&")
        assert "next" not in links
        assert "partner=acme" in links["prev"]
        _, text, _ = await browser.get("/orders?after=500")
        assert "No further orders." in text
        answer = json.loads((await browser.get("/api/orders?limit=2&after=1&partner=acme"))[1])
    assert seen == [f"order-{number:03d}" for number in reversed(range(120))]
    assert all(one > other for one, other in pairwise(seen))
    assert [order["order_id"] for order in answer["orders"]] == ["order-118", "order-117"]
    assert answer["more"]


@pytest.mark.usefixtures("four")
async def test_the_api_lists_as_the_page_does(browse):
    """By the same filters; a state that there is not is a wrong query."""
    async with browse() as browser:
        for query, orders in (
            ("state=overdue", ["late-3"]),
            (f"since_ms={T0 + 590_000}", ["waits-2"]),
            (f"until_ms={T0 + 1000}&text=told", ["told-1"]),
        ):
            answer = json.loads((await browser.get(f"/api/orders?{query}"))[1])
            assert [order["order_id"] for order in answer["orders"]] == orders
        assert (await browser.get("/api/orders?state=asleep"))[0] == 400


async def test_a_time_that_is_none_is_said(browse):
    """With what was expected; a month and a minute that there are not, too."""
    async with browse() as browser:
        for text in ("yesterday", "2026-13-01", "2026-11-22T24:61"):
            status, page, _ = await browser.get("/orders", params={"since": text})
            assert status == 400
            assert "expected a time like" in page


@pytest.mark.usefixtures("four")
async def test_a_mistyped_partner_is_asked_back(browse):
    """On its page and in the list of orders; where no name is near, nothing is guessed."""
    async with browse() as browser:
        status, text, _ = await browser.get("/partners/acne")
        assert status == 404
        assert 'Did you mean <a href="/partners/acme">acme</a>?' in text
        _, text, _ = await browser.get("/orders?partner=acne")
        assert "Partner acne is not known; did you mean" in text
        _, text, _ = await browser.get("/partners/zzzzzz")
        assert "Did you mean" not in text
        _, text, _ = await browser.get("/orders?partner=zzzzzz")
        assert "it was never called" in text
        for path in ("/api/partners/acne", "/api/orders/told-2"):
            status, text, _ = await browser.get(path)
            assert status == 404
            assert "did you mean" in text


async def test_a_mistyped_order_is_asked_back(topics, browse):
    """Whatever character is wrong, the nearest of those that begin alike come first."""
    for number in range(700):
        Payment(topics, f"2026112219074102{number:06d}")
    async with browse() as browser:
        for asked in ("2026112219074102000399x", "202611221907410200039", "2026112219074102000O99"):
            _, text, _ = await browser.get(f"/orders/{asked}")
            assert "Did you mean" in text
        _, text, _ = await browser.get("/orders/20261122190741020003999")
        assert 'href="/orders/2026112219074102000399"' in text
        _, text, _ = await browser.get("/orders/zz")
        assert "Did you mean" not in text


def test_only_a_name_that_is_near_is_meant():
    """A letter more or less or another one; the likeliest first."""
    known = ("acme", "acme-eu", "other")
    assert did_you_mean(nearest("acm", known)) == "; did you mean acme?"
    assert did_you_mean(nearest("zzz", known)) == ""
    assert nearest("acme-us", known, 2) == ("acme-eu", "acme")
