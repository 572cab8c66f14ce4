"""One call whose every byte and pause is given: for playing situations against a receiver, never for notifications."""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.notify_url import NotifyUrl
from streams.webhook.egress import DestinationBlocked, Guard
from streams.webhook.failures import NETWORK_ERRORS
from streams.webhook.recording import RecordedAnswer
from streams.webhook.response import ResponseReader

_READ_BYTES = 65_536


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


async def play(  # noqa: PLR0913  # where, what and how
    target: NotifyUrl,
    pieces: Sequence[bytes],
    *,
    tls: ssl.SSLContext | None,
    guard: Guard,
    allowed_ports: frozenset[str],
    timeout_seconds: float,
    pause_seconds: float = 0.0,
    hang_up: bool = False,
) -> PlayedCall:
    """Send a request in pieces and read the answer.

    Args:
        target: the notify URL.
        pieces: of the request, head and body.
        tls: for https; None for plain http.
        guard: the egress rules.
        allowed_ports: servers whose port the partner's entry names.
        timeout_seconds: for all of it, the pauses aside.
        pause_seconds: between the pieces.
        hang_up: close the connection once everything is sent, without waiting for the answer.
    """
    before = time.perf_counter()

    def call(answer: RecordedAnswer | None, trouble: str = "") -> PlayedCall:
        return PlayedCall(answer, trouble, int((time.perf_counter() - before) * 1000))

    try:
        async with asyncio.timeout(timeout_seconds + pause_seconds * (len(pieces) - 1)):
            address = await _address(target, guard, allowed_ports)
            name = target.host if tls is not None else None
            reader, writer = await asyncio.open_connection(
                address, target.port, ssl=tls, server_hostname=name
            )
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
    except DestinationBlocked as error:
        return call(None, f"not called: {error}")
    except (*NETWORK_ERRORS, OSError) as error:
        return call(None, f"no answer: {str(error) or type(error).__name__}")
    return call(answer)


async def _address(target: NotifyUrl, guard: Guard, servers: frozenset[str]) -> str:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(row[4][0]) for row in found]
    port_is_open = guard.port_is_open(target.host, target.port, servers)
    for address in addresses:
        guard.check_address(address, port_is_open=port_is_open)
    return addresses[0]


async def _answer(reader: asyncio.StreamReader) -> RecordedAnswer:
    response = ResponseReader()
    while (
        not response.feed(data) if (data := await reader.read(_READ_BYTES)) else not response.end()
    ):
        if not data:
            message = "the connection was closed before the answer was whole"
            raise ConnectionResetError(message)
    return RecordedAnswer(response.status or 0, response.headers, response.body)
