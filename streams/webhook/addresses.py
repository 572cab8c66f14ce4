"""Which IP addresses are public, by the IANA special-purpose registries (RFC 6890), and which a name may hide.

The standard library's `is_global` changed its mind between 3.11 and 3.13, so the table stands here.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_PUBLIC: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "an unspecified"),
        ("10.0.0.0/8", "a private"),
        ("100.64.0.0/10", "a carrier's shared"),  # RFC 6598; holds Alibaba's metadata service too
        ("127.0.0.0/8", "a loopback"),
        ("168.63.129.16/32", "a metadata"),  # Azure's host service, on an otherwise public address
        ("169.254.0.0/16", "a link-local"),  # holds the metadata service of most clouds
        ("172.16.0.0/12", "a private"),
        ("192.0.0.0/24", "a reserved"),
        ("192.0.2.0/24", "a documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private"),
        ("198.18.0.0/15", "a benchmarking"),
        ("198.51.100.0/24", "a documentation"),
        ("203.0.113.0/24", "a documentation"),
        ("224.0.0.0/4", "a multicast"),
        ("240.0.0.0/4", "a reserved"),
        ("::/128", "an unspecified"),
        ("::1/128", "a loopback"),
        ("::/96", "an IPv4-compatible"),
        ("64:ff9b:1::/48", "a local NAT64"),
        ("2001::/32", "a Teredo"),
        ("2001::/23", "a reserved"),
        ("2001:db8::/32", "a documentation"),
        ("2002::/16", "a 6to4"),
        ("3fff::/20", "a documentation"),
        ("fc00::/7", "a private"),
        ("fe80::/10", "a link-local"),
        ("fec0::/10", "a site-local"),
        ("ff00::/8", "a multicast"),
    )
)
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_ALLOW_HINT: Final = "; NOTIFIER_EGRESS_ALLOW lists exceptions"


@dataclass(frozen=True, slots=True)
class EgressNetworks:
    """The address rules of the settings.

    Attributes:
        allow: may be called although they aren't public (`NOTIFIER_EGRESS_ALLOW`).
        deny: may not be called although they are, whatever is allowed (`NOTIFIER_EGRESS_DENY`).
        nat64: prefixes, beside the well-known one, that the network turns into IPv4 (`NOTIFIER_EGRESS_NAT64`).
    """

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    nat64: tuple[ipaddress.IPv6Network, ...] = ()

    def why_not(self, address: Address) -> str | None:
        """Say what kind of address this is and which setting decides, or None when it may be called.

        An IPv4 address inside an IPv6 one that the network turns back into it (mapped; NAT64, as on hosts
        with IPv6 alone) is judged as the IPv4 address.

        Args:
            address: what a connection would go to.
        """
        inner = self._inner(address)
        if any(address in network or inner in network for network in self.deny):
            return "an address that NOTIFIER_EGRESS_DENY names"
        if self.allows(address):
            return None
        for network, kind in _NOT_PUBLIC:
            if inner in network:
                return f"{kind} address{_ALLOW_HINT}"
        if isinstance(inner, ipaddress.IPv6Address) and inner not in _GLOBAL_UNICAST:
            return f"a reserved address{_ALLOW_HINT}"
        return None

    def allows(self, address: Address) -> bool:
        """Tell whether `NOTIFIER_EGRESS_ALLOW` names this address; `NOTIFIER_EGRESS_DENY` may name it too."""
        inner = self._inner(address)
        return any(address in network or inner in network for network in self.allow)

    def _inner(self, address: Address) -> Address:
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is not None:
                return address.ipv4_mapped
            for prefix in (_NAT64, *self.nat64):
                if address in prefix:
                    return _embedded(address, prefix.prefixlen)
        return address


def _embedded(address: ipaddress.IPv6Address, prefix_length: int) -> ipaddress.IPv4Address:
    """Return the IPv4 address behind a NAT64 prefix; bits 64 to 71 are no part of it (RFC 6052, section 2.2)."""
    raw = address.packed
    start = prefix_length // 8
    octets = raw[start:] if prefix_length == 96 else raw[start:8] + raw[9:]  # noqa: PLR2004  # the longest
    return ipaddress.IPv4Address(octets[:4])
