"""One partner's HTTP client: httpx on aiohttp's connections, and one exchange on it.

No exchange is ever sent twice. aiohttp repeats idempotent methods on a stale kept-alive connection, never a
POST, and neither do we: from here an unanswered request can't be told from one that the partner has taken, and
the contract counts calls. Idle connections are dropped before common servers drop theirs, so the case is rare.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import aiohttp
import httpx
from httpx_aiohttp.transport import AiohttpTransport

from streams.call.egress import Target
from streams.call.failures import NETWORK_ERRORS, failure_of
from streams.call.resolver import CheckedResolver
from streams.notification.outcome import Failure, RequestLeft

MAX_ANSWER_BYTES: Final = 64 * 1024
_IDLE_SECONDS: Final = 4.0  # Node.js, Apache httpd and uvicorn close theirs after 5 s
_CHUNK_BYTES: Final = 16 * 1024


@dataclass(slots=True)
class Exchange:
    """How far one HTTP exchange has come; written while it runs, so that it can be told when it is cut short.

    Attributes:
        target: where it goes.
        left: whether the partner may have seen the request.
        http_status: of the answer, once it has come.
        headers: of the answer, under lower-case names; those given twice joined with a comma.
        body: the whole answer, or why it could not be read; None before its end.
    """

    target: Target
    left: RequestLeft = RequestLeft.NO
    http_status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Failure | None = None


class _Transport(AiohttpTransport):
    """httpx-aiohttp's transport, but for three things.

    The URL goes out as it came in (httpx and yarl would each re-quote it, and it is signed), the exchange
    learns how far the request got, and exceptions stay aiohttp's own.
    """

    def __init__(self, session: aiohttp.ClientSession, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, client=session)
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange: Exchange = request.extensions["exchange"]
        answer = await self._session.request(
            request.method,
            exchange.target.url,
            headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
            data=request.content,
            allow_redirects=False,
            trace_request_ctx=exchange,
        )
        exchange.left, exchange.http_status = RequestLeft.YES, answer.status
        for raw_name, raw_value in answer.raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            before = exchange.headers.get(name)
            exchange.headers[name] = value if before is None else f"{before}, {value}"
        # httpx needs no headers, as it shall neither follow, decode nor keep anything.
        return httpx.Response(answer.status, stream=_Body(answer))


class _Body(httpx.AsyncByteStream):
    """An answer's bytes. Closing it early closes the connection at once, where httpx-aiohttp would wait."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.content.iter_chunked(_CHUNK_BYTES):
            yield chunk

    async def aclose(self) -> None:
        self._answer.close()


class _NoCookies(httpx.Cookies):
    """Keeps none: a partner must not be able to fill our memory or mark our requests."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Take nothing, and don't look either: looking costs a tenth of a call."""


class PartnerClient:
    """The connections to one partner. Build it inside the event loop.

    Args:
        context: TLS settings.
        resolver: look-ups.
        user_agent: of this program.
    """

    def __init__(self, context: ssl.SSLContext, resolver: CheckedResolver, user_agent: str) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,  # calls at once are bounded per destination, before they come here
            resolver=resolver,
            ssl=context,
            keepalive_timeout=_IDLE_SECONDS,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=None
            ),  # one time-out over all, the caller's
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_sent_trace()],
        )
        self._client = httpx.AsyncClient(transport=_Transport(session, context), trust_env=False)
        self._client._cookies = _NoCookies()  # noqa: SLF001  # the constructor would copy it into its own class
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json; charset=UTF-8",
        }
        self.in_use = 0

    async def post(self, exchange: Exchange, headers: Mapping[str, str], body: bytes) -> None:
        """Send a request and read the answer into the exchange. Not bounded in time.

        Raises:
            DestinationBlocked: the host resolved to a forbidden address.
            aiohttp.ClientError: it failed before the answer's head had come; any of `NETWORK_ERRORS`.
        """
        # httpx sees the origin only: it logs URLs, and a path may hold a token.
        request = httpx.Request(
            "POST",
            _origin_url(exchange.target.origin),
            headers={**self._headers, **headers},
            content=body,
            extensions={"exchange": exchange},
        )
        answer = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            exchange.body = await _read(answer)
        except NETWORK_ERRORS as exc:
            exchange.body = failure_of(exc)
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        await self._client.aclose()


_origin_url = lru_cache(maxsize=4096)(httpx.URL)  # reading one costs as much as a verification


async def _read(answer: httpx.Response) -> bytes | Failure:
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return Failure.OVERSIZED_ANSWER
    return bytes(body)


def _sent_trace() -> aiohttp.TraceConfig:
    """Make the trace that marks an exchange just before its first byte is handed to the connection."""
    trace = aiohttp.TraceConfig(trace_config_ctx_factory=_exchange_of)  # type: ignore[arg-type]  # typed as a class

    async def before_head(_session: object, exchange: Any, _params: object) -> None:  # noqa: ANN401  # aiohttp's signature
        exchange.left = RequestLeft.PERHAPS

    trace.on_request_headers_sent.append(before_head)
    return trace


def _exchange_of(trace_request_ctx: Exchange) -> Exchange:
    return trace_request_ctx
