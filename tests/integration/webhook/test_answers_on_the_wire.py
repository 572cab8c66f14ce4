"""Bytes on the wire and what is made of them: what an answer must have, what does no harm, and what is never forgiven.

Each row is an answer over TLS, rightly signed unless it says otherwise. No row knows what reads it.
"""

import asyncio
import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from streams.notification.outcome import Answered, Failure, NoResult, RequestLeft, Status
from streams.webhook.signing import string_to_sign
from tests.integration.webhook.conftest import THEIRS, Request
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b'{"paymentRequestId":"1"}'
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")
S = b'{"result":{"resultStatus":"S","resultCode":"SUCCESS"}}'
MOMENT = "2026-11-28T10:15:31Z"
Row = Callable[[Request], bytes]


def escaped(text):
    return quote(text, safe="")


def signature(request, body=S, encode=base64.b64encode, escape=escaped, *, hash_=None):
    """Return the two headers of a signed answer."""
    signed = string_to_sign(request.target, request.headers["client-id"], MOMENT, body)
    raw = THEIRS.private_key.sign(signed, PKCS1v15(), hash_ or SHA256())
    text = escape(encode(raw).decode())
    return f"Signature: algorithm=RSA256,keyVersion=1,signature={text}\r\nResponse-Time: {MOMENT}\r\n".encode()


def answer(  # noqa: PLR0913  # the parts of an answer, each given by name
    more=b"", *, body=S, start=b"HTTP/1.1 200 OK\r\n", length=None, before=b"", behind=b""
):
    """Build an answer with a length, and something more in its head."""
    says = b"Content-Length: %d\r\n" % len(body) if length is None else length
    return lambda request: (
        before + start + signature(request, body) + says + more + b"\r\n" + body + behind
    )


def framed(by, sent, body=S, start=b"HTTP/1.1 200 OK\r\n"):
    """Build an answer whose length is said some other way, or wrongly."""
    return lambda request: start + signature(request, body) + by + b"\r\n" + sent


CHUNKED = b"Transfer-Encoding: chunked\r\n"
SIZE = b"%x" % len(S)


def chunked(sent, by=CHUNKED):
    return framed(by, sent)


def with_body(body):
    return answer(body=body)


IN_CHUNKS = SIZE + b"\r\n" + S + b"\r\n0\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(S)
HTML = b"<html><body>Blocked by the firewall. Incident 4711</body></html>"

