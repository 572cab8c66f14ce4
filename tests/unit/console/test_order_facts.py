"""`notifier why` asks a running console: the same answer as from Kafka, or a reason to read Kafka."""

import asyncio

import pytest
import typer

from streams.commands.ask_console import CannotAsk, ConsoleAddress, ask_console
from streams.commands.why import _ask
from streams.history.life import lives_of
from tests.support.topics import Payment


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
        (life,) = lives_of(found.facts)
        assert (life.order_id, life.standing) == ("told", "delivered")
        assert lives_of(browser.console.scene.store.facts_of("told")) == (life,)
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


@pytest.mark.parametrize("url", ["file:///etc/passwd", "notifier.example.com", "https://"])
def test_an_address_is_http(url, tmp_path):
    """Anything else is wrong use, and so is a token that can't be read."""
    token = tmp_path / "token"
    token.write_text("read-token\n")
    with pytest.raises(typer.BadParameter, match="--console: expected an address"):
        _ask(url, token, "told")
    for file in (None, tmp_path / "missing", tmp_path):
        with pytest.raises(typer.BadParameter, match="--token-file"):
            _ask("https://notifier.example.com", file, "told")
    token.write_text("two\nlines")
    with pytest.raises(typer.BadParameter, match="--token-file"):
        _ask("https://notifier.example.com", token, "told")
