"""URLs and ports that no notification may go to: odd notations, schemes, allowed hosts."""

import ipaddress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from schemas.notify_url import NotifyUrl
from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import DestinationBlocked, Guard
from streams.webhook.lookups import Lookups
from streams.webhook.resolver import CheckedResolver

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


def test_the_matrix_of_urls_is_large():
    """The lists above don't shrink unnoticed."""
    assert len(ODD_URLS) + len(GOOD_URLS) >= 147


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
