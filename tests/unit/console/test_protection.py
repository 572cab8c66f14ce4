"""Who may come in and do what: tokens, sessions, forms of other sites, headers."""

import re

import pytest

from streams.console.protection import HEADERS, safe_path
from streams.console.sessions import LIFE_SECONDS
from streams.console.tokens import Right, Tokens, TokensError, entry_of, new_token
from tests.support.topics import NAMES, Payment
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
        path.write_text(f"tokens:\n{entry_of('other', 'x', Right.READ)}\n")
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
    """Missing, no YAML, no tokens, no digest, an unknown right: each with what is expected, no value quoted."""
    path = tmp_path / "tokens.yaml"
    with pytest.raises(TokensError, match="No such file"):
        Tokens(path)
    for text in (
        "a: [",
        "tokens: {}",
        "tokens: {a: {sha256: SECRET, right: read}}",
        f"tokens: {{a: {{sha256: {'0' * 64}, right: all}}}}",
        "[]",
    ):
        path.write_text(text)
        with pytest.raises(TokensError) as caught:
            Tokens(path)
        assert "NOTIFIER_CONSOLE_TOKENS_FILE" in str(caught.value)
        assert "SECRET" not in str(caught.value)


def test_a_bad_new_tokens_file_keeps_the_old_one(tmp_path):
    """A slip of an operator locks nobody out, and is known."""
    path, token = tmp_path / "tokens.yaml", new_token()
    path.write_text(f"tokens:\n{entry_of('alice', token, Right.REPLAY)}\n")
    tokens = Tokens(path)
    path.write_text("tokens: [broken")
    person = tokens.person_of(token)
    assert person is not None
    assert (person.name, person.may_replay) == ("alice", True)
    assert tokens.fault is not None
    assert tokens.person_of("another") is None
