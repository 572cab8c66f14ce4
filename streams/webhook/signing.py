"""RSA256 as the vendor's SDKs write and read it: SHA256withRSA, PKCS#1 v1.5, over method, path, id, time and body.

Our signatures are the SDKs' to the byte. The verifier accepts a little more, because integrators follow
documents that say base64url; it never lets an answer choose the hash or the key material.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from streams.partners import Partner, SigningKey

LONGEST_HEADER: Final = 8192
"""Characters of a Signature header that is looked at: percent-encoded, a signature of an 8192-bit key has up to 4,096."""
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]+")
_PASSED_OVER: Final = b" \t\r\n"
_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")


def string_to_sign(path: str, client_id: str, moment: str, body: bytes) -> bytes:
    """Return what is signed, for a request and for its answer alike.

    Args:
        path: path and query of the request, as put on the wire.
        client_id: ours.
        moment: Request-Time, or the answer's Response-Time.
        body: the exact bytes of the request or the answer.
    """
    return f"POST {path}\n{client_id}.{moment}.".encode(errors="surrogatepass") + body


def request_time(now_ms: int, form: Literal["iso8601", "epoch-ms"]) -> str:
    """Return the value of Request-Time: UTC to the second, or milliseconds since the epoch."""
    return str(now_ms) if form == "epoch-ms" else _iso(now_ms // 1000)


@lru_cache(maxsize=1)
def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def sign(key: SigningKey, signed: bytes) -> str:
    """Return the value of the Signature header over a string to sign.

    Percent-encoded to the last "/", signature last, no blanks, no quotes: the one form that all vendor
    SDKs accept.
    """
    raw = key.private_key.sign(signed, PKCS1v15(), SHA256())
    # The three digits of base64 that a URL would take for its own; urllib's quote looks at all 344.
    encoded = base64.b64encode(raw).replace(b"+", b"%2B").replace(b"/", b"%2F")
    text = encoded.replace(b"=", b"%3D").decode()
    return f"algorithm=RSA256,keyVersion={key.version},signature={text}"


def signed_headers(partner: Partner, now: str, signature: str) -> dict[str, str]:
    """Return the headers that say who signed a request, and when.

    Args:
        partner: whom it goes to.
        now: Request-Time.
        signature: the value of Signature.
    """
    headers = {"Client-Id": partner.client_id, "Request-Time": now, "Signature": signature}
    if partner.agent_token is not None:
        headers["Agent-Token"] = partner.agent_token
    return headers


def verify(header: str, signed: bytes, keys: Mapping[str, RSAPublicKey]) -> bool:
    """Tell whether a Signature header is one of the keys' over exactly this. Never raises, whatever it holds.

    Args:
        header: standard base64 or base64url, padded or not, percent-encoded or not; blanks, line breaks in the base64
            (Java's MIME encoder makes them, and the vendor's verifiers pass over them), quotes and any order of the
            pairs will do. Its algorithm is not looked at: only SHA-256 counts.
        signed: the string to sign.
        keys: the peer's, by version. All are tried, the one that the header names first.
    """
    if len(header) > LONGEST_HEADER or not header.isascii():
        return False
    pairs = [(name.strip().lower(), value.strip().strip('"')) for name, _, value in _split(header)]
    signatures = [value for name, value in pairs if name == "signature"]
    raw = _decode(signatures[0]) if len(signatures) == 1 else None
    if raw is None:
        return False
    named = dict(pairs).get("keyversion")
    return any(
        _fits(keys[version], raw, signed)
        for version in sorted(keys, key=lambda version: version != named)
    )


def _split(header: str) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in header.split(",")]


def _decode(text: str) -> bytes | None:
    digits = unquote_to_bytes(text).translate(_URL_ALPHABET, _PASSED_OVER).rstrip(b"=")
    padded = digits + b"=" * (-len(digits) % 4)
    if not _BASE64.fullmatch(digits):
        return None
    try:
        raw = base64.b64decode(padded)
    except binascii.Error:  # one digit too many
        return None
    # Unused bits of the last digit are zero in what any encoder writes.
    return raw if base64.b64encode(raw) == padded else None


def _fits(key: RSAPublicKey, raw: bytes, signed: bytes) -> bool:
    try:
        key.verify(raw, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