COUNTS: dict[str, Row] = {
    # heads as servers, gateways and firewalls write them
    "a long policy": answer(b"Content-Security-Policy: " + b"default-src https://a.example " * 2000 + b"\r\n"),
    "the longest header": answer(b"X: " + b"x" * (64 * 1024 - 3) + b"\r\n"),
    "300 headers": answer(b"".join(b"X-H%d: 1\r\n" % n for n in range(297))),
    "300 cookies": answer(b"Set-Cookie: a=b; Path=/; Expires=Sat, 28 Nov 2026 10:00:00 GMT\r\n" * 297),
    "a long reason": answer(start=b"HTTP/1.1 200 " + b"O" * 9000 + b"\r\n"),
    "no reason": answer(start=b"HTTP/1.1 200 \r\n"),
    "no reason and no blank": answer(start=b"HTTP/1.1 200\r\n"),
    "a reason in another charset": answer(start=b"HTTP/1.1 200 \xe6\x88\x90\xff\r\n"),
    "HTTP/1.0": answer(start=b"HTTP/1.0 200 OK\r\n"),
    "HTTP/1.0 and keep-alive": answer(b"Connection: keep-alive\r\n", start=b"HTTP/1.0 200 OK\r\n"),
    "a value in UTF-8": answer("X-Message: erfolgreich ü 成功\r\n".encode()),
    "a value in latin-1": answer(b"X-Message: \xfc\xff\r\n"),
    "a control character": answer(b"Set-Cookie: a=\x01b\x7f\r\n"),
    "an empty value": answer(b"X-Empty:\r\nX-Blank:  \r\n"),
    "no blank behind the colon": answer(b"X-Tight:1\r\n"),
    "blanks around a value": answer(b"X-Wide: \t 1 \t \r\n"),
    "a folded header": answer(b"X-Folded: a,\r\n  b,\r\n\tc\r\n"),
    "headers twice": answer(b"Server: a\r\nServer: b\r\nContent-Type: a/b\r\nContent-Type: c\r\nDate: 1\r\nDate: 2\r\n"),
    "an odd content type": answer(b"Content-Type: text/html; charset=gb18030; x=\r\n"),
    "no content type": answer(),
    "upgrade offered": answer(b"Connection: Upgrade\r\nUpgrade: h2,h2c\r\n"),
    "what proxies add": answer(b'Via: 1.1 a, 1.1 b\r\nAge: 0\r\nX-Cache: MISS\r\nAlt-Svc: h3=":443"\r\nServer-Timing: a;dur=1.5\r\nNEL: {}\r\nTrailer: X\r\n'),
    "Connection: close": answer(b"Connection: close\r\n"),
    "an empty line before it": answer(before=b"\r\n\r\n"),
    "an empty line behind it": answer(behind=b"\r\n"),
    "interim answers": answer(before=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"),
    # lengths
    "in one chunk": chunked(IN_CHUNKS),
    "in many chunks": chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in S) + b"0\r\n\r\n"),
    "chunk sizes in capitals": chunked(IN_CHUNKS.replace(SIZE, b"000" + SIZE.upper()), b"Transfer-Encoding: Chunked\r\n"),
    "chunk extensions": chunked(IN_CHUNKS.replace(SIZE, SIZE + b';a;b=c ; d = "e;\\"f"', 1)),
    "a padded chunk size": chunked(IN_CHUNKS.replace(SIZE, SIZE + b"  ", 1)),
    "trailers": chunked(IN_CHUNKS[:-2] + b"Server-Timing: a\r\nX-Checksum: \xff\r\n\r\n"),
    "chunked, said twice": chunked(IN_CHUNKS, CHUNKED * 2),
    "chunked in HTTP/1.0": framed(CHUNKED, IN_CHUNKS, start=b"HTTP/1.0 200 OK\r\n"),
    "a length with zeros": answer(length=b"Content-Length: 000%d\r\n" % len(S)),
    "up to the end": framed(b"", S),
    "up to the end, and close": framed(b"Connection: close\r\n", S),
    "up to the end, HTTP/1.0": framed(b"", S, start=b"HTTP/1.0 200 OK\r\n"),
    "up to the end, identity": framed(b"Transfer-Encoding: identity\r\n", S),
    # codings that are none
    **{
        f"Content-Encoding: {coding}": answer(f"Content-Encoding: {coding}\r\n".encode())
        for coding in ("", "identity", "Identity", "none", "UTF-8", "utf8", "gb2312", "ISO-8859-1", "8bit", "7bit", "binary", "text", "application/json", "chunked", "*", "null", "utf-8, identity")
    },
    # text that nobody needs
    "a message in another charset": with_body(b'{"result":{"resultStatus":"S","resultCode":"SUCCESS","resultMessage":"\xb3\xc9\xb9\xa6"}}'),
    "half a character": with_body(b'{"x":"\\ud83d","result":{"resultStatus":"S","resultCode":"SUCCESS","resultMessage":"\\udc00"}}'),
    "a line break in a message": with_body(b'{"result":{"resultStatus":"S","resultCode":"SUCCESS","resultMessage":"a\r\n\tb\x01"}}'),
    "members twice that nobody needs": with_body(b'{"traceId":"1","traceId":"2","result":{"resultMessage":"a","resultStatus":"S","resultCode":"SUCCESS","resultMessage":"b"}}'),
    "numbers that nobody can hold": with_body(b'{"x":' + b"9" * 5000 + b',"y":1e999,"result":{"resultStatus":"S","resultCode":"SUCCESS"}}'),
    "a byte order mark": with_body(b"\xef\xbb\xbf" + S),
    "white space around it": with_body(b"\r\n\t " + S + b"\n\n"),
    "members that nobody knows": with_body(S[:-1] + b',"Result":{"resultStatus":"F"},"RESULT":1,"a":[[{}],null,true,1.5]}'),
}  # fmt: skip

