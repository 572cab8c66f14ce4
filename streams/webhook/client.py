"""One partner's HTTP client: httpx's requests and answers on aiohttp's connections, and one exchange on them.

No exchange is ever sent twice. From here an unanswered request can't be told from one that the partner has taken, and
the contract counts calls. Idle connections are dropped before common servers drop theirs, so the case is rare.
"""

import asyncio
import math
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import aiohttp
import httpx
from yarl import URL

from schemas.notify_url import NotifyUrl
from streams.notification.outcome import RequestLeft
from streams.partners import Proxy
from streams.webhook.connector import PartnerConnector, Sources
from streams.webhook.protocol import protocol_of
from streams.webhook.resolver import CheckedResolver
from streams.webhook.response import ResponseReader

_KNOWN_ORIGINS: Final = 4096
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)  # one time-out over all, the caller's


@dataclass(slots=True)
class Exchange:
    """The state of one HTTP exchange; kept while it runs, so that it is known when the exchange is cut short.

    Attributes:
        target: where it goes.
        send_before: the monotonic clock's time from which nothing is sent any more: the signature is too old by then.
        left: whether the partner may have seen the request.
        http_status: of the answer, once it has come.
        headers: of the answer, under lower-case names; those given twice joined with a comma.
        body: of the answer, once it is whole.
    """

    target: NotifyUrl
    send_before: float = math.inf
    left: RequestLeft = RequestLeft.NO
    http_status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class ExchangeTransport(httpx.AsyncBaseTransport):
    """An httpx transport on aiohttp's connections, without aiohttp's session and parser between them.

    aiohttp's connections, because httpx's own pool gives way from 64 calls at once; no session, because building its
    request and its response takes six times what the bytes take on their way (docs/performance.md); a parser of our own
    (`streams.webhook.response` says why). The URL goes out as it came in (httpx and yarl would each re-quote it, and it is
    signed), the exchange learns how far the request got, and exceptions stay as they were raised. It follows, decodes,
    stores and repeats nothing.

    Args:
        connector: makes and keeps connections.
    """

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._origins: dict[str, aiohttp.ClientRequest] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer once it is whole.

        Args:
            request: its extension `exchange` says where it goes and is told how far it got; its body is bytes.

        Raises:
            aiohttp.ClientError: there is no answer; any of `NETWORK_ERRORS`.
        """
        exchange: Exchange = request.extensions["exchange"]
        headers = request.headers.raw
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (
            request.method.encode(),
            exchange.target.path.encode(),
            b"".join([b"%b: %b\r\n" % header for header in headers]),
        )
        if head.count(b"\r") != len(headers) + 2 or head.count(b"\n") != len(headers) + 2:
            message = "a header or the path holds a line break"
            raise ValueError(message)
        connection = await self._connector.connect(
            self._origin(exchange.target.origin), [], _NO_TIMEOUT
        )
        reader = ResponseReader()
        try:
            # The caller's time-out can't tell: in a process that was paused its timer may fire after this.
            if time.monotonic() >= exchange.send_before:
                message = "the connection was there only after the attempt's time"
                raise aiohttp.ConnectionTimeoutError(message)  # noqa: TRY301  # closed below, as after any other error
            done = protocol_of(connection).begin(head + request.read(), reader)
            exchange.left = RequestLeft.PERHAPS
            await done
        except BaseException:
            connection.close()
            raise
        finally:
            if reader.status is not None:
                exchange.left, exchange.http_status = RequestLeft.YES, reader.status
                exchange.headers, exchange.body = reader.headers, reader.body
        connection.release()
        # httpx needs no headers, as it shall neither follow, decode nor keep anything.
        return httpx.Response(reader.status or 0, stream=httpx.ByteStream(reader.body))

    def _origin(self, origin: str) -> aiohttp.ClientRequest:
        """Return the request that aiohttp's connector takes an origin from."""
        found = self._origins.get(origin)
        if found is None:
            if len(self._origins) >= _KNOWN_ORIGINS:
                self._origins.clear()
            found = self._origins[origin] = aiohttp.ClientRequest(
                "POST", URL(origin), loop=asyncio.get_running_loop()
            )
        return found

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        await self._connector.close()


def fixed_headers(user_agent: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that every request has, whatever it says.

    Args:
        user_agent: name and version of this program.
    """
    return (
        ("User-Agent", user_agent),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Content-Type", "application/json; charset=UTF-8"),
    )


class PartnerClient:
    """The connections to one partner. Build it inside the event loop.

    Args:
        context: TLS settings.
        resolver: look-ups.
        user_agent: of this program.
        proxy: the forward proxy that leads to the partner; None for none.
        sources: our fixed addresses.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        resolver: CheckedResolver,
        user_agent: str,
        *,
        proxy: Proxy | None,
        sources: Sources,
    ) -> None:
        connector = PartnerConnector(
            proxy,
            sources,
            resolver,
            limit=0,  # calls at once are bounded per destination, before they come here
            ssl=context,
        )
        self._transport = ExchangeTransport(connector)
        self._headers = tuple(
            (name.encode(), value.encode()) for name, value in fixed_headers(user_agent)
        )
        self.in_use = 0

    async def post(self, exchange: Exchange, headers: Mapping[str, str], body: bytes) -> None:
        """Send a request and read the answer into the exchange. Not bounded in time.

        Raises:
            DestinationBlocked: the host resolved to a forbidden address.
            aiohttp.ClientError: there is no whole answer; any of `NETWORK_ERRORS`.
        """
        # httpx sees the origin only: it logs URLs, and a path may hold a token.
        url = _origin_url(exchange.target.origin)
        request = httpx.Request(
            "POST",
            url,
            # In bytes and complete: httpx takes three times as long to encode and complete them.
            headers=[
                (b"Host", url.netloc),
                *self._headers,
                *((name.encode(), value.encode()) for name, value in headers.items()),
                (b"Content-Length", b"%d" % len(body)),
            ],
            stream=httpx.ByteStream(body),
            extensions={"exchange": exchange},
        )
        await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        await self._transport.aclose()


_origin_url = lru_cache(maxsize=_KNOWN_ORIGINS)(
    httpx.URL
)  # reading one costs as much as a verification
