"""What goes over the wire is what was signed, and nothing more."""

import asyncio
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_network

import pytest
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.notify_url import host_of
from streams.notification.outcome import Answered, Failure, NoResult, RequestLeft, Status
from streams.webhook.addresses import EgressNetworks
from streams.webhook.connector import PartnerConnector
from streams.webhook.egress import Guard
from streams.webhook.signing import string_to_sign, verify
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b'{"paymentResult":{"resultCode":"SUCCESS","resultStatus":"S"},"x":"\xc3\xbc"}'
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("?", "/?"),
        ("?a=b", "/?a=b"),
        ("/notify", "/notify"),
        ("/notify?", "/notify?"),
        ("/notify?a=b&a=c", "/notify?a=b&a=c"),
        ("/a%2fb/%2F/%7e/~", "/a%2fb/%2F/%7e/~"),
        ("/%C3%BC/%e2%82%ac?n=%C3%A9", "/%C3%BC/%e2%82%ac?n=%C3%A9"),
        ("/a;p=1;q/b+c/d,e:f@g", "/a;p=1;q/b+c/d,e:f@g"),
        ("/x?q=a+b;c%20d%2Bf", "/x?q=a+b;c%20d%2Bf"),
        ("/%zz/%/x?%", "/%zz/%/x?%"),
        ("//a//b///", "//a//b///"),
        ("/a/../b/./c/..", "/a/../b/./c/.."),
        ("/x?next=https://other.example/?a=b", "/x?next=https://other.example/?a=b"),
        ("/|{}[]'()*!$&", "/|{}[]'()*!$&"),
    ],
)
async def test_the_signed_path_is_the_path_on_the_wire(raw_server, caller, partner, path, target):
    """Path and query leave as the URL has them, and the signature is over just that."""
    async with raw_server() as server:
        call = await caller.call(partner, server.url(path), BODY, signed_answer=True)
    (request,) = server.requests
    assert request.target == target
    assert request.body == BODY
    assert verify(request.headers["signature"], request.signed, {"1": partner_key(partner)})
    assert call.outcome == SUCCESS


def partner_key(partner):
    return partner.signing_keys[0].private_key.public_key()


async def test_the_head_of_a_request(raw_server, caller, partner):
    """Exactly these headers; no cookie, no coding, no surprise of a library."""
    async with raw_server() as server:
        await caller.call(partner, server.url(), BODY, signed_answer=True)
        await caller.call(
            replace(partner, request_time_format="epoch-ms"), server.url(), BODY, signed_answer=True
        )
    first, second = server.requests
    assert first.head.startswith(b"POST /notify HTTP/1.1\r\n")
    headers = dict(first.headers)
    assert headers.pop("signature").startswith("algorithm=RSA256,keyVersion=1,signature=")
    assert headers.pop("request-time").endswith("+00:00")
    assert headers == {
        "host": f"localhost:{server.port}",
        "client-id": "SANDBOX_5YTESTONLY000001",
        "content-type": "application/json; charset=UTF-8",
        "content-length": str(len(BODY)),
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "payment-notifier/test",
    }
    assert second.headers["request-time"].isdigit()