CHUNK = "chunk 1: expected a size in hexadecimal digits and CR LF"
START = "status line: expected HTTP/1.0 or HTTP/1.1 and three digits"
LINE_END = "headers: a line that does not end with CR LF"
NAME = "header line 4: expected a name and a colon"
UNREADABLE: dict[str, tuple[Row, str]] = {
    # line ends
    "a line feed alone": (answer(b"X: y\nZ: z\r\n"), "header line 4: a line feed, carriage return or NUL within it"),
    "line feeds only": (lambda request: answer()(request).replace(b"\r\n", b"\n"), LINE_END),
    "a carriage return alone": (answer(b"X: a\rb\r\n"), "header line 4: a line feed, carriage return or NUL within it"),
    "NUL": (answer(b"X: a\0b\r\n"), "header line 4: a line feed, carriage return or NUL within it"),
    # heads
    "a header too long": (answer(b"X: " + b"x" * 70_109 + b"\r\n"), "header line of 70,112 bytes, at most 65,536"),
    "a folded header too long": (answer(b"X: a\r\n" + (b" " + b"x" * 999 + b"\r\n") * 70), "header line of 66,070 bytes, at most 65,536"),
    "301 headers": (answer(b"X: y\r\n" * 298), "301 headers, at most 300"),
    "headers too long together": (answer((b"X: " + b"x" * 50_000 + b"\r\n") * 3), "headers of more than 131,072 bytes together"),
    "a blank in a name": (answer(b"X Y: a\r\n"), NAME),
    "a blank before the colon": (answer(b"X : a\r\n"), NAME),
    "a name in UTF-8": (answer("Ü: a\r\n".encode()), NAME),
    "no name": (answer(b": a\r\n"), NAME),
    "no colon": (answer(b"garbage\r\n"), NAME),
    "a blank before the first header": (answer(start=b"HTTP/1.1 200 OK\r\n X: a\r\n"), "header line 1: begins with a blank"),
    "another protocol": (lambda _: b"SSH-2.0-OpenSSH_9.0\r\n", START),
    "lower case": (answer(start=b"http/1.1 200 OK\r\n"), START),
    "HTTP/2 in words": (answer(start=b"HTTP/2 200 OK\r\n"), START),
    "HTTP/1.2": (answer(start=b"HTTP/1.2 200 OK\r\n"), START),
    "two blanks": (answer(start=b"HTTP/1.1  200 OK\r\n"), START),
    "four digits": (answer(start=b"HTTP/1.1 2000 OK\r\n"), START),
    "a number that is no status": (answer(start=b"HTTP/1.1 099 OK\r\n"), START),
    # lengths
    "two lengths": (answer(b"Content-Length: 3\r\n"), "Content-Length: expected one number"),
    "the same length twice": (answer(LENGTH), "Content-Length: expected one number"),
    "lengths in a list": (answer(length=b"Content-Length: %d, %d\r\n" % (len(S), len(S))), "Content-Length: expected one number"),
    "a length with a sign": (answer(length=b"Content-Length: +%d\r\n" % len(S)), "Content-Length: expected one number"),
    "a negative length": (answer(length=b"Content-Length: -1\r\n"), "Content-Length: expected one number"),
    "a length in hexadecimal": (answer(length=b"Content-Length: 0x36\r\n"), "Content-Length: expected one number"),
    "a length in other digits": (answer(length="Content-Length: ٥٤\r\n".encode()), "Content-Length: expected one number"),
    "an empty length": (answer(length=b"Content-Length:\r\n"), "Content-Length: expected one number"),
    "a length on the next line": (answer(length=b"Content-Length:\r\n %d\r\n" % len(S)), "header line 4: begins with a blank"),
    "a length with a blank before the colon": (answer(length=b"Content-Length : %d\r\n" % len(S)), "header line 3: expected a name and a colon"),
    "a length and chunks": (chunked(IN_CHUNKS, LENGTH + CHUNKED), "both Content-Length and Transfer-Encoding"),
    "chunks and a length": (chunked(IN_CHUNKS, CHUNKED + LENGTH), "both Content-Length and Transfer-Encoding"),
    "an empty coding and a length": (answer(b"Transfer-Encoding:\r\n"), "both Content-Length and Transfer-Encoding"),
    "gzip and chunked": (chunked(IN_CHUNKS, b"Transfer-Encoding: gzip, chunked\r\n"), "Transfer-Encoding: expected chunked"),
    "chunked and identity": (chunked(IN_CHUNKS, CHUNKED + b"Transfer-Encoding: identity\r\n"), "Transfer-Encoding: expected chunked"),
    "not quite chunked": (chunked(IN_CHUNKS, b"Transfer-Encoding: xchunked\r\n"), "Transfer-Encoding: expected chunked"),
    "chunked behind a tab": (chunked(IN_CHUNKS, b"Transfer-Encoding: \x0bchunked\r\n"), "Transfer-Encoding: expected chunked"),
    "chunked on the next line": (chunked(IN_CHUNKS, b"Transfer-Encoding:\r\n chunked\r\n"), "header line 4: begins with a blank"),
    # chunks
    "a size in words": (chunked(b"zz\r\n" + IN_CHUNKS), CHUNK),
    "a size with a sign": (chunked(b"+" + IN_CHUNKS), CHUNK),
    "a negative size": (chunked(b"-1\r\n" + IN_CHUNKS), CHUNK),
    "a size with 0x": (chunked(b"0x" + IN_CHUNKS), CHUNK),
    "a size behind a blank": (chunked(b" " + IN_CHUNKS), CHUNK),
    "an empty size": (chunked(b"\r\n" + IN_CHUNKS), CHUNK),
    "a size that overflows": (chunked(b"1" + b"0" * 18 + SIZE + b"\r\n"), CHUNK),
    "a size that ends with a line feed": (chunked(IN_CHUNKS.replace(b"\r\n", b"\n", 1)), CHUNK),
    "a line feed in an extension": (chunked(IN_CHUNKS.replace(SIZE, SIZE + b";a\nb", 1)), CHUNK),
    "data that ends with a line feed": (chunked(IN_CHUNKS.replace(b"}\r\n", b"}\n")), "chunk 1: its data does not end where its size says"),
    "data without an end": (chunked(IN_CHUNKS.replace(b"}\r\n", b"}")), "chunk 1: its data does not end where its size says"),
    "more data than its size": (chunked(IN_CHUNKS.replace(b"}\r\n", b"}x\r\n")), "chunk 1: its data does not end where its size says"),
    "a long extension": (chunked(SIZE + b";" + b"x" * 5000 + b"\r\n" + S + b"\r\n0\r\n\r\n"), "chunk 1: more than 4,096 bytes before its data"),
    "a line feed at the end": (chunked(IN_CHUNKS[:-2] + b"\n"), "trailers: a line that does not end with CR LF"),
    "a length in a trailer": (chunked(IN_CHUNKS[:-2] + LENGTH + b"\r\n"), "a trailer says how long the body is"),
    "a trailer without a colon": (chunked(IN_CHUNKS[:-2] + b"garbage\r\n\r\n"), "trailer line 1: expected a name and a colon"),
    # bodies
    "gzip": (answer(b"Content-Encoding: gzip\r\n"), "content coding gzip, which was not asked for"),
    "identity and brotli": (answer(b"Content-Encoding: identity, BR\r\n"), "content coding br, which was not asked for"),
    "two codings": (answer(b"Content-Encoding: utf-8\r\nContent-Encoding: deflate\r\n"), "content coding deflate, which was not asked for"),
    "nothing": (with_body(b""), "body: empty"),
    "a firewall's page": (with_body(HTML), "body: HTML or XML, no JSON"),
    "plain text": (with_body(b"SUCCESS"), "body: no JSON at character 0: Expecting value"),
    "a comma too many": (with_body(S[:-1] + b",}"), "body: no JSON at character"),
    "twice": (with_body(S + S), "body: no JSON at character 54: Extra data"),
    "no result": (with_body(b'{"resultStatus":"S"}'), "body: JSON without an object result"),
    "an array": (with_body(b"[" + S + b"]"), "body: JSON without an object result"),
    "another status": (with_body(S.replace(b'"S"', b'"SUCCESS"')), "body: result.resultStatus is none of S, F and U"),
    "a status in lower case": (with_body(S.replace(b'"S"', b'"s"')), "body: result.resultStatus is none of S, F and U"),
    "a status in an odd text": (with_body(b'\xef\xbb\xbf{"result":{"resultStatus":"S\xff"}}'), "body: result.resultStatus is none of S, F and U"),
    "two results": (with_body(S[:-1] + b',"result":{"resultStatus":"S","resultCode":"SUCCESS"}}'), "body: two members result"),
    "two results, one escaped": (with_body(S[:-1] + b',"res\\u0075lt":{"resultStatus":"F"}}'), "body: two members result"),
    "two statuses": (with_body(b'{"result":{"resultStatus":"F","resultStatus":"S"}}'), "body: two members result.resultStatus"),
    "two codes": (with_body(b'{"result":{"resultStatus":"F","resultCode":"A","resultCode":"B"}}'), "body: result.resultCode is named twice or is no text"),
    "a code in another charset": (with_body(S.replace(b"SUCCESS", b"\xb3\xc9")), "body: result.resultCode is named twice or is no text"),
    "half a character in a code": (with_body(S.replace(b"SUCCESS", b"\\ud800")), "body: result.resultCode is named twice or is no text"),
    "another charset as a whole": (with_body(S.decode().encode("utf-16")), "body: no JSON at character 0: Expecting value"),
    "NaN": (with_body(S[:-1] + b',"x":NaN}'), "body: NaN and infinity are no JSON numbers"),
    "too deep": (with_body(S[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}"), "body: more than 32 levels of objects and arrays"),
}  # fmt: skip


@pytest.fixture
def answered(raw_server, caller, partner):
    """Call a server that writes one answer, at once or byte by byte, and says no more."""

    async def answered(row, *, closes=False, in_pieces=0, signed=True):
        async def respond(request, writer):
            wire = row(request)
            for at in range(0, len(wire), in_pieces or len(wire) or 1):
                writer.write(wire[at : at + in_pieces] if in_pieces else wire)
                await writer.drain()
            if closes:
                writer.close()

        async with raw_server(respond) as server:
            return await caller.call(partner, server.url(), BODY, signed_answer=signed)

    return answered


@pytest.mark.parametrize("name", COUNTS)
async def test_what_an_acknowledgement_does_not_need_does_no_harm(answered, name):
    """A signed S counts, whatever its head and its ignored members look like, and however its end is said."""
    call = await answered(COUNTS[name], closes=name.startswith("up to the end"))
    assert call.outcome == SUCCESS, call.outcome
    assert (call.http_status, call.request_left) == (200, RequestLeft.YES)


@pytest.mark.parametrize("name", ["interim answers", "a folded header", "trailers", "chunk extensions", "an empty line before it", "up to the end", "no reason"])  # fmt: skip
@pytest.mark.parametrize("size", [1, 7])
async def test_in_pieces(answered, name, size):
    """How the network cuts the bytes changes nothing."""
    call = await answered(COUNTS[name], closes=name.startswith("up to the end"), in_pieces=size)
    assert call.outcome == SUCCESS


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_is_never_forgiven(answered, name):
    """Lengths, chunks and line ends that leave a doubt, and a result that does: nothing counts, and it is said what it was."""
    row, detail = UNREADABLE[name]
    call = await answered(row)
    assert call.outcome == NoResult(Failure.UNREADABLE_ANSWER)
    assert call.outcome.detail.startswith(detail)
    assert len(call.outcome.detail) < 100


async def test_an_answer_that_is_too_long_says_so(answered):
    """Before it is read, where its length is said; and no value of it is quoted."""
    call = await answered(framed(b"Content-Length: 70112\r\n", b"x"))
    assert call.outcome == NoResult(Failure.OVERSIZED_ANSWER)
    assert call.outcome.detail == "body of 70,112 bytes, at most 65,536"
    call = await answered(chunked(b"ffff\r\n" + b" " * 0xFFFF + b"\r\n8\r\n"))
    assert call.outcome.detail == "body of more than 65,536 bytes, sizes of chunks counted apart"
    call = await answered(chunked(b"1\r\n \r\n" * 20_000))
    assert call.outcome == NoResult(Failure.OVERSIZED_ANSWER)


def wrapped(raw):
    """Encode as Java's MIME encoder does: a line break behind each 76 characters."""
    text = base64.b64encode(raw)
    return b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))


