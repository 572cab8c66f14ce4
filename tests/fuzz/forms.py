"""The console's forms over a real connection: whatever a browser, or nobody's browser, posts is answered, and costs little.

A case is the path, the content type, the content encoding and how the body is sent, a line each, and the body: what is
HTTP itself in a request is always right, because aiohttp answers what is not before any of our code.
"""

import asyncio
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import Random  # noqa: TID251  # passed in, seeded
from urllib.parse import quote_from_bytes

from streams.operator.console import protection
from streams.operator.console.app import Console
from streams.operator.console.forms import SELECTION_BYTES
from streams.operator.console.protection import HEADERS
from streams.operator.console.tokens import AccessTokens
from streams.settings import Settings
from tests.fuzz.mutator import PIECES, Mutator
from tests.support.history import NAMES, T0
from tests.support.topics import Payment, Topics
from tests.unit.kit import ManualClock

FORM = b"application/x-www-form-urlencoded"
_TOKEN = "a-token-that-may-replay"  # noqa: S105  # of this test alone
_LETTER = f"{NAMES.dead_letter}:0:0".encode()
_HEALTH = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_UNFINISHED = frozenset({b"too-short", b"broken-chunks"})
_BOUNDS = {b"/login": 4096, b"/replays": 16_384, b"/dead-letters/check": SELECTION_BYTES}
_PATHS: Sequence[bytes] = (
    *_BOUNDS,
    b"/replays/r-1/stop",
    b"/logout",
    b"/replays/%2e%2e%2f/stop",
    b"/nowhere",
)
_KINDS: Sequence[bytes] = (
    *(FORM,) * 30,
    *(FORM + b"; charset=" + charset for charset in (b"utf-8", b"UTF8", b'"utf-8"', b"utf-16", b"punycode", b"idna", b"utf-7")),
    *(FORM + b"; charset=" + charset for charset in (b"unicode_escape", b"rot13", b"base64", b"zip", b"undefined", b"x" * 300, b"")),
    *(b"multipart/form-data; boundary=x", b"multipart/form-data", b"multipart/mixed; boundary=" + b"x" * 300),
    *(b"text/plain", b"application/json", b"", b"/", b";", FORM.upper(), FORM + b";;;charset=utf-8;charset=utf-16"),
)  # fmt: skip
_ENCODINGS: Sequence[bytes] = (
    *(b"",) * 30,
    b"identity",
    b"gzip",
    b"deflate",
    b"br",
    b"zstd",
    b"gzip, gzip",
    b"x",
)
_SENT: Sequence[bytes] = (
    *(b"length",) * 6,
    b"chunks",
    b"chunks",
    b"too-short",
    b"broken-chunks",
    b"expect",
)
_NAMES: Sequence[bytes] = (
    *(b"token", b"next", b"letter", b"which", b"why", b"typed", b"expected", b"rate", b"selection", b"partner"),
    *(b"profile", b"reason", b"answer", b"since", b"until", b"q", b"before", b"", b"\xc3\xa9", b"a" * 300),
)  # fmt: skip
_VALUES: Sequence[bytes] = (
    *(b"matching", b"SUCCESS", b"1", b"20", b"0", b"-1", b"1e9", b"9" * 5000, "٣".encode(), "²".encode(), b"acme is back"),
    *(_LETTER, _LETTER + b"9" * 30, NAMES.dead_letter.encode() + b":0:" + b"9" * 5000, b":::", b"x:0:0", b"a:-1:0"),
    *(b"/", b"//evil", b"/\\evil", b"/orders\r\nX: y", b"2026-11-22", b"2026-11-22T10:15:30Z", b"0000-00-00", b"\0"),
    *(b"{{7*7}}", b"<script>", b"\xe2\x80\xae", b"\xf0\x9f\x98\x80" * 50, b"%", b"%zz", b"%ed%a0%80", b"\xff", b"x" * 4000),
)  # fmt: skip


