"""How a connection leaves: a forward proxy with its own trust, a fixed source address, IPv6, an agent's token."""

import asyncio
import ipaddress
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trustme
import uvloop

from streams.notification.outcome import Answered, Blocked, Failure, NoResult, RequestLeft, Status
from streams.partners import Proxy
from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import Guard
from tests.integration.webhook.conftest import serving

BODY = b"{}"
OPENS = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")


class ForwardProxy:
    """Takes CONNECT, and nothing else; every name leads to 127.0.0.1."""

    def __init__(self, reply, opens):
        self._reply, self._opens = reply, opens
        self.port, self.asked, self.seen = 0, [], b""

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            self.asked.append((first, [line for line in lines if line]))
            if self._reply is not None:
                writer.write(self._reply)
                await writer.drain()
                return
            port = int(first.split(" ")[1].rsplit(":", 1)[1])
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(self._opens)
            await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    async def _pump(self, reader, writer):
        while data := await reader.read(65_536):
            self.seen += data
            writer.write(data)
        writer.transport.abort()


@pytest.fixture(scope="module")
def proxy_ca():
    """The proxy's own authority, which vouches for nothing else."""
    return trustme.CA()


@pytest.fixture
def proxy_tls(proxy_ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    proxy_ca.issue_cert("proxy.example").configure_cert(context)
    return context


@pytest.fixture
def forward_proxy():
    """Start proxies; `async with forward_proxy() as proxy`."""

    @asynccontextmanager
    async def start(reply=None, tls=None, opens=OPENS):
        async with serving(ForwardProxy(reply, opens), tls) as proxy:
            yield proxy

    return start


def trusting(ca):
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.fixture
def through(raw_server, make_caller, partner):
    """Call a partner twice through a proxy; return the calls, and the partner."""

    async def through(proxy, tls=None, authorization=None, partner_tls=None):
        # the guard allows nothing private: through a proxy no address of the partner is looked up here
        async with raw_server() as server, make_caller(Guard()) as caller:
            named = frozenset({f"localhost:{server.port}"})
            behind = replace(
                partner,
                proxy=Proxy("proxy.example", proxy.port, tls, authorization),
                allowed_hosts=named,
                named_servers=named,
                tls=partner_tls or partner.tls,
            )
            calls = [
                await caller.call(behind, server.url("/tell?x=1"), BODY, signed_answer=True)
                for _ in range(2)
            ]
        return calls, server

    return through


def on_uvloop(run):
    """Run on the worker's own loop; asyncio's of 3.11 stumbles over a refused certificate within TLS."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


@pytest.mark.parametrize("authorization", [None, "Basic bWU6cGFzcw=="])
async def test_through_a_proxy(forward_proxy, through, authorization):
    """One tunnel serves two calls; the proxy learns host and port, and reads nothing of what goes through."""
    async with forward_proxy() as proxy:
        calls, server = await through(proxy, authorization=authorization)
    assert [call.outcome for call in calls] == [SUCCESS, SUCCESS]
    extra = [] if authorization is None else [f"Proxy-Authorization: {authorization}"]
    host = f"localhost:{server.port}"
    assert proxy.asked == [(f"CONNECT {host} HTTP/1.1", [f"Host: {host}", *extra])]
    assert b"tell" not in proxy.seen
    assert all("proxy-authorization" not in request.headers for request in server.requests)


@pytest.mark.parametrize(
    "opens", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" + OPENS]
)
async def test_any_2xx_opens_the_tunnel(forward_proxy, through, opens):
    """By RFC 9110, section 9.3.6, also behind interim answers."""
    async with forward_proxy(opens=opens) as proxy:
        calls, _ = await through(proxy)
    assert [call.outcome for call in calls] == [SUCCESS, SUCCESS]


async def test_a_proxy_with_its_own_trust(forward_proxy, through, proxy_ca, proxy_tls):
    """TLS to the proxy by its own CA, and TLS with the partner inside of it by the partner's."""
    async with forward_proxy(tls=proxy_tls) as proxy:
        calls, _ = await through(proxy, tls=trusting(proxy_ca))
    assert [call.outcome for call in calls] == [SUCCESS, SUCCESS]


def test_the_proxys_trust_is_not_the_partners(forward_proxy, through, ca, proxy_ca, proxy_tls):
    """The partner's CA does not vouch for the proxy, nor the proxy's for the partner: nothing is sent."""

    async def run():
        async with forward_proxy(tls=proxy_tls) as proxy:
            strange, server = await through(proxy, tls=trusting(ca))
            assert (proxy.asked, server.requests) == ([], [])
            wrong, server = await through(
                proxy, tls=trusting(proxy_ca), partner_tls=trusting(proxy_ca)
            )
            assert server.requests == []
            right, _ = await through(proxy, tls=trusting(proxy_ca))
        return strange, wrong, right

    strange, wrong, right = on_uvloop(run)
    for calls in (strange, wrong):
        assert [call.outcome for call in calls] == [NoResult(Failure.TLS_INCOMPLETE_CHAIN)] * 2
        of_proxy = ["with the proxy: " in call.outcome.detail for call in calls]
        assert of_proxy == [calls is strange] * 2
        assert {call.request_left for call in calls} == {RequestLeft.NO}
    assert [call.outcome for call in right] == [SUCCESS, SUCCESS]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"x" * 200_000,
        b"",
    ],
)
async def test_a_proxy_that_refuses(forward_proxy, through, caplog, reply):
    """No connection, nothing sent, and one line of the log for many attempts."""
    async with forward_proxy(reply) as proxy:
        calls, server = await through(proxy)
    assert [call.outcome for call in calls] == [NoResult(Failure.CONNECT_ERROR)] * 2
    assert {call.request_left for call in calls} == {RequestLeft.NO}
    assert server.connections == 0
    assert len([line for line in caplog.messages if "to CONNECT" in line]) == (1 if reply else 0)


