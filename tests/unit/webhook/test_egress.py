import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from schemas.notify_url import NotifyUrl
from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import DestinationBlocked, Guard
from streams.webhook.lookups import Lookups
from streams.webhook.resolver import CheckedResolver, system_lookup

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

ODD_URLS = [
    "https://2130706433/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://0x7F000001/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://127.0.0.01/",
    "https://1.1.1.1./",
    "https://8.8.8.08/",
    "https://8.8.8/",
    "https://8.8/",
    "https://8/",
    "https://0/",
    "https://0x/",
    "https://1.1.1.256/",
    "https://1.1.1.1.1/",
    "https://999999999999/",
    "https://example.com.0x1/",
    "https://example.1/",
    "https://foo.0x7f/",
    "https://1.1.1.0x1/",
    "https://00.0.0.0/",
    "https://08.8.8.8/",
    "https://[::1",
    "https://::1/",
    "https://[]/",
    "https://[:::]/",
    "https://[1:2]/",
    "https://[::g]/",
    "https://[12345::]/",
    "https://[::1%25eth0]/",
    "https://[fe80::1%25lo]/",
    "https://[::127.0.0.01]/",
    "https://[127.0.0.1]/",
    "https://[v1.fe80::a]/",
    "https://[::1]x/",
    "https://[::1]:x/",
    "https://[::ffff:8.8.8.8",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://@example.com/",
    "https://:@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com%40evil.example/",
    "https://example.com:80@evil.example/",
    "https://example.com../",
    "https://.example.com/",
    "https://example..com/",
    "https://./",
    "https://-example.com/",
    "https://example-.com/",
    "https://example.-com/",
    "https://exa%6dple.com/",
    "https://example.com:0/",
    "https://example.com:00/",
    "https://example.com:65536/",
    "https://example.com:99999/",
    "https://example.com:-1/",
    "https://example.com:+443/",
    "https://example.com:4x3/",
    "https://example.com:443:443/",
    "https://example.com:/",
    "https://example.com:0x1bb/",
    "https://example.com:443443443/",
    "http://example.com/",
    "HTTP://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ws://example.com/",
    "wss://example.com/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "jar:https://example.com/!/",
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "https://",
    "https:///path",
    "//example.com/",
    "example.com",
    "/path",
    "https:\\\\example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://example.com/#fragment",
    "https://example.com#@127.0.0.1/",
    "https://example.com/?q#f",
    "https://exa_mple!.com/",
    "https://example,com/",
    "https://*.example.com/",
    "https://example.com&x/",
    "https://(x)/",
    "https://①②⑦.0.0.1/",
    "https://example。com/",
    "https://\uff11.1.1.1/",
    "https://example.com/ü",
    "https://example.com/?€",
    "",
    " https://example.com/",
    "https://example.com/ ",
    "https://exa mple.com/",
    "https://example.com/a b",
    "https://example.com/\r\nX: y",
    "https://example.com/\n",
    "https://example.com\t/",
    "https://example.com/\x00",
    "https://example.com/\x7f",
    "https://example.com\n.evil.example/",
    "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 127 + "example/",
    "https://example.com/" + "a" * 2048,
]

