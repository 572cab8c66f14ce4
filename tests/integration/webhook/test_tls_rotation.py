"""Certificates of both sides are replaced while a worker runs: real files, a real TLS server, no restart."""

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from streams.clock import Clock
from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.partners import PartnersFile, Rejected, Reloaded, Unchanged
from streams.webhook import protocol
from tests.support.authority import DAY, Authority, today
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b"{}"
VECTORS = Path(__file__).parents[2] / "vectors"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")


class Mutual:
    """A partner that wants a client certificate, and our files for it."""

    def __init__(self, folder, authority):
        self.folder, self.authority = folder, authority
        self.shown: list[int] = []
        (folder / "ca.pem").write_bytes(authority.pem)
        for name in ("sender_private_pkcs8", "receiver_public_spki"):
            (folder / f"{name}.pem").touch(0o600)
            (folder / f"{name}.pem").write_bytes((VECTORS / f"{name}.pem").read_bytes())
        self.ours()
        authority.issue(folder / "server.pem")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem")
        self.context.load_verify_locations(folder / "ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        (folder / "partners.yaml").write_text("""partners:
  one:
    profiles: [mpp-to-ant]
    client_id: SANDBOX_5YTESTONLY000001
    private_key_file: sender_private_pkcs8.pem
    peer_public_key_files: {1: receiver_public_spki.pem}
    tls: {ca_file: ca.pem, client_certificate_file: client.pem, client_key_file: client.key}
""")
        self.file = PartnersFile(folder / "partners.yaml", Clock().now_seconds())

    def poll(self):
        assert (
            self.file.poll(Clock().now_seconds()) == Unchanged()
        )  # a version counts once it was seen twice
        return self.file.poll(Clock().now_seconds())

    def ours(self, *, certificate=True, key=True):
        """Make a client certificate and put one or both halves of it in place; return its serial number."""
        self.new = made = self.folder / "new.pem"
        self.key = ec.generate_private_key(ec.SECP256R1())
        issued = self.authority.issue(made, purpose=ExtendedKeyUsageOID.CLIENT_AUTH, key=self.key)
        self.certificate = issued
        if certificate:
            self.put("client.pem", issued.public_bytes(Encoding.PEM))
        if key:
            self.put_key()
        return issued.serial_number

    def put_key(self):
        self.put(
            "client.key",
            self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )

    def put(self, name, content):
        """Replace a file as `mv` does."""
        new = self.folder / f"{name}.new"
        new.touch(0o600)
        new.write_bytes(content)
        new.replace(self.folder / name)

    def respond(self, wire):
        """Return what answers, and notes whose certificate came with the request."""

        async def respond(request, writer):
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            self.shown.append(x509.load_der_x509_certificate(der).serial_number)
            writer.write(wire.signed_answer(request))

        return respond


@pytest.fixture
def mutual(tmp_path):
    return Mutual(tmp_path, Authority())


async def test_our_certificate_is_replaced_while_we_run(mutual, raw_server, caller, wire):
    """The next call shows the new one, although the connection of the old one was still open."""
    before = mutual.certificate.serial_number
    async with raw_server(mutual.respond(wire), tls=mutual.context) as server:

        async def call():
            made = await caller.call(
                mutual.file.current["one"], server.url(), BODY, signed_answer=True
            )
            return made.outcome

        assert await call() == SUCCESS
        assert await call() == SUCCESS
        after = mutual.ours()
        assert isinstance(mutual.poll(), Reloaded)
        assert await call() == SUCCESS
        assert [request.connection for request in server.requests] == [1, 1, 2]
    assert mutual.shown == [before, before, after]


@pytest.mark.parametrize("first", ["certificate", "key"])
async def test_half_a_replacement_keeps_the_old_pair(mutual, raw_server, caller, wire, first):
    """Certificate and key change one after the other: between the two the old pair goes on, then the new one is used."""
    before = mutual.certificate.serial_number
    async with raw_server(mutual.respond(wire), tls=mutual.context) as server:

        async def call():
            made = await caller.call(
                mutual.file.current["one"], server.url(), BODY, signed_answer=True
            )
            return made.outcome

        after = mutual.ours(certificate=first == "certificate", key=first == "key")
        half = mutual.poll()
        assert isinstance(half, Rejected)
        assert "its own private key" in half.faults[0]
        assert mutual.poll() == Unchanged()
        assert await call() == SUCCESS
        if first == "certificate":
            mutual.put_key()
        else:
            mutual.put("client.pem", mutual.certificate.public_bytes(Encoding.PEM))
        assert isinstance(mutual.poll(), Reloaded)
        assert await call() == SUCCESS
    assert mutual.shown == [before, after]


async def test_a_call_under_way_ends_on_the_old_certificate(mutual, raw_server, caller, wire):
    """A replacement breaks no call: what was begun ends, and what comes after shows the new one."""
    arrived, go = asyncio.Event(), asyncio.Event()
    answer = mutual.respond(wire)

    async def respond(request, writer):
        arrived.set()
        await go.wait()
        await answer(request, writer)

    before = mutual.certificate.serial_number
    async with raw_server(respond, tls=mutual.context) as server:

        async def call():
            made = await caller.call(
                mutual.file.current["one"], server.url(), BODY, signed_answer=True
            )
            return made.outcome

        under_way = asyncio.create_task(call())
        await arrived.wait()
        after = mutual.ours()
        assert isinstance(mutual.poll(), Reloaded)
        later = asyncio.create_task(call())
        go.set()
        assert [await under_way, await later] == [SUCCESS, SUCCESS]
    assert sorted(mutual.shown) == sorted([before, after])


async def test_the_partners_certificate_is_replaced_while_it_runs(mutual, raw_server, caller, wire):
    """A new one of the same CA is taken as it comes; one that has expired is refused, whatever was accepted before."""

    async def respond(request, writer):
        writer.write(wire.signed_answer(request, None, "200 OK", Connection="close"))

    async with raw_server(respond, tls=mutual.context) as server:

        async def call():
            made = await caller.call(
                mutual.file.current["one"], server.url(), BODY, signed_answer=True
            )
            return made.outcome

        assert await call() == SUCCESS
        mutual.authority.issue(mutual.folder / "server.pem")
        mutual.context.load_cert_chain(mutual.folder / "server.pem")
        assert await call() == SUCCESS
        mutual.authority.issue(
            mutual.folder / "server.pem", begin=today() - 2 * DAY, end=today() - DAY
        )
        mutual.context.load_cert_chain(mutual.folder / "server.pem")
        expired = await call()
        assert expired == NoResult(Failure.TLS_ERROR)
        assert "has expired" in expired.detail


async def test_the_partners_authority_is_replaced_while_we_run(mutual, raw_server, caller, wire):
    """Both CAs in `ca_file` while the partner moves from one to the other, then the new one alone."""
    old, new = mutual.authority, Authority("New CA")
    async with raw_server(mutual.respond(wire), tls=mutual.context) as server:

        async def call():
            made = await caller.call(
                mutual.file.current["one"], server.url(), BODY, signed_answer=True
            )
            return made.outcome

        assert await call() == SUCCESS
        mutual.put("ca.pem", old.pem + new.pem)
        assert isinstance(mutual.poll(), Reloaded)
        assert await call() == SUCCESS
        new.issue(mutual.folder / "server.pem")
        mutual.context.load_cert_chain(mutual.folder / "server.pem")
        mutual.put("ca.pem", new.pem)
        assert isinstance(mutual.poll(), Reloaded)
        assert await call() == SUCCESS
        assert [request.connection for request in server.requests] == [1, 2, 3]
        mutual.put("ca.pem", old.pem)
        assert isinstance(mutual.poll(), Reloaded)
        assert await call() == NoResult(Failure.TLS_INCOMPLETE_CHAIN)


async def test_a_connection_from_before_pins_no_old_certificate(
    mutual, raw_server, caller, wire, monkeypatch
):
    """However busy it is, a connection ends at its age, and the next one checks what the partner shows by then."""
    monkeypatch.setattr(protocol, "SPREAD_SECONDS", 1)
    monkeypatch.setattr(protocol, "GREATEST_AGE_SECONDS", protocol.IDLE_SECONDS + 0.3)
    async with raw_server(mutual.respond(wire), tls=mutual.context) as server:

        async def call():
            made = await caller.call(
                mutual.file.current["one"], server.url(), BODY, signed_answer=True
            )
            return made.outcome

        assert await call() == SUCCESS
        mutual.authority.issue(
            mutual.folder / "server.pem", begin=today() - 2 * DAY, end=today() - DAY
        )
        mutual.context.load_cert_chain(mutual.folder / "server.pem")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (outcome := await call()) == SUCCESS:
                assert len(server.requests) < protocol.MOST_CALLS
        assert outcome == NoResult(Failure.TLS_ERROR)
        assert "has expired" in outcome.detail
    assert {request.connection for request in server.requests} == {1}
