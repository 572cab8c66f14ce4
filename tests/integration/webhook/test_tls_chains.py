"""Chains of certificates on real sockets: those that end too early, and those that RFC 5280 would not have.

The settings are those that a worker makes from a partners file; the rules are the same on every Python.
"""

import ssl
from dataclasses import replace

import pytest

from streams.notification.outcome import Answered, Failure, NoResult, RequestLeft, Status
from streams.partners.files import Files
from streams.partners.tls import partner_tls, public_tls
from tests.support.authority import Authority

BODY = b"{}"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")


@pytest.fixture
def call(raw_server, caller, partner, tmp_path):
    """Call a server that shows `server.pem`, trusting what `ca.pem` holds."""

    async def call(*trusted, strict=True):
        (tmp_path / "ca.pem").write_bytes(b"".join(authority.pem for authority in trusted))
        files = Files(tmp_path)
        tls = partner_tls(files, "ca.pem", None, None, strict=strict)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        async with raw_server(tls=context) as server:
            made = await caller.call(
                replace(partner, tls=tls), server.url(), BODY, signed_answer=True
            )
        assert bool(server.requests) == (made.outcome == SUCCESS)
        return made, files

    return call


@pytest.fixture(scope="module")
def root():
    return Authority("Root")


@pytest.fixture(scope="module")
def between(root):
    return Authority("Between", root)


async def test_a_chain_without_its_intermediate_has_a_failure_of_its_own(
    call, root, between, tmp_path
):
    """The partner sends its own certificate alone; with the whole chain, or the intermediate in `ca_file`, all is well."""
    between.issue(tmp_path / "server.pem")
    alone, _ = await call(root)
    assert alone.outcome == NoResult(Failure.TLS_INCOMPLETE_CHAIN)
    assert "an intermediate certificate is left out" in alone.outcome.detail
    assert alone.request_left is RequestLeft.NO
    for trusted in ((root, between), (between,)):
        assert (await call(*trusted))[0].outcome == SUCCESS
    between.issue(tmp_path / "server.pem", chain=(between,))
    assert (await call(root))[0].outcome == SUCCESS


async def test_a_root_that_is_sent_and_not_trusted_is_another_failure(call, root, tmp_path):
    """Whoever sends its whole chain leaves nothing out: its CA is unknown."""
    stranger = Authority("Stranger")
    stranger.issue(tmp_path / "server.pem", chain=(stranger,))
    made, _ = await call(root)
    assert made.outcome == NoResult(Failure.TLS_ERROR)
    assert "a root CA that we don't trust" in made.outcome.detail


@pytest.mark.parametrize("without", ["key-usage", "key-identifier", "critical"])
async def test_an_authority_that_is_not_as_rfc_5280_wants_it(call, tmp_path, without):
    """Refused by name, warned about when the file is read, and let through where the entry says so."""
    old = Authority("Old", without=without)
    old.issue(tmp_path / "server.pem")
    made, files = await call(old)
    assert made.outcome == NoResult(Failure.TLS_ERROR)
    assert made.outcome.detail.endswith(", by the strict chain rules")
    assert list(files.not_strict) == ["ca.pem"]
    made, files = await call(old, strict=False)
    assert made.outcome == SUCCESS
    assert files.not_strict == {}


async def test_a_certificate_that_does_not_name_its_authority(call, root, tmp_path):
    """What private CAs leave out most: the partner's certificate lacks the Authority Key Identifier."""
    root.issue(tmp_path / "server.pem", names_authority=False)
    made, files = await call(root)
    assert made.outcome == NoResult(Failure.TLS_ERROR)
    assert "Authority Key Identifier, by the strict chain rules" in made.outcome.detail
    assert files.not_strict == {}  # nothing in our files shows it
    assert (await call(root, strict=False))[0].outcome == SUCCESS


async def test_lenient_rules_trust_nobody_else(call, root, tmp_path):
    """`strict: false` forgives how a certificate is made, not who made it."""
    stranger = Authority("Stranger", without="key-usage")
    stranger.issue(tmp_path / "server.pem", chain=(stranger,))
    made, _ = await call(root, strict=False)
    assert made.outcome == NoResult(Failure.TLS_ERROR)


def test_the_rules_are_the_same_on_every_python():
    """Said by us and not by the default, which changed in Python 3.13."""
    strict = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert public_tls().verify_flags & strict == strict
