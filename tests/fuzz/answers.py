"""Makes HTTP answers by their structure, right and wrong in every part: what a server sends to three requests in turn.

A script is a sequence of bytes, so that it can be changed byte by byte and kept as a file: `NEXT` stands between the
answers to one request and the next, `PAUSE` where one piece ends and the next is sent apart, `HANG_UP` at the end of an
answer after which the server closes.
"""

from collections.abc import Callable, Sequence
from random import Random  # noqa: TID251  # passed in, seeded

from tests.fuzz.mutator import Mutator

NEXT, PAUSE, HANG_UP = b"\x1e", b"\x1f", b"\x1c"
REQUESTS = 3

_STATUS_LINES: Sequence[bytes] = (
    *(b"HTTP/1.1 200 OK",) * 12,
    *(b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 200 \xff", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 500 X"),
    *(b"HTTP/1.1 429 Slow Down", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 X", b"HTTP/1.1 301 X", b"HTTP/1.1 101 X"),
    *(b"HTTP/2 200", b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1 0200 OK", b"ICY 200 OK"),
    *(b"HTTP/1.1 20\xb2 OK", b"HTTP/1.1 099 X", b"HTTP/1.1 999 X", b"", b"SSH-2.0-OpenSSH"),
)  # fmt: skip
_INTERIM: Sequence[bytes] = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n",
    b"HTTP/1.1 199 X\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.0 100\r\n\r\n",
)
_HEADERS: Sequence[bytes] = (
    *(b"Content-Type: application/json", b"Connection: close", b"Connection: keep-alive", b"Connection: x, close"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: none", b"Content-Encoding: identity", b"Retry-After: 5"),
    *(b"Retry-After: 99999999999", b"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", b"Location: http://127.0.0.1/"),
    *(b"X: " + b"x" * 9000, b"X: a\r\n b\r\n\tc", b" X: y", b"X : y", b"X", b": y", b"X: \xff\x80", b"X: \0", b"X: a\rb"),
    *(b"X:y\nZ: z", b"Set-Cookie: a=b", b"Upgrade: h2c", b"Trailer: Content-Length", b"Date: x"),
    *(b"\r\n".join([b"X: y"] * 299), b"\r\n".join([b"X: y"] * 400), b"Server: " + b"s" * 66_000),
)  # fmt: skip
_LENGTHS: Sequence[Callable[[int], bytes]] = (
    *(lambda size: b"%d" % size,) * 8,
    lambda size: b"%d" % (size + 1),
    lambda size: b"%d" % max(size - 1, 0),
    lambda size: b"%d, %d" % (size, size),
    lambda size: b"%d\r\nContent-Length: %d" % (size, size + 1),
    lambda size: b"+%d" % size,
    lambda size: b"0x%x" % size,
    lambda size: b"00%d" % size,
    lambda _: b"",
    lambda _: b"-1",
    lambda _: b"9223372036854775808",
    lambda size: b"%d\r\nTransfer-Encoding: chunked" % size,
)
_CODINGS: Sequence[bytes] = (
    *(b"chunked",) * 6,
    *(b"chunked, chunked", b"CHUNKED", b"identity", b"gzip, chunked", b"chunked, gzip", b"xchunked", b""),
)  # fmt: skip
_CHUNK_SIZES: Sequence[Callable[[int], bytes]] = (
    *(lambda size: b"%x" % size,) * 8,
    lambda size: b"%X" % size,
    lambda size: b"000%x" % size,
    lambda size: b'%x;name="va\\"lue"' % size,
    lambda size: b"%x ; a=b " % size,
    lambda size: b"%x;" % size + b"x" * 5000,
    lambda size: b"%x" % (size + 1),
    lambda size: b"-%x" % size,
    lambda size: b"0x%x" % size,
    lambda _: b"ffffffffffffffffff",
)
_BEHIND: Sequence[bytes] = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"x",
    b"\0" * 300,
)

Signed = Callable[[bytes], list[bytes]]
"""Gives the headers that sign a body."""


class AnswerScripts(Mutator):
    """Makes scripts, half of them with bytes changed at random as well.

    Args:
        rng: the same one makes the same scripts.
        seeds: good ones.
        signed: gives the headers that sign a body.
    """

    def __init__(self, rng: Random, seeds: Sequence[bytes], signed: Signed) -> None:
        super().__init__(rng, seeds)
        self._signed = signed

    def next(self) -> bytes:
        """Return the next script."""
        rng = self._rng
        script = bytearray(NEXT.join(self._answer(number) for number in range(REQUESTS)))
        if rng.random() < 0.2:
            return super().next()
        if rng.random() < 0.3:
            self._change(script)
        return bytes(script)

    def _right_answer(self, number: int) -> bytes:
        """An answer that counts, whole, in one of the ways in which servers send it."""
        rng = self._rng
        body = b'{"result":{"resultStatus":"%b","resultCode":"C%d"}}' % (
            rng.choice((b"S", b"F", b"U")),
            number,
        )
        headers = [b"HTTP/1.1 200 OK", *self._signed(body)]
        match rng.randrange(3):
            case 0:
                headers.append(b"Content-Length: %d" % len(body))
                framed, end = body, b""
            case 1:
                headers.append(b"Transfer-Encoding: chunked")
                middle = rng.randrange(1, len(body))
                parts = (body[:middle], body[middle:])
                framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
                framed, end = framed + b"0\r\n\r\n", b""
            case _:
                framed, end = body, HANG_UP
        interim = b"".join(rng.choices(_INTERIM, k=rng.choice((0, 0, 1, 8))))
        behind = PAUSE + rng.choice(_BEHIND) if not end and rng.random() < 0.1 else b""
        return interim + b"\r\n".join([*headers, b"", framed]) + behind + end

    def _often(self, usual: bytes, others: Sequence[bytes]) -> bytes:
        return usual if self._rng.random() < 0.8 else self._rng.choice(others)

    def _answer(self, number: int) -> bytes:
        rng = self._rng
        if rng.random() < 0.4:
            return self._right_answer(number)
        body = self._body(number)
        headers = rng.sample(_HEADERS, rng.choice((0, 0, 0, 1, 2, 4)))
        headers += self._signature(body)
        coded = body
        match rng.randrange(8):
            case 0 | 1 | 2 | 3:
                headers.append(b"Content-Length: " + rng.choice(_LENGTHS)(len(body)))
            case 4 | 5 | 6:
                headers.append(b"Transfer-Encoding: " + rng.choice(_CODINGS))
                coded = self._chunked(body)
            case _:
                pass
        rng.shuffle(headers)
        interim = b"".join(
            rng.choices(_INTERIM, k=rng.choice((0, 0, 0, 0, 1, 2, 8, 9, 60)))
            if rng.random() < 0.4
            else ()
        )
        line_end = self._often(b"\r\n", (b"\n", b"\r", b"\r\n\r\n"))
        head = line_end.join([rng.choice(_STATUS_LINES), *headers, b"", b""])
        whole = interim + head + coded
        match rng.randrange(10):
            case 0:
                whole += rng.choice((b"", PAUSE)) + rng.choice(_BEHIND)
            case 1:
                whole += rng.choice((b"", PAUSE)) + whole
            case 2:
                whole = whole[: rng.randrange(len(whole) + 1)]
            case _:
                pass
        for _ in range(rng.choice((0, 0, 1, 3, 40))):
            at = rng.randrange(len(whole) + 1)
            whole = whole[:at] + PAUSE + whole[at:]
        return whole + (HANG_UP if rng.random() < 0.2 else b"")

    def _body(self, number: int) -> bytes:
        rng = self._rng
        status = rng.choice((b"S", b"S", b"F", b"U"))
        result = b'{"result":{"resultStatus":"%b","resultCode":"C%d"}' % (status, number)
        match rng.randrange(12):
            case 0:
                return result + b',"x":[' + b"{}," * rng.choice((10, 4092, 4096, 21_000)) + b"0]}"
            case 1:
                return result + b"}" + b" " * (65_536 - len(result) - 1 + rng.choice((-1, 0, 1)))
            case 2:
                return result + b',"result":{"resultStatus":"S"}}'
            case 3:
                return rng.choice(
                    (b"", b"{}", b"OK", b"<html></html>", b"\xff\xfe{}", b"null", b"[" * 5000)
                )
            case 4:
                return (
                    result
                    + b',"n":'
                    + rng.choice((b"9" * 60_000, b"1e999", b"NaN", b'"\\ud800"'))
                    + b"}"
                )
            case _:
                return result + b"}"

    def _signature(self, body: bytes) -> list[bytes]:
        rng = self._rng
        signed = self._signed(body)
        match rng.randrange(12):
            case 0:
                return self._signed(body + b" ")
            case 1:
                return []
            case 2:
                return signed[1:]
            case 3:
                return signed + self._signed(b"another")
            case 4:
                return [line.replace(b"signature=", b"signature=A", 1) for line in signed]
            case _:
                return signed

    def _chunked(self, body: bytes) -> bytes:
        rng = self._rng
        made, at = [], 0
        longest = (
            rng.choice((1, 3, 20, 1000, 70_000)) if len(body) < 2000 else rng.choice((1000, 70_000))
        )
        while at < len(body):
            part = body[at : at + rng.randrange(1, longest + 1)]
            at += len(part)
            size = b"%x" % len(part) if rng.random() < 0.9 else rng.choice(_CHUNK_SIZES)(len(part))
            made.append(
                size
                + self._often(b"\r\n", (b"\r\n", b"\n"))
                + part
                + self._often(b"\r\n", (b"\r\n", b"", b"\n"))
            )
        trailers = rng.choice(
            (
                b"",
                b"",
                b"",
                b"X: y\r\n",
                b"Content-Length: 5\r\n",
                b"signature: x\r\n",
                b"X: y\r\n" * 400,
            )
        )
        last = self._often(b"0\r\n", (b"", b"00\r\n", b"0;x=y\r\n", b"0"))
        return b"".join(made) + last + trailers + self._often(b"\r\n", (b"", b"\n"))
