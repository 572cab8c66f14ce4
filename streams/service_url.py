"""Where a service is that the operator names by a URL and that is no partner: Kafka's token server, the schema registry.

Both are asked through the proxy that the environment names; partners never are. The standard library says which one that
is: httpx takes `NO_PROXY` for a list of patterns of its own and raises at an entry like `fd00::/8`, which concerns others.
"""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import idna

from schemas.notify_url import host_of
from streams.redaction import shown_url


def url_faults(setting: str, url: str) -> list[str]:
    """Return what of a service's URL, or of the proxy on the way to it, would only show with the first question.

    Args:
        setting: that holds the URL.
        url: http or https.
    """
    try:
        _check_server(url)
    except ValueError as error:
        seen = shown_url(url, with_path=True)
        return [f"{setting}: seen {seen}, expected a server that can be looked up ({error})"]
    try:
        proxy_for(url)
    except ValueError as error:
        return [f"{setting}: it is asked through the proxy of the environment: {error}"]
    return []


def proxy_for(url: str) -> str | None:
    """Return the proxy that a service is to be asked through, or None.

    `HTTPS_PROXY` or `HTTP_PROXY` by the URL's scheme, else `ALL_PROXY`; none where `NO_PROXY` names the server.

    Raises:
        ValueError: the proxy can't be used; with the variable's name, and without its value, which may hold a password.
    """
    parts, proxies = urlsplit(url), getproxies()
    by_scheme = proxies.get(parts.scheme)
    proxy = by_scheme or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    proxy = proxy.strip()  # as the parser of URLs does it, and the client does not
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        if urlsplit(proxy).scheme.lower() not in {"http", "https"}:
            message = "no proxy of http"
            raise ValueError(message)  # noqa: TRY301  # one way for every fault
        _check_server(proxy)
    except ValueError as error:
        name = f"{parts.scheme if by_scheme else 'all'}_proxy".upper()
        # Of the error, which may quote a part of a password, only that there is one.
        message = (
            f"{name}: seen a value that can't be used, expected http://host:port or https://host:port, or the server"
            " in NO_PROXY"
        )
        raise ValueError(message) from error
    return proxy


def _check_server(url: str) -> None:
    if not url.isprintable():
        message = "it has characters that can't be printed"
        raise ValueError(message)
    parts = urlsplit(url)
    host = host_of(parts.hostname or "")
    if parts.port == 0:
        message = "its port is 0"
        raise ValueError(message)
    if any(label.startswith("xn--") for label in host.split(".")):
        idna.decode(host)
