"""One partner's HTTP client: httpx's requests and answers on aiohttp's connections, and one exchange on them.

No exchange is ever sent twice. From here an unanswered request can't be told from one that the partner has taken, and
the contract counts calls. Idle connections are dropped before the server drops them, by what it says of that or by what
common servers do, so the case is rare.
"""

import asyncio
import math
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

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

SENT: Final = "http11.send_request_body.complete"
ANSWERED: Final = "http11.receive_response_headers.complete"
"""httpcore's names of two moments of an exchange, as httpx's extension `trace` has them."""
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

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Note how far the exchange got; httpx's request extension `trace`.

        Args:
            event: `SENT` or `ANSWERED`; others say nothing that is kept.
            info: what httpcore gives with the event.
        """
        if event == SENT:
            self.left = RequestLeft.PERHAPS
        elif event == ANSWERED:
            _, self.http_status, _, headers = info["return_value"]
            self.headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in headers
            }
            self.left = RequestLeft.YES


class ExchangeTransport(httpx.AsyncBaseTransport):
    """An httpx transport on aiohttp's connections, without aiohttp's session and parser between them.

    aiohttp's connections, because httpx's own pool gives way from 64 calls at once; no session, because building its
    request and its response takes several times what the bytes take on their way; a parser of our own
    (`streams.webhook.response` says why). Exceptions stay as they were raised. It follows, decodes, stores and repeats
    nothing.

    What httpx calls request extensions, all of which may be left out:

    - `target`: path and query to the byte. They are signed, and httpx and yarl would each re-quote them.
    - `trace`: is told `SENT` once head and body, which leave together, were written, and `ANSWERED` where a head has come,
      also where the exchange was then cut short: when it has ended, so that nobody has to be woken up in between.
    - `timeout`: of it `connect` only. Nothing is sent on a connection that is there later than this, but the wait for
      one is not cut short: whoever calls bounds connect, send, wait and read by one time for all.

    Args:
        connector: makes and keeps connections.
    """

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._origins: dict[tuple[bytes, bytes], aiohttp.ClientRequest] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer once it is whole.

        Args:
            request: its body is bytes.

        Returns:
            The answer; its headers in lower case, those given twice joined with a comma, its body as it came.

        Raises:
            aiohttp.ClientError: there is no answer; any of `NETWORK_ERRORS`.
        """
        began = time.monotonic()
        extensions, headers = request.extensions, request.headers.raw
        trace = extensions.get("trace", _untraced)
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (
            request.method.encode(),
            extensions.get("target") or request.url.raw_path,
            b"".join([b"%b: %b\r\n" % header for header in headers]),
        )
        if head.count(b"\r") != len(headers) + 2 or head.count(b"\n") != len(headers) + 2:
            message = "a header or the path holds a line break"
            raise ValueError(message)
        connection = await self._connector.connect(self._origin(request.url), [], _NO_TIMEOUT)
        reader = ResponseReader()
        answered: _Answered | None = None
        try:
            within = extensions.get("timeout", _NO_BOUND).get("connect")
            # The caller's time-out can't tell: in a process that was paused its timer may fire after this.
            if within is not None and time.monotonic() - began >= within:
                message = "the connection was there only after the attempt's time"
                raise aiohttp.ConnectionTimeoutError(message)  # noqa: TRY301  # closed below, as after any other error
            done = protocol_of(connection).begin(head + request.read(), reader)
            await trace(SENT, {"return_value": None})
            await done
        except BaseException:
            protocol_of(
                connection
            ).abort()  # whoever stands still would not answer the end of TLS either
            connection.close()
            raise
        else:
            connection.release()
        finally:
            if reader.status is not None:
                answered = _answered(reader, reader.status)
                await trace(ANSWERED, {"return_value": answered})
        assert answered is not None  # noqa: S101  # an exchange that was not cut short has an answer
        version, status, reason, fields = answered
        return httpx.Response(
            status,
            headers=fields,
            stream=httpx.ByteStream(reader.body),
            extensions={"http_version": version, "reason_phrase": reason},
        )

    def _origin(self, url: httpx.URL) -> aiohttp.ClientRequest:
        """Return the request that aiohttp's connector takes an origin from."""
        key = (url.raw_scheme, url.netloc)
        found = self._origins.get(key)
        if found is None:
            if len(self._origins) >= _KNOWN_ORIGINS:
                self._origins.clear()
            origin = URL((b"%b://%b" % key).decode())
            found = self._origins[key] = aiohttp.ClientRequest(
                "POST", origin, loop=asyncio.get_running_loop()
            )
        return found

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        await self._connector.close()


_Answered = tuple[bytes, int, bytes, list[tuple[bytes, bytes]]]
"""Version, status, reason and headers of an answer, as httpcore gives them to `trace`."""
_NO_BOUND: Final[Mapping[str, float | None]] = {}


async def _untraced(_event: str, _info: Mapping[str, Any]) -> None:
    """Note nothing."""


def _answered(reader: ResponseReader, status: int) -> _Answered:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in reader.headers.items()
    ]
    return reader.http_version, status, reader.reason, headers


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
            extensions={"target": exchange.target.path.encode(), "trace": exchange.trace},
        )
        # The last thing before the call, which counts from then.
        request.extensions["timeout"] = {"connect": exchange.send_before - time.monotonic()}
        response = await self._transport.handle_async_request(request)
        # The body is there as it came; httpx's own ways to read it take up to 9 us, or decode it.
        assert isinstance(response.stream, httpx.ByteStream)  # noqa: S101  # the transport makes no other
        exchange.body = b"".join(response.stream)

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        await self._transport.aclose()


_origin_url = lru_cache(maxsize=_KNOWN_ORIGINS)(
    httpx.URL
)  # reading one costs as much as a verification
