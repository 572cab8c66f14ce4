"""TLS with a partner, on real sockets and with real certificates: who is trusted, and who isn't.

The settings are those that a worker makes from a partners file, not the tests' own.
"""

import asyncio
import socket
import ssl
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from streams.notification.outcome import Answered, Failure, NoResult, RequestLeft, Status
from streams.partners.files import Files
from streams.partners.tls import partner_tls
from tests.support.authority import DAY, Authority, today
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b"{}"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")
REFUSED = (NoResult(Failure.TLS_ERROR), RequestLeft.NO)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def trusting(authority, partner, tmp_path):
    """A partner whose entry names the authority, and perhaps a client certificate, as a worker reads it."""
    (tmp_path / "ca.pem").write_bytes(authority.pem)

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


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"begin": -30 * DAY, "end": -DAY}, "has expired"),
    "not yet valid": ({"begin": DAY, "end": 2 * DAY}, "not valid yet"),
    "another host's": ({"host": "other.example"}, "for other host names"),
    "a host that ends alike": ({"host": "x.localhost"}, "for other host names"),
    "a common name alone": ({"host": None}, "for other host names"),
    "a client's": ({"purpose": ExtendedKeyUsageOID.CLIENT_AUTH}, "unsuitable certificate purpose"),
    "self-signed": ({"own": True}, "is self-signed"),
    "a short key": ({"key": "short"}, "key too weak"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_certificate_that_is_not_trusted(  # noqa: PLR0913, PLR0917  # fixtures
    raw_server, caller, trusting, authority, tmp_path, case
):
    """Nothing is sent to whoever shows it, and the failure says TLS, and why."""
    given, why = CASES[case]
    how = dict(given)
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
    assert why in call.outcome.detail
    assert "localhost" not in call.outcome.detail
    assert server.requests == []


async def test_an_unknown_authority(raw_server, caller, trusting, tmp_path):
    """A public CA, or anybody's own, does not vouch for a partner with a `ca_file`."""
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "server.pem"
    )
    async with raw_server(tls=server_of(tmp_path / "server.pem")) as server:
        call = await caller.call(trusting(), server.url(), BODY, signed_answer=True)
    assert (call.outcome, call.request_left) == (
        NoResult(Failure.TLS_INCOMPLETE_CHAIN),
        RequestLeft.NO,
    )


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
    (tmp_path / "ca-and-list.pem").write_bytes(authority.pem + authority.revocations(bad))
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


async def test_our_certificate_is_shown_to_who_asks_after_the_request(
    threads, caller, trusting, demanding
):
    """As servers do that want one for some paths only; TLS 1.3 lets them ask later, of clients that said they have one."""
    demanding.post_handshake_auth = True

    def answer(listening):
        """Ask for the certificate once the request is there; both go on while the client waits for its answer."""
        connection, _ = listening.accept()
        connection.settimeout(TIMEOUT_SECONDS)
        with demanding.wrap_socket(connection, server_side=True) as tls:
            request = b""
            while not request.endswith(BODY):
                request += tls.recv(65_536)
            shown_before = tls.getpeercert() is not None
            tls.verify_client_post_handshake()
            tls.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")  # what asks goes with it
            tls.settimeout(0.05)
            ends_at = time.monotonic() + TIMEOUT_SECONDS
            while tls.getpeercert() is None and time.monotonic() < ends_at:
                with suppress(TimeoutError):
                    tls.recv(1)
            shown = tls.getpeercert() is not None
            body = b'{"result":{"resultStatus":"S","resultCode":"SUCCESS"}}'
            tls.settimeout(TIMEOUT_SECONDS)
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return shown_before, shown

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(TIMEOUT_SECONDS)
        answered = asyncio.get_running_loop().run_in_executor(threads, answer, listening)
        url = f"https://localhost:{listening.getsockname()[1]}/"
        call = await caller.call(trusting("good.pem"), url, BODY, signed_answer=False)
        assert await answered == (False, True)
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
            connection.settimeout(TIMEOUT_SECONDS)
            raw = connection.dup()
            with raw:
                with pytest.raises(ssl.SSLError) as refused:
                    demanding.wrap_socket(connection, server_side=True)
                raw.settimeout(TIMEOUT_SECONDS)
                with suppress(ConnectionError):  # unread bytes would make the close a reset
                    while raw.recv(65_536):
                        pass
            return refused.value.reason

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(TIMEOUT_SECONDS)
        reason = asyncio.get_running_loop().run_in_executor(threads, refuse, listening)
        url = f"https://localhost:{listening.getsockname()[1]}/"
        call = await caller.call(trusting(client), url, BODY, signed_answer=True)
        assert await reason == (
            "CERTIFICATE_VERIFY_FAILED" if client else "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        )
    assert (call.outcome, call.request_left) == (NoResult(Failure.TLS_ERROR), left)
    assert call.outcome.detail.startswith("it sent the alert")
    assert "client certificate" in call.outcome.detail
