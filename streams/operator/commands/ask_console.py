"""Asking a running console for what it has read of an order: an answer at once, where Kafka's topics are long."""

import ipaddress
import json
import ssl
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from streams.kafka.format.facts import Fact
from streams.operator.console.ingest import STALE_SECONDS
from streams.operator.history.search import OrderRecords
from streams.operator.history.text import duration
from streams.redaction import shown_path

_SECONDS: Final = 5.0
_MOST_BYTES: Final = 64 * 1024 * 1024


class CannotAsk(Exception):  # noqa: N818  # what it is
    """The console gives no answer that can be relied on: why."""


@dataclass(frozen=True, slots=True)
class ConsoleAddress:
    """Where a console is, and who asks.

    Attributes:
        url: scheme, host and port.
        token: an access token of the console, sent to that address only.
    """

    url: str
    token: str

    @classmethod
    def of(cls, url: str, token_file: Path | None, *, allow_http: bool = False) -> "ConsoleAddress":
        """Return the address that the options name.

        Args:
            url: of the console.
            token_file: the access token.
            allow_http: whether the token may go to another machine in the clear.

        Raises:
            ValueError: the URL is none of http or https or not safe, or the file can't be read.
        """
        if not _is_address(url):
            message = "--console: expected an address like https://notifier.example.com, without user, path and query"
            raise ValueError(message)
        if url.startswith("http:") and not _is_loopback(url) and not allow_http:
            message = (
                "--console: plain http would show the token to the network; expected https,"
                " or --allow-http where the way there is safe"
            )
            raise ValueError(message)
        if token_file is None:
            message = "--token-file: missing, expected a file with an access token of the console"
            raise ValueError(message)
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            message = f"--token-file: seen {shown_path(token_file)}, expected a file that can be read ({why})"
            raise ValueError(message) from error
        if not token.isascii() or not token.isprintable() or not token:
            message = "--token-file: expected one line with an access token of the console"
            raise ValueError(message)
        return cls(url.rstrip("/"), token)


def _is_address(url: str) -> bool:
    """Tell whether it is scheme, host and port: a user or a query would stand in what urllib says of what it can't use."""
    try:
        parts = urlsplit(url)
        port = parts.port  # raises where it is none
    except ValueError:
        return False
    only_server = parts.username is None and parts.path in {"", "/"} and port != 0
    # In what urlsplit takes for a host a space may stand; tabs, and a ? or # with nothing behind it, it drops.
    plain = url.isprintable() and not set(url) & set(" ?#")
    return (
        url.startswith(("http://", "https://")) and bool(parts.hostname) and only_server and plain
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirects(HTTPRedirectHandler):
    """Follows none: the token is for one address."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""


def ask_console(address: ConsoleAddress, order_id: str) -> OrderRecords:
    """Return what a console has read of an order.

    Raises:
        CannotAsk: it can't be reached, refuses the token, knows nothing of the order, or has not read everything yet.
    """
    request = Request(  # noqa: S310  # the scheme was checked
        f"{address.url}/api/orders/{quote(order_id, safe='')}/facts",
        headers={"Authorization": f"Bearer {address.token}", "Accept": "application/json"},
    )
    # A proxy of the environment has no business between this machine and itself, and would see the token.
    proxies = ProxyHandler({} if _is_loopback(address.url) else None)
    opener = build_opener(proxies, _NoRedirects, HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            body: dict[str, Any] = json.loads(answer.read(_MOST_BYTES))
    except HTTPError as error:
        error.close()  # it holds the connection
        why = {401: "it does not know the token", 404: "it knows nothing of the order"}
        raise CannotAsk(why.get(error.code, f"it answered HTTP {error.code}")) from error
    except (URLError, OSError, ValueError, HTTPException) as error:
        message = f"it can't be reached: {error}"
        raise CannotAsk(message) from error
    try:
        as_of = body["as_of"]
        if as_of["rebuilding"] or as_of["fault"]:
            message = "it has not read everything yet"
            raise CannotAsk(message)
        # One whose reading hangs says neither; both times are by its own clock.
        behind_ms = as_of["at_ms"] - as_of["caught_up_ms"]
        if behind_ms > STALE_SECONDS * 1000:
            message = f"it is {duration(behind_ms)} behind Kafka"
            raise CannotAsk(message)
        if not body.get("complete", True):  # one of before does not say
            message = "it had to leave out what it can't read"
            raise CannotAsk(message)
        facts = [Fact.from_dict(members) for members in body["facts"]]
        return OrderRecords(facts, len(facts), body["oldest_ms"])
    except (KeyError, TypeError, ValueError) as error:
        message = "its answer is of another version"
        raise CannotAsk(message) from error
