"""Certificates and authorities of an entry: which are trusted, which are warned about, when they end."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
import trustme

from streams.partners import files as partner_files
from streams.partners import (
    load,
    load_partners,
)
from streams.secret_files import why_exposed
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
    assert context.post_handshake_auth
    context = load_partners(entry(tls="{ca_file: ca.pem}"), NOW)["one"].tls
    assert context is not None
    assert not context.post_handshake_auth
    assert len(context.get_ca_certs()) == 1
    client_only = "{client_certificate_file: client.pem, client_key_file: client.key}"
    context = load_partners(entry(tls=client_only), NOW)["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) > 50


@pytest.mark.usefixtures("tls_files")
@pytest.mark.parametrize(
    "written",
    [
        lambda pem: b"\xef\xbb\xbf" + pem,
        lambda pem: "# Zertifizierungsstelle für Händler\n".encode() + pem,
        lambda pem: pem + "CA für Händler\n".encode("latin-1") + pem,
        lambda pem: pem.replace(b"\n", b"\r\n"),
    ],
    ids=["byte order mark", "comment", "comment in Latin-1", "CR LF"],
)
def test_what_stands_beside_certificates_is_passed_over(entry, folder, written):
    """Files of CAs come with comments in any language; a proxy's too."""
    pem = (folder / "ca.pem").read_bytes()
    (folder / "written.pem").write_bytes(written(pem))
    partner = load_partners(
        entry(
            tls="{ca_file: written.pem}",
            allowed_hosts="[x.example]",
            proxy="{url: 'https://proxy.example:3128', ca_file: written.pem}",
        ),
        NOW,
    )["one"]
    assert partner.tls is not None
    assert partner.proxy is not None
    assert partner.proxy.tls is not None
    for context in (partner.tls, partner.proxy.tls):
        assert context.get_ca_certs(binary_form=True) == [ssl.PEM_cert_to_DER_cert(pem.decode())]


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # one of them has the number 0
def test_every_public_authority_is_trusted_to_the_byte(entry, folder):
    """As a ca_file, their own bundle holds what it holds."""
    bundle = Path(certifi.where()).read_bytes()
    (folder / "public.pem").write_bytes(bundle)
    context = load_partners(entry(tls="{ca_file: public.pem}"), NOW)["one"].tls
    assert context is not None
    public = ssl.create_default_context(cafile=certifi.where())
    assert context.get_ca_certs(binary_form=True) == public.get_ca_certs(binary_form=True)


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


def changed_pem(old, new):
    """Return an authority's certificate with some of its bytes replaced, which nobody looks at the signature of."""
    der = ssl.PEM_cert_to_DER_cert(Authority().pem.decode())
    assert der.count(old) == 1
    return ssl.DER_cert_to_PEM_cert(der.replace(old, new)).encode()


IDENTIFIER, USAGE = b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x55\x1d\x0f"
VERSION = b"\xa0\x03\x02\x01"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (IDENTIFIER, USAGE, "Duplicate 2.5.29.15 extension found"),
        (VERSION + b"\x02", VERSION + b"\x07", "7 is not a valid X509 version"),
    ],
)
def test_a_certificate_that_can_not_be_read_is_a_fault(entry, folder, old, new, why):
    """Python's TLS takes the file and then trusts nobody."""
    (folder / "odd.pem").write_bytes(changed_pem(old, new))
    (fault,) = faults(entry(tls="{ca_file: odd.pem}"))
    assert f"seen 'odd.pem' with one that can't be read ({why}), expected CA certificates" in fault


def test_an_authority_with_a_name_of_a_rare_kind_is_left_to_the_handshake(entry, folder):
    """cryptography knows no X.400 addresses; OpenSSL passes over them."""
    authority = Authority(other_name=b"\x30\x04\xa3\x02\x30\x00")
    (folder / "x400.pem").write_bytes(authority.pem)
    partners = load_partners(entry(tls="{ca_file: x400.pem}"), NOW)
    assert partners.warnings == ()
    context = partners["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) == 1


@pytest.mark.usefixtures("tls_files")
@pytest.mark.parametrize("when", ["looked at", "loaded", "read again"])
def test_a_file_that_goes_while_it_is_read_is_a_fault(entry, folder, monkeypatch, when):
    """Between any two looks at it."""

    def look(path):
        going = path.name == "client.key"
        if going and when == "looked at":
            path.unlink()
        found = why_exposed(path)
        if going and when == "loaded":
            path.unlink()
        return found

    def fingerprint(*_):
        (folder / "client.key").unlink()
        return ""

    monkeypatch.setattr(partner_files, "why_exposed", look)
    if when == "read again":
        monkeypatch.setattr(load, "_fingerprint", fingerprint)
    tls = "{client_certificate_file: client.pem, client_key_file: client.key}"
    (fault,) = faults(entry(private_key_file="keys/pkcs8.pem", tls=tls))
    assert fault.startswith("partners.one")
    assert "client.key" in fault
    assert "that can be read (No such file or directory)" in fault


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
