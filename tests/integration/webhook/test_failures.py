"""Everything that can go wrong on the way is an outcome that says what."""

import asyncio
import errno
import gzip
import socket
import ssl
import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trustme

from streams.notification.outcome import Answered, Failure, NoResult, RequestLeft, Status
from streams.partners import public_tls
from streams.webhook.protocol import PartnerProtocol
from streams.webhook.response import MAX_BODY_BYTES
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b'{"paymentRequestId":"1"}'
NO, PERHAPS, YES = RequestLeft.NO, RequestLeft.PERHAPS, RequestLeft.YES


@pytest.fixture
def called(raw_server, caller, partner):
    """Call a server that responds as given once; return the call and the server."""

    async def called(respond, *, signed_answer=True, **changed):
        async with raw_server(respond) as server:
            call = await caller.call(
                replace(partner, **changed), server.url(), BODY, signed_answer=signed_answer
            )
        assert len(server.requests) == 1
        return call

    return called


def sends(*chunks, close=False):
    async def respond(_request, writer):
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        if close:
            writer.close()

    return respond


async def reset(_request, writer):
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("respond", "failure", "left"),
    [
        (sends(close=True), Failure.BROKEN_CONNECTION, PERHAPS),
        (reset, Failure.BROKEN_CONNECTION, PERHAPS),
        (sends(b"HTTP/1.1 200", close=True), Failure.BROKEN_CONNECTION, PERHAPS),
        (sends(OK + b"Content-Length: 10\r\n", close=True), Failure.BROKEN_CONNECTION, PERHAPS),
        (sends(OK + b"Content-Length: 10\r\n\r\n{", close=True), Failure.BROKEN_CONNECTION, YES),
        (
            sends(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", close=True),
            Failure.BROKEN_CONNECTION,
            YES,
        ),
        (
            sends(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", close=True),
            Failure.UNREADABLE_ANSWER,
            YES,
        ),
        (sends(b"\x00\x01garbage\r\n\r\n"), Failure.UNREADABLE_ANSWER, PERHAPS),
        (sends(b"SSH-2.0-OpenSSH_9.0\r\n\r\n"), Failure.UNREADABLE_ANSWER, PERHAPS),
        (sends(b"HTTP/1.1 abc OK\r\n\r\n"), Failure.UNREADABLE_ANSWER, PERHAPS),
        (
            sends(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
            Failure.UNREADABLE_ANSWER,
            YES,
        ),
        (sends(OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n"), Failure.UNREADABLE_ANSWER, PERHAPS),
        (sends(OK + b"X: y\r\n" * 20_000 + b"\r\n"), Failure.UNREADABLE_ANSWER, PERHAPS),
        (sends(OK + b"Content-Length: 0\r\n\r\n"), Failure.UNREADABLE_ANSWER, YES),
        (sends(OK + b"Content-Length: 7\r\n\r\nSUCCESS"), Failure.UNREADABLE_ANSWER, YES),
        (
            sends(
                OK + f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode(),
                b" " * (MAX_BODY_BYTES + 1),
            ),
            Failure.OVERSIZED_ANSWER,
            YES,
        ),
        (
            sends(
                OK + b"Transfer-Encoding: chunked\r\n\r\n",
                *[b"4000\r\n" + b" " * 0x4000 + b"\r\n"] * 8,
            ),
            Failure.OVERSIZED_ANSWER,
            YES,
        ),
        (
            sends(OK + b"\r\n", b" " * (2 * MAX_BODY_BYTES), close=True),
            Failure.OVERSIZED_ANSWER,
            YES,
        ),
        (sends(b"HTTP/1.1 204 No Content\r\n\r\n"), Failure.HTTP_STATUS, YES),
        (
            sends(b"HTTP/1.1 500 X\r\nContent-Length: 10\r\n\r\n{", close=True),
            Failure.HTTP_STATUS,
            YES,
        ),
        (
            sends(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
                close=True,
            ),
            Failure.HTTP_STATUS,
            YES,
        ),
    ],
)
async def test_broken_answers(called, respond, failure, left):
    """Dropped, garbled, flooded or too long: each has its name, and tells whether the request left us."""
    call = await called(respond)
    assert (call.outcome, call.request_left) == (NoResult(failure), left)
    assert (call.http_status is not None) == (left is YES)


async def test_an_answer_of_exactly_64_kib_counts(called, wire):
    """The limit itself is fine."""
    body = wire.acknowledgement()
    padded = body + b" " * (MAX_BODY_BYTES - len(body))
    call = await called(sends(wire.answer(padded)), signed_answer=False)
    assert call.outcome == Answered(Status.SUCCESS, "SUCCESS")


async def test_interim_answers_are_skipped(called, wire):
    """100 and 103 before the real answer."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    call = await called(sends(early + wire.answer(wire.acknowledgement())), signed_answer=False)
    assert call.outcome == Answered(Status.SUCCESS, "SUCCESS")


async def test_a_gzip_bomb_is_not_unpacked(called, wire):
    """A coding that we didn't ask for is unreadable, however small it is."""
    bomb = gzip.compress(wire.acknowledgement() + b" " * 40_000_000)
    assert len(bomb) < MAX_BODY_BYTES
    call = await called(
        sends(wire.answer(bomb, headers={"Content-Encoding": "gzip"})), signed_answer=False
    )
    assert call.outcome == NoResult(Failure.UNREADABLE_ANSWER)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(raw_server, caller, partner, wire, status):
    """A redirect is an HTTP status like any other; nobody else is called."""

    async def respond(request, writer):
        headers = {"Location": server.url("/elsewhere")}
        writer.write(wire.signed_answer(request, status=f"{status} Moved", **headers))

    async with raw_server(respond) as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == NoResult(Failure.HTTP_STATUS)
    assert call.http_status == status
    assert [request.target for request in server.requests] == ["/notify"]


async def test_cookies_are_neither_kept_nor_sent(raw_server, caller, partner, wire):
    """Nor does a broken Set-Cookie do any harm."""

    async def respond(request, writer):
        writer.write(
            wire.signed_answer(request, **{"Set-Cookie": "a=b; Domain=\x01; Max-Age=x; =;"})
        )
        writer.write(b"")

    async with raw_server(respond) as server:
        for _ in range(2):
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
            assert call.http_status == 200
    assert all("cookie" not in request.headers for request in server.requests)


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds", "slow"),
    [
        ("429 Too Many Requests", "7", 7.0, True),
        ("503 Service Unavailable", "86400", 3600.0, True),
        ("503 Service Unavailable", "x", None, True),
        ("500 Internal Server Error", "1", 1.0, False),
    ],
)
async def test_busy_partners(  # noqa: PLR0913, PLR0917  # a row of the table
    called, wire, status, retry_after, seconds, slow
):
    """429, 503 and Retry-After reach the caller."""
    call = await called(sends(wire.answer(b"busy", status, {"Retry-After": retry_after})))
    assert call.outcome == NoResult(Failure.HTTP_STATUS)
    assert (call.retry_after_seconds, call.slow_down) == (seconds, slow)


@pytest.mark.parametrize("signed", [True, False])
async def test_the_traffic_code_slows_down(called, wire, signed):
    """Signed or not: going easy on a partner can't be misused."""
    body = wire.acknowledgement("U", "REQUEST_TRAFFIC_EXCEED_LIMIT")

    async def respond(request, writer):
        writer.write(wire.signed_answer(request, body) if signed else wire.answer(body))

    call = await called(respond)
    assert isinstance(call.outcome, Answered if signed else NoResult)
    assert call.slow_down


async def test_an_unsigned_and_a_wrongly_signed_answer(called, wire):
    """Neither counts where signatures are required; the claim is kept."""

    async def other_body(request, writer):
        writer.write(wire.signed_answer(request).replace(b'"S"', b'"F"'))

    call = await called(sends(wire.answer(wire.acknowledgement())))
    assert call.outcome == NoResult(Failure.UNSIGNED_ANSWER, Status.SUCCESS, "SUCCESS")
    call = await called(other_body)
    assert call.outcome == NoResult(Failure.WRONG_SIGNATURE, Status.FAILED, "SUCCESS")
    call = await called(other_body, signed_answer=False)
    assert call.outcome == NoResult(Failure.WRONG_SIGNATURE, Status.FAILED, "SUCCESS")


async def test_a_kept_connection_that_the_partner_closes_is_replaced(
    raw_server, caller, partner, wire
):
    """A close that has arrived is noticed before the next request, which gets a new connection."""

    async def respond(request, writer):
        writer.write(wire.signed_answer(request))
        await writer.drain()
        writer.transport.abort()

    async with raw_server(respond) as server:
        for number in (1, 2):
            server.closed.clear()
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
            assert call.outcome == Answered(Status.SUCCESS, "SUCCESS")
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await server.closed.wait()
                while kept(caller, partner):  # noqa: ASYNC110  # aiohttp has no event for it
                    await asyncio.sleep(0)
            assert server.connections == number


def kept(caller, partner):
    """Tell whether our side still holds a connection that it thinks is usable."""
    _, client = caller._clients[partner.partner_id]
    pool = client._transport._connector._conns
    return any(proto.is_connected() for protos in pool.values() for proto, *_ in protos)


async def test_nothing_is_sent_twice_when_a_kept_connection_breaks(
    raw_server, caller, partner, wire
):
    """The second request on a connection is read and dropped: one call is one request, and it says perhaps."""

    async def respond(request, writer):
        if len(server.requests) == 1:
            writer.write(wire.signed_answer(request))
        else:
            writer.transport.abort()

    async with raw_server(respond) as server:
        await caller.call(partner, server.url(), BODY, signed_answer=True)
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == (NoResult(Failure.BROKEN_CONNECTION), PERHAPS)
    assert [request.connection for request in server.requests] == [1, 1]


async def test_a_partner_that_stands_still_keeps_no_connection(
    raw_server, caller, partner, monkeypatch
):
    """Its TLS does not answer either: closed in order, each call would leave a socket for 30 s."""
    ended: list[PartnerProtocol] = []
    connection_lost = PartnerProtocol.connection_lost

    def note(protocol, error):
        ended.append(protocol)
        connection_lost(protocol, error)

    monkeypatch.setattr(PartnerProtocol, "connection_lost", note)
    stands_still = asyncio.Event()

    async def respond(_request, writer):
        writer.transport.pause_reading()
        await stands_still.wait()

    async with raw_server(respond) as server:
        hasty = replace(partner, attempt_timeout_seconds=0.3)
        call = await caller.call(hasty, server.url(), BODY, signed_answer=True)
        assert call.outcome == NoResult(Failure.READ_TIMEOUT)
        for _ in range(10):  # turns of the event loop
            await asyncio.sleep(0)
        assert len(ended) == 1


async def test_connection_refused(caller, partner):
    """A closed port: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    call = await caller.call(partner, f"https://localhost:{port}/", BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == (NoResult(Failure.CONNECT_ERROR), NO)
    assert call.http_status is None


async def test_an_unknown_name(make_caller, partner):
    """The look-up fails: nothing was sent, and the failure says DNS."""

    def lookup(_host):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async with make_caller(lookup=lookup) as caller:
        call = await caller.call(partner, "https://no.example/", BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == (NoResult(Failure.DNS_ERROR), NO)


async def test_the_systems_own_connect_timeout(raw_server, make_caller, partner, monkeypatch):
    """ETIMEDOUT from the kernel is a connect time-out, not a refusal."""
    loop = asyncio.get_running_loop()

    async def sock_connect(_sock, _address):
        raise TimeoutError(errno.ETIMEDOUT, "timed out")

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    async with raw_server() as server, make_caller() as caller:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == (NoResult(Failure.CONNECT_TIMEOUT), NO)


async def test_read_timeouts(raw_server, caller, partner):
    """Silence after the request, and a body that drips, both end after the attempt's time."""
    stop = asyncio.Event()

    async def never(_request, _writer):
        await stop.wait()

    async def drip(_request, writer):
        writer.write(OK + b"Content-Length: 1000\r\n\r\n")
        while not stop.is_set():
            writer.write(b" ")
            await writer.drain()
            await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=0.05)

    async def error_and_drip(_request, writer):
        writer.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 1000\r\n\r\n")
        await stop.wait()

    impatient = replace(partner, attempt_timeout_seconds=1.0)
    async with (
        raw_server(never) as silent,
        raw_server(drip) as slow,
        raw_server(error_and_drip) as busy,
    ):
        try:
            calls = await asyncio.gather(
                *(
                    caller.call(impatient, server.url(), BODY, signed_answer=True)
                    for server in (silent, slow, busy)
                )
            )
        finally:
            stop.set()
    assert [(call.outcome, call.request_left) for call in calls] == [
        (NoResult(Failure.READ_TIMEOUT), PERHAPS),
        (NoResult(Failure.READ_TIMEOUT), YES),
        (NoResult(Failure.HTTP_STATUS), YES),
    ]
    assert calls[2].retry_after_seconds == 9


async def test_connect_timeouts(caller, make_caller, partner):
    """A handshake that never ends and a look-up that never ends: nothing was sent."""
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def lookup(_host):
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result(20)
        return ["127.0.0.1"]

    impatient = replace(partner, attempt_timeout_seconds=1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://localhost:{mute.getsockname()[1]}/"
        async with make_caller(lookup=lookup) as nameless:
            try:
                calls = await asyncio.gather(
                    *(c.call(impatient, url, BODY, signed_answer=True) for c in (caller, nameless))
                )
            finally:
                answered.set()
    assert [(call.outcome, call.request_left) for call in calls] == [
        (NoResult(Failure.CONNECT_TIMEOUT), NO)
    ] * 2


@pytest.fixture
def tls_of(ca):
    def tls_of(*names, issuer=None, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (issuer or ca).issue_cert(*names, **options).configure_cert(context)
        return context

    return tls_of


async def test_certificates_that_are_not_trusted(raw_server, caller, partner, tls_of):
    """Another host's, another CA's, an expired one: nothing was sent."""
    past = datetime(2020, 1, 1, tzinfo=UTC)
    for tls, failure in (
        (tls_of("other.example"), Failure.TLS_ERROR),
        (tls_of("localhost", issuer=trustme.CA()), Failure.TLS_INCOMPLETE_CHAIN),
        (
            tls_of("localhost", not_before=past.replace(year=2019), not_after=past),
            Failure.TLS_ERROR,
        ),
    ):
        async with raw_server(tls=tls) as server:
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
        assert (call.outcome, call.request_left) == (NoResult(failure), NO)
        assert server.requests == []


async def test_a_server_without_tls(caller, partner):
    """It answers the handshake in plain text: nothing was sent."""

    async def plain(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
        call = await caller.call(partner, url, BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == (NoResult(Failure.TLS_ERROR), NO)
    assert call.outcome.detail == "what answers there speaks no TLS"


async def test_old_tls_is_refused(raw_server, caller, partner, server_tls):
    """TLS 1.2 will do, 1.1 will not."""
    assert public_tls().minimum_version is ssl.TLSVersion.TLSv1_2
    server_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    async with raw_server() as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == Answered(Status.SUCCESS, "SUCCESS")


async def test_the_public_cas_do_not_vouch_for_a_private_one(raw_server, caller, partner):
    """Without a CA of its own, a partner's certificate must come from a public one."""
    async with raw_server() as server:
        call = await caller.call(replace(partner, tls=None), server.url(), BODY, signed_answer=True)
    assert call.outcome == NoResult(Failure.TLS_INCOMPLETE_CHAIN)


async def test_mutual_tls(raw_server, caller, partner, ca, server_tls):
    """With our certificate a partner that asks for one answers."""
    server_tls.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(server_tls)
    ours = ssl.create_default_context()
    ca.configure_trust(ours)
    ca.issue_cert("client.example").configure_cert(ours)
    async with raw_server() as server:
        call = await caller.call(replace(partner, tls=ours), server.url(), BODY, signed_answer=True)
    assert call.outcome == Answered(Status.SUCCESS, "SUCCESS")


@pytest.mark.parametrize(
    ("version", "left"), [(ssl.TLSVersion.TLSv1_2, NO), (ssl.TLSVersion.TLSv1_3, PERHAPS)]
)
async def test_a_refused_client_certificate(  # noqa: PLR0913, PLR0917  # fixtures
    threads, caller, partner, ca, server_tls, version, left
):
    """A TLS error, although TLS 1.3 tells only after the request has gone."""
    server_tls.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(server_tls)
    server_tls.minimum_version = server_tls.maximum_version = version

    def refuse(listening):
        """Shake hands with a blocking socket, which sends the alert before it gives up."""
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(TIMEOUT_SECONDS)
            raw = connection.dup()
            with raw:
                with pytest.raises(ssl.SSLError):
                    server_tls.wrap_socket(connection, server_side=True)
                while raw.recv(
                    65_536
                ):  # a socket closed with something unread resets, and the alert is lost
                    pass
            return True

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(TIMEOUT_SECONDS)
        refused = asyncio.get_running_loop().run_in_executor(threads, refuse, listening)
        url = f"https://localhost:{listening.getsockname()[1]}/"
        call = await caller.call(partner, url, BODY, signed_answer=True)
        assert await refused
    assert (call.outcome, call.request_left) == (NoResult(Failure.TLS_ERROR), left)