@pytest.mark.parametrize(
    ("encode", "escape"),
    [
        (base64.urlsafe_b64encode, str),
        (base64.urlsafe_b64encode, lambda text: text.rstrip("=")),
        (base64.b64encode, str),
        (base64.b64encode, lambda text: quote(text.rstrip("="), safe="")),
        (base64.b64encode, quote),  # "/" is left as it is
        (base64.b64encode, lambda text: f'"{quote(text, safe="")}"'),
        (base64.b64encode, lambda text: f" {quote(text, safe='')} "),
        (wrapped, escaped),
        (wrapped, lambda text: text.replace("\r\n", " ")),
        (wrapped, lambda text: text.replace("\r\n", "\r\n ")),
        (base64.b64encode, lambda text: f"{text}=="),
    ],
    ids=["url", "url bare", "as it is", "bare", "slash", "quotes", "blanks", "lines", "blanks in it", "folded", "padding"],
)  # fmt: skip
async def test_a_signature_may_be_spelt_in_any_base64(answered, encode, escape):
    """Both alphabets, padded or not, escaped or not, in lines: how it is spelt proves nothing."""
    call = await answered(lambda request: b"HTTP/1.1 200 OK\r\n" + signature(request, S, encode, escape) + LENGTH + b"\r\n" + S)  # fmt: skip
    assert call.outcome == SUCCESS


