"""How to reach the brokers."""

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from streams.kafka.connection import Connection, connection_of
from streams.settings import Settings


@pytest.fixture
def files(tmp_path):
    """A CA, a client certificate and a password, as files."""
    ca = trustme.CA()
    client = ca.issue_cert("client.example.com")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    (tmp_path / "password").write_text("geheim \r\n", encoding="utf-8")
    return tmp_path


def test_plain_text_needs_nothing_more():
    """The default."""
    assert Connection("a:1,b:2").options("me") == {
        "bootstrap_servers": "a:1,b:2",
        "client_id": "me",
        "security_protocol": "PLAINTEXT",
    }


def test_sasl_takes_the_password_from_its_file(files):
    """A newline at its end is no part of it, a blank is; TLS is not mixed in."""
    options = Connection(
        "a:1", "SASL_PLAINTEXT", "SCRAM-SHA-256", "user", files / "password"
    ).options("me")
    assert options["sasl_mechanism"] == "SCRAM-SHA-256"
    assert options["sasl_plain_username"] == "user"
    assert options["sasl_plain_password"] == "geheim "  # noqa: S105  # a test's
    assert "ssl_context" not in options


def test_sasl_without_a_password_file_sends_none():
    """The settings refuse it before."""
    assert "sasl_plain_password" not in Connection("a:1", "SASL_PLAINTEXT").options("me")


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_tls_checks_the_brokers_against_the_given_authority(files, protocol):
    """And shows our certificate where there is one."""
    options = Connection(
        "a:1",
        protocol,
        ca_file=files / "ca.pem",
        certificate_file=files / "client.pem",
        key_file=files / "client.key",
    ).options("me")
    context = options["ssl_context"]
    (authority,) = context.get_ca_certs(binary_form=True)
    assert ssl.DER_cert_to_PEM_cert(authority) == (files / "ca.pem").read_text()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    # decision 0017: the same on every Python
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_without_an_authority_the_systems_are_asked():
    """And still every certificate is checked."""
    context = Connection("a:1", "SSL").options("me")["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["ca_file", "certificate_file"])
def test_a_file_that_holds_no_certificate_is_an_error(files, name):
    """Not a connection without it."""
    members = {name: files / "password"}
    with pytest.raises((ssl.SSLError, OSError)):
        Connection("a:1", "SSL", **members).options("me")


def test_the_settings_say_how(files):
    """Each of them is handed on."""
    settings = Settings(
        partners_file="p",
        brokers="a:1",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_user="u",
        kafka_password_file=files / "password",
        kafka_ca_file=files / "ca.pem",
        kafka_certificate_file=files / "client.pem",
        kafka_key_file=files / "client.key",
    )
    assert connection_of(settings) == Connection(
        "a:1",
        "SASL_SSL",
        "PLAIN",
        "u",
        files / "password",
        files / "ca.pem",
        files / "client.pem",
        files / "client.key",
    )


def test_the_expiry_of_its_certificates_is_known(files):
    """For the metric and `notifier keys check`; a file that holds none is left to the connection to complain about."""
    tls = Connection("a:1", "SSL", ca_file=files / "ca.pem", certificate_file=files / "client.pem")
    assert [held.kind for held in tls.certificates()] == ["ca", "client"]
    for held in tls.certificates():
        (found,) = x509.load_pem_x509_certificates(Path(held.file).read_bytes())
        assert held.expires_at_seconds == found.not_valid_after_utc.timestamp()
    assert Connection("a:1", ca_file=files / "ca.pem").certificates() == []
    assert Connection("a:1", "SSL", ca_file=files / "password").certificates() == []


def test_the_names_of_a_certificate_are_its_list_of_names():
    """A common name proves nothing (RFC 9525)."""
    context = Connection("a:1", "SSL").options("me")["ssl_context"]
    assert not context.hostname_checks_common_name
