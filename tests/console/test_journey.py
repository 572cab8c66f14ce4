"""What an operator does at three in the morning, in a real Chromium, against a real installation."""

import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.console.conftest import PAGES, sign_in
from tests.support.notifier import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]


async def test_why_is_it_late_and_who_is_failing(stand, visit, shows):
    """From the sign-in page to the reason: search an order, read the verdict, go to the partner."""
    async with visit() as page:
        await shows(page, f"/orders/{stand.waiting}", "Attempt 4 of 15")
        await page.goto(stand.url)
        await page.get_by_label("Order, payment or event id").fill(stand.waiting)
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name=f"Order {stand.waiting}").wait_for()
        said = await page.locator(".verdict").inner_text()
        assert "Not acknowledged; down may have received it. down answered HTTP 503" in said
        assert "is due at" in said
        await page.locator(".verdict").get_by_role("link", name="down").click()
        await page.get_by_role("heading", name="Partner down").wait_for()
        assert "Failing since" in " ".join((await page.locator(".verdict").inner_text()).split())
        await page.get_by_role("link", name="Overview").click()
        await page.get_by_text("down does not answer. Nothing is overdue on our side.").wait_for()
        await page.get_by_text("every notification is accounted for").wait_for()


async def test_dead_letters_are_put_back_and_delivered(stand, visit, shows):
    """Choose a class, see what would happen, put it back, watch it being delivered; the form twice starts one run."""
    async with visit() as page:
        await shows(page, "/dead-letters?answer=F%3APROCESS_FAIL", "all 5 that match")
        await page.get_by_role("button", name="Check a replay of all 5 that match").click()
        await page.get_by_role("heading", name="Put back 5 dead letters?").wait_for()
        assert "Nothing has been sent." in await page.content()
        checked = await page.evaluate(
            "new URLSearchParams(new FormData(document.querySelector('form.ask'))).toString()"
        )
        await page.get_by_label("Why").fill("the partner mended it")
        await page.get_by_role("button", name="Put back 5 dead letters").click()
        await page.get_by_role("heading", name="Replay r-").wait_for()
        run = page.url
        await page.get_by_text("5 of 5 delivered.").wait_for(
            timeout=30_000
        )  # the page refreshes itself
        again = await page.evaluate(
            """async (form) => (await fetch('/replays', {method: 'POST', body: new URLSearchParams(form)})).url""",
            checked.replace("why=&", "why=once+more&"),
        )
        assert again == run
        for order in stand.refused:
            await shows(page, f"/orders/{order}", "Told.")
            assert len(stand.deployment.requests(order)) == 2
        assert "Put back by alice" in await page.content()
        await page.goto(stand.url + "/dead-letters")
        await page.get_by_text("No dead letters.").wait_for()
        records = [item for item in await stand.deployment.attempts() if item["kind"] == "replay"]
        assert {(item["by"], item["why"]) for item in records} == {
            ("alice", "the partner mended it")
        }
        assert len(records) == 5
        log = stand.console.log
        assert "replay-token" not in log


async def test_a_delivered_one_is_sent_again(stand, visit, shows):
    """From the order's page, with a reason; the partner gets the same body once more, and the page says who did it and why."""
    async with visit() as page:
        await shows(page, f"/orders/{stand.told}", "Told.")
        before = len(stand.deployment.requests(stand.told))
        await page.get_by_role("button", name="Check a resend").click()
        await page.get_by_role("heading", name=f"Send order {stand.told} again?").wait_for()
        assert "Nothing has been sent." in await page.content()
        await page.get_by_label("Why").fill("they lost their database")
        await page.get_by_role("button", name="Send it again").click()
        await page.get_by_text("1 of 1 delivered.").wait_for(timeout=30_000)
        requests = stand.deployment.requests(stand.told)
        assert len(requests) == before + 1
        assert len({request.body for request in requests}) == 1
        await shows(page, f"/orders/{stand.told}", "they lost their database")
        assert "alice" in await page.locator(".timeline").inner_text()


async def test_the_keyboard_is_enough(stand, visit):
    """Sign in, skip to the page, walk the pages and search, without a mouse."""
    async with visit(None) as page:
        await page.goto(stand.url + "/tiers")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the page"
        await page.get_by_label("Access token").focus()
        await page.keyboard.type("read-token")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Tiers").wait_for()
        names = []
        for _ in range(12):
            await page.keyboard.press("Tab")
            names.append(
                await page.evaluate(
                    "document.activeElement.textContent.trim() || document.activeElement.id"
                )
            )
            style = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", names
        assert names[:9] == [
            "Skip to the page",
            "notifier",
            "Overview",
            "Orders",
            "Tiers",
            "Partners",
            "Dead letters",
            "Replays",
            "About",
        ]
        await page.get_by_label("Order, payment or event id").focus()
        await page.keyboard.type(stand.told)
        await page.keyboard.press("Enter")
        await page.get_by_text("Told.").wait_for()


