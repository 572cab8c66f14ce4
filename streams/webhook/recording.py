"""Requests and answers that somebody recorded: as they are on the wire, or as curl prints them (`-i`, `-v`). Pure.

More forgiving than `streams.webhook.response`: editors and terminals change line ends, and a recording is judged by what
it shows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

_REQUEST_LINE: Final = re.compile(rb"([A-Z]{3,10}) (\S+) HTTP/[0-9.]+")
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})(?: .*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)")
_CURL_LINE: Final = re.compile(rb"^[*<>] |^[{}] \[[0-9]+ bytes data\]", re.MULTILINE)
_CURL_END: Final = re.compile(
    rb"\* (?:Connection #|Closing connection|shutting down connection|Excess )[^\n]*\n?"
)
_CURL_METER: Final = re.compile(
    rb"^ *% Total.*\n|^ +Dload .*\n"
    rb"|(?:^|\r) *[0-9]+(?: +[0-9.kMG]+){7}(?: +[-0-9:]{7,}){3} +[0-9.kMG]+(?:\r?\n)?",
    re.MULTILINE,
)
"""Its own line end is the meter's too. Found only where curl begins it: anywhere else would take time without end."""
_ANSWER_LINE: Final = re.compile(rb"\r?\n(?=HTTP/[0-9.]+ [0-9]{3})")
_ANSWER_BEHIND: Final = re.compile(rb"(?:\r?\n)*(?=HTTP/[0-9.]+ [0-9]{3})")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")  # no file is longer
_FIRST_FINAL: Final = 200  # of the statuses; those below are followed by another answer
_CONNECTED: Final = b"connection established"


class UnreadableRecording(ValueError):  # noqa: N818  # named after what it says about the text
    """It holds neither a request nor an answer."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request.

    Attributes:
        method: as it is written.
        path: path and query.
        headers: by lower-case name; those given twice joined with a comma.
        body: its bytes; None where the recording doesn't show them.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """An answer.

    Attributes:
        http_status: of it.
        headers: by lower-case name; those given twice joined with a comma.
        body: its bytes.
    """

    http_status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded: a request, its answer, or both.

    Attributes:
        request: None for none.
        answer: None for none.
    """

    request: RecordedRequest | None
    answer: RecordedAnswer | None


def read_recording(data: bytes) -> Recording:
    """Read a file with a request, an answer, or both.

    Raises:
        UnreadableRecording: with what was expected.
    """
    text = _CURL_METER.sub(b"", data.removeprefix(b"\xef\xbb\xbf")).lstrip(b"\r\n")
    if _CURL_LINE.search(text):
        return _of_curl(text)
    request, rest = _request(text)
    answer = _answer(rest)
    if request is None and answer is None:
        seen = text.split(b"\n", 1)[0][:60].decode(errors="replace").strip()
        message = (
            f"seen {seen!r} first, expected a request (POST /path HTTP/1.1, headers, an empty line, the body), an answer"
            " (HTTP/1.1 200 OK …, as curl -i prints it) or what curl -v prints"
        )
        raise UnreadableRecording(message)
    return Recording(request, answer)


def _of_curl(text: bytes) -> Recording:
    """Read what `curl -v` prints: lines marked with > and <, and the answer's body between them."""
    sent: list[bytes] = []
    heads: list[list[bytes]] = []
    body = b""
    for line in text.splitlines(keepends=True):
        bare = line.rstrip(b"\r\n")
        if bare.startswith(b"> ") or bare == b">":
            sent.append(bare[2:])
        elif bare.startswith(b"< ") or bare == b"<":
            if _STATUS_LINE.fullmatch(bare[2:]):
                heads.append([])
                body = b""
            if heads:
                heads[-1].append(bare[2:])
        elif not _CURL_LINE.match(line):
            body += _CURL_END.sub(b"", line)
    request = None
    if sent and (found := _REQUEST_LINE.fullmatch(sent[0])):
        fields = _fields(sent[1:])
        request = RecordedRequest(found[1].decode(), found[2].decode("latin-1"), fields, None)
    answer = None
    if heads and (found := _STATUS_LINE.fullmatch(heads[-1][0])):
        printed = _answer(body)  # -i besides: the head once more
        fields = _fields(heads[-1][1:])
        body = printed.body if printed is not None else _cut(body, fields)
        answer = RecordedAnswer(int(found[1]), fields, body)
    if request is None and answer is None:
        message = "seen lines of curl -v without a request or an answer, expected lines that begin with > and <"
        raise UnreadableRecording(message)
    return Recording(request, answer)


