"""Who may come in and do what: tokens, sessions, forms of other sites, headers."""

import asyncio
import re
import socket
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from yarl import URL

from streams.operator.console.app import Console
from streams.operator.console.protection import HEADERS, Protection, safe_path
from streams.operator.console.render import visible
from streams.operator.console.sessions import LIFE_SECONDS
from streams.operator.console.store import ReadModelStore
from streams.operator.console.tokens import (
    AccessTokens,
    TokenRight,
    entry_of,
)
from streams.telemetry.server_header import hide_versions
from tests.support.history import NAMES
from tests.support.topics import Payment
from tests.unit.console.conftest import TOKENS

pytestmark = pytest.mark.usefixtures("one_dead_letter")

PAGES = [
    "/",
    "/orders?q=x",
    "/orders/order-1",
    "/tiers",
    "/tiers/5m",
    "/partners",
    "/partners/acme",
]
PAGES += ["/dead-letters", f"/dead-letters/{NAMES.dead_letter}:0:0", "/replays", "/about", "/api"]
CHANGES = ["/dead-letters/check", "/replays", "/replays/r-1/stop"]
DATA = ["/api/overview", "/api/orders/order-1", "/api/tiers", "/api/tiers/5m", "/api/partners"]
DATA += ["/api/partners/acme", "/api/dead-letters", f"/api/dead-letters/{NAMES.dead_letter}:0:0"]
DATA += ["/api/replays", "/api/about", "/api/openapi.json"]


async def test_a_stranger_sees_nothing(browse):
    """Without a token every page leads to the sign-in page and back, data is 401; probes and metrics are open."""
    async with browse(name=None) as browser:
        for path in PAGES:
            status, text, headers = await browser.get(path)
            assert status == 303
            assert headers["Location"].startswith("/login?next=")
            assert "order-1" not in text
        for path in DATA:
            status, text, headers = await browser.get(path)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        for path in CHANGES:
            assert (await browser.post(path))[0] == 303
        for path in ("/login", "/metrics", "/health/live", "/health/ready"):
            assert (await browser.get(path))[0] == 200


@pytest.mark.parametrize("name", ["reader", "alice"])
async def test_who_reads_sees_all(browse, name):
    """Both rights see every page and all data."""
    async with browse(name=name) as browser:
        for path in PAGES + DATA:
            status, text, _ = await browser.get(path)
            assert status in {200, 303}, (path, text)


async def test_who_only_reads_changes_nothing(topics, browse):
    """Every change is refused with the missing right named, and the buttons are off."""
    before = {tag: len(there) for tag, there in topics.records.items()}
    async with browse(name="reader") as browser:
        for path in CHANGES:
            status, text, _ = await browser.post(path, {"letter": f"{NAMES.dead_letter}:0:0"})
            assert status == 403
            assert "reader may read but not replay" in text
        _, text, _ = await browser.get("/dead-letters")
        assert text.count("disabled aria-describedby") == 2
    assert {tag: len(there) for tag, there in topics.records.items()} == before


@pytest.mark.parametrize("path", [*CHANGES, "/login", "/logout"])
async def test_forms_of_other_sites_are_refused(browse, path):
    """Sec-Fetch-Site decides; without it Origin must be ours; without both nothing is done."""
    async with browse() as browser:
        own = browser.url
        for site in ("cross-site", "same-site", "none"):
            assert (await browser.post(path, site=site))[0] == 403
        assert (await browser.post(path, site=None))[0] == 403
        for origin in ("null", "https://evil.example", "http://127.0.0.1:1"):
            assert (await browser.post(path, site=None, Origin=origin))[0] == 403
        assert (await browser.post(path, site="cross-site", Origin=own))[0] == 403
        assert (await browser.post(path, site=None, Origin=own))[0] != 403 or path == "/login"


async def test_getting_changes_nothing(topics, browse):
    """Following every link of every page with the right to replay writes no record."""
    before = {tag: len(there) for tag, there in topics.records.items()}
    seen: set[str] = set()
    todo = ["/"]
    async with browse() as browser:
        while todo:
            path = todo.pop()
            if path in seen or len(seen) > 200:
                continue
            seen.add(path)
            _, text, _ = await browser.get(path, allow_redirects=True)
            todo += [link.replace("&amp;", "&") for link in re.findall(r'href="(/[^"]*)"', text)]
    assert len(seen) >= 20
    assert {tag: len(there) for tag, there in topics.records.items()} == before