GOOD_URLS = {
    "https://example.com": ("https://example.com", "/"),
    "https://example.com/": ("https://example.com", "/"),
    "HTTPS://EXAMPLE.com/Path": ("https://example.com", "/Path"),
    "https://example.com:443/x": ("https://example.com", "/x"),
    "https://example.com:0443/x": ("https://example.com", "/x"),
    "https://example.com:8443/x": ("https://example.com:8443", "/x"),
    "https://example.com?q=1": ("https://example.com", "/?q=1"),
    "https://example.com/?": ("https://example.com", "/?"),
    "https://example.com/a?": ("https://example.com", "/a?"),
    "https://example.com/a?b?c": ("https://example.com", "/a?b?c"),
    "https://example.com//a//b": ("https://example.com", "//a//b"),
    "https://example.com/a/../b/./c": ("https://example.com", "/a/../b/./c"),
    "https://example.com/%2f%2F%7e~%zz%": ("https://example.com", "/%2f%2F%7e~%zz%"),
    "https://example.com/a;p=1/b+c?d=e+f&g=%20;h": (
        "https://example.com",
        "/a;p=1/b+c?d=e+f&g=%20;h",
    ),
    "https://example.com/%C3%BC%e2%82%ac?x=%ff": ("https://example.com", "/%C3%BC%e2%82%ac?x=%ff"),
    "https://example.com/@:user@x?u=http://127.0.0.1/": (
        "https://example.com",
        "/@:user@x?u=http://127.0.0.1/",
    ),
    "https://example.com?@127.0.0.1": ("https://example.com", "/?@127.0.0.1"),
    "https://example.com/|{}[]'!*": ("https://example.com", "/|{}[]'!*"),
    "https://xn--bcher-kva.example/": ("https://xn--bcher-kva.example", "/"),
    "https://Bücher.example/": ("https://xn--bcher-kva.example", "/"),
    "https://\u0131.example/": ("https://xn--cfa.example", "/"),
    "https://example.com./": ("https://example.com", "/"),
    "https://example.com.:0443/": ("https://example.com", "/"),
    "https://example.com:0008443/": ("https://example.com:8443", "/"),
    "https://sand_box:8443/": ("https://sand_box:8443", "/"),
    "https://a-b.c1.example/": ("https://a-b.c1.example", "/"),
    "https://8.8.8.8/": ("https://8.8.8.8", "/"),
    "https://1.example/": ("https://1.example", "/"),
    "https://0x7f.example/": ("https://0x7f.example", "/"),
    "https://[2606:4700:4700::1111]/": ("https://[2606:4700:4700::1111]", "/"),
    "https://[2606:4700:4700:0:0:0:0:1111]:8443/": ("https://[2606:4700:4700::1111]:8443", "/"),
    "https://[::ffff:8.8.8.8]/": ("https://8.8.8.8", "/"),
}


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


@pytest.mark.parametrize("url", ODD_URLS)
def test_odd_urls(url):
    """What two parsers could read differently, or no HTTP client should be given, is refused."""
    with pytest.raises(DestinationBlocked):
        Guard().check_url(url, None)


@pytest.mark.parametrize(("url", "parts"), GOOD_URLS.items())
def test_good_urls_keep_path_and_query_to_the_byte(url, parts):
    """Path and query stay as they are, and both who connects and who names the host read the origin that was checked."""
    target = Guard().check_url(url, None, {NotifyUrl.of(url).server})
    assert (target.origin, target.path) == parts
    assert str(URL(target.origin).origin()) == target.origin
    assert httpx.URL(target.origin).netloc.decode() == target.origin.partition("://")[2]


@given(st.from_regex(r"\A[/?][!$-;=?-\[\]_a-z{|}~]{0,40}\Z"))
def test_no_path_is_changed(path):
    """Whatever the URL rule lets through is signed and written as it is."""
    target = Guard().check_url(f"https://example.com{path}", None)
    assert target.path == ("" if path[0] == "/" else "/") + path


def test_the_matrix_is_large():
    """The lists above don't shrink unnoticed."""
    assert len(FORBIDDEN_ADDRESSES) + len(PUBLIC_ADDRESSES) + len(ODD_URLS) + len(GOOD_URLS) >= 230


def test_messages_name_the_rule_and_not_the_url():
    """The message goes to a dead letter, which must not quote."""
    for url in (
        "https://secret.example:99999/token",
        "https://10.1.2.3/token",
        "https://secret..x/",
    ):
        with pytest.raises(DestinationBlocked) as caught:
            Guard().check_url(url, None)
        assert not {"token", "secret", "10.1.2.3"} & set(
            str(caught.value).replace("/", " ").split()
        )
    with pytest.raises(DestinationBlocked, match="a private address; NOTIFIER_EGRESS_ALLOW"):
        Guard().check_url("https://10.1.2.3/", None)


