"""The certificates that an entry names, and when they expire."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

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
        not_strict: what the strict chain rules miss in one that is an authority's; None where they miss nothing.
    """

    kind: Kind
    file: str
    expires_at_seconds: float
    not_strict: str | None = None


class UnreadableCertificateError(ValueError):
    """A certificate that no handshake would pass: of a version that there is not, or with an extension twice."""


def certificates_in(kind: Kind, file: str, pem: bytes) -> Certificates:
    """Read a file's certificates.

    Raises:
        UnreadableCertificateError: it holds one that breaks the rules of X.509.
        ValueError: it holds none.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        ends = [certificate.not_valid_after_utc.timestamp() for certificate in certificates]
        missed = [_not_strict(certificate) for certificate in certificates]
    except (x509.InvalidVersion, x509.DuplicateExtension) as exc:  # these are no ValueErrors
        raise UnreadableCertificateError(str(exc)) from exc
    return Certificates(kind, file, min(ends), next(filter(None, missed), None))


def der_of(pem: bytes) -> bytes:
    """Return the certificates of a file that `certificates_in` has read, one behind the other, without what stands between them.

    OpenSSL's reader of PEM in memory takes ASCII alone, and CAs' files have comments in any language.
    """
    certificates = x509.load_pem_x509_certificates(pem)
    return b"".join(certificate.public_bytes(Encoding.DER) for certificate in certificates)


def _not_strict(certificate: x509.Certificate) -> str | None:
    """Say what OpenSSL's strict rules (X509_V_FLAG_X509_STRICT) miss in a CA's certificate, of what they commonly miss."""
    try:
        held = {extension.oid: extension for extension in certificate.extensions}
    except (ValueError, x509.UnsupportedGeneralNameType):
        return None  # a handshake will tell
    constraints = held.get(ExtensionOID.BASIC_CONSTRAINTS)
    if constraints is None or not constraints.value.ca:
        return None
    if not constraints.critical:
        return "its Basic Constraints are not critical"
    if ExtensionOID.KEY_USAGE not in held:
        return "it has no Key Usage"
    if ExtensionOID.SUBJECT_KEY_IDENTIFIER not in held:
        return "it has no Subject Key Identifier"
    return None


def expiry_warnings(files: Iterator[Certificates], now_seconds: float) -> Iterator[str]:
    """Yield a sentence for each file with a certificate that has expired or will within a month."""
    for certificates in files:
        left = certificates.expires_at_seconds - now_seconds
        if left <= 0:
            yield f"{certificates.file}: a certificate in it has expired"
        elif left < WARN_SECONDS:
            yield f"{certificates.file}: a certificate in it expires in {left / 86_400:.0f} days"
