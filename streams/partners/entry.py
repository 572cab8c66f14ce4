"""One entry of the partners file: exactly the contract's keys, strict, every fault of it at once.

Files are loaded while fields are checked, and what spans fields is checked with the later field, so that one
pass finds all; pydantic skips whole-model checks after the first fault.
"""

import ssl
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
)

from streams.notification.body import SUCCESS_CODE
from streams.notification.profiles import PROFILES
from streams.partners import values
from streams.partners.files import Files
from streams.partners.route import Proxy, proxy_of
from streams.partners.tls import partner_tls

Version = Annotated[str, BeforeValidator(values.version)]
Text = Annotated[str, BeforeValidator(values.text)]
Flag = Annotated[bool, BeforeValidator(values.flag)]
Whole = Annotated[int, BeforeValidator(values.whole_number)]
Number = Annotated[float, BeforeValidator(values.number)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )


class SigningKeyEntry(_Strict):
    """One of `signing_keys`."""

    version: Version
    file: Annotated[RSAPrivateKey, PlainValidator(values.private_key)]
    from_seconds: Annotated[float, BeforeValidator(values.moment)] = Field(
        float("-inf"), alias="from"
    )


class TlsEntry(_Strict):
    """The members of `tls`."""

    client_certificate_file: Text | None = Field(None, min_length=1)
    client_key_file: Text | None = Field(None, min_length=1)
    ca_file: Text | None = Field(None, min_length=1)
    strict: Flag = True

    def context(self, files: Files) -> ssl.SSLContext:
        """Return the settings that these make.

        Raises:
            ValueError: a file can't be used.
        """
        return partner_tls(
            files,
            self.ca_file,
            self.client_certificate_file,
            self.client_key_file,
            strict=self.strict,
        )


class ProxyEntry(_Strict):
    """The members of `proxy`."""

    url: Text = Field(max_length=512)
    ca_file: Text | None = Field(None, min_length=1)
    strict: Flag = True
    user: Annotated[Text, AfterValidator(values.user_name)] | None = None
    password_file: Text | None = Field(None, min_length=1)

    def proxy(self, files: Files) -> Proxy:
        """Return the proxy that these describe.

        Raises:
            ValueError: the URL is no proxy's, or a file can't be used.
        """
        return proxy_of(
            files, self.url, self.ca_file, self.user, self.password_file, strict=self.strict
        )


def _reachable(proxy: ProxyEntry, info: ValidationInfo) -> ProxyEntry:
    if "allowed_hosts" in info.data and info.data["allowed_hosts"] is None:
        message = "expected allowed_hosts beside it: the proxy looks names up, so their addresses can't be checked here"
        raise ValueError(message)
    proxy.proxy(values.context(info).files)
    return proxy


def _one_way_to_sign(
    keys: list[SigningKeyEntry] | None, info: ValidationInfo
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
    if len({key.version for key in keys}) != len(keys):
        message = "seen two keys with the same version, expected each to differ"
        raise ValueError(message)
    if len({key.from_seconds for key in keys}) != len(keys):
        message = "seen two keys with the same from, expected each to differ"
        raise ValueError(message)
    if min(key.from_seconds for key in keys) > values.context(info).now_seconds:
        message = "no key is in force yet; expected one whose from has come, or without from"
        raise ValueError(message)
    return keys


def _can_verify(required: bool | None, info: ValidationInfo) -> bool | None:  # noqa: FBT001  # pydantic's signature
    if info.data.get("peer_public_key_files", True) or "profiles" not in info.data:
        return required
    signed = [name for name in info.data["profiles"] if PROFILES[name].signed_answer]
    if required or (required is None and signed):
        because = "it is true" if required else f"answers of {', '.join(signed)} must be signed"
        message = f"{because}, expected peer_public_key_files to verify them with"
        raise ValueError(message)
    return required


def _usable(tls: TlsEntry, info: ValidationInfo) -> TlsEntry:
    if (tls.client_certificate_file is None) != (tls.client_key_file is None):
        message = "expected both client_certificate_file and client_key_file or neither"
        raise ValueError(message)
    tls.context(values.context(info).files)
    return tls


def _known_codes(reasons: dict[str, str], info: ValidationInfo) -> dict[str, str]:
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


class Entry(_Strict):
    """One entry, under its key names."""

    profiles: Annotated[list[Annotated[Text, AfterValidator(values.profile)]], Field(min_length=1)]
    client_id: Annotated[Text, AfterValidator(values.header_text)]
    private_key_file: Annotated[RSAPrivateKey, PlainValidator(values.private_key)] | None = None
    key_version: Version | None = None
    signing_keys: Annotated[
        Annotated[list[SigningKeyEntry], Field(min_length=1)] | None,
        AfterValidator(_one_way_to_sign),
    ] = Field(None, validate_default=True)
    peer_public_key_files: dict[
        Version, Annotated[RSAPublicKey, PlainValidator(values.public_key)]
    ] = {}
    require_signed_response: Annotated[Flag | None, AfterValidator(_can_verify)] = Field(
        None, validate_default=True
    )
    notify_url: Annotated[Text, AfterValidator(values.url)] | None = None
    allowed_hosts: (
        Annotated[list[Annotated[Text, AfterValidator(values.host)]], Field(min_length=1)] | None
    ) = None
    max_in_flight: Whole = Field(64, ge=1)
    rate_limit_per_second: Number | None = Field(None, gt=0, allow_inf_nan=False)
    request_time_format: Literal["iso8601", "epoch-ms"] = "iso8601"
    attempt_timeout_seconds: Number = Field(5.0, ge=1, le=10)
    paused: Flag = False
    tls: Annotated[TlsEntry, AfterValidator(_usable)] | None = None
    proxy: Annotated[ProxyEntry, AfterValidator(_reachable)] | None = None
    agent_token_file: Annotated[str, PlainValidator(values.secret_text)] | None = None
    refuse_stale_responses: Flag = False
    unmapped_reason: Literal["send", "hold"] = "send"
    reasons: Annotated[
        dict[Annotated[Text, Field(min_length=1)], Text], AfterValidator(_known_codes)
    ] = {}
