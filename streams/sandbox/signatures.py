"""The partner's side of RSA256 signatures, written from the protocol's description alone.

A second opinion on `streams.webhook`, so it imports nothing from there, and stricter than a partner need be: it takes
only what all four of the vendor's SDKs take.
"""

import base64
import binascii
import re
from pathlib import Path
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

_HEADER = re.compile(
    r"algorithm=RSA256, ?keyVersion=[0-9]+, ?signature=((?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)"
)


def load_private_key(path: Path) -> rsa.RSAPrivateKey:
    """Read a private key, PEM.

    Raises:
        ValueError: it is no RSA key.
    """
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        message = f"{path.name} holds no RSA private key"
        raise ValueError(message)  # noqa: TRY004  # the file is wrong, not the caller's type
    return key


def load_public_key(path: Path) -> rsa.RSAPublicKey:
    """Read a public key, PEM.

    Raises:
        ValueError: it is no RSA key.
    """
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, rsa.RSAPublicKey):
        message = f"{path.name} holds no RSA public key"
        raise ValueError(message)  # noqa: TRY004  # the file is wrong, not the caller's type
    return key


def _content(path: str, client_id: str, when: str, body: bytes) -> bytes:
    return f"POST {path}\n{client_id}.{when}.".encode() + body


def sign(key: rsa.RSAPrivateKey, path: str, client_id: str, when: str, body: bytes) -> str:
    """Return the signature header of a message.

    Args:
        key: the signer's.
        path: path and query of the request, as they were on the wire.
        client_id: the Client-Id header.
        when: the Request-Time or response-time header.
        body: the exact bytes.
    """
    raw = key.sign(_content(path, client_id, when, body), padding.PKCS1v15(), hashes.SHA256())
    return f"algorithm=RSA256,keyVersion=1,signature={quote(base64.b64encode(raw), safe='')}"


def is_signed(  # noqa: PLR0913, PLR0917  # all that is signed
    key: rsa.RSAPublicKey, header: str, path: str, client_id: str, when: str, body: bytes
) -> bool:
    """Tell whether a signature header is right for a message; arguments as for `sign`."""
    match = _HEADER.fullmatch(header)
    if match is None:
        return False
    try:
        raw = base64.b64decode(unquote(match[1]), validate=True)
        key.verify(raw, _content(path, client_id, when, body), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return True
