"""Which destinations may be called: by the form of a URL, a partner's hosts, addresses and ports. Never connects.

A name is judged by all the addresses that it resolves to, and the connection goes to exactly these
(`streams.webhook.resolver`), so that a name can't be public when checked and private when called.
"""

import ipaddress
from collections.abc import Set as AbstractSet
from functools import lru_cache

from schemas.notify_url import NotifyUrl, check_notify_url, server_of
from streams.settings import Settings
from streams.webhook.addresses import EgressNetworks

_NONE = EgressNetworks()
_PORTS = frozenset({443})
_PORTS_WITH_HTTP = frozenset({80, 443})


class DestinationBlocked(Exception):  # noqa: N818  # named after what happened to the destination
    """The destination may not be called. The message names the rule, not the URL.

    No OSError on purpose: aiohttp would take that for a failed look-up.
    """


class Guard:
    """The egress rules of one worker.

    Args:
        networks: what the settings say of addresses.
        allow_http: whether plain http will do (`NOTIFIER_ALLOW_HTTP`).
    """

    def __init__(self, networks: EgressNetworks = _NONE, *, allow_http: bool = False) -> None:
        self._allow_http = allow_http
        self._networks = networks
        self._ports = _PORTS_WITH_HTTP if allow_http else _PORTS
        self._why_not = lru_cache(maxsize=4096)(self._judge)

    def check_url(
        self,
        url: str,
        allowed_hosts: AbstractSet[str] | None,
        named_servers: AbstractSet[str] = frozenset(),
        *,
        by_proxy: bool = False,
    ) -> NotifyUrl:
        """Take a URL apart and check all of it that can be checked without a look-up.

        Args:
            url: the notify URL.
            allowed_hosts: the only hosts and servers that the partner's URLs may name, each in its one spelling; None
                for any.
            named_servers: those that its entry names with their port.
            by_proxy: whether a proxy looks the host up, so that nothing can be checked later.

        Raises:
            DestinationBlocked: it may not be called.
        """
        try:
            check_notify_url(url, allow_http=self._allow_http)
            target = NotifyUrl.of(url)
        except ValueError as exc:
            message = f"the URL: {exc}"
            raise DestinationBlocked(message) from exc
        if allowed_hosts is not None and not target.is_among(allowed_hosts):
            message = (
                "the host, or the host with this port, is not one of the partner's allowed_hosts"
            )
            raise DestinationBlocked(message)
        any_address = self.port_is_open(target.host, target.port, named_servers)
        if target.is_address:
            self.check_address(target.host, port_is_open=any_address)
        elif by_proxy and not any_address:
            raise DestinationBlocked(self._wrong_port())
        return target

    def port_is_open(self, host: str, port: int, named_servers: AbstractSet[str]) -> bool:
        """Tell whether a port may be called at public addresses too: the schemes' own, and what the entry names.

        A URL comes from outside; with any port it would make this worker knock at databases, mail servers and consoles.
        """
        return port in self._ports or server_of(host, port) in named_servers

    def check_address(self, address: str, *, port_is_open: bool = True) -> None:
        """Check one address that a connection would go to.

        Args:
            address: IPv4 or IPv6.
            port_is_open: whether the connection's port is; any other leads to the addresses of `NOTIFIER_EGRESS_ALLOW` only.

        Raises:
            DestinationBlocked: it is not public and not allowed, or it is denied, or the port is closed.
        """
        if (why := self._why_not(address, port_is_open)) is not None:
            raise DestinationBlocked(why)

    def _judge(self, address: str, port_is_open: bool) -> str | None:  # noqa: FBT001  # positional for the cache
        parsed = ipaddress.ip_address(address)
        kind = self._networks.why_not(parsed)
        if kind is not None:
            return f"the host is or resolves to {kind}"
        return None if port_is_open or self._networks.allows(parsed) else self._wrong_port()

    def _wrong_port(self) -> str:
        ports = " or ".join(str(port) for port in sorted(self._ports))
        return (
            f"the port is not {ports}, which alone is called at public addresses unless the partner's entry names another;"
            " where it is meant, add the host with its port (host:port) to allowed_hosts"
        )


def guard_of(settings: Settings) -> Guard:
    """Return the egress rules of the settings."""
    networks = EgressNetworks(settings.egress_allow, settings.egress_deny, settings.egress_nat64)
    return Guard(networks, allow_http=settings.allow_http)
