"""A worker, a partner, a broker and the console as processes, and a real Chromium before them."""

import asyncio
import os
import shutil
from contextlib import asynccontextmanager
from hashlib import sha256
from types import SimpleNamespace

import pytest

from streams.sandbox.payments import order_id, payment_event
from tests.support.notifier import WorkerProcess
from tests.support.waiting import eventually

PROFILE = "mpp-to-alipay-plus"
TOKENS = {"alice": ("replay-token", "replay"), "reader": ("read-token", "read")}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--disable-quic",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever a page asks of others fails
]

PAGES = [
    "/",
    "/orders",
    "/tiers",
    "/tiers/30s",
    "/partners",
    "/partners/down",
    "/dead-letters",
    "/replays",
    "/about",
    "/api",
]
"""Every page that needs no id."""


def find_chromium():
    """Return the machine's own Chromium, or None."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def stand(make_deployment, tmp_path_factory):
    """An installation with some payments behind it: delivered, waiting for a failing partner, refused."""
    directory = tmp_path_factory.mktemp("console")
    with asyncio.Runner() as runner:
        made = make_deployment(settings={"console_port": 0, "console_bind": "127.0.0.1"})
        deployment = runner.run(made.__aenter__())
        try:
            yield runner.run(_stand(deployment, directory))
        finally:
            runner.run(made.__aexit__(None, None, None))


async def _stand(deployment, directory):
    deployment.add_partner("down", PROFILE, "http:503")
    worker = await deployment.ready_worker()

    def payment(partner=None, script=""):
        event = payment_event(PROFILE, rng=deployment.rng)
        if partner:
            event["partnerId"] = partner
        if script:
            event["notifyUrl"] = deployment.partner.notify_url(PROFILE, script)
        return event

    told = [payment() for _ in range(3)]
    waiting = [payment("down") for _ in range(4)]
    refused = [payment(script="F:PROCESS_FAIL,S") for _ in range(5)]
    await deployment.send([*told, *waiting, *refused])
    await deployment.dead_letters(5)
    tokens = directory / "tokens.yaml"
    lines = [
        f"  {name}: {{sha256: {sha256(token.encode()).hexdigest()}, right: {right}}}"
        for name, (token, right) in TOKENS.items()
    ]
    tokens.write_text("\n".join(["tokens:", *lines, ""]))
    console = WorkerProcess(deployment.settings(console_tokens_file=tokens), "console")
    deployment._workers.append(console)
    await console.ready()
    return SimpleNamespace(
        deployment=deployment,
        worker=worker,
        console=console,
        tokens=tokens,
        url=console.url,
        told=order_id(told[0]),
        waiting=order_id(waiting[0]),
        refused=[order_id(event) for event in refused],
    )


@pytest.fixture
async def chromium():
    """The browser; a machine without one is told how to get it, and the test is left out."""
    path = find_chromium()
    if path is None:
        pytest.skip(
            "no Chromium: install one (Debian: apt-get install chromium) or name it in CHROMIUM"
        )
    # A second to import, which only the process that runs these tests needs to spend.
    from playwright.async_api import async_playwright  # noqa: PLC0415

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def visit(chromium, stand):
    """Open a page of the console as somebody; whatever the browser complains about fails the test."""

    @asynccontextmanager
    async def make(name="alice", *, expected=(), **options):
        context = await chromium.new_context(
            **(
                {
                    "viewport": {"width": 1280, "height": 900},
                    "timezone_id": "UTC",
                    "reduced_motion": "reduce",
                }
                | options
            )
        )
        page = await context.new_page()
        complaints, outside = [], []
        page.on(
            "console", lambda said: complaints.append(said.text) if said.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(stand.url) else outside.append(asked.url),
        )
        if name is not None:
            await sign_in(page, stand, name)
        try:
            yield page
        except BaseException as error:
            seen = [page.url, await page.locator("body").inner_text(), *complaints]
            error.add_note("\n".join(seen)[-4000:] + "\n" + stand.console.log[-3000:])
            raise
        assert outside == []
        assert [said for said in complaints if not any(part in said for part in expected)] == []
        await context.close()

    return make


async def sign_in(page, stand, name):
    """Sign in by the form, and wait for the page behind it."""
    await page.goto(stand.url + "/login")
    await page.get_by_label("Access token").fill(TOKENS[name][0])
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Overview").wait_for()


@pytest.fixture
def shows(stand):
    """Load a page again and again until it shows a text: Kafka takes a moment."""

    async def wait(page, path, text):
        async def look():
            await page.goto(stand.url + path)
            return text in await page.content()

        await eventually(look, what=f"{text!r} on {path}", every_seconds=0.2)

    return wait
