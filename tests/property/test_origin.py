"""One server has one origin, however its URL spells it, and no two servers share one."""

import ipaddress
import unicodedata

import httpx
import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from schemas.notify_url import NotifyUrl, host_of, origin_of
from streams.admission.admission import Admission
from streams.admission.queue import Permit
from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import DestinationBlocked, Guard
from tests.unit.admission.desk import partner

LABELS = st.from_regex(r"\A[a-z0-9](?:[a-z0-9-]{0,8}[a-z])?\Z").filter(
    lambda label: label[2:4] != "--"
)
OWN_SCRIPT = st.sampled_from(["bücher", "faß", "βόλος", "例え", "münchen-süd", "éa", "россия"])
TOP = st.from_regex(r"\A[a-z]{1,6}\Z")
NAMES = st.tuples(st.lists(LABELS, max_size=3), TOP).map(
    lambda parts: ".".join([*parts[0], parts[1]])
)
OWN_NAMES = st.tuples(OWN_SCRIPT, NAMES).map(".".join)
ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address),
    st.integers(2**64, 2**128 - 1).map(ipaddress.IPv6Address),
)
PORTS = st.integers(1, 65535)


@st.composite
def cased(draw, text):
    """Draw each letter in lower or upper case, as far as the two have one lower case."""
    return "".join(
        letter.upper() if draw(st.booleans()) and letter.upper().lower() == letter else letter
        for letter in text
    )


@st.composite
def ipv6_spellings(draw, address):
    """Draw one of the texts of an IPv6 address: groups with their zeros or without, perhaps ending in dotted form."""
    groups = [
        group.lstrip("0") or "0" if draw(st.booleans()) else group
        for group in address.exploded.split(":")
    ]
    if draw(st.booleans()):
        groups[6:] = [str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))]
    text = draw(st.sampled_from([":".join(groups), address.compressed]))
    return f"[{draw(cased(text))}]"


@st.composite
def servers(draw):
    """Draw a server: its scheme, host (ASCII, or an address) and port."""
    scheme = draw(st.sampled_from(["https", "http"]))
    host = draw(st.one_of(NAMES, OWN_NAMES, ADDRESSES))
    return scheme, host, draw(st.one_of(st.sampled_from([443, 80]), PORTS))


@st.composite
def hosts(draw, host):
    """Draw a spelling of a host."""
    if isinstance(host, ipaddress.IPv6Address):
        return draw(ipv6_spellings(host))
    if isinstance(host, ipaddress.IPv4Address):
        return draw(st.sampled_from([str(host), f"[::ffff:{host}]", f"[0:0:0:0:0:FFFF:{host}]"]))
    ascii_host = idna.encode(host).decode() if not host.isascii() else host
    decomposed = unicodedata.normalize("NFD", host)
    shown = draw(cased(draw(st.sampled_from([host, ascii_host, decomposed]))))
    return shown + draw(st.sampled_from(["", "."]))


@st.composite
def spellings(draw, server):
    """Draw a URL of a server."""
    scheme, host, port = server
    own = {"https": 443, "http": 80}[scheme] == port
    shown = draw(hosts(host))
    zeros = "0" * draw(st.integers(0, 3))
    colon = draw(st.sampled_from(["", f":{zeros}{port}"])) if own else f":{zeros}{port}"
    path = draw(st.sampled_from(["", "/", "/x", "?a=b", "/%2F/../x?y"]))
    return f"{draw(cased(scheme))}://{shown}{colon}{path}"


@given(st.data(), servers())
def test_every_spelling_of_a_server_is_one_origin(data, server):
    """Case, the final dot, the scheme's own port, zeros, IPv6 groups, mapped IPv4, IDN: one origin for all of them."""
    one, other = data.draw(spellings(server)), data.draw(spellings(server))
    assert origin_of(one) == origin_of(other)
    assert origin_of(origin_of(one)) == origin_of(one)


@given(st.data(), servers(), servers())
def test_two_servers_never_share_an_origin(data, one, other):
    """Another scheme, host or port is another destination."""
    alike = origin_of(data.draw(spellings(one))) == origin_of(data.draw(spellings(other)))
    assert alike == (one == other)


@given(st.data(), servers())
def test_whoever_connects_reads_the_same_server(data, server):
    """aiohttp's and httpx's parsers read scheme, host and port from the origin as they were checked."""
    target = NotifyUrl.of(data.draw(spellings(server)))
    scheme, _, port = server
    assert target.origin.isascii()
    url = URL(target.origin)
    assert (url.scheme, url.raw_host, url.port) == (scheme, target.host, port)
    assert httpx.URL(target.origin).netloc.decode() == target.origin.partition("://")[2]


@given(st.data(), servers())
def test_an_allowed_host_is_compared_in_its_one_spelling(data, server):
    """What stands in `allowed_hosts` lets every spelling of that host through, and no other host."""
    url, entry = data.draw(spellings(server)), host_of(data.draw(hosts(server[1])))
    everywhere = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    guard = Guard(EgressNetworks(allow=everywhere), allow_http=True)
    assert guard.check_url(url, frozenset({entry})) == NotifyUrl.of(url)
    with pytest.raises(DestinationBlocked, match="allowed_hosts"):
        guard.check_url(url, frozenset({f"x{entry}"}))


@pytest.mark.parametrize(
    "url",
    [
        "https://%61.example/",
        "https://b%C3%BCcher.example/",
        "https://a..",
        "https://.",
        "https://①②⑦.0.0.1/",
        "https://a。example/",
        "https://\uff42uecher.example/",
        "https://a\u00adb.example/",
        "https://\u017f.example/",
        "https://1.1.1.1./",
        "https://[fe80::1%25lo]/",
        "https://0x7f.1/",
        "https://" + "ü" * 60 + ".example/",
    ],
)
def test_what_two_programs_could_read_differently_is_refused(url):
    """Percent-encoded hosts, compatibility forms, odd notations of addresses: a refusal that doesn't quote them."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is the rule's
        origin_of(url)
    assert "example" not in str(caught.value)


async def test_the_limits_of_a_destination_count_every_spelling():
    """A partner can't be called more often at once by spelling its server differently."""
    destinations = Admission(64, lambda: 0.0)
    shop = partner(most=2)
    for url in ("https://a.example/1", "https://A.example:0443/2"):
        assert isinstance(await destinations.admit(shop, url, retry=False), Permit)
    assert len(destinations) == 1
    assert isinstance(await destinations.admit(shop, "https://b.example/1", retry=False), Permit)
    assert len(destinations) == 2
