"""Where a connection comes from and how it gets there: look-ups, a fixed source address, a forward proxy.

A changed look-up is used within `LOOKUP_SECONDS` + `GREATEST_AGE_SECONDS` (`streams.webhook.protocol`): an address is kept
for the one, and a connection for the other at most, also where the old address still answers. How long a name server
wants its answer kept can't be seen through the system's resolver.

A proxy is asked for a tunnel (CONNECT) and has a trust of its own; TLS with the partner goes through it end to end, so
that it sees neither body nor signature. It looks names up itself: that is why a partner behind one needs allowed_hosts.
"""

import asyncio
import errno
import functools
import logging
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from streams.partners import Proxy
from streams.webhook.protocol import IDLE_SECONDS, PartnerProtocol
from streams.webhook.resolver import CheckedResolver
from streams.webhook.response import MAX_HEAD_BYTES, MAX_INTERIM
from streams.webhook.tls_failures import ProxyNotTrusted

log = logging.getLogger(__name__)

LOOKUP_SECONDS: Final = 10
"""How long an address that was looked up is used for new connections; a failed look-up is not kept."""
_NEXT_ADDRESS_SECONDS: Final = 0.25
"""How long an address has for its connection before the next one is tried beside it (RFC 8305, section 5)."""
HANDSHAKE_SECONDS: Final = 2.0
"""How long an address has for connection and TLS while there are others: some take connections and then say nothing."""
_SAY_EVERY_SECONDS: Final = 60.0
_STATUS: Final = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: |\r\n)")
_SWITCHING_PROTOCOLS: Final = "101"

Sources = Mapping[socket.AddressFamily, str]
"""Our own address by family; empty where the system may choose. A family without one is not used then."""


def sources_of(addresses: tuple[str, ...]) -> Sources:
    """Return the fixed source addresses by family."""
    return {socket.AF_INET6 if ":" in address else socket.AF_INET: address for address in addresses}


def bound_socket(sources: Sources, family: int, kind: int, protocol: int) -> socket.socket:
    """Make a socket that is bound to our fixed source address.

    Raises:
        OSError: there is none of this family, or this machine doesn't have it.
    """
    source = sources.get(socket.AddressFamily(family))
    if sources and source is None:
        message = "NOTIFIER_EGRESS_SOURCE_ADDRESS has no address of this family"
        raise OSError(errno.EADDRNOTAVAIL, message)
    bound = socket.socket(family, kind, protocol)
    try:
        if source is not None:
            bound.bind((source, 0))
    except OSError:
        bound.close()
        raise
    return bound