def _request(text: bytes) -> tuple[RecordedRequest | None, bytes]:
    """Return the request that a text begins with, and what follows it."""
    lines, rest = _head(text)
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is None:
        return None, text
    fields = _fields(lines[1:])
    length = _length(fields)
    # a body may hold such a line, and on the wire there is none between it and the answer
    after = _ANSWER_BEHIND.match(rest, length) if length is not None else None
    after = after or _ANSWER_LINE.search(rest)
    body, rest = (rest[: after.start()], rest[after.end() :]) if after else (rest, b"")
    # gone with the line that says so: nothing else may be taken for a part of the body
    return RecordedRequest(
        found[1].decode(), found[2].decode("latin-1"), fields, _cut(body, fields)
    ), rest


def _answer(text: bytes) -> RecordedAnswer | None:
    """Return the last answer of a text: proxies and 100 Continue come before it."""
    lines, rest = _head(text.lstrip(b"\r\n"))
    while _comes_before_another(lines[0]):
        lines, rest = _head(rest.lstrip(b"\r\n"))
    found = _STATUS_LINE.fullmatch(lines[0])
    if found is None:
        return None
    fields = _fields(lines[1:])
    answer = RecordedAnswer(int(found[1]), fields, _cut(rest, fields))
    return replace(answer, body=_dechunked(answer))


def _comes_before_another(line: bytes) -> bool:
    found = _STATUS_LINE.fullmatch(line)
    return found is not None and (int(found[1]) < _FIRST_FINAL or _CONNECTED in line.lower())


def _head(text: bytes) -> tuple[list[bytes], bytes]:
    found = re.search(rb"\r?\n\r?\n", text)
    head, rest = (text[: found.start()], text[found.end() :]) if found else (text.rstrip(), b"")
    return [line.rstrip(b"\r") for line in head.split(b"\n")], rest


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in _unfolded(lines):
        if found := _FIELD.fullmatch(line):
            name, value = found[1].decode().lower(), found[2].decode("latin-1").strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """Return each field in one line: one may go on in the next, behind a blank (RFC 9112, section 5.2)."""
    whole: list[bytes] = []
    for line in lines:
        if whole and line.startswith((b" ", b"\t")):
            whole[-1] += b" " + line.strip(b" \t")
        else:
            whole.append(line)
    return whole


def _length(fields: Mapping[str, str]) -> int | None:
    text = fields.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) else None


def _cut(body: bytes, fields: Mapping[str, str]) -> bytes:
    """Return the body as long as Content-Length says, where only line ends, an editor's, are beyond it."""
    length = _length(fields)
    return body if length is None or body[length:].strip() else body[:length]


def _dechunked(answer: RecordedAnswer) -> bytes:
    """Return the body without its chunks' lengths; as it is where it has none, as curl prints it."""
    if answer.headers.get("transfer-encoding", "").lower() != "chunked":
        return answer.body
    body, rest = b"", answer.body
    while found := re.match(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r?\n", rest):
        size = int(found[1], 16)
        if size == 0:
            return body
        body += rest[found.end() : found.end() + size]
        rest = rest[found.end() + size :].removeprefix(b"\r").removeprefix(b"\n")
    return answer.body
