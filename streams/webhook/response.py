"""An HTTP/1.x response (RFC 9112) read from bytes as they come. No I/O.

A reader of our own, because libraries bind together what must be apart here. What an acknowledgement doesn't need, how
long its headers are, how many, and what they say, is taken as it is within wide bounds. Where a message ends (lengths,
chunks, line ends) is read strictly: on a connection on which two sides count differently, one request gets the answer
of another. aiohttp's parser is the other way round: 8,190 bytes for a header, and a line may end with LF alone.
"""

import re
from collections.abc import Callable
from typing import Final

from streams.webhook.fields import TOKEN, UnreadableResponse, read_fields

MAX_BODY_BYTES: Final = 64 * 1024
MAX_HEAD_BYTES: Final = 128 * 1024
"""Of all that is no body: the headers, those of interim responses (1xx), and trailers."""
MAX_WIRE_BYTES: Final = 128 * 1024
"""Of a whole response: a body and a head of 64 KiB each, or one header that long beside many."""
MAX_INTERIM: Final = 8
"""Interim responses before the one that counts; servers send one or two (100, 103)."""
MAX_PIECES: Final = 4096
"""In how many pieces a response may come. An ordinary one comes in one or two; each costs a turn of the event loop."""
MAX_CHUNKS: Final = 1024
"""Of a body. Ordinary servers write one or a few; 13,000 of one byte each took 15 ms of the event loop in one turn."""
_MAX_CHUNK_LINE_BYTES: Final = 4096
_MAX_FRAMING_BYTES: Final = 64 * 1024  # sizes and extensions of chunks: as much as a body
_MOST_DIGITS: Final = 18

_START: Final = b"HTTP/1."
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n\0]*))?(?=\r\n)")
_EXPECTED_START: Final = "status line: expected HTTP/1.0 or HTTP/1.1 and three digits"
_BLANK_LINES: Final = re.compile(rb"(?:\r\n)+")
_DIGITS: Final = re.compile(r"[0-9]+")
_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]+)"
    rb"(?:[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb'|"(?:[^"\\\r\n]|\\[^\r\n])*"))?)*'
    rb"[ \t]*"
)  # fmt: skip
_INFORMATIONAL: Final = range(100, 200)
_SWITCHING_PROTOCOLS: Final = 101
_WITHOUT_BODY: Final = frozenset({_SWITCHING_PROTOCOLS, 204, 304})


class OversizedBody(Exception):  # noqa: N818  # named after what it says about the body
    """A body longer than `MAX_BODY_BYTES`, or in too many chunks. The message says what was too long."""


