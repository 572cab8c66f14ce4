"""Keys, certificates and a partners file for a rehearsal: made anew in a directory, valid for nothing else."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from streams.clock import Clock
from streams.notification.profiles import PROFILES

PARTNERS: Mapping[str, str] = {name: profile.sample.partner for name, profile in PROFILES.items()}
"""The partner that stands for each profile."""

CLIENT_ID = "SANDBOX_5YTESTONLY000001"

_RSA_BITS = 2048  # what the vendor's pages ask for
_VALID = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An RSA key pair for signatures: PKCS#8 and SubjectPublicKeyInfo, PEM."""

    private: Path
    public: Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything a sender and a receiver need to trust each other.

    Attributes:
        sender: signs requests.
        receiver: signs answers.
        ca: the sandbox's own authority; nothing else trusts it.
        server: for 127.0.0.1, ::1 and localhost.
        client: for mutual TLS.
    """

    sender: KeyPair
    receiver: KeyPair
    ca: Path
    server: Certificate
    client: Certificate


def keys_in(directory: Path) -> Keys:
    """Return the paths of all of them below a directory, made or not."""
    return Keys(
        sender=KeyPair(directory / "sender-private.pem", directory / "sender-public.pem"),
        receiver=KeyPair(directory / "receiver-private.pem", directory / "receiver-public.pem"),
        ca=directory / "ca.pem",
        server=Certificate(directory / "server.pem", directory / "server-key.pem"),
        client=Certificate(directory / "client.pem", directory / "client-key.pem"),
    )


def make_keys(directory: Path) -> Keys:
    """Make all of them in a directory, replacing what is there."""
    directory.mkdir(parents=True, exist_ok=True)
    keys = keys_in(directory)
    ca_key, ca = _authority()
    keys.ca.unlink(missing_ok=True)
    make_key_pair(keys.sender)
    make_key_pair(keys.receiver)
    _certify(keys.server, "server", ca, ca_key)
    _certify(keys.client, "client", ca, ca_key)
    keys.ca.write_bytes(ca.public_bytes(Encoding.PEM))  # last: where it is, all are
    return keys


def make_key_pair(pair: KeyPair) -> None:
    """Make an RSA key pair at these paths."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    _write_private(pair.private, key)
    pair.public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def write_partners_file(
    directory: Path,
    notify_urls: Mapping[str, str],
    keys: Keys,
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write `partners.yaml` with one partner for each profile.

    Args:
        directory: where; the file names its keys by their whole path.
        notify_urls: each profile's default URL.
        keys: whose sender signs and whose receiver and authority are trusted.
        options: more members for a partner's entry, or others instead, by the partner's name; None leaves one out.
    """
    entries: dict[str, dict[str, Any]] = {
        partner: {
            "profiles": [profile],
            "client_id": CLIENT_ID,
            "private_key_file": str(keys.sender.private.absolute()),
            "key_version": 1,
            "peer_public_key_files": {1: str(keys.receiver.public.absolute())},
            "notify_url": notify_urls[profile],
            "tls": {"ca_file": str(keys.ca.absolute())},
            **(options or {}).get(partner, {}),
        }
        for profile, partner in PARTNERS.items()
    }
    entries = {
        partner: {name: value for name, value in entry.items() if value is not None}
        for partner, entry in entries.items()
    }
    path = directory / "partners.yaml"
    path.write_text(yaml.safe_dump({"partners": entries}, sort_keys=False, width=1000), "utf-8")
    return path


def _write_private(path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("payment-notifier sandbox authority")
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return key, builder.sign(key, hashes.SHA256())


def _certify(
    certified: Certificate, name: str, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    addresses = (ipaddress.ip_address(text) for text in ("127.0.0.1", "::1"))
    names = [x509.DNSName("localhost"), *(x509.IPAddress(address) for address in addresses)]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _builder(_name(f"payment-notifier sandbox {name}"), ca.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        # Python 3.13 verifies strictly: the authority's key must be named
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    certified.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    _write_private(certified.key, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(Clock().now_seconds(), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
