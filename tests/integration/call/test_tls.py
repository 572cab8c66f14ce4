"""TLS with a partner, on real sockets and with real certificates: who is trusted, and who isn't.

The settings are those that a worker makes from a partners file, not the tests' own.
"""

import asyncio
import socket
import ssl
import warnings
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from streams.clock import Clock
from streams.notification.outcome import Answered, Failure, NoResult, RequestLeft, Status
from streams.partners.files import Files
from streams.partners.tls import partner_tls

BODY = b"{}"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")
REFUSED = (NoResult(Failure.TLS_ERROR), RequestLeft.NO)
DAY = timedelta(days=1)


def today():
    return datetime.fromtimestamp(Clock().now_seconds(), UTC)


class Authority:
    """A CA that makes also what no decent CA would."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        builder = self._builder(self.name, self.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment"),
                *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        self.certificate = (
            builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
            )
            # Python 3.13 verifies strictly: an authority says which key it has
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )

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
        self, path, host="localhost", *, purpose=None, key=None, own=False, begin=None, end=None
    ):
        """Write a certificate and its key to a file; return the certificate."""
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
        if not own:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        made = builder.sign(key if own else self.key, hashes.SHA256())
        path.touch(0o600)
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + made.public_bytes(Encoding.PEM)
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


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def trusting(authority, partner, tmp_path):
    """A partner whose entry names the authority, and perhaps a client certificate, as a worker reads it."""
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))

    def trusting(client=None):
        context = partner_tls(Files(tmp_path), "ca.pem", client, client)
        return replace(partner, tls=context)

    return trusting


def server_of(path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_certificate_of_the_partners_own_authority(
    raw_server, caller, trusting, authority, tmp_path
):
    """`ca_file` is trusted; what follows differs from this in one thing only."""
    authority.issue(tmp_path / "server.pem")
    async with raw_server(tls=server_of(tmp_path / "server.pem")) as server:
        call = await caller.call(trusting(), server.url(), BODY, signed_answer=True)
    assert call.outcome == SUCCESS


CASES: dict[str, dict[str, Any]] = {
    "expired": {"begin": -30 * DAY, "end": -DAY},
    "not yet valid": {"begin": DAY, "end": 2 * DAY},
    "another host's": {"host": "other.example"},
    "a host that ends alike": {"host": "x.localhost"},
    "a common name alone": {"host": None},
    "a client's": {"purpose": ExtendedKeyUsageOID.CLIENT_AUTH},
    "self-signed": {"own": True},
    "a short key": {"key": "short"},
}


@pytest.mark.parametrize("case", CASES)
async def test_a_certificate_that_is_not_trusted(  # noqa: PLR0913, PLR0917  # fixtures
    raw_server, caller, trusting, authority, tmp_path, case
):
    """Nothing is sent to whoever shows it, and the failure says TLS."""
    how = dict(CASES[case])
    for name in {"begin", "end"} & how.keys():
        how[name] = today() + how[name]
    if how.get("key") == "short":
        how["key"] = rsa.generate_private_key(65537, 1024)  # noqa: S505  # a key to refuse
    authority.issue(tmp_path / "server.pem", **how)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or OpenSSL would not even load the short key
    context.load_cert_chain(tmp_path / "server.pem")
    async with raw_server(tls=context) as server:
        call = await caller.call(trusting(), server.url(), BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == REFUSED
    assert server.requests == []


async def test_an_unknown_authority(raw_server, caller, trusting, tmp_path):
    """A public CA, or anybody's own, does not vouch for a partner with a `ca_file`."""
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "server.pem"
    )
    async with raw_server(tls=server_of(tmp_path / "server.pem")) as server:
        call = await caller.call(trusting(), server.url(), BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == REFUSED


def old_tls(context):
    """Let a context speak TLS 1.1 and nothing newer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


async def test_a_server_with_tls_1_1_only(raw_server, caller, trusting, authority, tmp_path):
    """It is refused; only because of our lower bound, as somebody without one gets through."""
    authority.issue(tmp_path / "server.pem", key=rsa.generate_private_key(65537, 2048))
    async with raw_server(tls=old_tls(server_of(tmp_path / "server.pem"))) as server:
        call = await caller.call(trusting(), server.url(), BODY, signed_answer=True)
        # the server hangs up: its alert may or may not come before that
        assert call.outcome in {NoResult(Failure.TLS_ERROR), NoResult(Failure.CONNECT_ERROR)}
        assert call.request_left is RequestLeft.NO
        lenient = old_tls(ssl.create_default_context(cafile=tmp_path / "ca.pem"))
        careless = await caller.call(
            replace(trusting(), tls=lenient), server.url(), BODY, signed_answer=True
        )
    assert careless.outcome == SUCCESS
    # OpenSSL's own security level would refuse it too; the bound must stand without it
    bare = trusting().tls
    assert bare is not None
    assert bare.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.fixture
def demanding(authority, tmp_path):
    """A server's settings that want a client certificate which is not revoked."""
    good = authority.issue(tmp_path / "good.pem", purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    bad = authority.issue(tmp_path / "revoked.pem", purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    assert good.serial_number != bad.serial_number
    authority.issue(tmp_path / "server.pem")
    (tmp_path / "ca-and-list.pem").write_bytes(
        authority.certificate.public_bytes(Encoding.PEM) + authority.revocations(bad)
    )
    context = server_of(tmp_path / "server.pem")
    context.load_verify_locations(tmp_path / "ca-and-list.pem")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_our_certificate_opens_the_door(raw_server, caller, trusting, demanding):
    """Mutual TLS with the files of an entry."""
    async with raw_server(tls=demanding) as server:
        call = await caller.call(trusting("good.pem"), server.url(), BODY, signed_answer=True)
    assert call.outcome == SUCCESS


@pytest.mark.parametrize("client", ["revoked.pem", None])
@pytest.mark.parametrize(
    ("version", "left"),
    [(ssl.TLSVersion.TLSv1_2, RequestLeft.NO), (ssl.TLSVersion.TLSv1_3, RequestLeft.PERHAPS)],
)
async def test_a_revoked_certificate_of_ours(  # noqa: PLR0913, PLR0917  # fixtures
    threads, caller, trusting, demanding, client, version, left
):
    """The partner refuses it as it refuses none: a TLS error, although TLS 1.3 tells only after the request has gone."""
    demanding.minimum_version = demanding.maximum_version = version

    def refuse(listening):
        """Shake hands with a blocking socket, which sends the alert before it gives up."""
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(10)
            raw = connection.dup()
            with raw:
                with pytest.raises(ssl.SSLError) as refused:
                    demanding.wrap_socket(connection, server_side=True)
                raw.settimeout(10)
                with suppress(ConnectionError):  # unread bytes would make the close a reset
                    while raw.recv(65_536):
                        pass
            return refused.value.reason

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        reason = asyncio.get_running_loop().run_in_executor(threads, refuse, listening)
        url = f"https://localhost:{listening.getsockname()[1]}/"
        call = await caller.call(trusting(client), url, BODY, signed_answer=True)
        assert await reason == (
            "CERTIFICATE_VERIFY_FAILED" if client else "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        )
    assert (call.outcome, call.request_left) == (NoResult(Failure.TLS_ERROR), left)
