"""The certificates that an entry names, and when they expire."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cryptography import x509

WARN_SECONDS: Final = 30 * 86_400
"""How long before a certificate's end a check warns: a month is what most authorities take at the worst."""

Kind = Literal["client", "ca", "proxy-ca"]


@dataclass(frozen=True, slots=True)
class Certificates:
    """One file of certificates.

    Attributes:
        kind: our client certificate, or the authorities that a partner or a proxy is checked against.
        file: as the entry names it.
        expires_at_seconds: when the first of them expires, since the epoch.
    """

    kind: Kind
    file: str
    expires_at_seconds: float


def certificates_in(kind: Kind, file: str, pem: bytes) -> Certificates:
    """Read a file's certificates.

    Raises:
        ValueError: it holds none.
    """
    ends = [found.not_valid_after_utc.timestamp() for found in x509.load_pem_x509_certificates(pem)]
    return Certificates(kind, file, min(ends))


def expiry_warnings(found: Iterator[Certificates], now_seconds: float) -> Iterator[str]:
    """Yield a sentence for each file with a certificate that has expired or will within a month."""
    for certificates in found:
        left = certificates.expires_at_seconds - now_seconds
        if left <= 0:
            yield f"{certificates.file}: a certificate in it has expired"
        elif left < WARN_SECONDS:
            yield f"{certificates.file}: a certificate in it expires in {left / 86_400:.0f} days"