async def test_it_works_without_a_script(stand, visit):
    """Every page, the filters, the search and the check are links and forms."""
    async with visit(java_script_enabled=False) as page:
        for path in PAGES:
            answer = await page.goto(stand.url + path)
            assert answer.status == 200, path
        assert await page.locator("#pause").count() == 1
        assert not await page.locator("#pause").is_visible()
        await page.goto(stand.url + "/partners")
        await page.get_by_label("State").select_option("failing")
        await page.get_by_role("button", name="Apply").click()
        assert page.url.endswith("state=failing")
        await page.get_by_role("link", name="down", exact=True).wait_for()
        await page.get_by_label("Order, payment or event id").fill(stand.told)
        await page.get_by_role("button", name="Find").click()
        await page.get_by_text("Told.").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Sign in").wait_for()


async def test_pages_stay_live_until_they_are_paused(stand, visit):
    """The page fetches itself every five seconds; Pause stops that, and so does focus inside what changes."""
    async with visit() as page:
        await page.clock.install()
        await page.goto(stand.url + "/partners")
        async with page.expect_response("**/partners"):
            await page.clock.run_for(5100)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        await page.locator("#live").get_by_role("link", name="down", exact=True).focus()
        await page.clock.run_for(60_000)
        await page.get_by_role("button", name="Pause updates").click()
        assert await page.locator("#pause").get_attribute("aria-pressed") == "true"
        await page.clock.run_for(60_000)
        assert asked == []
        async with page.expect_response("**/partners"):
            await page.get_by_role("button", name="Updates are paused").click()


async def test_a_console_that_goes_away_says_so(stand, visit):
    """What is shown is then old, and the page says it, twice unanswered."""
    async with visit(expected=("ERR_FAILED", "Failed to load")) as page:
        await page.goto(stand.url + "/tiers")
        await page.route("**/tiers", lambda route: route.abort())
        await page.get_by_text("Not live any more").wait_for(timeout=20_000)


async def test_who_may_only_read_sees_why(visit, shows):
    """The buttons are off and say why; the server refuses as well."""
    async with visit("reader", expected=("403",)) as page:
        await shows(page, "/dead-letters?all=1", "rejected")
        button = page.get_by_role("button", name="Check a replay of those selected")
        assert await button.is_disabled()
        await page.get_by_text("Your token may read but not replay.").wait_for()
        status = await page.evaluate(
            "fetch('/replays', {method: 'POST', body: new URLSearchParams()}).then(a => a.status)"
        )
        assert status == 403


async def test_another_site_can_send_no_form(stand, chromium):
    """A page elsewhere that posts to the console with the operator's cookie is refused, and nothing is put back."""

    async def trap(_request):
        text = f'<form method="post" action="{stand.url}/logout"><button>win</button></form>'
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", trap)
    context = await chromium.new_context()
    async with TestServer(app) as server:
        page = await context.new_page()
        await sign_in(page, stand, "alice")
        await page.goto(str(server.make_url("/")))
        async with page.expect_response("**/logout") as waiting:
            await page.get_by_role("button", name="win").click()
        assert (await waiting.value).status == 403
        answer = await page.goto(stand.url + "/tiers")
        assert answer.url.endswith("/tiers")
        await context.close()


async def test_it_does_not_start_without_tokens(stand):
    """There is no console that anybody may enter; the fault says how to make a token."""
    with WorkerProcess(stand.deployment.settings(console_tokens_file=None), "console") as refused:
        assert await refused.ended() == 1
    assert "NOTIFIER_CONSOLE_TOKENS_FILE: not set" in refused.log
    assert "notifier console token NAME" in refused.log


async def test_it_stops_within_its_grace(stand, chromium):
    """SIGTERM ends the console although a browser still holds a connection."""
    settings = stand.deployment.settings(console_tokens_file=stand.tokens)
    with WorkerProcess(settings, "console") as own:
        await own.ready()
        page = await chromium.new_page()
        await page.goto(own.url + "/login")
        assert await own.stop(30) == 0  # aiohttp itself would wait for a minute


async def test_times_have_the_readers_own_beside_utc(stand, visit):
    """In brackets, eight hours on in Shanghai, also after a refresh; who lives by UTC sees no brackets."""
    async with visit(timezone_id="Asia/Shanghai") as page:
        await page.clock.install()
        await page.goto(f"{stand.url}/orders")
        await page.get_by_text("Times in brackets: Asia/Shanghai").wait_for()

        async def hours():
            said = await page.locator("tbody time:has(.local)").first.inner_text()
            utc, own = re.findall(r"(\d\d):\d\d:\d\d", said)
            return (int(own) - int(utc)) % 24

        assert await hours() == 8
        async with page.expect_response("**/orders"):
            await page.clock.run_for(5100)
        assert await hours() == 8
    async with visit() as page:
        await page.goto(f"{stand.url}/orders")
        assert await page.locator(".local").count() == 0
        assert not await page.locator("#zone").is_visible()
