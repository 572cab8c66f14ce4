"""What a hostile partner sends in place of an answer: pieces without end, or one answer that costs as much as it may."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from schemas.strict_json import ANSWER

_CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _s_with(inside: bytes) -> bytes:
    return b'{"result":{"resultCode":"SUCCESS","resultStatus":"S"},"x":[%b]}' % inside


def _interim_answers() -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"


def _one_byte_chunks() -> Iterator[bytes]:
    yield _CHUNKED
    while True:
        yield b"1\r\n \r\n"


def _headers_without_end() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X: y\r\n"


def _full_of_objects() -> Iterator[bytes]:
    """64 KiB, more objects than are read."""
    yield _whole(_s_with(b"{}," * 21_800 + b"{}"))


def _as_costly_as_may_be() -> Iterator[bytes]:
    """64 KiB with as many objects and members as are read, and half a pair at its end, so that it is read twice."""
    member = b'{"a":0,"b":0,"c":0},'
    inside = member * (ANSWER.containers - 8)
    yield _whole(_s_with(inside + b'"\\ud800"' + b" " * (64_000 - len(inside))))


FLOODS: Final[tuple[Sequence[Callable[[], Iterator[bytes]]], ...]] = (
    (_interim_answers,),
    (_one_byte_chunks,),
    (_headers_without_end,),
    (_full_of_objects, _as_costly_as_may_be),
)
"""Of each address, by turns. One that brings an HTTP answer is never taken for silent, and called as often as others."""
