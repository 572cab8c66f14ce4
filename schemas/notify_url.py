"""The rule for notify URLs, wherever one is named: in an event, the partners file or a tier record."""

import re
from typing import Final

MAX_LENGTH: Final = 2048

_FORM: Final = re.compile(
    r"""(?P<scheme>https?)://
    (?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])  # host
    (?::(?P<port>[0-9]{1,5}))?
    (?:[/?][^\x00-\x20\x7f-\U0010ffff\#<>"\\^`]*)?          # path and query, as they are signed
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def check_notify_url(url: str, *, allow_http: bool) -> None:
    """Refuse what can't be called as it stands.

    Args:
        url: the URL.
        allow_http: whether plain http will do (`NOTIFIER_ALLOW_HTTP`).

    Raises:
        ValueError: with what was expected, without quoting the URL.
    """
    if len(url) > MAX_LENGTH:
        message = f"{len(url)} characters; a notify URL has at most {MAX_LENGTH}"
        raise ValueError(message)
    form = _FORM.fullmatch(url)
    if form is None:
        message = "expected an absolute https URL in ASCII, without user, password and fragment"
        raise ValueError(message)
    if form["port"] is not None and not 1 <= int(form["port"]) <= 65535:  # noqa: PLR2004  # RFC 6335
        message = "the port is not between 1 and 65535"
        raise ValueError(message)
    if form["scheme"].lower() == "http" and not allow_http:
        message = "plain http; expected https (NOTIFIER_ALLOW_HTTP is for local use)"
        raise ValueError(message)