REFUSED_SIGNATURES: dict[str, Callable[[Request, bytes], bytes]] = {
    "another hash": lambda request, _: signature(request, hash_=SHA1()),  # noqa: S303  # to refuse
    "two of them": lambda request, good: good + signature(request),
    "the same one twice in one header": lambda _, good: good.replace(b"\r\n", b"," + good[11:].split(b"\r\n")[0] + b"\r\n", 1),
    "escaped twice": lambda request, _: signature(request, escape=lambda text: quote(quote(text, safe=""), safe="")),
    "of another body": lambda request, _: signature(request, S + b"\n"),
    "of the body without its mark": lambda request, _: signature(request, S),
    "two times": lambda _, good: good + b"Response-Time: 2026-11-28T10:15:32Z\r\n",
    "the time twice": lambda _, good: good + f"Response-Time: {MOMENT}\r\n".encode(),
    "in a trailer": lambda _request, _good: b"",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_SIGNATURES)
async def test_never_by_a_weaker_rule(answered, name):
    """Another hash, two signatures, or one that is over other bytes than those on the wire."""

    def row(request):
        headers = REFUSED_SIGNATURES[name](request, signature(request))
        body = b"\xef\xbb\xbf" + S if name == "of the body without its mark" else S
        if name == "in a trailer":
            trailers = signature(request)
            return b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n" + IN_CHUNKS[:-2] + trailers + b"\r\n"
        return b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body

    call = await answered(row)
    assert isinstance(call.outcome, NoResult)
    assert call.outcome.failure in {Failure.WRONG_SIGNATURE, Failure.UNSIGNED_ANSWER}
    assert call.outcome.claimed is Status.SUCCESS


