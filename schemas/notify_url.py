"""The rule for notify URLs, wherever one is named, and the one place that says which server a URL names.

A server has many spellings: upper case, a final dot, the scheme's own port, an IPv6 address with its zeros, a name in
its own script. `NotifyUrl.of` brings them to one. What is signed and sent, path and query, stays to the byte.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import idna

MAX_LENGTH: Final = 2048
_LONGEST_NAME: Final = 253  # RFC 1035, without the final dot

_FORM: Final = re.compile(
    r"""(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://
    (?P<host>[A-Za-z0-9\x80-\U0010ffff](?:[A-Za-z0-9._\x80-\U0010ffff-]*[A-Za-z0-9\x80-\U0010ffff])?\.?|\[[0-9A-Fa-f:.]+\])
    (?::(?P<port>0*[0-9]{1,5}))?
    (?P<path>(?:[/?][^\x00-\x20\x7f-\U0010ffff\#<>"\\^`]*)?)  # and query, as they are signed
    """,
    re.VERBOSE
    | re.ASCII,  # without IGNORECASE, which tries every character of a range when it is compiled
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_WITH_PORT: Final = re.compile(r"(?P<host>[^:\[\]]+|\[[^\[\]]*\]):(?P<port>0*[0-9]{1,5})", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(
    r"[0-9]+|0x[0-9a-f]*"
)  # a last label that WHATWG's and libc's parsers take for IPv4


def check_notify_url(url: str, *, allow_http: bool) -> None:
    """Refuse what can't be called as it stands.

    Args:
        url: the URL.
        allow_http: whether plain http will do (`NOTIFIER_ALLOW_HTTP`).

    Raises:
        ValueError: with what was expected, without quoting the URL.
    """
    form = _form(url)
    if form["scheme"].lower() == "http" and not allow_http:
        message = "plain http; expected https (NOTIFIER_ALLOW_HTTP is for local use)"
        raise ValueError(message)


@dataclass(frozen=True, slots=True)
class NotifyUrl:
    """A notify URL, taken apart.

    Attributes:
        origin: the server in its one spelling: scheme, host and port (left out when it is the scheme's own).
        host: as it is compared, looked up, and named to the server: no final dot, lower case, ASCII; an IPv6 address
            without brackets.
        is_address: whether the host is an IP address.
        port: where the server listens.
        server: host and port, always with the port; an IPv6 address in brackets.
        path: path and query to the byte as the URL has them; what is signed and put on the wire.
    """

    origin: str
    host: str
    is_address: bool
    port: int
    server: str
    path: str

    @classmethod
    def of(cls, url: str) -> "NotifyUrl":
        """Take a URL apart. The last few thousand are remembered.

        Raises:
            ValueError: it is no notify URL, or its host none that two programs would read alike.
        """
        return _taken_apart(url)

    def is_among(self, allowed_hosts: AbstractSet[str]) -> bool:
        """Tell whether a list names this server: its host, or the host with this port.

        Args:
            allowed_hosts: each as `allowed_host` returns it.
        """
        return self.host in allowed_hosts or self.server in allowed_hosts


def origin_of(url: str) -> str:
    """Return the one spelling of the server that a notify URL names: scheme, host, and port unless it is the scheme's own.

    Raises:
        ValueError: as `NotifyUrl.of`.
    """
    return _taken_apart(url).origin


def known_origin(url: str | None) -> str | None:
    """Return the server that a URL names, never more of it; None where it names none that could be called."""
    try:
        return origin_of(url or "")
    except ValueError:
        return None


def host_of(name: str) -> str:
    """Return the one spelling of a host's name or address; an IPv6 address with or without brackets.

    A name in its own script becomes its ASCII form by IDNA 2008, after lower case and NFC. The compatibility forms that
    UTS 46 would also map (full-width letters, other full stops) are refused, as not every program does so. An IPv4
    address inside an IPv6 one (`::ffff:8.8.8.8`) is the IPv4 address: the system connects to that.

    Raises:
        ValueError: it is no name, or an address in an odd notation (`127.1`, `0x7f.0.0.1`).
    """
    return _host_of(name)[0]


def allowed_host(text: str) -> str:
    """Return the one spelling of `host` or `host:port`; an IPv6 address with a port has brackets.

    Raises:
        ValueError: as `host_of`, or the port is none.
    """
    match = _WITH_PORT.fullmatch(text)
    if match is None:
        return host_of(text)
    return server_of(host_of(match["host"]), _port(match["port"]))


def server_of(host: str, port: int) -> str:
    """Return the one spelling of a server: `host:port`, an IPv6 address in brackets.

    Args:
        host: as `host_of` returns it.
        port: where it listens.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:  # noqa: PLR2004  # RFC 6335
        message = "the port is not between 1 and 65535"
        raise ValueError(message)
    return port


def _form(url: str) -> re.Match[str]:
    if len(url) > MAX_LENGTH:
        message = f"{len(url)} characters; a notify URL has at most {MAX_LENGTH}"
        raise ValueError(message)
    form = _FORM.fullmatch(url)
    if form is None:
        message = "expected an absolute https URL, path and query in ASCII, without user, password and fragment"
        raise ValueError(message)
    if form["port"] is not None:
        _port(form["port"])
    if not form["host"].isascii():
        _ascii(form["host"].removesuffix("."))
    return form


@lru_cache(maxsize=4096)
def _taken_apart(url: str) -> NotifyUrl:
    form = _form(url)
    scheme = form["scheme"].lower()
    host, is_address = _host_of(form["host"])
    port = int(form["port"] or _DEFAULT_PORTS[scheme])
    server = server_of(host, port)
    path = form["path"]
    shown = server.removesuffix(f":{port}") if port == _DEFAULT_PORTS[scheme] else server
    return NotifyUrl(
        origin=f"{scheme}://{shown}",
        host=host,
        is_address=is_address,
        port=port,
        server=server,
        path=path if path.startswith("/") else f"/{path}",
    )


def _host_of(name: str) -> tuple[str, bool]:
    """Return the one spelling of a host, and whether it is an address."""
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if bare is not name or ":" in name:
        return _ipv6(bare), True
    if _NUMBER.fullmatch(name.lower().rstrip(".").rsplit(".", 1)[-1]):
        try:
            return str(ipaddress.IPv4Address(name)), True
        except ValueError as exc:
            raise _odd_address() from exc
    host = name.removesuffix(".")
    host = host.lower() if host.isascii() else _ascii(host)
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        message = "the host is no well-formed name"
        raise ValueError(message)
    return host, False


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as exc:
        raise _odd_address() from exc
    if address.scope_id is not None:
        raise _odd_address()
    return str(address.ipv4_mapped or address)


def _odd_address() -> ValueError:
    return ValueError("the host is an IP address in an odd notation")


def _ascii(name: str) -> str:
    # Letter by letter: as a word, Greek would get another sigma at its end.
    lower = unicodedata.normalize("NFC", "".join(letter.lower() for letter in name))
    try:
        return idna.encode(lower, strict=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as exc:
        message = (
            "the host is no name by IDNA 2008; expected its ASCII form (xn--…) or its plain letters"
        )
        raise ValueError(message) from exc
