"""Addresses that no notification may go to, whatever name or notation leads there."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import DestinationBlocked, Guard

FORBIDDEN_ADDRESSES = [
    "0.0.0.0",  # noqa: S104  # an address to refuse
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "127.1.2.3",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:192.168.1.1",
    "::ffff:100.64.0.1",
    "::ffff:168.63.129.16",
    "::8.8.8.8",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "ffff::1",
]
PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2400:3200::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2001:200::1",
    "2003::1",
    "3ffe::1",
]


def url_of(address):
    return f"https://[{address}]/x" if ":" in address else f"https://{address}/x"


DENIED = EgressNetworks(
    allow=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/0")),
    deny=(
        ipaddress.ip_network("47.88.0.0/16"),
        ipaddress.ip_network("10.1.0.0/16"),
        ipaddress.ip_network("2400:3200::/32"),
    ),
)


@pytest.mark.parametrize(
    "address",
    ["47.88.1.1", "10.1.2.3", "2400:3200::1", "::ffff:47.88.1.1", "64:ff9b::2f58:101"],
)
def test_denied_addresses(address):
    """Public or allowed, however they are spelt: what is denied is not called, and the setting is named."""
    with pytest.raises(DestinationBlocked, match=r"that NOTIFIER_EGRESS_DENY names$"):
        Guard(DENIED).check_address(address)


def test_what_is_not_denied_is_called():
    """The neighbours of a denied network go on as before."""
    for address in ("47.89.1.1", "10.2.2.3", "2400:3201::1", "8.8.8.8"):
        Guard(DENIED).check_address(address)


# RFC 6052, section 2.4: 192.0.2.33 behind a prefix of each length.
NAT64 = {
    "2001:db8::/32": "2001:db8:c000:221::",
    "2001:db8:100::/40": "2001:db8:1c0:2:21::",
    "2001:db8:122::/48": "2001:db8:122:c000:2:2100::",
    "2001:db8:122:300::/56": "2001:db8:122:3c0:0:221::",
    "2001:db8:122:344::/64": "2001:db8:122:344:c0:2:2100::",
    "2001:db8:122:344::/96": "2001:db8:122:344::192.0.2.33",
}


@pytest.mark.parametrize(("prefix", "address"), NAT64.items())
def test_an_address_behind_our_own_nat64_is_the_ipv4_address(prefix, address):
    """By the examples of RFC 6052: the address inside decides, in every length of prefix."""
    prefix = ipaddress.IPv6Network(prefix)
    inside = Guard(EgressNetworks(nat64=(prefix,)))
    with pytest.raises(DestinationBlocked, match="a documentation address"):
        inside.check_address(address)
    behind = EgressNetworks((ipaddress.ip_network("192.0.2.33/32"),), nat64=(prefix,))
    Guard(behind).check_address(address)
    denied = EgressNetworks(deny=(ipaddress.ip_network("192.0.2.32/31"),), nat64=(prefix,))
    with pytest.raises(DestinationBlocked, match="NOTIFIER_EGRESS_DENY"):
        Guard(denied).check_address(address)


def test_a_private_address_behind_our_own_nat64_is_private():
    """A prefix out of public space would else be a way into the network."""
    prefix = ipaddress.IPv6Network("2600:1f64::/96")
    for address, kind in (
        ("2600:1f64::10.0.0.1", "a private"),
        ("2600:1f64::169.254.169.254", "a link-local"),
    ):
        Guard().check_address(address)
        with pytest.raises(DestinationBlocked, match=kind):
            Guard(EgressNetworks(nat64=(prefix,))).check_address(address)


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_forbidden_addresses(address):
    """Nothing but public addresses is called, in whatever IPv6 disguise."""
    with pytest.raises(DestinationBlocked):
        Guard().check_address(address)
    with pytest.raises(DestinationBlocked):
        Guard().check_url(url_of(address), None)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses(address):
    """The first addresses outside of the forbidden networks are fine, as are IPv4 ones behind NAT64."""
    Guard().check_address(address)
    Guard().check_url(url_of(address), None)


def test_the_matrix_is_large():
    """The lists above don't shrink unnoticed."""
    assert len(FORBIDDEN_ADDRESSES) + len(PUBLIC_ADDRESSES) >= 107


def test_allowed_networks_open_themselves_only():
    """An operator's CIDR lets its own addresses through, also in their mapped form."""
    allow = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/64"))
    guard = Guard(EgressNetworks(allow=allow))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::1"):
        guard.check_address(address)
    for address in ("10.2.0.1", "127.0.0.1", "fd00:0:0:1::1", "2002:a01:203::1"):
        with pytest.raises(DestinationBlocked):
            guard.check_address(address)


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_the_table_is_at_least_as_strict_as_the_standard_library(address):
    """Nothing that Python calls not global is called public here."""
    if EgressNetworks().why_not(address) is None:
        assert address.is_global
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert EgressNetworks().why_not(mapped) == EgressNetworks().why_not(address)


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_the_ipv6_table_is_at_least_as_strict_as_the_standard_library(address):
    """The same for IPv6."""
    if EgressNetworks().why_not(address) is None:
        assert address.is_global
