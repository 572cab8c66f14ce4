"""Our transport below httpx's own client: a response like any other, and httpx's own request extensions."""

import ipaddress
from contextlib import asynccontextmanager

import aiohttp
import httpx
import pytest

from streams.webhook.addresses import EgressNetworks
from streams.webhook.client import ANSWERED, SENT, ExchangeTransport
from streams.webhook.connector import PartnerConnector
from streams.webhook.egress import Guard
from streams.webhook.lookups import Lookups
from streams.webhook.resolver import CheckedResolver

BODY = b'{"paymentRequestId":"1"}'
ANSWER = b"HTTP/1.0 429 Slow down\r\nX-One: a\r\nX-one: b\xff\r\nContent-Length: 2\r\n\r\n{}"
FIELDS = [(b"x-one", b"a, b\xff"), (b"content-length", b"2")]


def answering(wire):
    async def respond(_request, writer):
        writer.write(wire)
        await writer.drain()
        writer.close()

    return respond


@pytest.fixture
async def client(client_tls, threads):
    """httpx's client on our transport; it is closed at the end of `async with`."""

    @asynccontextmanager
    async def start():
        guard = Guard(EgressNetworks(allow=(ipaddress.ip_network("127.0.0.0/8"),)))
        lookups = Lookups(lambda _host: ["127.0.0.1"], threads)
        resolver = CheckedResolver(guard, lookups, {})
        connector = PartnerConnector(None, {}, resolver, limit=0, ssl=client_tls)
        async with httpx.AsyncClient(transport=ExchangeTransport(connector)) as client:
            yield client

    async with start() as client:
        yield client


@pytest.fixture
def told():
    """What the extension `trace` was told, and the extension."""

    class Told:
        def __init__(self):
            self.events = []

        async def trace(self, event, info):
            self.events.append((event, info["return_value"]))

    return Told()


async def test_a_response_is_httpxs_own(raw_server, client):
    """Status, reason, version, headers and body are those of the answer; without extensions the URL's path is sent."""
    async with raw_server(answering(ANSWER)) as server:
        response = await client.post(server.url("/a?b=c"), content=BODY)
    assert (response.status_code, response.reason_phrase) == (429, "Slow down")
    assert response.http_version == "HTTP/1.0"
    assert response.headers.raw == FIELDS
    assert response.content == b"{}"
    assert [(request.target, request.body) for request in server.requests] == [("/a?b=c", BODY)]


async def test_the_moments_are_told_as_httpcore_tells_them(raw_server, client, told):
    """Sent, and answered with version, status, reason and headers; `target` goes out to the byte."""
    async with raw_server(answering(ANSWER)) as server:
        extensions = {"trace": told.trace, "target": b"/%7e?%2f"}
        await client.post(server.url("/another"), content=BODY, extensions=extensions)
    assert [request.target for request in server.requests] == ["/%7e?%2f"]
    assert told.events == [
        (SENT, None),
        (ANSWERED, (b"HTTP/1.0", 429, b"Slow down", FIELDS)),
    ]


async def test_an_answer_that_is_cut_short_has_told_its_head(raw_server, client, told):
    """The status counts although the body never came whole."""
    cut = ANSWER.removesuffix(b"}")
    async with raw_server(answering(cut)) as server:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.post(server.url(), content=BODY, extensions={"trace": told.trace})
    assert [event for event, _ in told.events] == [SENT, ANSWERED]


async def test_nothing_is_sent_on_a_connection_that_took_too_long(raw_server, client, told):
    """`timeout` says how long a connection may take; neither the server nor `trace` hears of a request then."""
    async with raw_server() as server:
        extensions = {"trace": told.trace, "timeout": {"connect": 0.0}}
        with pytest.raises(aiohttp.ConnectionTimeoutError):
            await client.post(server.url(), content=BODY, extensions=extensions)
    assert (server.requests, told.events) == ([], [])


async def test_a_tracer_that_fails_leaves_no_connection(raw_server, client):
    """Its exception reaches the caller, and what was connected is closed or kept, not forgotten."""

    async def fails(event, _info):
        raise RuntimeError(event)

    async with raw_server() as server:
        with pytest.raises(RuntimeError, match=SENT):
            await client.post(server.url(), content=BODY, extensions={"trace": fails})
        assert not client._transport._connector._acquired