async def test_every_answer_has_the_headers(browse):
    """Pages, errors, data and redirects: no inline script, no frames, no cache, no referrer to others."""
    async with browse() as browser:
        for path in [
            "/",
            "/orders/none",
            "/nowhere",
            "/api/about",
            "/api/orders/none",
            "/login",
            "/orders?q=x",
        ]:
            _, _, headers = await browser.get(path)
            for name, value in HEADERS.items():
                assert headers[name] == value, path
            assert "Strict-Transport-Security" not in headers
        policy = HEADERS["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


async def test_static_files_may_be_kept(browse):
    """Their addresses change with their content, so browsers keep them; nothing else is there."""
    async with browse() as browser:
        _, text, _ = await browser.get("/")
        found = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)
        assert len(found) == 3
        for path in found:
            status, _, headers = await browser.get(path)
            assert status == 200
            assert "immutable" in headers["Cache-Control"]
        assert (await browser.get("/static/x/app.py"))[0] == 404
        assert (await browser.get("/static/x/..%2Fapp.py"))[0] == 404


async def test_the_cookie_is_guarded(browse):
    """HttpOnly and Lax always; over https Secure, with the prefix that binds it to the host, and HSTS."""
    async with browse(name=None) as browser:
        _, _, headers = await browser.post("/login", {"token": TOKENS["alice"]})
        cookie = headers["Set-Cookie"]
        assert cookie.startswith("console=")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
    async with browse(name=None, console_url="https://notifier.example.com") as browser:
        _, _, headers = await browser.post("/login", {"token": TOKENS["alice"]})
        assert headers["Set-Cookie"].startswith("__Host-console=")
        assert "Secure" in headers["Set-Cookie"]
        assert "Strict-Transport-Security" in headers


async def test_a_wrong_token_is_refused_and_counted(browse):
    """The answer says so, no cookie is given, a metric counts it."""
    async with browse(name=None) as browser:
        for token in ("", "x", TOKENS["alice"][:-1], "\x00"):
            status, text, headers = await browser.post("/login", {"token": token})
            assert status == 403
            assert "That token is not known here." in text
            assert "Set-Cookie" not in headers
        _, text, _ = await browser.get("/metrics")
        assert "notifier_console_refused_sign_ins_total 4.0" in text


async def test_a_session_ends(browse, clock):
    """By signing out, after eight hours, and when the token is taken out of the file."""
    async with browse() as browser:
        assert (await browser.get("/"))[0] == 200
        clock.ms += LIFE_SECONDS * 1000
        assert (await browser.get("/"))[0] == 303
        await browser.sign_in()
        assert (await browser.post("/logout"))[0] == 303
        assert (await browser.get("/"))[0] == 303
        await browser.sign_in()
        path = browser.console.settings.console_tokens_file
        path.write_text(f"tokens:\n{entry_of('other', 'x', TokenRight.READ)}\n")
        assert (await browser.get("/"))[0] == 303


async def test_a_bearer_token_opens_the_data(browse):
    """For programs: the same tokens, no cookie, no form."""
    async with browse(name=None) as browser:
        for token, expected in ((TOKENS["reader"], 200), ("wrong", 401)):
            more = {"headers": {"Authorization": f"Bearer {token}"}}
            assert (await browser.get("/api/about", **more))[0] == expected
        more = {"headers": {"Authorization": f"Bearer {TOKENS['alice']}"}}
        assert (await browser.get("/", **more))[0] == 303


async def answer_to(browser, request, *headers):
    """Return the status of the answer to headers as they are given, which a client of HTTP would not send."""
    address = urlsplit(browser.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = [request + b" HTTP/1.1", *headers, b"Connection: close", b"", b""]
    writer.write(b"\r\n".join(lines))
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1])


async def test_a_bearer_token_of_any_bytes_is_a_wrong_one(browse, monkeypatch):
    """Bytes that are no UTF-8 are 401 and slowed down, like any other wrong token; they were HTTP 500 and a traceback."""
    slowed = []

    async def slow_down(_):
        slowed.append(1)

    monkeypatch.setattr(Protection, "slow_down", slow_down)
    async with browse(name=None) as browser:
        for token in (b"\xff\xfe", b"caf\xe9", "\u652f".encode()):
            bearer = b"Authorization: Bearer " + token
            assert await answer_to(browser, b"GET /api/about", b"Host: a", bearer) == 401
    assert len(slowed) == 3


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        (b"GET /login", b"Host: \xff[", 200),
        (b"GET /login", b"Host: [", 200),
        (b"POST /login", b"Origin: http://[", 403),
        (b"POST /login", b"Origin: \xff", 403),
        (b"GET /", b"Cookie: console=\xff", 303),
        (b"GET /%ff?x=%ff", b"Accept: \xff", 303),
        (b"GET /login?next=%ff", b"Accept: \xff", 200),
    ],
)
async def test_odd_headers_are_no_fault_of_the_console(browse, request_line, header, status):
    """Anybody can send them: they get the answer that a stranger gets, and the log gets no traceback."""
    async with browse(name=None) as browser:
        host = () if header.startswith(b"Host") else (b"Host: a",)
        length = (b"Content-Length: 0",) if request_line.startswith(b"POST") else ()
        assert await answer_to(browser, request_line, *host, header, *length) == status