async def test_a_proxy_that_is_not_there(forward_proxy, through):
    """A closed port is no connection."""
    async with forward_proxy() as proxy:
        pass
    calls, _ = await through(proxy)
    assert [call.outcome for call in calls] == [NoResult(Failure.CONNECT_ERROR)] * 2


async def test_a_silent_proxy_costs_no_more_than_the_attempts_time(make_caller, partner):
    """A proxy that takes CONNECT and says nothing is a connect time-out."""
    hung_up = asyncio.Event()

    async def silent(reader, writer):
        await reader.read()  # to its end
        writer.close()
        hung_up.set()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    behind = replace(
        partner,
        proxy=Proxy("p.example", port, None, None),
        named_servers=frozenset({"localhost:9"}),
        attempt_timeout_seconds=1.0,
    )
    async with listening, make_caller() as caller:
        call = await caller.call(behind, "https://localhost:9/", BODY, signed_answer=True)
        await hung_up.wait()
    assert (call.outcome, call.request_left) == (
        NoResult(Failure.CONNECT_TIMEOUT),
        RequestLeft.NO,
    )


async def test_a_proxy_is_no_way_round_the_egress_rules(forward_proxy, make_caller, partner):
    """A private address, a host that is not listed and a port that nobody named are refused before the proxy is asked."""
    async with forward_proxy() as proxy, make_caller(Guard()) as caller:
        behind = replace(
            partner,
            proxy=Proxy("proxy.example", proxy.port, None, None),
            allowed_hosts=frozenset({"listed.example", "10.0.0.1"}),
        )
        for url in ("https://10.0.0.1/", "https://other.example/", "https://listed.example:22/"):
            call = await caller.call(behind, url, BODY, signed_answer=True)
            assert isinstance(call.outcome, Blocked)
    assert proxy.asked == []


async def test_a_fixed_source_address(server_tls, make_caller, partner):
    """Connections come from the address that the partner's firewall knows."""
    peers = []

    async def note(_reader, writer):
        peers.append(writer.get_extra_info("peername")[0])
        writer.transport.abort()

    listening = await asyncio.start_server(note, "127.0.0.1", 0, ssl=server_tls)
    url = f"https://localhost:{listening.sockets[0].getsockname()[1]}/"
    async with listening:
        for sources in (("127.0.0.7",), ("127.0.0.9", "::1")):
            async with make_caller(source_addresses=sources) as caller:
                await caller.call(partner, url, BODY, signed_answer=True)
    assert peers == ["127.0.0.7", "127.0.0.9"]


@pytest.mark.parametrize("sources", [("::1",), ("192.0.2.1",)])
async def test_no_other_address_stands_in_for_a_fixed_one(
    raw_server, make_caller, partner, sources
):
    """Without one of the family, or with one that this machine doesn't have, there is no connection at all."""
    async with raw_server() as server, make_caller(source_addresses=sources) as caller:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == NoResult(Failure.CONNECT_ERROR)
    assert server.connections == 0


async def test_ipv6(make_caller, partner, ca, wire):
    """A partner on IPv6, by address and by name; ::1 needs to be allowed like any other loopback address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "::1").configure_cert(context)
    heads = []

    async def answer(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(len(BODY))
        writer.write(wire.answer(wire.acknowledgement()))
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "::1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    allowed = Guard(EgressNetworks(allow=(ipaddress.ip_network("::1/128"),)))
    async with listening:
        async with make_caller(allowed, lookup=lambda _host: ["::1"]) as caller:
            for host in ("[::1]", "localhost"):
                url = f"https://{host}:{port}/"
                call = await caller.call(partner, url, BODY, signed_answer=False)
                assert call.outcome == SUCCESS
        async with make_caller(Guard(), lookup=lambda _host: ["::1"]) as strict:
            for host in ("[::1]", "localhost"):
                url = f"https://{host}:{port}/"
                call = await strict.call(partner, url, BODY, signed_answer=False)
                assert isinstance(call.outcome, Blocked)
    assert [head.split(b"\r\n")[1] for head in heads] == [
        f"Host: [::1]:{port}".encode(),
        f"Host: localhost:{port}".encode(),
    ]


async def test_an_agents_token(raw_server, caller, partner):
    """Sent where the entry has one, and only there."""
    async with raw_server() as server:
        agent = replace(partner, agent_token="T0KEN")  # noqa: S106  # a test's
        await caller.call(agent, server.url(), BODY, signed_answer=True)
        await caller.call(partner, server.url(), BODY, signed_answer=True)
    first, second = server.requests
    assert first.headers["agent-token"] == "T0KEN"
    assert "agent-token" not in second.headers


async def test_no_proxy_but_the_entrys(raw_server, caller, partner, monkeypatch):
    """What the environment says of proxies is for other programs: the call goes straight to the partner."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with raw_server() as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == SUCCESS