class ResponseReader:
    """Reads one response to a POST; interim ones (1xx, but not 101) are passed over.

    Attributes:
        status: of the response, once its head has come.
        http_version: as the response names it.
        reason: what stands behind the status.
        headers: under lower-case names; those given twice joined with a comma; latin-1. Trailers are left out.
        body: empty until the response is whole.
        reusable: whether the connection may carry another exchange: the response allows it, and nothing came behind it.
    """

    __slots__ = ("_at", "_chunks", "_framing_bytes", "_head_bytes", "_interim", "_left", "_parts", "_pending", "_pieces", "_scanned", "_size", "_step", "_wire_bytes", "body", "headers", "http_version", "reason", "reusable", "status")  # fmt: skip

    def __init__(self) -> None:
        self.status: int | None = None
        self.http_version = self.reason = b""
        self.headers: dict[str, str] = {}
        self.body = b""
        self.reusable = False
        self._step: Callable[[], bool] | None = self._head
        self._pending, self._at = b"", 0  # what has come, and where in it the next step begins
        self._scanned = 0  # so far nothing ends a head in what is pending
        self._head_bytes = self._framing_bytes = 0
        self._left = self._chunks = self._size = 0
        self._wire_bytes = self._pieces = self._interim = 0
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> bool:
        """Take received bytes; return whether the response is complete, after which it must not be called again.

        Raises:
            UnreadableResponse: it is none.
            OversizedBody: its body is too long.
        """
        self._pending = self._pending[self._at :] + data
        self._at = 0
        while self._step is not None and self._step():
            pass
        self._wire_bytes += len(data)
        self._pieces += 1
        if self._step is not None:
            if self._wire_bytes > MAX_WIRE_BYTES or self._pieces > MAX_PIECES:
                message = f"more than {MAX_WIRE_BYTES:,} bytes, or than {MAX_PIECES:,} pieces of it"
                raise UnreadableResponse(message)
            return False
        self.reusable = self.reusable and self._at == len(self._pending)
        return True

    def end(self) -> bool:
        """Note that the connection has ended; return whether that completes the response."""
        if self._step != self._until_the_end:
            return False
        self.body = b"".join(self._parts)
        return True

    def _head(self) -> bool:
        data, at = self._pending, self._at
        if data.startswith(b"\r", at):
            # Some servers write an empty line behind an answer, and it may come only with the next one.
            blank = _BLANK_LINES.match(data, at)
            if blank is not None:
                self._count_head(blank.end() - at)
                self._at = at = blank.end()
            if data[at:] == b"\r":
                return False
        if not (data.startswith(_START, at) or _START.startswith(data[at:])):
            raise UnreadableResponse(_EXPECTED_START)  # at once: a banner's sender waits for us
        end = self._block_end("header")
        if end < 0:
            return False
        line = _STATUS_LINE.match(data, at)
        if line is None:
            raise UnreadableResponse(_EXPECTED_START)
        headers = read_fields(data[line.end() : end], "header")
        self._at = end + 4
        status = int(line[2])
        if status in _INFORMATIONAL and status != _SWITCHING_PROTOCOLS:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                message = f"more than {MAX_INTERIM} interim responses (1xx)"
                raise UnreadableResponse(message)
            return True
        self.status, self.headers = status, headers
        self.http_version, self.reason = b"HTTP/1." + line[1], line[3] or b""
        self._frame(status, headers, http_1_0=line[1] == b"0")
        return True

    def _block_end(self, kind: str) -> int:
        """Return where the last line of a head or of trailers ends; -1 where it has not come."""
        data, at = self._pending, self._at
        end = data.find(b"\r\n\r\n", max(at, self._scanned - 3))
        if end >= 0:
            self._scanned = 0
            self._count_head(end + 4 - at)
            return end
        start = max(at, self._scanned - 1)
        if start < self._scanned and data[start] != _CR:
            start += 1
        ends = data.count(b"\r\n", start)
        stray = data.count(b"\r", start) - data.endswith(b"\r") != ends
        if stray or data.count(b"\n", start) != ends:
            message = f"{kind}s: a line that does not end with CR LF"
            raise UnreadableResponse(message)
        self._check_head(self._head_bytes + len(data) - at)
        self._scanned = len(data) - at
        return -1

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        self._check_head(self._head_bytes)

    def _check_head(self, size: int) -> None:
        if size > MAX_HEAD_BYTES:
            message = f"headers of more than {MAX_HEAD_BYTES:,} bytes together"
            raise UnreadableResponse(message)

    def _frame(self, status: int, headers: dict[str, str], *, http_1_0: bool) -> None:
        """Decide where the body ends (RFC 9112, section 6.3), and whether the connection goes on."""
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        closes = "connection" in headers and "close" in _words(headers["connection"])
        self.reusable = not (http_1_0 or closes or status == _SWITCHING_PROTOCOLS)
        if length is not None and coding is not None:
            message = "both Content-Length and Transfer-Encoding"
            raise UnreadableResponse(message)
        if length is not None and not _DIGITS.fullmatch(length):
            message = "Content-Length: expected one number"
            raise UnreadableResponse(message)
        codings = None if coding is None else set(_words(coding))
        if codings is not None and codings not in ({"chunked"}, {"identity"}):
            message = "Transfer-Encoding: expected chunked"
            raise UnreadableResponse(message)
        if status in _WITHOUT_BODY:
            self._step = None
        elif length is not None:
            self._left = int(length) if len(length) <= _MOST_DIGITS else 10**_MOST_DIGITS
            if self._left > MAX_BODY_BYTES:
                message = f"body of {self._left:,} bytes, at most {MAX_BODY_BYTES:,}"
                raise OversizedBody(message)
            self._step = self._counted
        elif codings == {"chunked"}:  # named twice it is applied once: frameworks repeat the header
            self._step = self._chunk
        else:
            self.reusable = False
            self._step = self._until_the_end

    def _counted(self) -> bool:
        end = self._at + self._left
        if len(self._pending) < end:
            return False
        self.body = self._pending[self._at : end]
        self._at, self._step = end, None
        return True

    def _until_the_end(self) -> bool:
        self._add(self._pending[self._at :])
        self._at = len(self._pending)
        return False

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > MAX_BODY_BYTES:
            message = f"body of more than {MAX_BODY_BYTES:,} bytes"
            raise OversizedBody(message)
        self._parts.append(part)

    def _chunk(self) -> bool:
        at, chunk = self._at, f"chunk {self._chunks + 1}"
        end = self._pending.find(b"\r\n", at)
        line = self._pending[at : end if end >= 0 else None]
        if len(line) > _MAX_CHUNK_LINE_BYTES:
            message = f"{chunk}: more than {_MAX_CHUNK_LINE_BYTES:,} bytes before its data"
            raise UnreadableResponse(message)
        match = _CHUNK_LINE.fullmatch(line) if end >= 0 else None
        if (match is None or len(match[1]) > _MOST_DIGITS) and (end >= 0 or b"\n" in line):
            message = f"{chunk}: expected a size in hexadecimal digits and CR LF"
            raise UnreadableResponse(message)
        if match is None:
            return False
        self._chunks += 1
        self._left = int(match[1], 16)
        self._framing_bytes += len(line) + 4
        if self._size + self._left > MAX_BODY_BYTES or self._framing_bytes > _MAX_FRAMING_BYTES:
            message = f"body of more than {MAX_BODY_BYTES:,} bytes, sizes of chunks counted apart"
            raise OversizedBody(message)
        if self._chunks > MAX_CHUNKS:
            message = f"body in more than {MAX_CHUNKS:,} chunks"
            raise OversizedBody(message)
        self._at = end + 2
        self._step = self._chunk_data if self._left else self._trailers
        return True

    def _chunk_data(self) -> bool:
        end = self._at + self._left
        behind = self._pending[end : end + 2]
        if not b"\r\n".startswith(behind):
            message = f"chunk {self._chunks}: its data does not end where its size says"
            raise UnreadableResponse(message)
        if behind != b"\r\n":
            return False
        self._add(self._pending[self._at : end])
        self._at, self._step = end + 2, self._chunk
        return True

    def _trailers(self) -> bool:
        at = self._at
        if self._pending.startswith(b"\r\n", at):
            self._at = at + 2
        else:
            end = self._block_end("trailer")
            if end < 0:
                return False
            fields = read_fields(b"\r\n" + self._pending[at:end], "trailer")
            if "content-length" in fields or "transfer-encoding" in fields:
                message = "a trailer says how long the body is"
                raise UnreadableResponse(message)
            self._at = end + 4
        self.body = b"".join(self._parts)
        self._step = None
        return True


_CR: Final = 13


def _words(value: str) -> list[str]:
    return [token.strip(" \t").lower() for token in value.split(",")]
