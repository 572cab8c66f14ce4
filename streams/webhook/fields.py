"""The header fields of an HTTP response (RFC 9112, section 5), and of its trailers: wide bounds, strict line ends."""

import re
from typing import Final

MAX_HEADERS: Final = 300
MAX_LINES: Final = 1200
"""Of all headers together: one may go on in further lines. 20,000 lines took 15 ms of the event loop in one turn."""
MAX_LINE_BYTES: Final = 64 * 1024
"""Of one header. Policies of 34 KiB are sent in earnest; other clients stop between 8 and 256 KiB."""
TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME: Final = re.compile(TOKEN.decode())
_KNOWN_NAMES: Final = 1024
_KNOWN_NAME_LENGTH: Final = 64
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class UnreadableResponse(Exception):  # noqa: N818  # named after what it says about the bytes
    """These bytes are no HTTP response, or one beyond the bounds of a head. The message quotes none of them."""


def read_fields(block: bytes, kind: str) -> dict[str, str]:
    """Return the fields of a head or of trailers, by lower-case name.

    Args:
        block: CR LF and a line, for each.
        kind: what one of them is called in messages.
    """
    if (lines_in_all := block.count(b"\n")) > MAX_LINES:
        message = f"{lines_in_all:,} {kind} lines, at most {MAX_LINES:,}"
        raise UnreadableResponse(message)
    # All lines are looked at together, and one by one only where that finds something.
    if (
        b"\r\n " in block
        or b"\r\n\t" in block
        or b"\0" in block
        or len(block) > MAX_LINE_BYTES
        or not block.count(b"\r\n") == block.count(b"\r") == block.count(b"\n")
    ):
        block = _checked(block, kind)
    lines = block.decode("latin-1").split("\r\n")
    del lines[0]
    if len(lines) > MAX_HEADERS:
        message = f"{len(lines):,} {kind}s, at most {MAX_HEADERS}"
        raise UnreadableResponse(message)
    fields: dict[str, str] = {}
    for line in lines:
        raw_name, colon, value = line.partition(":")
        name = _NAMES.get(raw_name) or _new_name(raw_name)
        if not colon or not name:
            message = f"{kind} line {lines.index(line) + 1}: expected a name and a colon"
            raise UnreadableResponse(message)
        value = value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


_NAMES: Final[dict[str, str]] = {}
"""Headers' names as they were written, to lower case: most have been seen before."""


def _new_name(raw: str) -> str:
    """Return a header's name in lower case; empty where it is none."""
    if not _NAME.fullmatch(raw):
        return ""
    name = raw.lower()
    if len(raw) <= _KNOWN_NAME_LENGTH:
        if len(_NAMES) >= _KNOWN_NAMES:
            _NAMES.clear()
        _NAMES[raw] = name
    return name


def _checked(block: bytes, kind: str) -> bytes:
    """Return the block with each field in one line, once each line is within its bounds.

    A line may go on in the next one (RFC 9112, section 5.2), but not one that says where the message ends.
    """
    fields: list[list[bytes]] = []
    size = 0
    for number, line in enumerate(block.split(b"\r\n")[1:], 1):
        if b"\0" in line or b"\n" in line or b"\r" in line:
            message = f"{kind} line {number}: a line feed, carriage return or NUL within it"
            raise UnreadableResponse(message)
        if not line.startswith((b" ", b"\t")):
            fields.append([line])
            size = len(line)
        elif not fields or fields[-1][0].partition(b":")[0].strip(b" \t").lower() in _FRAMING:
            message = f"{kind} line {number}: begins with a blank"
            raise UnreadableResponse(message)
        else:
            fields[-1].append(line.strip(b" \t"))
            size += 1 + len(line)
        if size > MAX_LINE_BYTES:
            message = f"{kind} line of {size:,} bytes, at most {MAX_LINE_BYTES:,}"
            raise UnreadableResponse(message)
    return b"".join(b"\r\n" + b" ".join(parts) for parts in fields)