class FormRequests(Mutator):
    """Makes requests: mostly forms that could be sent, with a value, a name or the whole of it wrong."""

    def next(self) -> bytes:
        """Return the next request."""
        rng = self._rng
        match rng.randrange(12):
            case 0:
                return super().next()
            case 1:
                body = rng.choice(PIECES) * rng.choice((1, 10, 300))
            case 2:
                body = self._parts()
            case 3:
                body = b"&".join(
                    [rng.choice((b"letter=" + _LETTER, b"a=1", b"", b"="))]
                    * rng.choice((31, 33, 1000, 60_000))
                )
            case 4 if rng.random() < 0.1:
                body = rng.choice((b"a=", b"%41", b"letter=", b"+")) * rng.choice(
                    (2_000, 300_000, 1_200_000)
                )
            case _:
                body = b"&".join(self._field() for _ in range(rng.choice((0, 1, 2, 5, 12))))
        case_ = bytearray(body)
        if rng.random() < 0.2:
            self._change(case_)
        head = [
            rng.choice((*_BOUNDS, *_BOUNDS, *_PATHS)),
            rng.choice(_KINDS),
            rng.choice(_ENCODINGS),
            rng.choice(_SENT),
        ]
        return b"\n".join([*head, bytes(case_)])

    def _field(self) -> bytes:
        rng = self._rng
        name, value = rng.choice(_NAMES), rng.choice(_VALUES)
        if rng.random() < 0.8:
            name, value = quote_from_bytes(name).encode(), quote_from_bytes(value).encode()
        return name + rng.choice((b"=",) * 9 + (b"",)) + value

    def _parts(self) -> bytes:
        rng = self._rng
        part = (
            b'--x\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\nContent-Type: %b\r\n\r\n%b\r\n'
            % (
                rng.choice(_NAMES),
                rng.choice(_VALUES[:8]),
                rng.choice(_KINDS),
                rng.choice(_VALUES),
            )
        )
        return part * rng.choice((1, 3, 500)) + rng.choice((b"--x--\r\n", b"", b"--x"))


