"""The keys and certificates in use, for their renewal: names, sizes, times and fingerprints."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streams.partners.partner import Partner


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key of a partner's entry.

    Attributes:
        partner: whose entry.
        use: `signing` for ours, `peer` for the partner's.
        version: as the Signature header calls it.
        bits: of the modulus.
        file: as the entry names it.
        fingerprint: SHA-256 of its public half (SubjectPublicKeyInfo, DER), hexadecimal; both sides can compare it.
        from_seconds: when it begins to sign, since the epoch; None where it always did, or for a peer's.
        state: `signs` now, `next` to sign, `retired`, or `verifies` for a peer's.
    """

    partner: str
    use: Literal["signing", "peer"]
    version: str
    bits: int
    file: str
    fingerprint: str
    from_seconds: float | None
    state: Literal["signs", "next", "retired", "verifies"]


def fingerprint(key: RSAPublicKey) -> str:
    """Return the SHA-256 of a public key, as `openssl pkey -pubin -outform DER | sha256sum` says it."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def key_rows(partners: Mapping[str, Partner], now_seconds: float) -> Iterator[KeyRow]:
    """Yield every key of every partner: ours by the time from which they sign, then the partner's."""
    for partner in partners.values():
        signs = partner.signing_key(now_seconds)
        for key in sorted(partner.signing_keys, key=lambda key: key.from_seconds):
            public = key.private_key.public_key()
            later = key.from_seconds > now_seconds
            yield KeyRow(
                partner.partner_id,
                "signing",
                key.version,
                public.key_size,
                key.file,
                fingerprint(public),
                None if math.isinf(key.from_seconds) else key.from_seconds,
                "signs" if key is signs else "next" if later else "retired",
            )
        for version, peer in partner.peer_keys.items():
            yield KeyRow(
                partner.partner_id,
                "peer",
                version,
                peer.key_size,
                partner.peer_key_files.get(version, ""),
                fingerprint(peer),
                None,
                "verifies",
            )
