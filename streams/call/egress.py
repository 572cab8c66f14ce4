"""What may be called: the form of a URL, a partner's hosts, and addresses. Refuses; never connects.

A name is judged by all the addresses that it resolves to, and the connection goes to exactly these
(`streams.call.resolver`), so that a name can't be public when checked and private when called.
"""

import ipaddress
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from schemas.notify_url import check_notify_url
from streams.call.addresses import Network, why_not_public

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PARTS: Final = re.compile(  # of what `check_notify_url` let through
    r"(?P<scheme>[^:]+)://(?P<host>\[[^\]]*\]|[^:/?\[]+)(?::(?P<port>[0-9]+))?(?P<path>(?:[/?].*)?)"
)
_LONGEST_NAME: Final = 253  # RFC 1035, without the final dot
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(
    r"[0-9]+|0x[0-9a-f]*"
)  # a last label that WHATWG's and libc's parsers take for IPv4


class DestinationBlocked(Exception):  # noqa: N818  # named after what happened to the destination
    """The destination may not be called. The message names the rule, not the URL.

    No OSError on purpose: aiohttp would take that for a failed look-up.
    """


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called as far as its text tells.

    Attributes:
        origin: scheme, host and port (left out when it is the scheme's own), in lower case.
        path: path and query to the byte as the URL has them; what is signed and put on the wire.
    """

    origin: str
    path: str


class Guard:
    """The egress rules of one worker.

    Args:
        allow: networks that may be called although they aren't public (`NOTIFIER_EGRESS_ALLOW`).
        allow_http: whether plain http will do (`NOTIFIER_ALLOW_HTTP`).
    """

    def __init__(self, *, allow: tuple[Network, ...] = (), allow_http: bool = False) -> None:
        self._allow_http = allow_http
        self._why_not = lru_cache(maxsize=4096)(
            lambda address: why_not_public(ipaddress.ip_address(address), allow)
        )

    def check_url(self, url: str, allowed_hosts: AbstractSet[str] | None) -> Target:
        """Take a URL apart and check all of it that can be checked without a look-up.

        Args:
            url: the notify URL.
            allowed_hosts: the only hosts that the partner's URLs may name, in lower case; None for any.

        Raises:
            DestinationBlocked: it may not be called.
        """
        try:
            check_notify_url(url, allow_http=self._allow_http)
        except ValueError as exc:
            message = f"the URL: {exc}"
            raise DestinationBlocked(message) from exc
        target, host, literal = _take_apart(url)
        if allowed_hosts is not None and host not in allowed_hosts:
            message = "the host is not one of the partner's allowed_hosts"
            raise DestinationBlocked(message)
        if literal is not None:
            self.check_address(literal)
        return target

    def check_address(self, address: str) -> None:
        """Check one address that a connection would go to.

        Raises:
            DestinationBlocked: it is not public, and no network in `allow` holds it.
        """
        kind = self._why_not(address)
        if kind is not None:
            message = f"the host is or resolves to {kind}; NOTIFIER_EGRESS_ALLOW lists exceptions"
            raise DestinationBlocked(message)


@lru_cache(maxsize=4096)
def _take_apart(url: str) -> tuple[Target, str, str | None]:
    parts = _PARTS.fullmatch(url)
    if parts is None:
        message = "the URL can't be taken apart"
        raise DestinationBlocked(message)
    scheme = parts["scheme"].lower()
    port = int(parts["port"] or _DEFAULT_PORTS[scheme])
    host, literal = _host(parts["host"].lower())
    shown = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{shown}" + ("" if port == _DEFAULT_PORTS[scheme] else f":{port}")
    path = parts["path"] if parts["path"].startswith("/") else f"/{parts['path']}"
    return Target(origin, path), host, literal


def _host(host: str) -> tuple[str, str | None]:
    """Return the host as it is compared and called, and the address that it spells, if it does."""
    try:
        if host.startswith("["):
            literal = str(ipaddress.IPv6Address(host[1:-1]))
            return literal, literal
        if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
            literal = str(ipaddress.IPv4Address(host))
            return literal, literal
    except ValueError as exc:
        message = "the host is an IP address in an odd notation"
        raise DestinationBlocked(message) from exc
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        message = "the host is no well-formed name"
        raise DestinationBlocked(message)
    return host, None
