"""Single values of the partners file: each a function that pydantic calls, with files loaded on the way."""

import re
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import ValidationInfo

from schemas.notify_url import check_notify_url, host_of, origin_of
from streams.notification.profiles import PROFILES
from streams.partners.files import Files

_VERSION: Final = re.compile(r"[0-9A-Za-z._-]{1,32}")


class Context:
    """What checking an entry needs from outside, and where the files' content goes.

    Attributes:
        files: reads the entry's files.
        now_seconds: the present, since the epoch.
        allow_http: whether plain http will do.
    """

    def __init__(self, files: Files, now_seconds: float, *, allow_http: bool) -> None:
        self.files = files
        self.now_seconds = now_seconds
        self.allow_http = allow_http


def context(info: ValidationInfo) -> Context:
    """Return what the entry is checked with."""
    context: Context = info.context  # type: ignore[assignment]  # every model here is validated with one
    return context


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        message = "expected the name of a file"
        raise ValueError(message)
    return value


def private_key(value: object, info: ValidationInfo) -> RSAPrivateKey:
    """Load the key that a file name stands for."""
    return context(info).files.private_key(_text(value))


def public_key(value: object, info: ValidationInfo) -> RSAPublicKey:
    """Load the partner's key that a file name stands for."""
    return context(info).files.public_key(_text(value))


def secret_text(value: object, info: ValidationInfo) -> str:
    """Read the token that a file name stands for."""
    return context(info).files.secret_text(_text(value))


def version(value: object) -> str:
    """Return a key version as text; YAML reads 1 as a number."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _VERSION.fullmatch(text):
        message = "expected a key version like 1"
        raise ValueError(message)
    return text


def moment(value: object) -> float:
    """Return a time as seconds since the epoch; YAML reads an unquoted one by itself."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        message = "expected an ISO 8601 time with offset like 2027-01-01T00:00:00Z"
        raise ValueError(message)
    return value.timestamp()


def profile(name: str) -> str:
    """Check the name of a profile."""
    if name not in PROFILES:
        message = f"expected one of {', '.join(PROFILES)}"
        raise ValueError(message)
    return name


def host(name: str) -> str:
    """Return a host as it is compared: in its one spelling."""
    try:
        return host_of(name)
    except ValueError as exc:
        message = (
            f"expected a host name like open-sea.example.com, without scheme, port and path ({exc})"
        )
        raise ValueError(message) from exc


def url(url: str, info: ValidationInfo) -> str:
    """Check a notify URL by the event's rule, and that its host is one that every program reads alike."""
    check_notify_url(url, allow_http=context(info).allow_http)
    origin_of(url)
    return url