async def test_what_had_to_wait_before_it_was_sent_is_signed_anew(raw_server, caller, partner):
    """A worker that was paused may send nothing for a while; its signature must then be no older than the wait."""
    asked: list[int] = []

    async def paused_once():
        asked.append(time.time_ns() // 1_000_000)
        if len(asked) == 1:
            await asyncio.sleep(0.05)
        return len(asked) > 1

    millis = replace(partner, request_time_format="epoch-ms")
    async with raw_server() as server:
        call = await caller.call(
            millis, server.url(), BODY, signed_answer=True, still_ours=paused_once
        )
    (request,) = server.requests
    assert len(asked) == 2
    assert int(request.headers["request-time"]) == call.started_at_ms
    assert call.started_at_ms >= asked[0] + 45  # two clocks, each rounded
    assert verify(request.headers["signature"], request.signed, {"1": partner_key(partner)})


async def test_nothing_is_sent_after_the_attempts_time(raw_server, caller, partner, monkeypatch):
    """A worker that was paused while it connected sends no old signature when it goes on, and the next call is right."""
    connect = PartnerConnector.connect

    async def pauses_once_connected(self, *args):
        connection = await connect(self, *args)
        time.sleep(1.1)  # noqa: ASYNC251  # the whole process stands still: no timer fires
        return connection

    impatient = replace(partner, attempt_timeout_seconds=1.0)
    async with raw_server() as server:
        with monkeypatch.context() as patch:
            patch.setattr(PartnerConnector, "connect", pauses_once_connected)
            late = await caller.call(impatient, server.url(), BODY, signed_answer=True)
        assert (late.outcome, late.request_left) == (
            NoResult(Failure.CONNECT_TIMEOUT),
            RequestLeft.NO,
        )
        assert not server.requests
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == SUCCESS


async def test_every_spelling_of_a_server_reaches_it_alike(raw_server, caller, partner, ca):
    """A final dot, zeros before the port, upper case: one look-up, one name in Host and TLS, one connection, one origin."""
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    context.sni_callback = lambda _, name, __: names.append(name)
    async with raw_server(tls=context) as server:
        urls = [
            f"{scheme}://{host}:{zeros}{server.port}/Path?q=%2f"
            for scheme, host, zeros in (
                ("https", "localhost", ""),
                ("HTTPS", "LocalHost.", "0"),
                ("https", "LOCALHOST", "00"),
            )
        ]
        calls = [await caller.call(partner, url, BODY, signed_answer=True) for url in urls]
    assert [call.outcome for call in calls] == [SUCCESS] * 3
    assert {call.url_origin for call in calls} == {f"https://localhost:{server.port}"}
    assert {request.headers["host"] for request in server.requests} == {f"localhost:{server.port}"}
    assert {request.target for request in server.requests} == {"/Path?q=%2f"}
    assert names == ["localhost"]


async def test_a_name_in_its_own_script_is_called_by_its_ascii_form(
    raw_server, make_caller, partner, ca
):
    """Look-up, TLS and Host all say the A-label, and `allowed_hosts` may say either."""
    asked = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("xn--bcher-kva.example").configure_cert(context)

    def look_up(host):
        asked.append(host)
        return ["127.0.0.1"]

    one = replace(partner, allowed_hosts=frozenset({host_of("Bücher.example.")}))
    async with make_caller(lookup=look_up) as caller, raw_server(tls=context) as server:
        for host in ("bücher.example", "XN--BCHER-KVA.example."):
            call = await caller.call(one, server.url(host=host), BODY, signed_answer=True)
            assert call.outcome == SUCCESS
            assert call.url_origin == f"https://xn--bcher-kva.example:{server.port}"
    assert asked == ["xn--bcher-kva.example"]
    assert [request.headers["host"] for request in server.requests] == [
        f"xn--bcher-kva.example:{server.port}"
    ] * 2


async def test_every_attempt_has_the_same_body_and_a_fresh_time(raw_server, caller, partner):
    """Byte for byte the same, over the same connection."""
    async with raw_server() as server:
        calls = [
            await caller.call(partner, server.url(), BODY, signed_answer=True) for _ in range(3)
        ]
    assert [call.outcome for call in calls] == [SUCCESS] * 3
    assert {request.body for request in server.requests} == {BODY}
    assert {request.connection for request in server.requests} == {1}
    for call in calls:
        assert call.request_left is RequestLeft.YES
        assert call.http_status == 200
        assert call.started_at_ms <= call.ended_at_ms
        assert call.url_origin == f"https://localhost:{server.port}"
        assert call.signing_seconds > 0
        assert not call.slow_down
        assert call.retry_after_seconds is None


@pytest.mark.parametrize(("bits", "in_thread"), [(2048, False), (4096, True)])
async def test_a_signature_that_takes_long_is_made_in_a_thread(
    raw_server, make_caller, partner, bits, in_thread
):
    """One that takes 0.3 ms is made on the event loop, where a hop to a thread and back would cost as much."""
    private = rsa.generate_private_key(65537, bits)
    signer = replace(partner, signing_keys=(replace(partner.signing_keys[0], private_key=private),))
    with ThreadPoolExecutor(1, thread_name_prefix="signing") as pool:
        async with make_caller(signing_threads=pool) as caller, raw_server() as server:
            await caller.call(signer, server.url(), BODY, signed_answer=True)
        assert bool(pool._threads) is in_thread
    request = server.requests[0]
    signed = string_to_sign(
        request.target, partner.client_id, request.headers["request-time"], request.body
    )
    assert verify(request.headers["signature"], signed, {"1": private.public_key()})


async def test_256_calls_at_once_on_one_client(raw_server, caller, partner):
    """Nothing queues in the client: the partner sees all of them at the same time."""
    everyone = asyncio.Barrier(256)

    async def respond(request, writer):
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await everyone.wait()
        writer.write(answer_of(request))

    async with raw_server(respond) as server:
        patient = replace(partner, attempt_timeout_seconds=TIMEOUT_SECONDS)
        calls = await asyncio.gather(
            *(
                caller.call(patient, server.url(f"/{number}"), BODY, signed_answer=False)
                for number in range(256)
            )
        )
    assert {call.outcome for call in calls} == {SUCCESS}
    assert server.most_open == 256
    assert len({request.target for request in server.requests}) == 256


def answer_of(_request):
    body = b'{"result":{"resultStatus":"S","resultCode":"SUCCESS"}}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_against_an_ordinary_http_server(caller, partner, server_tls):
    """aiohttp's server, chunked answer and all, is understood; literal addresses work too."""
    seen = []

    async def notify(request):
        seen.append((request.raw_path, await request.read()))
        response = web.StreamResponse()
        await response.prepare(request)
        for part in (b'{"result":', b'{"resultStatus":"U",', b'"resultCode":"UNKNOWN_EXCEPTION"}}'):
            await response.write(part)
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_post("/{tail:.*}", notify)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    try:
        port = runner.addresses[0][1]
        url = f"https://127.0.0.1:{port}/a%2Fb?c=%20"
        call = await caller.call(partner, url, BODY, signed_answer=False)
    finally:
        await runner.cleanup()
    assert call.outcome == Answered(Status.UNKNOWN, "UNKNOWN_EXCEPTION")
    assert seen == [("/a%2Fb?c=%20", BODY)]


async def test_plain_http_when_it_is_allowed(raw_server, make_caller, partner):
    """The rehearsal without certificates."""
    async with raw_server(tls=None) as server, make_caller() as strict:
        call = await strict.call(partner, server.url(scheme="http"), BODY, signed_answer=True)
        assert call.outcome.why.startswith("the URL: plain http")
        assert call.request_left is RequestLeft.NO
        lenient = Guard(EgressNetworks(allow=(ip_network("127.0.0.0/8"),)), allow_http=True)
        async with make_caller(lenient) as caller:
            call = await caller.call(partner, server.url(scheme="http"), BODY, signed_answer=True)
    assert call.outcome == SUCCESS
    assert len(server.requests) == 1


def test_the_same_under_uvloop(raw_server, make_caller, partner):
    """The worker runs on uvloop: success, a refused certificate and a broken answer there too."""

    async def cut(_request, writer):
        writer.transport.abort()

    async def run():
        async with raw_server() as good, raw_server(cut) as bad, make_caller() as caller:
            stranger = replace(partner, partner_id="stranger", tls=None)
            return [
                await caller.call(partner, good.url(), BODY, signed_answer=True),
                await caller.call(stranger, good.url(), BODY, signed_answer=True),
                await caller.call(partner, bad.url(), BODY, signed_answer=True),
            ]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes = [(call.outcome, call.request_left) for call in runner.run(run())]
    assert outcomes == [
        (SUCCESS, RequestLeft.YES),
        (NoResult(Failure.TLS_INCOMPLETE_CHAIN), RequestLeft.NO),
        (NoResult(Failure.BROKEN_CONNECTION), RequestLeft.PERHAPS),
    ]
