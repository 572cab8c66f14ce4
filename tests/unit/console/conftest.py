"""A console over topics in memory, served over real HTTP."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256

import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector
from aiohttp.test_utils import TestServer
from jinja2 import BytecodeCache, Environment

from streams.operator.console import ingest, render
from streams.operator.console.app import SERVER, Console
from streams.operator.console.tokens import AccessTokens
from streams.settings import Settings
from tests.support.history import T0
from tests.support.topics import Payment, Topics
from tests.support.waiting import eventually
from tests.unit.kit import ManualClock

TOKENS = {"reader": "read-token", "alice": "replay-token"}
RIGHTS = {"reader": "read", "alice": "replay"}


class CompiledTemplates(BytecodeCache):
    """Templates that were compiled once in this run."""

    def __init__(self):
        self.code: dict[str, bytes] = {}

    def load_bytecode(self, bucket):
        if bucket.key in self.code:
            bucket.bytecode_from_string(self.code[bucket.key])

    def dump_bytecode(self, bucket):
        self.code[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def templates_compiled_once():
    """Compile no template again for the console of each test."""
    environment = partial(Environment, bytecode_cache=CompiledTemplates())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "Environment", environment)
        yield


@pytest.fixture(autouse=True)
def kafka_is_read_soon(monkeypatch):
    """Wait less before the topics are looked at again, also after they could not be read."""
    monkeypatch.setattr(ingest, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(ingest, "_AGAIN_SECONDS", 0.05)


@pytest.fixture
def topics():
    """Nothing stands on them yet."""
    return Topics()


@pytest.fixture
def clock():
    """Ten minutes after the first payment."""
    clock = ManualClock()
    clock.ms = T0 + 600_000
    return clock


@pytest.fixture
def settings(tmp_path):
    """The settings of a console with a read model of its own, and its tokens file."""
    lines = [
        f"  {name}: {{sha256: {sha256(token.encode()).hexdigest()}, right: {RIGHTS[name]}}}"
        for name, token in TOKENS.items()
    ]
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text("\n".join(["tokens:", *lines, ""]))
    return Settings.model_construct(
        **{name: field.default for name, field in Settings.model_fields.items()}
        | {
            "source_topics": ("final",),
            "topic_prefix": "pn",
            "console_tokens_file": tokens,
            "console_database": tmp_path / "console.sqlite",
        }
    )


class Browser:
    """What a person does without a browser: requests with a cookie, and with the headers that a browser sends."""

    def __init__(self, session, console, url):
        self.session, self.console, self.url = session, console, url

    async def get(self, path, **more):
        """Return status and text."""
        async with self.session.get(
            self.url + path, **({"allow_redirects": False} | more)
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(self, path, form=(), site="same-origin", **headers):
        """Send a form."""
        given = ({"Sec-Fetch-Site": site} if site else {}) | headers
        async with self.session.post(
            self.url + path, data=form, headers=given, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def sign_in(self, name="alice"):
        """Sign in by the form."""
        status, _, _ = await self.post("/login", {"token": TOKENS[name], "next": "/"})
        assert status == 303
        return self


@pytest.fixture
async def browse(topics, clock, settings):
    """Make a console that has read all that stands on the topics, and a browser before it."""

    @asynccontextmanager
    async def make(*, name="alice", replay_clients=None, **more):
        changed = settings.model_copy(update=more)
        console = Console(
            changed,
            AccessTokens(changed.console_tokens_file),
            clock,
            lambda: topics,
            replay_clients,
        )
        server = TestServer(console.application())
        await server.start_server(**SERVER)
        reading = asyncio.create_task(console.read_model.ingest.run())
        await caught_up(console)
        try:
            async with ClientSession(
                cookie_jar=CookieJar(unsafe=True), connector=TCPConnector(force_close=True)
            ) as session:
                browser = Browser(session, console, str(server.make_url("/")).rstrip("/"))
                if name is not None:
                    await browser.sign_in(name)
                yield browser
        finally:
            reading.cancel()
            await server.close()
            await console.stop()

    return make


async def caught_up(console):
    """Wait until the console knows what stands on the topics now."""
    fresh = console.read_model.ingest.freshness
    fresh.caught_up_ms, now = 0, console.clock.now_ms()

    async def look():
        return fresh.caught_up_ms >= now and console.read_model.ingest.reconciliation is not None

    await eventually(look, what="the console to catch up")


@pytest.fixture
def one_dead_letter(topics):
    """One dead letter, so that every page has something."""
    Payment(topics, "order-1").unanswered(50, wait="1s").refused(6000)
