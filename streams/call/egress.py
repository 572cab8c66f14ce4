"""What may be called: the form of a URL, a partner's hosts, and addresses. Refuses; never connects.

A name is judged by all the addresses that it resolves to, and the connection goes to exactly these
(`streams.call.resolver`), so that a name can't be public when checked and private when called.
"""

import ipaddress
from collections.abc import Set as AbstractSet
from functools import lru_cache

from schemas.notify_url import NotifyUrl, check_notify_url
from streams.call.addresses import EgressNetworks
from streams.settings import Settings

_NONE = EgressNetworks()


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
        self._why_not = lru_cache(maxsize=4096)(
            lambda address: networks.why_not(ipaddress.ip_address(address))
        )

    def check_url(self, url: str, allowed_hosts: AbstractSet[str] | None) -> NotifyUrl:
        """Take a URL apart and check all of it that can be checked without a look-up.

        Args:
            url: the notify URL.
            allowed_hosts: the only hosts that the partner's URLs may name, each in its one spelling; None for any.

        Raises:
            DestinationBlocked: it may not be called.
        """
        try:
            check_notify_url(url, allow_http=self._allow_http)
            target = NotifyUrl.of(url)
        except ValueError as exc:
            message = f"the URL: {exc}"
            raise DestinationBlocked(message) from exc
        if allowed_hosts is not None and target.host not in allowed_hosts:
            message = "the host is not one of the partner's allowed_hosts"
            raise DestinationBlocked(message)
        if target.is_address:
            self.check_address(target.host)
        return target

    def check_address(self, address: str) -> None:
        """Check one address that a connection would go to.

        Raises:
            DestinationBlocked: it is not public and not allowed, or it is denied.
        """
        kind = self._why_not(address)
        if kind is not None:
            message = f"the host is or resolves to {kind}"
            raise DestinationBlocked(message)


def guard_of(settings: Settings) -> Guard:
    """Return the egress rules that the settings say."""
    networks = EgressNetworks(settings.egress_allow, settings.egress_deny, settings.egress_nat64)
    return Guard(networks, allow_http=settings.allow_http)