@pytest.mark.parametrize(
    "sent",
    [
        framed(b"Content-Length: 5\r\n", b"busy!", start=b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\n"),
        framed(b"Content-Encoding: gzip\r\nContent-Length: 1\r\n", b"\x1f", start=b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\n"),
        framed(b"Content-Length: 70000\r\n", b"x", start=b"HTTP/1.1 503 Busy\r\nRetry-After: 9\r\n"),
        chunked(b"zz\r\n", CHUNKED + b"Retry-After: 9\r\n"),
    ],
)  # fmt: skip
async def test_a_head_is_obeyed_whatever_the_body(answered, sent):
    """Once the head has come the partner has seen the request, and what it asks for is done, also where the rest is broken."""
    call = await answered(sent)
    assert call.request_left is RequestLeft.YES
    assert call.retry_after_seconds == 9
    assert call.outcome.failure in {Failure.HTTP_STATUS, Failure.UNREADABLE_ANSWER}


@pytest.mark.parametrize(
    ("behind", "reused"),
    [(b"", True), (b"\r\n", False), (b"x", False), (b"HTTP/1.1 200 OK\r\n", False)],
)
async def test_a_connection_on_which_more_came_is_not_used_again(  # fixtures
    raw_server, caller, partner, behind, reused
):
    """What nobody asked for must not stand before the next answer."""

    async def respond(request, writer):
        writer.write(answer(behind=behind)(request))

    async with raw_server(respond) as server:
        for _ in range(2):
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
            assert call.outcome == SUCCESS
        assert (server.connections == 1) is reused


@pytest.mark.parametrize(
    ("row", "reused"),
    [
        (answer(b"Connection: keep-alive\r\n"), True),
        (chunked(IN_CHUNKS), True),
        (answer(start=b"HTTP/1.1 404 Not Found\r\n"), True),
        (framed(b"", b"", start=b"HTTP/1.1 204 No Content\r\n"), True),
        (answer(b"Connection: x, Close\r\n"), False),
        (answer(start=b"HTTP/1.0 200 OK\r\n"), False),
        (framed(b"", b"", start=b"HTTP/1.1 101 Switching Protocols\r\n"), False),
        (framed(b"Content-Length: 70000\r\n", b""), False),
        (chunked(b"zz\r\n"), False),
    ],
)
async def test_which_answers_leave_a_connection_that_can_be_used_again(
    raw_server, caller, partner, row, reused
):
    """One whose end is known and that does not say close."""

    async def respond(request, writer):
        writer.write(row(request))

    async with raw_server(respond) as server:
        for _ in range(2):
            await caller.call(partner, server.url(), BODY, signed_answer=True)
        assert (server.connections == 1) is reused


async def test_an_answer_that_comes_while_nobody_asks_is_dropped(raw_server, caller, partner):
    """A server that speaks on an idle connection, as with 408 for a request that never came, loses it."""

    async def respond(request, writer):
        writer.write(answer()(request))
        await writer.drain()
        if server.connections == 1:
            writer.write(answer(start=b"HTTP/1.1 408 Request Timeout\r\n")(request))

    async with raw_server(respond) as server:
        first = await caller.call(partner, server.url(), BODY, signed_answer=True)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await server.closed.wait()
        second = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert [first.outcome, second.outcome] == [SUCCESS, SUCCESS]
    assert server.connections == 2


@pytest.mark.parametrize(
    "name", ["a long policy", "Content-Encoding: UTF-8", "members twice that nobody needs"]
)
async def test_the_same_where_no_signature_is_asked_for(answered, name):
    """For a merchant who need not sign as well."""
    call = await answered(COUNTS[name], signed=False)
    assert call.outcome == SUCCESS
