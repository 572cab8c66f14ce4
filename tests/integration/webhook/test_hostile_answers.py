"""A partner, or somebody in its place, that answers to do harm: nothing is believed, and everything is bounded."""

import asyncio
import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from streams.clock import Clock
from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.webhook.response import MAX_BODY_BYTES
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b'{"paymentRequestId":"1"}'
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")
UNREADABLE = NoResult(Failure.UNREADABLE_ANSWER)
S = '{"result":{"resultStatus":"S","resultCode":"SUCCESS"}}'
TWICE = [
    '{"result":{"resultStatus":"F","resultStatus":"S"}}',
    '{"result":{"resultStatus":"U"},"result":{"resultStatus":"S"}}',
    '{"result":{"resultStatus":"S","result\\u0053tatus":"F"}}',
]


def deep(levels):
    return S[:-1] + ',"x":' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize(
    "body",
    [
        deep(40).encode(),
        deep(20_000).encode(),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        *(text.encode() for text in TWICE),
        S.encode("utf-16"),
        S.encode("utf-16-le"),
        S.encode("utf-32"),
        S.replace("SUCCESS", "S\xfcCCESS").encode("latin-1"),
        S.replace("SUCCESS", "\\ud800").encode(),
        S.replace('"SUCCESS"', "NaN").encode(),
        S.encode() + b"\0",
        S.encode() + S.encode(),
        b"callback(" + S.encode() + b")",
        S.replace('"S"', '["S"]').encode(),
        S.replace('"S"', '"\\u0053 "').encode(),
    ],
    ids=lambda body: f"{len(body)}-{body[:12]!r}",
)
async def test_a_body_with_two_meanings_is_unreadable(raw_server, caller, partner, wire, body):
    """Too deep, a member twice, another charset, half a character: not even rightly signed is it believed."""

    async def respond(request, writer):
        writer.write(wire.signed_answer(request, body))

    async with raw_server(respond) as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == UNREADABLE


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", "gb18030", "x\xff", ""])
async def test_a_declared_charset_changes_nothing(raw_server, caller, partner, wire, charset):
    """JSON is UTF-8, whatever the header says: the bytes were signed, the header was not."""

    async def respond(request, writer):
        kind = {"Content-Type": f"application/json; charset={charset}"}
        writer.write(wire.signed_answer(request, **kind))

    async with raw_server(respond) as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == SUCCESS


OK = b"HTTP/1.1 200 OK\r\n"
FLOODS = {
    "one long header": (OK, b"X: " + b"x" * 1_000_000),
    "many headers": (OK, b"X: y\r\n" * 200_000),
    "a header name without end": (OK, b"x" * 1_000_000),
    "folded headers": (OK, b"X: y\r\n" + b" z\r\n" * 200_000),
    "a status line without end": (b"HTTP/1.1 200 ", b"x" * 1_000_000),
    "one long chunk extension": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;",
        b"x" * 1_000_000,
    ),
    "a chunk size without end": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1_000_000),
    "many trailers": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        b"X: y\r\n" * 200_000,
    ),
    "a body without end": (OK + b"\r\n", b" " * 1_000_000),
    "chunks without end": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"1\r\n \r\n" * 200_000,
    ),
    "more than was announced": (
        OK + b"Content-Length: 9223372036854775808\r\n\r\n",
        b" " * 1_000_000,
    ),
}


BOUNDED_BY = {
    "a body without end": Failure.OVERSIZED_ANSWER,
    "chunks without end": Failure.OVERSIZED_ANSWER,
    "more than was announced": Failure.OVERSIZED_ANSWER,
}
"""What stops each; the others are beyond the bounds of a head or of a chunk's line."""


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_is_cut_off(raw_server, caller, partner, kind):
    """The partner is hung up on long before its end, and no S comes of it."""
    start, flood = FLOODS[kind]

    async def respond(_request, writer):
        writer.write(start)
        for _ in range(64):
            writer.write(flood)
            await writer.drain()

    impatient = replace(partner, attempt_timeout_seconds=1.0)
    async with raw_server(respond) as server:
        call = await caller.call(impatient, server.url(), BODY, signed_answer=True)
        assert isinstance(call.outcome, NoResult)
        assert call.outcome.failure is BOUNDED_BY.get(kind, Failure.UNREADABLE_ANSWER)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await server.closed.wait()


@pytest.mark.parametrize(
    "early",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n",
        b"HTTP/1.1 199 X\r\n\r\n",
    ],
)
async def test_interim_answers_without_end(raw_server, caller, partner, early):
    """The partner is hung up on at the ninth, long before the attempt's time ends."""
    stop = asyncio.Event()

    async def respond(_request, writer):
        while not stop.is_set():
            writer.write(early)
            await writer.drain()
            await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=0.01)

    async with raw_server(respond) as server:
        try:
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
        finally:
            stop.set()
    assert isinstance(call.outcome, NoResult)
    assert call.outcome.failure is Failure.UNREADABLE_ANSWER
    assert call.outcome.detail == "more than 8 interim responses (1xx)"


