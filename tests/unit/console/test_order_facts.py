"""`notifier why` asks a running console: the same answer as from Kafka, or a reason to read Kafka."""

import asyncio

import pytest
import typer
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.kafka.format.raw import RecordId
from streams.operator.commands.ask_console import CannotAsk, ConsoleAddress, ask_console
from streams.operator.commands.why import _address
from streams.operator.history.notification_history import histories_of
from tests.support.history import NAMES
from tests.support.topics import Payment
from tests.support.waiting import eventually


def address(browser, token="read-token"):  # noqa: S107  # a test's
    return ConsoleAddress(browser.url, token)


async def ask(browser, order_id, **more):
    return await asyncio.to_thread(ask_console, address(browser, **more), order_id)


async def test_the_console_gives_every_fact_of_an_order(browse, topics):
    """What it says of the order is what its own read model says."""
    Payment(topics, "told").delivered(100)
    Payment(topics, "other").unanswered(100)
    async with browse(name=None) as browser:
        found = await ask(browser, "told")
        (history,) = histories_of(found.facts)
        assert (history.order_id, history.status) == ("told", "delivered")
        assert histories_of(browser.console.read_model.store.facts_of("told")) == (history,)
        assert found.oldest_ms is not None


async def test_what_the_console_cannot_say_is_a_reason_to_read_kafka(browse, topics):
    """An unknown order, a wrong token, nobody there; the reason is said and no exception escapes."""
    Payment(topics, "told").delivered(100)
    async with browse(name=None) as browser:
        with pytest.raises(CannotAsk, match="knows nothing of the order"):
            await ask(browser, "a/b?c")
        with pytest.raises(CannotAsk, match="does not know the token"):
            await ask(browser, "told", token="wrong")  # noqa: S106  # a test's
    with pytest.raises(CannotAsk, match="can't be reached"):
        await asyncio.to_thread(ask_console, ConsoleAddress("http://127.0.0.1:1", "t"), "told")


async def test_a_console_that_stands_still_cannot_say(browse, topics, clock):
    """What it last knew may have changed since: told where it has no fault of its own, and where a partition stands."""
    Payment(topics, "told").unanswered(100)
    async with browse(name=None) as browser:
        ingest = browser.console.read_model.ingest
        assert (await ask(browser, "told")).facts
        topics.standing[NAMES.attempts, 0] = "pn-attempts:0:9 can't be read"
        Payment(topics, "later").delivered(200)

        async def stands():
            return ingest.freshness.fault

        await eventually(stands, what="the reason")
        with pytest.raises(CannotAsk, match="has not read everything"):
            await ask(browser, "told")
        topics.standing.clear()

        async def goes_on():
            return not ingest.freshness.fault and not ingest.freshness.behind

        await eventually(goes_on, what="the end of it")
        assert (await ask(browser, "told")).facts
        browser.console.read_model.store.leave_out([RecordId(NAMES.attempts, 0, 1)])
        with pytest.raises(CannotAsk, match="what it can't read"):
            await ask(browser, "told")
        browser.console.read_model.store.forget({(NAMES.attempts, 0): 2})
        topics.hang = True
        await topics.hangs.wait()
        clock.ms += 40_000
        with pytest.raises(CannotAsk, match="behind Kafka"):
            await ask(browser, "told")


async def test_a_port_that_speaks_no_http_is_a_reason_to_read_kafka():
    """Whatever it says instead."""

    async def answer(_, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        there = ConsoleAddress(f"http://127.0.0.1:{port}", "t")
        with pytest.raises(CannotAsk, match="can't be reached: SSH"):
            await asyncio.to_thread(ask_console, there, "told")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "notifier.example.com",
        "https://",
        "https://a b",
        "https://a/b c",
        "https://a/console",
        "https://a//",
        "https://a?",
        "https://a#",
        "https://a\tb",
        "https://a\n",
    ],
)
def test_an_address_is_http(url, tmp_path):
    """Anything else is wrong use, and so is a token that can't be read."""
    token = tmp_path / "token"
    token.write_text("read-token\n")
    with pytest.raises(typer.BadParameter, match="--console: expected an address"):
        _address(url, token, allow_http=False)
    for file in (None, tmp_path / "missing", tmp_path):
        with pytest.raises(typer.BadParameter, match="--token-file"):
            _address("https://notifier.example.com", file, allow_http=False)
    token.write_text("two\nlines")
    with pytest.raises(typer.BadParameter, match="--token-file"):
        _address("https://notifier.example.com", token, allow_http=False)


def test_a_token_crosses_no_network_in_the_clear(tmp_path):
    """Plain http is for this machine, or for whoever says that the way is safe."""
    token = tmp_path / "token"
    token.write_text("read-token")
    for url in ("http://127.0.0.1:6067", "http://[::1]:6067", "http://localhost:6067"):
        assert _address(url, token, allow_http=False).url == url
    for url in (
        "http://notifier.example.com",
        "http://10.0.0.7:6067",
        "http://localhost.evil.example",
    ):
        with pytest.raises(typer.BadParameter, match="--allow-http"):
            _address(url, token, allow_http=False)
        assert _address(url, token, allow_http=True).url == url


async def test_no_proxy_of_the_environment_sees_the_token(browse, topics, monkeypatch):
    """A console on this machine is asked directly, whatever HTTP_PROXY says."""
    Payment(topics, "told").delivered(100)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with browse(name=None) as browser:
        assert (await ask(browser, "told")).facts


async def test_a_redirect_takes_the_token_nowhere():
    """The token is for the address that was named: who answers there sends it to nobody else."""
    asked = []

    async def elsewhere(request):
        asked.append(request.headers.get("Authorization"))
        return web.Response(text="{}")

    async with TestServer(_answering(elsewhere)) as other:

        async def redirect(_request):
            raise web.HTTPFound(str(other.make_url("/api/orders/told/facts")))

        async with TestServer(_answering(redirect)) as first:
            there = ConsoleAddress(str(first.make_url("")).rstrip("/"), "read-token")
            with pytest.raises(CannotAsk, match="it answered HTTP 302"):
                await asyncio.to_thread(ask_console, there, "told")
    assert asked == []


def _answering(handler):
    application = web.Application()
    application.router.add_get("/{path:.*}", handler)
    return application
