"""Who may come in and do what: tokens, sessions, forms of other sites, headers."""

import asyncio
import re
import socket
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from yarl import URL

from streams.operator.console.app import Console
from streams.operator.console.protection import HEADERS, safe_path
from streams.operator.console.render import visible
from streams.operator.console.sessions import LIFE_SECONDS
from streams.operator.console.store import ReadModelStore
from streams.operator.console.tokens import (
    AccessTokens,
    TokenRight,
    TokensError,
    entry_of,
    new_token,
)
from streams.telemetry.server_header import hide_versions
from tests.support.history import NAMES
from tests.support.topics import Payment
from tests.unit.console.conftest import TOKENS

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


@pytest.fixture(autouse=True)
def something(topics):
    """One dead letter, so that every page has something."""
    Payment(topics, "order-1").unanswered(50, wait="1s").refused(6000)


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


def test_a_tokens_file_says_what_is_wrong(tmp_path):
    """Missing, no YAML, no digest, an unknown right, a name twice: each with what is expected, no value quoted."""
    path = tmp_path / "tokens.yaml"
    with pytest.raises(TokensError, match="No such file"):
        AccessTokens(path)
    entry = entry_of("alice", "SECRET", TokenRight.READ)
    for text, what in (
        ("a: [", "invalid YAML"),
        ("tokens: {a: {sha256: SECRET, right: read}}", "tokens.a.sha256"),
        (f"tokens: {{a: {{sha256: {'0' * 64}, right: all}}}}", "tokens.a.right"),
        ("tokens: {a: SECRET}", "tokens.a.sha256"),
        ("tokens: SECRET", "tokens: expected"),
        ("tokens: {'a b': {}}", "tokens: has a name"),
        ("[]", "the file: expected"),
        ("others: {}", "the file: has a member"),
        (f"tokens:\n{entry}\n{entry}\n", "tokens.alice: stands more than once"),
    ):
        path.write_text(text)
        with pytest.raises(TokensError) as caught:
            AccessTokens(path)
        assert "NOTIFIER_CONSOLE_TOKENS_FILE" in str(caught.value)
        assert what in str(caught.value)
        assert "SECRET" not in str(caught.value)


def test_names_and_digests_are_what_stands_there(tmp_path):
    """A name like NO and a digest of digits only are text, whatever YAML makes of such."""
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens:\n  NO: {{sha256: {'1' * 64}, right: read}}\n")
    assert AccessTokens(path).digest_of("NO") == "1" * 64


@pytest.fixture
def alice_and_bob(tmp_path):
    """A tokens file with two tokens, as it is in force: the file, what was read of it, and the tokens."""
    path, tokens = tmp_path / "tokens.yaml", {"alice": new_token(), "bob": new_token()}
    lines = [entry_of(name, token, TokenRight.READ) for name, token in tokens.items()]
    path.write_text("\n".join(["tokens:", *lines, ""]))
    return path, AccessTokens(path), tokens


def let_in(held, tokens):
    """Return who gets in."""
    return {name for name, token in tokens.items() if held.person_of(token) is not None}


@pytest.mark.parametrize("text", ["", "\n", "# nobody\n", "tokens:\n", "tokens: {}\n", None])
def test_an_empty_or_deleted_tokens_file_is_nobody(alice_and_bob, text):
    """At the next request; a token that was taken away never works on."""
    path, held, tokens = alice_and_bob
    assert let_in(held, tokens) == {"alice", "bob"}
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert let_in(held, tokens) == set()
    assert (held.fault is None) == (text is not None)


def test_a_console_without_tokens_starts_and_lets_nobody_in(tmp_path):
    """Emptying the file also holds over a restart."""
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: {}")
    assert AccessTokens(path).person_of("") is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text + "  [broken", {"alice", "bob"}),
        (lambda text: text.replace("right: read", "right: all", 1), {"alice", "bob"}),
        (lambda text: text.replace("  alice:", "  # alice:") + "  [broken", {"bob"}),
        (lambda text: "\n".join(text.splitlines()[:2]) + "\n  carol: {}\n", {"alice"}),
        (lambda text: "\0" + text, {"alice", "bob"}),
        (lambda text: text + text.splitlines()[1] + "\n", {"alice", "bob"}),
        (lambda _: "tokens: [broken", set()),
    ],
)
def test_a_fault_keeps_the_tokens_of_who_is_still_named(alice_and_bob, change, expected):
    """A slip locks nobody out, and whoever was taken out in the same edit is out."""
    path, held, tokens = alice_and_bob
    path.write_text(change(path.read_text()))
    assert let_in(held, tokens) == expected
    assert held.fault is not None


def test_a_mended_tokens_file_counts_at_once(alice_and_bob):
    """New tokens of a faulty version don't count before, and do after it was mended."""
    path, held, tokens = alice_and_bob
    before, carol = path.read_text(), new_token()
    tokens["carol"] = carol
    line = entry_of("carol", carol, TokenRight.READ) + "\n"
    path.write_text(before + line + "  dave: {}\n")
    assert let_in(held, tokens) == {"alice", "bob", "carol"}
    assert held.fault is not None
    path.write_text(before)
    assert let_in(held, tokens) == {"alice", "bob"}
    assert held.fault is None


def test_a_tokens_file_that_everybody_may_write_lets_in_nobody_new(alice_and_bob):
    """Whoever can write it could let himself in: refused at the start, and in force nothing new of it counts."""
    path, held, tokens = alice_and_bob
    tokens["mallory"] = new_token()
    with path.open("a") as file:
        file.write(entry_of("mallory", tokens["mallory"], TokenRight.REPLAY) + "\n")
    path.chmod(0o666)
    assert let_in(held, tokens) == {"alice", "bob"}
    with pytest.raises(TokensError, match="mode 0666 lets every user of the machine write it"):
        AccessTokens(path)
    path.chmod(0o600)
    assert let_in(held, tokens) == {"alice", "bob", "mallory"}


async def test_a_fault_of_the_tokens_file_stands_on_every_page(browse):
    """And in a metric, so that an alert tells whoever doesn't look."""
    async with browse() as browser:
        path = browser.console.settings.console_tokens_file
        _, text, _ = await browser.get("/metrics")
        assert "notifier_console_tokens_valid 1.0" in text
        path.write_text(path.read_text() + "  carol: {}\n")
        for page in ("/", "/partners"):
            status, text, _ = await browser.get(page)
            assert status == 200
            assert "The tokens file has a fault." in text
            assert "tokens.carol.sha256" in text
        _, text, _ = await browser.get("/metrics")
        assert "notifier_console_tokens_valid 0.0" in text
        await browser.post("/logout")
        assert "tokens.carol" not in (await browser.get("/login"))[1]


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