class PartnerConnector(aiohttp.TCPConnector):
    """aiohttp's connector, with these things and connections of our own.

    Args:
        proxy: the partner's, or None.
        sources: our fixed addresses.
        resolver: finds addresses; the proxy's own are not checked, the operator named it.
        options: aiohttp's own.
    """

    def __init__(
        self,
        proxy: Proxy | None,
        sources: Sources,
        resolver: CheckedResolver,
        **options: Any,  # noqa: ANN401  # aiohttp's
    ) -> None:
        if sources:
            options["socket_factory"] = lambda info: bound_socket(sources, *info[:3])
        super().__init__(
            resolver=resolver,
            keepalive_timeout=IDLE_SECONDS,
            ttl_dns_cache=LOOKUP_SECONDS,
            happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
            **options,
        )
        self._factory = functools.partial(  # type: ignore[assignment]  # ours is one of aiohttp's
            PartnerProtocol, asyncio.get_running_loop()
        )
        self._through = proxy
        self._sources = sources
        self._checked = resolver
        self._said = float("-inf")

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: Any,  # noqa: ANN401  # aiohttp's signature
        timeout: Any,  # noqa: ANN401, ASYNC109  # aiohttp's signature
    ) -> ResponseHandler:
        if self._through is None:
            return await super()._create_connection(req, traces, timeout)
        protocol = self._factory()
        try:
            tunnel = await self._tunnel(self._through, str(req.url.raw_host), req.url.port or 0)
            context = self._get_ssl_context(req)
            transport: asyncio.Transport | None = tunnel
            if context is not None:
                # asyncio and uvloop both know TLS within TLS, from Python 3.11 on.
                transport = await asyncio.get_running_loop().start_tls(
                    tunnel, protocol, context, server_hostname=req.url.raw_host
                )
            else:
                tunnel.set_protocol(protocol)
        except OSError as exc:
            raise aiohttp.ClientProxyConnectionError(req.connection_key, exc) from exc
        if transport is None:
            ended = ConnectionResetError("the proxy ended the tunnel")
            raise aiohttp.ClientProxyConnectionError(req.connection_key, ended)
        protocol.connection_made(transport)
        return protocol

    async def _wrap_create_connection(
        self,
        *args: Any,  # noqa: ANN401  # aiohttp's signature
        addr_infos: list[Any],
        **options: Any,  # noqa: ANN401  # aiohttp's signature
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        left = list(addr_infos)
        while len(left) > 1:
            try:
                async with asyncio.timeout(HANDSHAKE_SECONDS):
                    return await super()._wrap_create_connection(*args, addr_infos=left, **options)
            except TimeoutError:
                del left[0]  # the one that had the longest time
        return await super()._wrap_create_connection(*args, addr_infos=left, **options)

    async def _tunnel(self, proxy: Proxy, host: str, port: int) -> asyncio.Transport:
        """Connect to the proxy and return a connection that leads to the host.

        Raises:
            OSError: the proxy can't be reached, is not trusted or refuses.
        """
        loop = asyncio.get_running_loop()
        raw = await self._reach(proxy)
        try:
            transport, reply = await loop.create_connection(
                _Reply,
                sock=raw,
                ssl=proxy.tls,
                server_hostname=proxy.host if proxy.tls is not None else None,
            )
        except ssl.SSLError as exc:
            raw.close()
            raise ProxyNotTrusted(errno.ECONNREFUSED, "no TLS with the proxy") from exc
        except BaseException:
            raw.close()
            raise
        name = f"[{host}]" if ":" in host else host
        asked = f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n"
        if proxy.authorization is not None:
            asked += f"Proxy-Authorization: {proxy.authorization}\r\n"
        transport.write(f"{asked}\r\n".encode())
        status = ""
        try:
            status = await reply.status
        finally:
            if not status.startswith("2"):  # RFC 9110, section 9.3.6: any of them opens the tunnel
                transport.abort()
        if not status.startswith("2"):
            self._say(proxy, status)
            message = f"the proxy answers {status} to CONNECT"
            raise ConnectionRefusedError(errno.ECONNREFUSED, message)
        return transport

    async def _reach(self, proxy: Proxy) -> socket.socket:
        loop = asyncio.get_running_loop()
        failed: OSError = ConnectionRefusedError(errno.ECONNREFUSED, "the proxy has no address")
        addresses = await self._checked.unchecked(proxy.host)
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                connection = bound_socket(self._sources, family, socket.SOCK_STREAM, 0)
            except OSError as exc:
                failed = exc
                continue
            connection.setblocking(False)  # noqa: FBT003  # the socket's own
            try:
                async with asyncio.timeout(HANDSHAKE_SECONDS if address != addresses[-1] else None):
                    await loop.sock_connect(connection, (address, proxy.port))
            except OSError as exc:
                connection.close()
                failed = exc
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failed

    def _say(self, proxy: Proxy, status: str) -> None:
        """Log a refusal, once a minute: the attempt itself only says that there was no connection."""
        now = asyncio.get_running_loop().time()
        if now - self._said >= _SAY_EVERY_SECONDS:
            self._said = now
            log.warning("the proxy %s:%s answers %s to CONNECT", proxy.host, proxy.port, status)


class _Reply(asyncio.Protocol):
    """Reads the head of the answer to CONNECT; interim ones (1xx, but not 101) are passed over.

    Attributes:
        status: three digits, or why there are none; or an OSError.
    """

    def __init__(self) -> None:
        self.status: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pending = b""
        self._interim = 0

    def data_received(self, data: bytes) -> None:
        """Take a part of it."""
        if self.status.done():
            return
        self._pending += data
        while not self.status.done() and b"\r\n\r\n" in self._pending:
            found = _STATUS.match(self._pending)
            status = "no HTTP" if found is None else found[1].decode()
            if not status.startswith("1") or status == _SWITCHING_PROTOCOLS:
                self.status.set_result(status)
                return
            self._pending = self._pending.partition(b"\r\n\r\n")[2]
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self.status.set_result(f"with more than {MAX_INTERIM} interim answers")
        if not self.status.done() and len(self._pending) > MAX_HEAD_BYTES:
            self.status.set_result("a head without end")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has ended."""
        if not self.status.done():
            self.status.set_exception(exc or ConnectionResetError("the proxy ended the connection"))
