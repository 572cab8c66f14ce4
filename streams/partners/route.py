"""How a partner is reached: directly, or through a forward proxy that has its own trust."""

import base64
import re
import ssl
from dataclasses import dataclass, field
from typing import Final

from schemas.notify_url import host_of
from streams.partners.files import Files
from streams.partners.tls import partner_tls

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^\s/?#@:\[\]]+|\[[^\s/?#@\[\]]+\]):(?P<port>0*[0-9]{1,5})/*",
    re.ASCII,
)
_GREATEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True, eq=False)
class Proxy:
    """A forward proxy that is asked for a tunnel (CONNECT); TLS with the partner goes through it end to end.

    Attributes:
        host: name or address, in its one spelling (`schemas.notify_url.host_of`).
        port: of the proxy.
        tls: for a proxy that is itself reached by TLS; None for plain TCP.
        authorization: value of Proxy-Authorization; None for none.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    authorization: str | None = field(repr=False)


def proxy_of(  # noqa: PLR0913  # the members of an entry
    files: Files,
    url: str,
    ca_file: str | None,
    user: str | None,
    password_file: str | None,
    *,
    strict: bool = True,
) -> Proxy:
    """Return the proxy that an entry describes.

    Args:
        files: reads the files.
        url: `http://host:port` or `https://host:port`.
        ca_file: CAs that the proxy's certificate may come from, PEM; the public ones when None.
        user: for basic authentication; None for none.
        password_file: file with its password.
        strict: whether the proxy's certificates must be as RFC 5280 wants them.

    Raises:
        ValueError: the URL is no proxy's, or a file can't be used.
    """
    form = _URL.fullmatch(url)
    port = 0 if form is None else int(form["port"])
    if form is None or not 0 < port <= _GREATEST_PORT:
        message = "url: expected http://host:port or https://host:port, without user and path"
        raise ValueError(message)
    try:
        # Judged like an event's: a name that nobody can look up would else show with the first call only.
        host = host_of(form["host"])
    except ValueError as exc:
        message = f"url: {exc}; expected http://host:port or https://host:port"
        raise ValueError(message) from exc
    if ca_file is not None and form["scheme"] == "http":
        message = "ca_file: expected with an https url only"
        raise ValueError(message)
    if (user is None) != (password_file is None):
        message = "expected both user and password_file or neither"
        raise ValueError(message)
    return Proxy(
        host=host,
        port=port,
        tls=partner_tls(files, ca_file, None, None, "proxy-ca", strict=strict)
        if form["scheme"] == "https"
        else None,
        authorization=_basic(user, files.secret_text(password_file))
        if user is not None and password_file is not None
        else None,
    )


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
