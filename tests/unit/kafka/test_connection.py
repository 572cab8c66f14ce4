"""How to reach the brokers."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from aiokafka.abc import AbstractTokenProvider
from cryptography import x509

from streams.kafka.access.msk_iam import MskIam
from streams.kafka.access.oauth import TokenFile, TokenServer
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
    context = options["ssl_context"].present().context
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
    context = Connection("a:1", "SSL").options("me")["ssl_context"].present().context
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["ca_file", "certificate_file"])
def test_a_file_that_holds_no_certificate_is_an_error(files, name):
    """Not a connection without it."""
    members = {name: files / "password"}
    with pytest.raises((ssl.SSLError, OSError)):
        Connection("a:1", "SSL", **members).options("me")


def test_an_empty_password_is_an_error(files):
    """A file half written lets nobody in."""
    (files / "password").write_bytes(b"\n")
    with pytest.raises(OSError, match="empty"):
        Connection("a:1", "SASL_SSL", "PLAIN", "u", files / "password").options("me")


def test_tokens_are_shown_instead_of_a_password():
    """To aiokafka AWS_MSK_IAM is OAUTHBEARER; one provider serves the whole process."""
    way = Connection(
        "a:1", "SASL_SSL", "AWS_MSK_IAM", tokens=MskIam("eu-central-1"), extensions=(("a", "b"),)
    )
    options = way.options("me")
    assert options["sasl_mechanism"] == "OAUTHBEARER"
    assert "sasl_plain_password" not in options
    provider = options["sasl_oauth_token_provider"]
    assert isinstance(provider, AbstractTokenProvider)
    assert provider.extensions() == {"a": "b"}
    assert replace(way).options("other")["sasl_oauth_token_provider"] is provider


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"kafka_sasl_mechanism": "AWS_MSK_IAM", "kafka_aws_region": "eu-west-1"},
            MskIam("eu-west-1"),
        ),
        (
            {"kafka_sasl_mechanism": "OAUTHBEARER", "kafka_oauth_token_file": "t"},
            TokenFile(Path("t")),
        ),
        (
            {
                "kafka_sasl_mechanism": "OAUTHBEARER",
                "kafka_oauth_token_url": "https://t/",
                "kafka_oauth_client_id": "me",
                "kafka_oauth_client_secret_file": "s",
                "kafka_oauth_scope": "a b",
                "kafka_oauth_ca_file": "c",
                "kafka_oauth_client_authentication": "post",
            },
            TokenServer("https://t/", "me", Path("s"), "a b", Path("c"), "post"),
        ),
    ],
)
def test_the_settings_say_where_tokens_come_from(settings, expected):
    """AWS, a file, or a token server with all that it wants to know."""
    more = {"kafka_security_protocol": "SASL_SSL", "kafka_oauth_extensions": "a=b,c=d=e"}
    way = connection_of(Settings.model_validate({"partners_file": "p"} | more | settings))
    assert way.tokens == expected
    assert way.extensions == (("a", "b"), ("c", "d=e"))


def test_what_is_renewed_on_disk_is_in_force(files):
    """A new pair is read, a half-changed one is not; the end of the certificate follows, and what is wrong is shown."""
    way = Connection(
        "a:1",
        "SASL_SSL",
        "PLAIN",
        "u",
        files / "password",
        files / "ca.pem",
        files / "client.pem",
        files / "client.key",
    )
    tls, before = way.options("me")["ssl_context"], way.look()
    context = tls.present().context
    assert before.current == {"tls": True, "password": True}
    assert [held.kind for held in before.certificates] == ["ca", "client"]
    renewed = trustme.CA().issue_cert("client.example.com", not_after=datetime(2040, 1, 1))  # noqa: DTZ001  # as trustme takes it
    renewed.cert_chain_pems[0].write_to_path(files / "client.pem")
    (files / "password").write_text("")
    between = way.look()
    assert between.current == {"tls": False, "password": False}
    assert between.certificates == before.certificates
    assert tls.present().context is context
    assert way.options("me")["sasl_plain_password"] == "geheim "  # noqa: S105  # a test's
    renewed.private_key_pem.write_to_path(files / "client.key")
    (files / "password").write_text("new")
    after = way.look()
    assert after.current == {"tls": True, "password": True}
    assert datetime.fromtimestamp(after.certificates[1].expires_at_seconds, UTC).year == 2040
    assert tls.present().context is not context
    assert way.options("me")["sasl_plain_password"] == "new"  # noqa: S105  # a test's


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
    context = Connection("a:1", "SSL").options("me")["ssl_context"].present().context
    assert not context.hostname_checks_common_name
