"""How the values of settings are read from text: durations, lists, names, servers."""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from schemas.iso8601 import typed_moment

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_duration(text: object) -> float:
    """Read `250ms`, `5s`, `10m`, `72h` or `3d` as seconds.

    Raises:
        ValueError: it is none of these.
    """
    match = _DURATION.fullmatch(str(text))
    if match is None:
        message = "expected a number and one of ms, s, m, h, d, like 5s or 72h"
        raise ValueError(message)
    return float(match[1]) * _UNITS[match[2]]


def topic_name(name: str) -> str:
    """Return a topic's name.

    Raises:
        ValueError: Kafka takes no such name.
    """
    if not _TOPIC.fullmatch(name) or name in {".", ".."}:
        message = "expected a topic name: 1 to 249 of letters, digits, '.', '_' and '-'"
        raise ValueError(message)
    return name


_NAT64_LENGTHS = (32, 40, 48, 56, 64, 96)  # RFC 6052, section 2.2


_BROKER_HOST = re.compile(r"[^\s:/\[\]@]+|\[[0-9A-Fa-f:.]+(?:%[^\s\[\]]+)?\]")


def bootstrap_servers(text: str) -> str:
    """Return `host:port` of each, comma separated.

    Raises:
        ValueError: one is none.
    """
    for server in text.split(","):
        host, colon, port = server.strip().rpartition(":")
        in_port = colon and port.isdecimal() and 0 < int(port) < 1 << 16
        if not in_port or not _BROKER_HOST.fullmatch(host) or not _can_be_looked_up(host):
            message = (
                "expected bootstrap servers as host:port, comma separated, without a protocol before them and with brackets"
                " around an IPv6 address"
            )
            raise ValueError(message)
    return ",".join(server.strip() for server in text.split(","))


def _can_be_looked_up(host: str) -> bool:
    """Tell whether a look-up takes the name at all: of others, like `a..b`, it raises what is no OSError."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def list_of(read: Callable[[str], object], example: str) -> BeforeValidator:
    """Return what reads a comma-separated list; what is no text is left as it is."""

    def validate(text: object) -> object:
        if not isinstance(text, str):
            return text
        try:
            return tuple(read(part.strip()) for part in text.split(",") if part.strip())
        except ValueError as error:
            message = f"expected {example}, comma separated ({error})"
            raise ValueError(message) from error

    return BeforeValidator(validate)


def of_nat64_lengths(
    prefixes: tuple[ipaddress.IPv6Network, ...],
) -> tuple[ipaddress.IPv6Network, ...]:
    """Return the prefixes.

    Raises:
        ValueError: one has a length that NAT64 does not know.
    """
    if any(prefix.prefixlen not in _NAT64_LENGTHS for prefix in prefixes):
        message = f"expected prefixes of {', '.join(map(str, _NAT64_LENGTHS))} bits (RFC 6052)"
        raise ValueError(message)
    return prefixes


def one_a_family(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses.

    Raises:
        ValueError: two are of one family.
    """
    if len({ipaddress.ip_address(address).version for address in addresses}) != len(addresses):
        message = "expected one IPv4 and one IPv6 address at most"
        raise ValueError(message)
    return addresses


def group_start(text: object) -> object:
    """Return where a group begins: a moment, or a word as it is.

    Raises:
        ValueError: it is neither.
    """
    if text in {"earliest", "latest"} or not isinstance(text, str):
        return text
    try:
        return typed_moment(text)
    except ValueError:
        message = (
            "expected earliest, latest or an ISO 8601 time with offset like 2026-11-22T00:00:00Z"
        )
        raise ValueError(message) from None


Duration = Annotated[float, BeforeValidator(parse_duration)]
Networks = Annotated[
    tuple[Network, ...], NoDecode, list_of(ipaddress.ip_network, "CIDRs like 10.0.0.0/8,fd00::/8")
]
TopicName = Annotated[str, AfterValidator(topic_name)]
