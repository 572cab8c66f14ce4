"""The server behind a notify URL, end to end: one destination however it is spelled, and TLS that fails by name."""

import pytest

from streams.sandbox.payments import order_id, payment_event
from tests.support.authority import Authority
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-ant"


async def test_every_spelling_of_a_server_is_one_destination(make_deployment, partner):
    """Zeros before the port, upper case, IPv4 inside IPv6: told alike, and one origin in the attempts records."""
    async with make_deployment() as deployment:
        plain = partner.notify_url(PROFILE)
        scheme, _, rest = plain.partition("://")
        address, _, path = rest.partition("/")
        port = address.rpartition(":")[2]
        spellings = [
            plain,
            f"{scheme.upper()}://127.0.0.1:0{port}/{path}",
            f"{scheme}://[::ffff:127.0.0.1]:{port}/{path}",
            f"{scheme}://[0:0:0:0:0:FFFF:7F00:1]:00{port}/{path}",
        ]
        worker = await deployment.ready_worker()
        events = [payment_event(PROFILE, rng=deployment.rng, notify_url=url) for url in spellings]
        await deployment.send(events)
        attempts = await deployment.delivered([order_id(event) for event in events])
        assert {record["url_origin"] for record in attempts} == {f"https://127.0.0.1:{port}"}
        for event in events:
            (request,) = deployment.requests(order_id(event))
            assert request.signature_valid
            assert request.headers["host"] == f"127.0.0.1:{port}"
        assert await worker.stop() == 0


async def test_a_chain_that_leads_to_no_ca_of_ours_is_named(make_deployment, tmp_path):
    """In the attempts record and in what `why` says, with what to look for; the notification waits for its next attempt."""
    (tmp_path / "other.pem").write_bytes(Authority("Another").pem)
    async with make_deployment() as deployment:
        other = {"ca_file": str(tmp_path / "other.pem")}
        deployment.add_partner("stranger", PROFILE, tls=other)
        worker = await deployment.ready_worker()
        event = payment_event(PROFILE, rng=deployment.rng, partner_id="stranger")
        await deployment.send([event])

        async def attempted():
            return any(record["kind"] == "attempt" for record in await deployment.attempts())

        await eventually(attempted, what="an attempt", every_seconds=0.2)
        record = next(iter(await deployment.attempts()))
        assert (record["failure"], record["request_left"]) == ("tls_incomplete_chain", "no")
        assert "an intermediate certificate is left out" in record["failure_detail"]
        done = await deployment.run("why", order_id(event))
        assert done.returncode == 0, done.stderr
        said = " ".join(done.stdout.split())
        assert "certificate chain incomplete (what it sends leads to no CA that we trust" in said
        assert deployment.requests(order_id(event)) == []
        assert await worker.stop() == 0
