"""Certificates and authorities of an entry: which are trusted, which are warned about, when they end."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from streams.partners import (
    load_partners,
)
from tests.support.authority import Authority
from tests.support.partners_file import NOW, faults


@pytest.fixture
def tls_files(folder):
    """A CA, a client certificate of it, and a key that belongs to another."""
    ca = trustme.CA()
    ours, other = ca.issue_cert("client.example"), ca.issue_cert("other.example")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ours.cert_chain_pems[0].write_to_path(folder / "client.pem")
    ours.private_key_pem.write_to_path(folder / "client.key")
    other.private_key_pem.write_to_path(folder / "other.key")
    for name in ("client.key", "other.key"):
        (folder / name).chmod(0o600)


@pytest.mark.usefixtures("tls_files")
def test_mutual_tls(entry):
    """CA and certificate are loaded; a CA of its own replaces the public ones."""
    tls = "{ca_file: ca.pem, client_certificate_file: client.pem, client_key_file: client.key}"
    partners = load_partners(entry(tls=tls), NOW)
    context = partners["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    assert partners.warnings == ()
    context = load_partners(entry(tls="{ca_file: ca.pem}"), NOW)["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    client_only = "{client_certificate_file: client.pem, client_key_file: client.key}"
    context = load_partners(entry(tls=client_only), NOW)["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) > 50


def test_an_authority_that_the_strict_rules_refuse_is_warned_about(entry, folder):
    """At the start and by a check, not at the first handshake; an entry that lets it pass is not warned."""
    (folder / "old.pem").write_bytes(Authority("Old", without="key-usage").pem)
    partners = load_partners(entry(tls="{ca_file: old.pem}"), NOW)
    (warning,) = partners.warnings
    assert warning.startswith("partners.one: 'old.pem': the strict chain rules refuse a CA")
    assert "no Key Usage; expected one that follows RFC 5280, or strict: false" in warning
    strict = partners["one"].tls
    assert strict is not None
    assert strict.verify_flags & ssl.VERIFY_X509_STRICT
    lenient = load_partners(entry(tls="{ca_file: old.pem, strict: false}"), NOW)
    assert lenient.warnings == ()
    tls = lenient["one"].tls
    assert tls is not None
    assert not tls.verify_flags & ssl.VERIFY_X509_STRICT
    assert tls.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    proxy = "{url: 'https://proxy.example:3128', ca_file: old.pem, strict: false}"
    partner = load_partners(entry(allowed_hosts="[x.example]", proxy=proxy), NOW)["one"]
    assert partner.proxy is not None
    assert partner.proxy.tls is not None
    assert not partner.proxy.tls.verify_flags & ssl.VERIFY_X509_STRICT


@pytest.mark.usefixtures("tls_files")
def test_a_client_key_of_another_certificate_is_a_fault(entry):
    """Found at the start, not at the first handshake."""
    tls = "{client_certificate_file: client.pem, client_key_file: other.key}"
    (fault,) = faults(entry(tls=tls))
    assert "its own private key" in fault


@pytest.mark.usefixtures("tls_files")
def test_a_proxy_has_its_own_trust(entry):
    """Its CA vouches for the proxy alone; the partner's certificate still comes from the public ones."""
    path = entry(
        allowed_hosts="[x.example]", proxy="{url: 'https://proxy.example:3128', ca_file: ca.pem}"
    )
    partner = load_partners(path, NOW)["one"]
    assert partner.tls is None
    assert partner.proxy is not None
    assert partner.proxy.tls is not None
    assert len(partner.proxy.tls.get_ca_certs()) == 1
    assert [(c.kind, c.file) for c in partner.certificates] == [("proxy-ca", "ca.pem")]


def test_the_expiry_of_certificates_is_known_and_warned_about(entry, folder):
    """The first end in each file; a month before it a check warns, and after it too."""
    ca = trustme.CA()
    end = datetime.fromtimestamp(NOW, UTC) + timedelta(days=10)
    ours = ca.issue_cert("client.example", not_before=end - timedelta(days=90), not_after=end)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ours.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    (folder / "client.pem").chmod(0o600)
    tls = "{ca_file: ca.pem, client_certificate_file: client.pem, client_key_file: client.pem}"
    partners = load_partners(entry(tls=tls), NOW)
    held = {(c.kind, c.file): c.expires_at_seconds for c in partners["one"].certificates}
    assert held["client", "client.pem"] == end.timestamp()
    assert held["ca", "ca.pem"] > NOW + 365 * 86_400
    assert partners.warnings == (
        "partners.one: client.pem: a certificate in it expires in 10 days",
    )
    late = load_partners(entry(tls=tls), NOW + 11 * 86_400)
    assert late.warnings == ("partners.one: client.pem: a certificate in it has expired",)
