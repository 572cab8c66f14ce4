"""Real partners on loopback: TLS with real certificates, raw sockets where HTTP must be broken."""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from weakref import WeakSet

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.clock import Clock
from streams.notification.intake import PartnerTerms
from streams.partners import Partner, SigningKey
from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import Guard
from streams.webhook.https import WebhookClient
from streams.webhook.signing import sign, string_to_sign

VECTORS = Path(__file__).parents[2] / "vectors"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def _private(who):
    key = load_pem_private_key((VECTORS / f"{who}_private_pkcs8.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return SigningKey("1", key, float("-inf"))


def _public(who):
    key = load_pem_public_key((VECTORS / f"{who}_public_spki.pem").read_bytes())
    assert isinstance(key, RSAPublicKey)
    return key


OURS, OUR_PUBLIC = _private("sender"), _public("sender")
THEIRS, THEIR_PUBLIC = _private("receiver"), _public("receiver")


@dataclass
class Request:
    """One request, exactly as it came over the connection numbered `connection`."""

    connection: int
    target: str
    head: bytes
    headers: dict[str, str]
    body: bytes

    @property
    def signed(self):
        return string_to_sign(
            self.target, self.headers["client-id"], self.headers["request-time"], self.body
        )


def answer(body, status="200 OK", headers=None):
    lines = {"Content-Length": str(len(body))} | (headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def acknowledgement(status="S", code="SUCCESS"):
    return json.dumps({"result": {"resultStatus": status, "resultCode": code}}).encode()


def signed_answer(request, body=None, status="200 OK", **headers):
    body = acknowledgement() if body is None else body
    moment = "2026-11-22T10:15:31Z"
    signed = string_to_sign(request.target, request.headers["client-id"], moment, body)
    return answer(
        body,
        status,
        {"signature": sign(THEIRS, signed), "response-time": moment, "client-id": "C"} | headers,
    )


@dataclass
class RawServer:
    """Speaks bytes. `respond(request, writer)` does what the test wants of each request."""

    respond: Callable[[Request, asyncio.StreamWriter], Awaitable[None]] | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    port: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader, writer):
        self.connections += 1
        number = self.connections
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                request = Request(number, first.split(" ")[1], head, headers, body)
                self.requests.append(request)
                if self.respond is None:
                    writer.write(signed_answer(request))
                else:
                    await self.respond(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self.open_now -= 1
            writer.transport.abort()
            self.closed.set()

    def url(self, path="/notify", host="localhost", scheme="https"):
        return f"{scheme}://{host}:{self.port}{path}"


@pytest.fixture(scope="session")
def ca():
    return trustme.CA()


@pytest.fixture
def server_tls(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1", "partner.example").configure_cert(context)
    return context


@asynccontextmanager
async def serving(server, tls, host="127.0.0.1", port=0, **options):
    """Let a server serve each connection to a free port in a task of its own, and leave none behind."""
    tasks: set[asyncio.Task[None]] = set()
    writers: WeakSet[asyncio.StreamWriter] = WeakSet()

    def connected(reader, writer):
        writers.add(writer)
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(connected, host, port, ssl=tls, **options)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.sleep(0)  # connections that were accepted last have their task only now
        await asyncio.sleep(0)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in list(writers):
            writer.transport.abort()  # a task that never began has closed nothing


@pytest.fixture
def client_tls(ca):
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.fixture
def raw_server(server_tls):
    """Start raw servers; `async with raw_server(respond) as server`."""

    @asynccontextmanager
    async def start(respond=None, tls=server_tls, **where):
        async with serving(RawServer(respond), tls, limit=1 << 20, backlog=512, **where) as server:
            yield server

    return start


@pytest.fixture
def partner(client_tls):
    """A partner with keys; `replace(partner, …)` makes others."""
    return Partner(
        partner_id="partner",
        client_id="SANDBOX_5YTESTONLY000001",
        signing_keys=(OURS,),
        peer_keys=MappingProxyType({"1": THEIR_PUBLIC}),
        require_signed_response=None,
        allowed_hosts=None,
        max_in_flight=64,
        rate_limit_per_second=None,
        request_time_format="iso8601",
        attempt_timeout_seconds=5.0,
        paused=False,
        tls=client_tls,
        terms=PartnerTerms(frozenset({"mpp-to-ant"}), {}, hold_unmapped=False, notify_url=None),
        fingerprint="",
    )


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def make_caller(threads):
    """Build callers; they are closed at the end of `async with`."""

    @asynccontextmanager
    async def make(guard=None, **options):
        caller = WebhookClient(
            clock=Clock(),
            guard=guard or Guard(EgressNetworks(allow=LOOPBACK)),
            user_agent="payment-notifier/test",
            **(
                {
                    "lookup": lambda _host: ["127.0.0.1"],
                    "lookup_threads": threads,
                    "signing_threads": threads,
                }
                | options
            ),
        )
        try:
            yield caller
        finally:
            await caller.aclose()

    return make


@pytest.fixture
async def caller(make_caller):
    async with make_caller() as caller:
        yield caller


@pytest.fixture
def wire():
    """The helpers that build answers."""

    class Wire:
        answer = staticmethod(answer)
        acknowledgement = staticmethod(acknowledgement)
        signed_answer = staticmethod(signed_answer)
        replace = staticmethod(replace)
        our_public = OUR_PUBLIC

    return Wire
