"""Forms as they come over the wire: encodings, sizes, browsers that hang up."""

import asyncio
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession

from streams.operator.console.app import Console
from streams.operator.console.protection import HEADERS
from streams.operator.console.tokens import (
    AccessTokens,
)

pytestmark = pytest.mark.usefixtures("one_dead_letter")

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", ["/login", "/dead-letters/check", "/replays"])
@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        (f"{FORM}; charset=punycode", None),
        (f"{FORM}; charset=utf-16", None),
        (f"{FORM}; charset=idna", None),
        (f"{FORM}; charset=nonsense", None),
        ("multipart/form-data; boundary=x", None),
        ("text/plain", None),
        ("application/json", None),
        (FORM, "gzip"),
        (FORM, "deflate"),
    ],
)
async def test_a_form_is_urlencoded_utf_8(browse, path, kind, encoding):
    """Anything else is refused before any of it is decoded or unpacked, with all headers."""
    async with browse() as browser:
        more = {"Content-Type": kind} | ({"Content-Encoding": encoding} if encoding else {})
        status, text, headers = await browser.post(path, b"token=x", **more)
        assert status == 415
        assert "Nothing was changed." in text
        assert HEADERS.items() <= dict(headers).items()


@pytest.mark.parametrize(
    ("path", "most"), [("/login", 4096), ("/replays", 16_384), ("/dead-letters/check", 2_097_152)]
)
async def test_a_form_has_a_greatest_size(browse, path, most):
    """With and without a length said ahead; a stranger can send 4 KiB."""
    async with browse() as browser:

        async def drip():
            for _ in range(most // 4096 + 1):
                yield b"a" * 4096

        for body in (BytesIO(b"a=" + b"x" * (most - 1)), drip()):
            status, _, headers = await browser.post(path, body, **{"Content-Type": FORM})
            assert status == 413
            assert HEADERS.items() <= dict(headers).items()
        fits = BytesIO(b"a=" + b"x" * (most - 2))
        status, _, _ = await browser.post(path, fits, **{"Content-Type": FORM})
        assert status in {200, 400, 403, 409}


async def test_a_form_that_says_it_is_too_large_is_refused_before_it_comes(browse):
    """Nobody waits for the rest of it."""
    async with browse(name=None) as browser:
        address = urlsplit(browser.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"POST /login HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nContent-Type: {FORM}"
        writer.write(f"{head}\r\nContent-Length: 4097\r\n\r\n".encode())
        async with asyncio.timeout(20):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()


@pytest.mark.parametrize(
    "body",
    [b"token=\xff", b"token=%ff", b"token", b"&".join([b"a=1"] * 33), b"token=%ed%a0%80"],
)
async def test_a_form_that_cannot_be_read_is_400(browse, body):
    """With all headers and a page, and the console goes on."""
    async with browse(name=None) as browser:
        status, text, headers = await browser.post("/login", body, **{"Content-Type": FORM})
        assert status == 400
        assert "can&#39;t be read" in text
        assert HEADERS.items() <= dict(headers).items()
        assert (await browser.get("/login"))[0] == 200


async def test_a_browser_that_hangs_up_within_a_form_is_no_fault_of_the_console(
    topics, settings, clock, caplog
):
    """Otherwise a stranger could fill the log with tracebacks. As it is served: aiohttp's test server cancels handlers."""
    changed = settings.model_copy(update={"console_port": 0, "console_bind": "127.0.0.1"})
    console = Console(changed, AccessTokens(changed.console_tokens_file), clock, lambda: topics)
    await console.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", console.port)
        head = f"POST /login HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nContent-Type: {FORM}"
        writer.write(f"{head}\r\nContent-Length: 100\r\n\r\ntoken=".encode())
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{console.port}/login") as answer:
                assert answer.status == 200
            writer.write_eof()
            assert not await reader.read()  # the server is through with it
            async with session.get(f"http://127.0.0.1:{console.port}/login") as answer:
                assert answer.status == 200
        writer.close()
    finally:
        await console.stop()
    assert not caplog.records
