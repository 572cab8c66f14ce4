"""One connection to a partner: bytes to and from it, one exchange after the other, within an age and a number of calls."""

import asyncio
import itertools
import math
import re
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from streams.webhook.failures import NETWORK_ERRORS
from streams.webhook.response import ResponseReader

GREATEST_AGE_SECONDS: Final = 60.0
"""No call begins on an older connection: a name that moved is looked up again, and a load balancer's new hosts get their
part. Others' defaults and advice lie between one and two minutes; a handshake a minute costs next to nothing."""
SPREAD_SECONDS: Final = 16
"""What was opened in one burst is not closed and opened again in one: lives differ by up to so much."""
MOST_CALLS: Final = 1000
"""What nginx allows by default. A server that allows less says so in its last answer."""
IDLE_SECONDS: Final = 4.0
"""Node.js, Apache httpd and uvicorn close theirs after 5 s. A server that says less in `Keep-Alive: timeout=` is believed."""
_IDLE_MARGIN_SECONDS: Final = 1.0
"""How much sooner than the server says: its answer and our next request have their ways, and it may count from earlier."""
_IDLE_TIMEOUT: Final = re.compile(
    r"(?:^|[,;])[ \t]*timeout[ \t]*=[ \t]*\"?([0-9]{1,9})", re.IGNORECASE
)
CLOSING_SECONDS: Final = 1.0
"""How long the other side has to answer that TLS ends. asyncio and uvloop wait 30 s for it, and a socket and its buffers with
them: of a partner that stands still, hundreds."""
_turns: Final = itertools.count()


class PartnerProtocol(ResponseHandler):
    """A connection of aiohttp's pool that reads responses with our own reader.

    aiohttp's pool asks it whether it is connected and whether it should be closed; nothing else of its protocol is used.

    Args:
        loop: the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        # It may lie idle before the next call.
        life = GREATEST_AGE_SECONDS - IDLE_SECONDS - next(_turns) % SPREAD_SECONDS
        self._ends_at = loop.time() + life
        self._idle_until = math.inf
        self._calls = 0
        self._reader: ResponseReader | None = None
        self._done: asyncio.Future[None] | None = None
        self._spent = False

    @property
    def should_close(self) -> bool:
        """Whether no other exchange may begin here."""
        return self._spent or self._reader is not None

    def is_connected(self) -> bool:
        """Whether this is open, and has not been idle for longer than the server said; the pool closes it otherwise."""
        return self._loop.time() <= self._idle_until and super().is_connected()

    def begin(self, wire: bytes, reader: ResponseReader) -> asyncio.Future[None]:
        """Write a request; return what is done once the reader has the whole response, or raises one of `NETWORK_ERRORS`.

        Raises:
            aiohttp.ClientConnectionResetError: the connection is closed; nothing was written.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            message = "the connection was closed before it was written to"
            raise aiohttp.ClientConnectionResetError(message)
        self._calls += 1
        self._idle_until = math.inf
        self._reader, self._done = reader, self._loop.create_future()
        transport.write(wire)
        return self._done

    def close(self) -> None:
        """Close the connection in order, and cut it off where the other side does not answer that."""
        transport = self.transport
        super().close()
        if transport is not None:
            self._loop.call_later(CLOSING_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take received bytes."""
        reader, done = self._reader, self._done
        if reader is None or done is None or done.done():
            # Nobody asked: it must not be taken for the answer to what is asked next.
            self._spent = True
            self.close()
            return
        try:
            if reader.feed(data):
                self._end(reader, done)
        except NETWORK_ERRORS as exc:
            done.set_exception(exc)

    def _end(self, reader: ResponseReader, done: asyncio.Future[None]) -> None:
        now = self._loop.time()
        idle = _idle_seconds(reader.headers.get("keep-alive"))
        self._idle_until = now + idle
        if not reader.reusable or idle <= 0 or self._calls >= MOST_CALLS or now >= self._ends_at:
            self._spent = True
        self._reader = None
        done.set_result(None)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that the connection has ended."""
        super().connection_lost(exc)
        reader, done = self._reader, self._done
        if reader is None or done is None or done.done():
            return
        if exc is None and reader.end():
            self._end(reader, done)
        elif isinstance(exc, OSError):
            broken = aiohttp.ClientOSError(*exc.args)
            broken.__cause__ = exc
            done.set_exception(broken)
        else:
            done.set_exception(aiohttp.ServerDisconnectedError())


def _idle_seconds(keep_alive: str | None) -> float:
    """Return how long a connection may lie idle by the server's Keep-Alive; the pool bounds it by `IDLE_SECONDS` as well."""
    if keep_alive is None:
        return math.inf
    told = min(map(float, _IDLE_TIMEOUT.findall(keep_alive)), default=math.inf)
    return told - _IDLE_MARGIN_SECONDS


def protocol_of(connection: Connection) -> PartnerProtocol:
    """Return the protocol of a connection that a `PartnerConnector` made."""
    protocol = connection.protocol
    assert isinstance(protocol, PartnerProtocol)  # noqa: S101  # it makes no other
    return protocol