@pytest.mark.parametrize(
    "coding", ["gzip", "deflate", "br", "zstd", "compress", "x-gzip", "identity, gzip"]
)
async def test_no_compression_is_undone(raw_server, caller, partner, wire, coding):
    """Not even a coding that leaves the bytes as they are: nobody asked for one."""

    async def respond(request, writer):
        writer.write(wire.signed_answer(request, **{"Content-Encoding": coding}))

    async with raw_server(respond) as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == UNREADABLE


async def test_an_answer_sent_ahead_is_nobodys(raw_server, caller, partner, wire):
    """A second S behind the first on one connection does not answer the next request."""

    async def respond(request, writer):
        if len(server.requests) == 1:
            writer.write(wire.signed_answer(request) + wire.answer(wire.acknowledgement()))
        else:
            body = wire.acknowledgement("F", "PROCESS_FAIL")
            writer.write(wire.signed_answer(request, body))

    unsigned = replace(partner, peer_keys=MappingProxyType({}))
    async with raw_server(respond) as server:
        first = await caller.call(unsigned, server.url(), BODY, signed_answer=False)
        second = await caller.call(unsigned, server.url(), BODY, signed_answer=False)
    assert first.outcome == SUCCESS
    assert second.outcome == Answered(Status.FAILED, "PROCESS_FAIL")
    assert len(server.requests) == 2


def other_path(request):
    return replace(request, target="/another")


def other_client(request):
    return replace(request, headers=request.headers | {"client-id": "SOMEBODY"})


@pytest.mark.parametrize("stolen", [other_path, other_client])
@pytest.mark.parametrize("required", [True, False])
async def test_an_acknowledgement_of_somebody_else(  # noqa: PLR0913, PLR0917  # fixtures
    raw_server, caller, partner, wire, stolen, required
):
    """One that was signed for another path or another sender counts for nothing here."""

    async def respond(request, writer):
        writer.write(wire.signed_answer(stolen(request)))

    async with raw_server(respond) as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=required)
    assert call.outcome == NoResult(Failure.WRONG_SIGNATURE, Status.SUCCESS, "SUCCESS")


@pytest.mark.parametrize(
    "forged",
    [
        lambda head: head.replace(b"response-time: 2026", b"response-time: 2027"),
        lambda head: head.replace(b'"resultCode": "SUCCESS"', b'"resultCode": "SUCCES5"'),
        lambda head: head.replace(b"keyVersion=1", b"keyVersion=2").replace(b"%2B", b"%2F"),
        lambda head: head.replace(b"signature: ", b"signature: algorithm=none,keyVersion=1,signature=\r\nsignature: "),
        lambda head: head.replace(b"signature: algorithm", b"signature: \r\nx-signature: algorithm"),
        lambda head: head.replace(b"signature: ", b"x: ", 1),
        lambda head: head.replace(b"response-time: ", b"x: "),
        lambda head: head.replace(b"response-time: ", b"response-time: 1\r\nresponse-time: "),
    ],
)  # fmt: skip
async def test_a_forged_acknowledgement_never_counts(raw_server, caller, partner, wire, forged):
    """One byte of the time, the body, the key or the signature changed, or one of them left out or given twice."""

    async def respond(request, writer):
        good = wire.signed_answer(request)
        bad = forged(good)
        assert good != bad or b"%2B" not in good
        writer.write(bad if good != bad else good.replace(b"signature=", b"signature=x"))

    async with raw_server(respond) as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert isinstance(call.outcome, NoResult)
    assert call.outcome.failure in {Failure.WRONG_SIGNATURE, Failure.UNSIGNED_ANSWER}
    assert call.outcome.claimed is Status.SUCCESS


async def test_a_stale_acknowledgement(raw_server, caller, partner, wire):
    """Rightly signed but of another day: noted always, and refused where the partner's entry says so."""

    async def respond(request, writer):
        writer.write(wire.signed_answer(request))  # its time is in 2026-11

    now = Clock().now_ms() / 1000
    assert abs(now - 1_795_342_531) > 900, "the fixture's time is now: choose another"
    strict = replace(partner, partner_id="strict", refuse_stale_responses=True)
    async with raw_server(respond) as server:
        lenient = await caller.call(partner, server.url(), BODY, signed_answer=True)
        refused = await caller.call(strict, server.url(), BODY, signed_answer=True)
    assert (lenient.outcome, lenient.stale) == (SUCCESS, True)
    assert refused.outcome == NoResult(Failure.STALE_ANSWER, Status.SUCCESS, "SUCCESS")
    assert refused.stale


async def test_the_largest_honest_answer_still_counts(raw_server, caller, partner, wire):
    """The bounds are wide: 64 KiB and 31 levels are fine."""
    body = deep(30).encode()
    padded = body + b" " * (MAX_BODY_BYTES - len(body))
    assert json.loads(padded)

    async def respond(request, writer):
        writer.write(wire.signed_answer(request, padded))

    async with raw_server(respond) as server:
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == SUCCESS