def test_allowed_networks_open_themselves_only():
    """An operator's CIDR lets its own addresses through, also in their mapped form."""
    allow = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/64"))
    guard = Guard(EgressNetworks(allow=allow))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::1"):
        guard.check_address(address)
    for address in ("10.2.0.1", "127.0.0.1", "fd00:0:0:1::1", "2002:a01:203::1"):
        with pytest.raises(DestinationBlocked):
            guard.check_address(address)


def test_plain_http_only_when_allowed():
    """NOTIFIER_ALLOW_HTTP opens http, nothing else."""
    assert (
        Guard(allow_http=True).check_url("http://example.com/x", None).origin
        == "http://example.com"
    )
    assert (
        Guard(allow_http=True).check_url("http://example.com:443", None).origin
        == "http://example.com:443"
    )
    with pytest.raises(DestinationBlocked):
        Guard(allow_http=True).check_url("ftp://example.com/x", None)


def test_allowed_hosts_are_exact():
    """A partner's list names hosts whole; a name that ends or starts alike is another."""
    hosts = frozenset({"open.example", "8.8.8.8"})
    for url in ("https://open.example/", "https://OPEN.Example:443/x", "https://8.8.8.8/"):
        Guard().check_url(url, hosts)
    for url in (
        "https://evil.example/",
        "https://x.open.example/",
        "https://open.example.evil/",
        "https://openexample/",
        "https://1.1.1.1/",
    ):
        with pytest.raises(DestinationBlocked, match="allowed_hosts"):
            Guard().check_url(url, hosts)
    with pytest.raises(DestinationBlocked, match="loopback"):
        Guard().check_url("https://127.0.0.1/", frozenset({"127.0.0.1"}))


OWN = frozenset({"own.example:9443", "8.8.8.8:9443", "[2606:4700:4700::1111]:9443"})


@pytest.mark.parametrize(
    "url",
    [
        "https://8.8.8.8:22/",
        "https://8.8.8.8:80/",
        "https://8.8.8.8:8443/",
        "https://1.1.1.1:9443/",
        "https://[2606:4700:4700::1111]:25/",
        "https://[64:ff9b::8.8.8.8]:5432/",
    ],
)
def test_a_port_that_nobody_named_is_closed_at_public_addresses(url):
    """443 is called, and what the partner's entry names with its host; the message says what to do."""
    with pytest.raises(
        DestinationBlocked, match=r"not 443, .*add the host with its port .* to allowed_hosts"
    ):
        Guard().check_url(url, None, OWN)


@pytest.mark.parametrize(
    ("url", "allow_http"),
    [
        ("https://8.8.8.8/", False),
        ("https://8.8.8.8:0443/", False),
        ("https://8.8.8.8:9443/", False),
        ("https://[2606:4700:4700:0::1111]:9443/", False),
        ("http://8.8.8.8/", True),
        ("http://8.8.8.8:443/", True),
    ],
)
def test_a_port_that_is_open(url, allow_http):
    """443 at any public address, 80 too where plain http is allowed, and the servers that the entry names."""
    Guard(allow_http=allow_http).check_url(url, None, OWN)


def test_a_port_is_closed_where_plain_http_is_allowed_too():
    """NOTIFIER_ALLOW_HTTP opens 80 beside 443, nothing else."""
    with pytest.raises(DestinationBlocked, match="not 80 or 443"):
        Guard(allow_http=True).check_url("http://8.8.8.8:8080/", None)


def test_addresses_that_the_operator_allows_keep_every_port():
    """What NOTIFIER_EGRESS_ALLOW names is called on any port; NOTIFIER_EGRESS_DENY still wins."""
    networks = EgressNetworks(
        allow=(ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("8.8.8.8/32")),
        deny=(ipaddress.ip_network("127.0.0.9/32"),),
    )
    for url in ("https://127.0.0.1:31999/", "https://[::ffff:127.0.0.1]:5/", "https://8.8.8.8:22/"):
        Guard(networks).check_url(url, None)
    for url in ("https://8.8.4.4:22/", "https://127.0.0.9:22/"):
        with pytest.raises(DestinationBlocked):
            Guard(networks).check_url(url, None)


