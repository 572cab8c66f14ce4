"""Single values of the partners file: each a function that pydantic calls, with files loaded on the way."""

import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import ValidationInfo

from schemas.iso8601 import typed_ms
from schemas.notify_url import allowed_host, check_notify_url, origin_of
from streams.notification.profiles import PROFILES
from streams.partners.files import Files
from streams.partners.yaml_text import TypedText

_VERSION: Final = re.compile(r"[0-9A-Za-z._-]{1,32}")
_HEADER_TEXT: Final = re.compile(r"[\x21-\x7e]{1,128}")
_USER_NAME: Final = re.compile(r"[^:\x00-\x1f\x7f]{1,256}")
_FLAGS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL: Final = re.compile(
    r"[-+]?((0|[1-9][0-9]{0,17})(\.[0-9]{0,17})?|\.[0-9]{1,17})([eE][-+]?[0-9]{1,2})?"
)


class Context:
    """What the check of an entry needs besides the entry, and where the files' content goes.

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


def is_null(value: object) -> bool:
    """Tell whether a value was left out after its key, or written as `~` or `null` without quotes."""
    return isinstance(value, TypedText) and value.kind == "null"


def text(value: object) -> object:
    """Return text as it was typed: `010`, `NO` and `1:30` stay as they are."""
    if is_null(value):
        message = "expected text; leave the key out, or quote it where this is meant"
        raise ValueError(message)
    return value


def header_text(value: str) -> str:
    """Check what is sent as a header."""
    if not _HEADER_TEXT.fullmatch(value):
        message = (
            "expected 1 to 128 visible ASCII characters without blanks, as they stand in a header"
        )
        raise ValueError(message)
    return value


def user_name(value: str) -> str:
    """Check a proxy's user: its password stands in a file of its own."""
    if not _USER_NAME.fullmatch(value):
        message = "expected 1 to 256 characters without a colon and control characters; the password goes into password_file"
        raise ValueError(message)
    return value


def flag(value: object) -> object:
    """Return a boolean; YAML 1.1's other words for one (`yes`, `off`) are accepted."""
    kind = value.kind if isinstance(value, TypedText) else ""
    value_of_flag = _FLAGS.get(str(value).lower()) if kind == "bool" else None
    if value_of_flag is None:
        message = "expected a valid boolean: true or false, without quotes"
        raise ValueError(message)
    return value_of_flag


def whole_number(value: object) -> int:
    """Return an integer in a notation that every YAML reader takes for the same number."""
    if not isinstance(value, TypedText) or not value.plain or not _WHOLE.fullmatch(value):
        message = f"expected a valid integer, decimal and without quotes, like 64{_hint(value)}"
        raise ValueError(message)
    return int(value)


def number(value: object) -> float:
    """Return a number in a notation that every YAML reader takes for the same number."""
    if not isinstance(value, TypedText) or not value.plain or not _DECIMAL.fullmatch(value):
        message = f"expected a finite number, decimal and without quotes, like 2.5{_hint(value)}"
        raise ValueError(message)
    return float(value)


def _hint(value: object) -> str:
    """Say why what looks like a number is none."""
    if not isinstance(value, TypedText) or value.kind == "null":
        return ""
    if not value.plain:
        return " (it is quoted)" if _DECIMAL.fullmatch(value) else ""
    if re.fullmatch(r"[-+]?0[0-9_]+(\.[0-9]*)?", value):
        return " (with a leading zero it is an octal number to some readers)"
    if re.fullmatch(r"[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?", value):
        return " (with colons it is a number of base 60 to some readers)"
    return ""


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or is_null(value):
        message = "expected the name of a file"
        raise ValueError(message)
    return str(value)


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
    """Return a key version as it was typed: it is text, and 010 is neither 8 nor 10."""
    if not isinstance(value, str) or is_null(value) or not _VERSION.fullmatch(value):
        message = "expected a key version like 1"
        raise ValueError(message)
    return str(value)


def moment(value: object) -> float:
    """Return a time as seconds since the epoch."""
    try:
        return typed_ms(value if isinstance(value, str) else "") / 1000
    except ValueError:
        message = "expected an ISO 8601 time with offset like 2027-01-01T00:00:00Z"
        raise ValueError(message) from None


def profile(name: str) -> str:
    """Check the name of a profile."""
    if name not in PROFILES:
        message = f"expected one of {', '.join(PROFILES)}"
        raise ValueError(message)
    return name


def host(name: str) -> str:
    """Return a host, or a host with a port, as it is compared: in its one spelling."""
    try:
        return allowed_host(name)
    except ValueError as exc:
        message = (
            "expected a host name like open-sea.example.com, or with a port open-sea.example.com:8443,"
            f" without scheme and path ({exc})"
        )
        raise ValueError(message) from exc


def url(url: str, info: ValidationInfo) -> str:
    """Check a notify URL by the event's rule, and that its host is one that every program reads alike."""
    check_notify_url(url, allow_http=context(info).allow_http)
    origin_of(url)
    return url
