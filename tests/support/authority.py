"""A certificate authority that makes also what no decent one would."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from streams.clock import Clock

DAY = timedelta(days=1)


def today():
    return datetime.fromtimestamp(Clock().now_seconds(), UTC)


class Authority:
    """A CA, or one below another.

    Args:
        above: who certifies it; itself where that is None.
        without: what its own certificate lacks of what RFC 5280 asks: `key-usage`, `key-identifier`, `critical` for
            Basic Constraints that are not.
        other_name: subject alternative names of its own certificate, as DER; None for none.
    """

    def __init__(self, name="Test CA", above=None, *, without="", other_name=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        above = above or self
        builder = self._builder(self.name, above.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=without != "critical"
        )
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment"),
                *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        if without != "key-usage":
            builder = builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
            )
        if without != "key-identifier":
            builder = builder.add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
        if other_name is not None:
            names = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, other_name)
            builder = builder.add_extension(names, critical=False)
        if above is not self:
            builder = builder.add_extension(above.key_identifier, critical=False)
        self.certificate = builder.sign(above.key, hashes.SHA256())

    @property
    def key_identifier(self):
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    def _builder(self, subject, issuer, public, begin=None, end=None):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin or today() - DAY)
            .not_valid_after(end or today() + 30 * DAY)
        )

    def issue(  # noqa: PLR0913  # what may be wrong with one
        self,
        path,
        host="localhost",
        *,
        purpose=None,
        key=None,
        own=False,
        begin=None,
        end=None,
        names_authority=True,
        chain=(),
    ):
        """Write a certificate, its key and what is to be sent with it to a file; return the certificate."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        issuer = subject if own else self.name
        builder = self._builder(subject, issuer, key.public_key(), begin, end).add_extension(
            x509.ExtendedKeyUsage([purpose or ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        if host is not None:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
            )
        if not own and names_authority:
            builder = builder.add_extension(self.key_identifier, critical=False)
        made = builder.sign(key if own else self.key, hashes.SHA256())
        path.touch(0o600)
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + made.public_bytes(Encoding.PEM)
            + b"".join(authority.pem for authority in chain)
        )
        return made

    def revocations(self, *revoked):
        """Return its list of revoked certificates, PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(today() - DAY)
            .next_update(today() + DAY)
        )
        for certificate in revoked:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(today() - DAY)
                .build()
            )
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