class Forms:
    """Posts to the console, signed in and not; while each is answered the console answers its health probe too.

    Args:
        directory: for its tokens and its read model.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._console: Console | None = None
        self._cookie = ""
        self._seconds = protection._FAILED_SIGN_IN_SECONDS

    async def seeds(self) -> list[bytes]:
        """Return forms that the console's own pages send."""
        forms = (
            (b"/login", b"token=unknown&next=%2Forders"),
            (b"/login", b"token=" + _TOKEN.encode()),
            (b"/dead-letters/check", b"letter=" + _LETTER),
            (b"/dead-letters/check", b"which=matching&answer=read_timeout&partner=acme"),
            (b"/replays", b"selection=s&expected=1&why=acme+is+back&rate=20&typed="),
        )
        return [b"\n".join([path, FORM, b"", b"length", body]) for path, body in forms]

    def mutator(self, rng: Random, seeds: Sequence[bytes]) -> FormRequests:
        """Return what makes requests."""
        return FormRequests(rng, seeds)

    async def try_one(self, case: bytes) -> None:
        """Post it, once by a stranger or once by somebody signed in: by its length."""
        if self._console is None:
            await self._open()
        path, kind, encoding, sent, body = [*case.split(b"\n", 4), b"", b"", b"", b""][:5]
        path = b"/" + re.sub(rb"[^!-~]|[#?]", b"", path).lstrip(b"/")
        signed_in = len(case) % 4 != 0 and not path.startswith(b"/logout")
        headers = [
            b"Host: 127.0.0.1",
            b"Connection: close",
            b"Sec-Fetch-Site: same-origin",
            b"Content-Type: " + _value(kind),
            *([b"Content-Encoding: " + _value(encoding)] if encoding else []),
            *([b"Cookie: " + self._cookie.encode()] if signed_in else []),
        ]
        wire = _framed(sent, body)
        request = b"\r\n".join([b"POST %b HTTP/1.1" % path, *headers, wire])
        answer, health = await asyncio.gather(
            self._exchange(request, ends=sent in _UNFINISHED), self._exchange(_HEALTH)
        )
        assert health.startswith(b"HTTP/1.1 200 "), health[:200]
        if not answer:
            assert sent in _UNFINISHED, "no answer"
            return
        status = _status_of(answer)
        assert 200 <= status < 500, answer[:2000]
        if status == 400 and sent == b"broken-chunks":
            return  # aiohttp's own answer, before any of our code
        for name, value in HEADERS.items():
            assert f"\r\n{name}: {value}\r\n".encode() in answer, (name, answer[:2000])
        assert b"Server: notifier\r\n" in answer
        if path in _BOUNDS and (signed_in or path == b"/login") and sent in {b"length", b"chunks"}:
            if b"urlencoded" not in _value(kind).lower():
                assert status == 415
            if len(body) > _BOUNDS[path]:
                assert status in {413, 415}

    async def close(self) -> None:
        """Stop the console."""
        protection._FAILED_SIGN_IN_SECONDS = self._seconds
        if self._console is not None:
            await self._console.stop()

    async def _open(self) -> None:
        tokens = self._directory / "tokens.yaml"
        digest = sha256(_TOKEN.encode()).hexdigest()
        tokens.touch(0o600)
        tokens.write_text(f"tokens:\n  alice: {{sha256: {digest}, right: replay}}\n")
        settings = Settings.model_construct(
            **{name: field.default for name, field in Settings.model_fields.items()}
            | {
                "source_topics": ("final",),
                "topic_prefix": "pn",
                "console_tokens_file": tokens,
                "console_database": self._directory / "console.sqlite",
                "console_bind": "127.0.0.1",
                "console_port": 0,
            }
        )
        clock, topics = ManualClock(), Topics()
        clock.ms = T0 + 600_000
        Payment(topics, "one").refused(100)
        Payment(topics, "two").unanswered(50, wait="1s").refused(6000)
        protection._FAILED_SIGN_IN_SECONDS = 0.0  # a quarter of a second each, thousands of times
        self._console = Console(settings, AccessTokens(tokens), clock, lambda: topics)
        await self._console.start()
        form = b"token=" + _TOKEN.encode()
        head = (
            b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\nContent-Type: "
            + FORM
        )
        answer = await self._exchange(head + b"\r\n" + _framed(b"length", form))
        found = re.search(rb"Set-Cookie: (console=[^;]+);", answer)
        assert found is not None, answer
        self._cookie = found[1].decode()

    async def _exchange(self, request: bytes, *, ends: bool = False) -> bytes:
        """Send a request on a connection of its own, end our side of it or not, and return all that comes."""
        assert self._console is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", self._console.port)
        try:
            writer.write(request)
            await writer.drain()
            if ends:
                writer.write_eof()
            async with asyncio.timeout(60):
                return await reader.read()
        except (
            ConnectionError
        ):  # it was hung up on before it had sent all; the answer may have come before
            return bytes(reader._buffer)  # type: ignore[attr-defined]
        finally:
            writer.transport.abort()


def _value(text: bytes) -> bytes:
    return re.sub(rb"[^ -~]", b"", text).strip()[:4000]


def _status_of(answer: bytes) -> int:
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3}) ", answer)
    assert found is not None, answer[:200]
    return int(found[1])


def _framed(sent: bytes, body: bytes) -> bytes:
    """Return the lines that say how long a body is, and the body as they say, or not."""
    match sent:
        case b"chunks":
            parts = [body[at : at + 65_521] for at in range(0, len(body), 65_521)]
            return (
                b"Transfer-Encoding: chunked\r\n\r\n"
                + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
                + b"0\r\n\r\n"
            )
        case b"broken-chunks":
            return b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%bx" % (len(body), body)
        case b"too-short":
            return b"Content-Length: %d\r\n\r\n%b" % (len(body) + 10, body)
        case b"expect":
            return b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        case _:
            return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