@pytest.mark.parametrize(
    "path",
    [
        "/orders/%ff",
        "/orders?q=%ff",
        "/orders?partner=%ff&state=%ff&after=%ff",
        "/partners/%ff",
        "/tiers/%ff",
        "/dead-letters?partner=%ff&reason=%ff&after=%ff",
        "/dead-letters/%ff:0:0",
        "/replays/%ff",
        "/%ff",
        "/static/%ff",
        "/api/orders/%ff",
        "/api/orders/%ff/facts",
        "/api/dead-letters?partner=%ff",
        "/api/dead-letters/%ff:0:0",
        "/api/partners/%ff",
        "/api/tiers/%ff",
    ],
)
async def test_odd_paths_are_no_fault_of_the_console(browse, path):
    """Bytes that are no UTF-8 name nothing that is known."""
    async with browse() as browser:
        cookie = "; ".join(f"{c.key}={c.value}" for c in browser.session.cookie_jar).encode()
        status = await answer_to(browser, b"GET " + path.encode(), b"Host: a", b"Cookie: " + cookie)
        assert status in {200, 303, 400, 404}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/orders/1?x=2", "/orders/1?x=2"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_to_this_console_only(given, expected):
    """Whatever a link to the sign-in page asks for."""
    assert safe_path(given) == expected


async def test_no_answer_names_a_version(browse):
    """Neither a page nor what the server says of bytes that are no HTTP."""
    hide_versions()
    async with browse() as browser:
        for path in ("/", "/nowhere", "/health/live", "/metrics", "/api/about"):
            _, _, headers = await browser.get(path)
            assert headers["Server"] == "notifier"
        address = urlsplit(browser.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"nonsense\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.0 400")
        assert b"Server: notifier\r\n" in answer
        assert b"ython" not in answer


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../etc", "a\\b", "a?b#c", "%2e%2e", "a b"])
async def test_links_of_odd_names_stay_within_the_console(browse, topics, name):
    """An id of others can't lead a browser to another page: each link leads to the page about it."""
    Payment(topics, name, partner=name).unanswered(50, wait="1s")
    async with browse() as browser:
        _, text, _ = await browser.get("/orders", params={"q": name}, allow_redirects=True)
        assert "partner has not acknowledged" in text or "not" in text
        links = set(re.findall(r'href="(/(?:orders|partners)[/?][^"]*)"', text))
        assert links
        for link in links:
            # What a browser makes of the address: WHATWG's rules fold dots, encoded ones too.
            folded = URL(browser.url).join(URL(link.replace("%2e", ".").replace("&amp;", "&")))
            assert folded.path.startswith(("/orders", "/partners"))
            status, page, _ = await browser.get(link.replace("&amp;", "&"))
            assert status == 200
            assert str(visible(name)) in page


async def test_metrics_have_a_port_of_their_own_where_one_is_set(topics, settings, clock):
    """What leads browsers to the console does not lead to its metrics."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    changed = settings.model_copy(update={"console_port": 0, "console_metrics_port": port})
    console = Console(changed, AccessTokens(changed.console_tokens_file), clock, lambda: topics)
    await console.start()
    try:
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                assert "notifier_console_tokens_valid 1.0" in await answer.text()
            async with session.get(f"http://127.0.0.1:{port}/") as answer:
                assert answer.status == 404
            about = f"http://127.0.0.1:{console.port}"
            async with session.get(f"{about}/metrics", allow_redirects=False) as answer:
                assert answer.status in {303, 404}
            async with session.get(f"{about}/health/live") as answer:
                assert answer.status == 200
    finally:
        await console.stop()


def test_the_read_model_is_its_owners(tmp_path):
    """Order ids and partners are for nobody else on the machine, in SQLite's other files neither, nor in a file of before."""
    path = tmp_path / "console.sqlite"
    for _ in range(2):
        path.touch(0o644)
        path.chmod(0o644)
        store = ReadModelStore(path, "brokers prefix topics")
        store.put([], {})
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        store.close()
        assert set(modes.values()) == {0o600}
        assert len(modes) == 3
    again = ReadModelStore(path, "brokers prefix topics")
    again.close()
    assert again.anew is None
