"""One entry of the partners file: exactly the contract's keys, strict, every fault of it at once.

Files are loaded while fields are checked, and what spans fields is checked by the later field, so that one
pass finds all; pydantic skips whole-model checks after the first fault.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import idna
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
)

from schemas.notify_url import check_notify_url
from streams.notification.body import SUCCESS_CODE
from streams.notification.profiles import PROFILES
from streams.partners.files import Files, shown
from streams.partners.tls import partner_tls

_VERSION: Final = re.compile(r"[0-9A-Za-z._-]{1,32}")
_HOST: Final = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")


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


def _context(info: ValidationInfo) -> Context:
    context: Context = info.context  # type: ignore[assignment]  # every model here is validated with one
    return context


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        message = "expected the name of a file"
        raise ValueError(message)
    return value


def _private_key(value: object, info: ValidationInfo) -> RSAPrivateKey:
    return _context(info).files.private_key(_text(value))


def _public_key(value: object, info: ValidationInfo) -> RSAPublicKey:
    return _context(info).files.public_key(_text(value))


def _version(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _VERSION.fullmatch(text):
        message = "expected a key version like 1"
        raise ValueError(message)
    return text


def _moment(value: object) -> float:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        message = "expected an ISO 8601 time with offset like 2027-01-01T00:00:00Z"
        raise ValueError(message)
    return value.timestamp()


def _profile(name: str) -> str:
    if name not in PROFILES:
        message = f"expected one of {', '.join(PROFILES)}"
        raise ValueError(message)
    return name


def _host(name: str) -> str:
    try:
        host = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        host = ""
    if not _HOST.fullmatch(host):
        message = "expected a host name like open-sea.example.com, without scheme, port and path"
        raise ValueError(message)
    return host


def _url(url: str, info: ValidationInfo) -> str:
    check_notify_url(url, allow_http=_context(info).allow_http)
    return url


class _Strict(BaseModel):
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )


Version = Annotated[str, BeforeValidator(_version)]


class SigningKeyEntry(_Strict):
    """One of `signing_keys`."""

    version: Version
    file: Annotated[RSAPrivateKey, PlainValidator(_private_key)]
    from_seconds: Annotated[float, BeforeValidator(_moment)] = Field(float("-inf"), alias="from")


class TlsEntry(_Strict):
    """The files of `tls`."""

    client_certificate_file: str | None = Field(None, min_length=1)
    client_key_file: str | None = Field(None, min_length=1)
    ca_file: str | None = Field(None, min_length=1)


class Entry(_Strict):
    """One entry, under its key names."""

    profiles: Annotated[list[Annotated[str, AfterValidator(_profile)]], Field(min_length=1)]
    client_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]  # what a header can hold
    private_key_file: Annotated[RSAPrivateKey, PlainValidator(_private_key)] | None = None
    key_version: Version | None = None
    signing_keys: Annotated[list[SigningKeyEntry], Field(min_length=1)] | None = Field(
        None, validate_default=True
    )
    peer_public_key_files: dict[Version, Annotated[RSAPublicKey, PlainValidator(_public_key)]] = {}
    require_signed_response: bool | None = Field(None, validate_default=True)
    notify_url: Annotated[str, AfterValidator(_url)] | None = None
    allowed_hosts: (
        Annotated[list[Annotated[str, AfterValidator(_host)]], Field(min_length=1)] | None
    ) = None
    max_in_flight: int = Field(64, ge=1)
    rate_limit_per_second: float | None = Field(None, gt=0, allow_inf_nan=False)
    request_time_format: Literal["iso8601", "epoch-ms"] = "iso8601"
    attempt_timeout_seconds: float = Field(5.0, ge=1, le=10)
    paused: bool = False
    tls: TlsEntry | None = None
    unmapped_reason: Literal["send", "hold"] = "send"
    reasons: dict[Annotated[str, Field(min_length=1)], str] = {}

    @field_validator("signing_keys")
    @classmethod
    def _one_way_to_sign(
        cls, keys: list[SigningKeyEntry] | None, info: ValidationInfo
    ) -> list[SigningKeyEntry] | None:
        if "private_key_file" not in info.data:  # named, and a fault of its own
            return keys
        single = info.data["private_key_file"] is not None
        if single == (keys is not None):
            message = "expected either private_key_file or signing_keys"
            raise ValueError(message)
        if keys is None:
            return None
        if info.data.get("key_version") is not None:
            message = "expected no key_version beside signing_keys"
            raise ValueError(message)
        for what, values in (
            ("version", [key.version for key in keys]),
            ("from", [key.from_seconds for key in keys]),
        ):
            if len(set(values)) != len(values):
                message = f"seen two keys with the same {what}, expected each to differ"
                raise ValueError(message)
        if min(key.from_seconds for key in keys) > _context(info).now_seconds:
            message = "no key is in force yet; expected one whose from has come, or without from"
            raise ValueError(message)
        return keys

    @field_validator("require_signed_response")
    @classmethod
    def _can_verify(cls, required: bool | None, info: ValidationInfo) -> bool | None:  # noqa: FBT001  # pydantic's signature
        if info.data.get("peer_public_key_files", True) or "profiles" not in info.data:
            return required
        signed = [name for name in info.data["profiles"] if PROFILES[name].signed_answer]
        if required or (required is None and signed):
            because = "it is true" if required else f"answers of {', '.join(signed)} must be signed"
            message = f"{because}, expected peer_public_key_files to verify them with"
            raise ValueError(message)
        return required

    @field_validator("tls")
    @classmethod
    def _usable_tls(cls, tls: TlsEntry | None, info: ValidationInfo) -> TlsEntry | None:
        if tls is not None:
            if (tls.client_certificate_file is None) != (tls.client_key_file is None):
                message = "expected both client_certificate_file and client_key_file or neither"
                raise ValueError(message)
            partner_tls(_context(info).files, *_tls_files(tls))
        return tls

    @field_validator("reasons")
    @classmethod
    def _known_codes(cls, reasons: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        known = {code for name in info.data.get("profiles", ()) for code in PROFILES[name].codes}
        wrong = sorted(
            reason for reason, code in reasons.items() if code == SUCCESS_CODE or code not in known
        )
        if wrong and known:
            message = (
                f"seen another code for {', '.join(wrong)}, expected one of"
                f" {', '.join(sorted(known - {SUCCESS_CODE}))}"
            )
            raise ValueError(message)
        return reasons


def _tls_files(tls: TlsEntry) -> tuple[str | None, str | None, str | None]:
    return tls.ca_file, tls.client_certificate_file, tls.client_key_file


def faults_of(where: str, error: Any) -> str:  # noqa: ANN401  # pydantic's error details
    """Say one of pydantic's errors in our words: where, what was seen, what was expected.

    Args:
        where: the entry.
        error: one of `ValidationError.errors()`.
    """
    path = ".".join([where, *(str(part) for part in error["loc"] if part != "[key]")])
    if error["type"] == "missing":
        return f"{path}: missing, expected with every entry"
    if error["type"] == "extra_forbidden":
        return f"{path}: there is no such key; expected one of those in the contract"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] == "value_error" and not message.startswith("expected"):
        return f"{path}: {message}"
    expected = message if message.startswith("expected") else f"expected: {message}"
    return f"{path}: seen {shown(error['input'])}, {expected}"