def test_an_allowed_host_with_a_port_is_that_port_only():
    """`host:port` lets no other port of the host through, 443 neither, unless the host stands there too."""
    hosts = frozenset({"8.8.8.8:8443", "both.example", "both.example:8443"})
    for url in ("https://8.8.8.8:8443/", "https://both.example/", "https://both.example:8443/"):
        Guard().check_url(url, hosts, hosts)
    for url in ("https://8.8.8.8/", "https://8.8.8.8:8444/"):
        with pytest.raises(DestinationBlocked, match="the host with this port"):
            Guard().check_url(url, hosts, hosts)


async def test_a_name_is_judged_with_its_port(threads):
    """A public address of a name is called on ports that are open only, one that the operator allows on any."""
    answers = {
        "own.example": ["8.8.8.8"],
        "other.example": ["8.8.8.8"],
        "inside.example": ["10.0.0.1"],
        "mixed.example": ["10.0.0.1", "8.8.8.8"],
    }
    guard = Guard(EgressNetworks(allow=(ipaddress.ip_network("10.0.0.0/8"),)))
    resolver = CheckedResolver(guard, Lookups(answers.__getitem__, threads), {}, OWN)
    for host, port in (
        ("own.example", 9443),
        ("other.example", 443),
        ("inside.example", 9443),
        ("mixed.example", 443),
    ):
        assert {found["port"] for found in await resolver.resolve(host, port)} == {port}
    for host, port in (("own.example", 22), ("other.example", 9443), ("mixed.example", 9443)):
        with pytest.raises(DestinationBlocked, match="the port is not 443"):
            await resolver.resolve(host, port)


def test_behind_a_proxy_a_port_must_be_named():
    """There no address is looked up here, so that only the entry can open a port."""
    hosts = frozenset({"listed.example", "own.example", "own.example:9443"})
    for url in ("https://listed.example/", "https://own.example:9443/"):
        Guard().check_url(url, hosts, OWN, by_proxy=True)
    with pytest.raises(DestinationBlocked, match="the port is not 443"):
        Guard().check_url("https://listed.example:9443/", hosts, OWN, by_proxy=True)


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


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def test_a_name_with_one_forbidden_address_is_refused(threads):
    """All addresses of a name are judged: a connection may go to any of them."""
    answers = {
        "good.example": ["8.8.8.8", "2606:4700:4700::1111"],
        "bad.example": ["8.8.8.8", "169.254.169.254"],
        "bad6.example": ["::ffff:127.0.0.1"],
        "scoped.example": ["fe80::1%lo"],
        "none.example": [],
    }
    resolver = CheckedResolver(Guard(), Lookups(answers.__getitem__, threads), {})
    found = await resolver.resolve("good.example", 443)
    assert {(entry["host"], entry["port"]) for entry in found} == {
        ("8.8.8.8", 443),
        ("2606:4700:4700::1111", 443),
    }
    assert all(entry["flags"] & socket.AI_NUMERICHOST for entry in found)
    for name in ("bad.example", "bad6.example", "scoped.example"):
        with pytest.raises(DestinationBlocked):
            await resolver.resolve(name, 443)
    with pytest.raises(OSError, match="no addresses"):
        await resolver.resolve("none.example", 443)
    await resolver.close()


async def test_the_systems_lookup_knows_localhost(threads):
    """The default look-up asks the machine, and what it finds is checked."""
    assert set(system_lookup("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(DestinationBlocked, match="loopback"):
        await CheckedResolver(Guard(), Lookups(system_lookup, threads), {}).resolve(
            "localhost", 443
        )


async def test_a_hanging_lookup_does_not_hold_the_loop(threads):
    """Look-ups run in the threads that were given."""
    answer = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_host):
        asyncio.run_coroutine_threadsafe(answer.wait(), loop).result(10)
        return ["8.8.8.8"]

    resolving = asyncio.create_task(
        CheckedResolver(Guard(), Lookups(slow, threads), {}).resolve("x.example", 443)
    )
    await asyncio.sleep(0)
    assert not resolving.done()
    answer.set()
    assert [entry["host"] for entry in await resolving] == ["8.8.8.8"]
