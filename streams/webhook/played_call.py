"""One call whose every byte and pause is given: for playing situations against a receiver, never for notifications."""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from schemas.notify_url import NotifyUrl
from streams.webhook.connector import HANDSHAKE_SECONDS, Sources, bound_socket
from streams.webhook.egress import DestinationBlocked
from streams.webhook.failures import NETWORK_ERRORS
from streams.webhook.recording import RecordedAnswer
from streams.webhook.resolver import CheckedResolver
from streams.webhook.response import ResponseReader

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Way:
    """How a receiver is reached.

    Attributes:
        addresses: checked, in the order in which they are tried; none where it can't be reached.
        trouble: why there are none; empty where there are.
        sources: our fixed addresses.
    """

    addresses: tuple[str, ...]
    trouble: str = ""
    sources: Sources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """What came of a call.

    Attributes:
        answer: None where there is none.
        trouble: why there is none; empty with an answer.
        took_ms: from connecting to the end of the answer.
    """

    answer: RecordedAnswer | None
    trouble: str
    took_ms: int


async def find_way(
    target: NotifyUrl, resolver: CheckedResolver, sources: Sources, timeout_seconds: float
) -> Way:
    """Look a receiver up, for all calls to it.

    Args:
        target: the notify URL.
        resolver: hands out checked addresses only.
        sources: our fixed addresses.
        timeout_seconds: for the look-up.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            found = await resolver.resolve(target.host, target.port)
    except TimeoutError:
        return Way((), "the host name was not found in time")
    except DestinationBlocked as error:
        return Way((), f"not called: {error}")
    except OSError as error:
        return Way((), f"the host name was not found: {error}")
    return Way(tuple(each["host"] for each in found), sources=sources)


async def play(  # noqa: PLR0913  # where, what and how
    target: NotifyUrl,
    pieces: Sequence[bytes],
    *,
    way: Way,
    tls: ssl.SSLContext | None,
    timeout_seconds: float,
    pause_seconds: float = 0.0,
    hang_up: bool = False,
) -> PlayedCall:
    """Send a request in pieces and read the answer.

    Args:
        target: the notify URL.
        pieces: of the request, head and body.
        way: to it.
        tls: for https; None for plain http.
        timeout_seconds: for all of it, the pauses aside.
        pause_seconds: between the pieces.
        hang_up: close the connection once everything is sent, without waiting for the answer.
    """
    before = time.perf_counter()

    def call(answer: RecordedAnswer | None, trouble: str = "") -> PlayedCall:
        return PlayedCall(answer, trouble, int((time.perf_counter() - before) * 1000))

    if not way.addresses:
        return call(None, way.trouble)
    try:
        async with asyncio.timeout(timeout_seconds + pause_seconds * (len(pieces) - 1)):
            reader, writer = await _connect(target, way, tls, timeout_seconds)
            try:
                for number, piece in enumerate(pieces):
                    await asyncio.sleep(pause_seconds if number else 0)
                    writer.write(piece)
                    await writer.drain()
                if hang_up:
                    return call(None, "the connection was closed on purpose")
                answer = await _answer(reader)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return call(None, f"no answer within {timeout_seconds:g} s")
    except (*NETWORK_ERRORS, OSError) as error:
        return call(None, f"no answer: {str(error) or type(error).__name__}")
    return call(answer)


_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _connect(
    target: NotifyUrl, way: Way, tls: ssl.SSLContext | None, timeout_seconds: float
) -> _Connection:
    """Connect to the first of the addresses that takes it.

    Raises:
        OSError: none does; the last one's.
    """
    seconds = min(HANDSHAKE_SECONDS, timeout_seconds / len(way.addresses))
    for address in way.addresses[:-1]:
        with suppress(OSError):
            async with asyncio.timeout(seconds):
                return await _connect_to(address, target, way.sources, tls)
    return await _connect_to(way.addresses[-1], target, way.sources, tls)


async def _connect_to(
    address: str, target: NotifyUrl, sources: Sources, tls: ssl.SSLContext | None
) -> _Connection:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = bound_socket(sources, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        connection.setblocking(False)  # noqa: FBT003  # the socket's own
        await asyncio.get_running_loop().sock_connect(connection, (address, target.port))
        name = target.host if tls is not None else None
        return await asyncio.open_connection(sock=connection, ssl=tls, server_hostname=name)
    except BaseException:
        connection.close()
        raise


async def _answer(reader: asyncio.StreamReader) -> RecordedAnswer:
    response = ResponseReader()
    while (
        not response.feed(data) if (data := await reader.read(_READ_BYTES)) else not response.end()
    ):
        if not data:
            message = "the connection was closed before the answer was whole"
            raise ConnectionResetError(message)
    return RecordedAnswer(response.status or 0, response.headers, response.body)
