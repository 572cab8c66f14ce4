"""How a partner is reached: directly, or through a forward proxy that has its own trust."""

import base64
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from streams.partners.files import Files
from streams.partners.tls import partner_tls


@dataclass(frozen=True, slots=True, eq=False)
class Proxy:
    """A forward proxy that is asked for a tunnel (CONNECT); TLS with the partner goes through it end to end.

    Attributes:
        host: name or address.
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
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = f"{parts.scheme}://{parts.netloc}"
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or port is None
        or url.rstrip("/") != plain
    ):
        message = "url: expected http://host:port or https://host:port, without user and path"
        raise ValueError(message)
    if ca_file is not None and parts.scheme == "http":
        message = "ca_file: expected with an https url only"
        raise ValueError(message)
    if (user is None) != (password_file is None):
        message = "expected both user and password_file or neither"
        raise ValueError(message)
    return Proxy(
        host=parts.hostname,
        port=port,
        tls=partner_tls(files, ca_file, None, None, "proxy-ca", strict=strict)
        if parts.scheme == "https"
        else None,
        authorization=_basic(user, files.secret_text(password_file))
        if user is not None and password_file is not None
        else None,
    )


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
