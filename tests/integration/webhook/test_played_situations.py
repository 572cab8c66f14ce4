"""`notifier conformance` on real connections: it judges as a worker does, and reaches a receiver as one does."""

import asyncio
import threading
from contextlib import aclosing
from ipaddress import ip_network

import pytest

from streams.clock import Clock
from streams.webhook.addresses import EgressNetworks
from streams.webhook.conformance import SITUATIONS, Conformance
from streams.webhook.connector import sources_of
from streams.webhook.diagnosis import KnownKey
from streams.webhook.egress import Guard
from streams.webhook.lookup_threads import LookupThreads
from streams.webhook.lookups import Lookups
from streams.webhook.resolver import CheckedResolver
from streams.webhook.verdict import Side
from tests.integration.webhook.conftest import LOOPBACK
from tests.support.waiting import TIMEOUT_SECONDS

ANSWERED_AT_MS = 1_795_342_531_000  # the answers' Response-Time
V6 = ip_network("::1/128")


@pytest.fixture
def first(partner, wire):
    """Play the first situation against a URL, and return what came of it."""

    async def play(url, lookup=lambda _host: ["127.0.0.1"], *, sources=(), whole=False, **entry):
        signed = entry.pop("signed", True)
        now_ms = entry.pop("now_ms", ANSWERED_AT_MS)
        called = wire.replace(partner, **entry)
        keys = [KnownKey("theirs", key) for key in called.peer_keys.values()]
        with LookupThreads(1) as threads:
            guard = Guard(EgressNetworks(allow=(*LOOPBACK, V6)))
            run = Conformance(
                url,
                called,
                Side(called.client_id, keys, signed_answer=signed),
                CheckedResolver(guard, Lookups(lookup, threads), {}),
                sources_of(sources),
                dict.fromkeys(("success", "failed", "cancelled"), b'{"orderId":"TEST-1"}'),
                lambda: now_ms,
            )
            async with aclosing(run.run()) as played, asyncio.timeout(TIMEOUT_SECONDS):
                if whole:
                    return [each async for each in played]
                return await anext(played)

    return play


def rules(played):
    """Those of the answer, but for the client id that the test's server has of its own."""
    found = [(finding.rule, finding.broken) for finding in played.findings]
    return [each for each in found if each != ("client-id", False)]


async def test_an_answer_that_a_worker_takes_passes(first, raw_server):
    """With nothing to mend."""
    async with raw_server() as server:
        played = await first(server.url())
    assert (played.passed, rules(played)) == (True, [])


async def test_a_content_coding_fails(first, raw_server, wire):
    """A worker can't read such an answer, so the receiver does not pass."""

    async def respond(request, writer):
        writer.write(wire.signed_answer(request, **{"content-encoding": "gzip"}))

    async with raw_server(respond) as server:
        played = await first(server.url())
    assert (played.passed, rules(played)) == (False, [("content-coding", True)])


@pytest.mark.parametrize("off_ms", [-10_800_000, 10_800_000])
async def test_a_clock_that_is_off_fails_where_the_entry_refuses_it(first, raw_server, off_ms):
    """Three hours, either way; where the entry takes such answers it is odd."""
    now_ms = ANSWERED_AT_MS + off_ms
    async with raw_server() as server:
        refused = await first(server.url(), now_ms=now_ms, refuse_stale_responses=True)
        taken = await first(server.url(), now_ms=now_ms)
    assert (refused.passed, rules(refused)) == (False, [("stale-answer", True)])
    assert (taken.passed, rules(taken)) == (True, [("stale-answer", False)])


async def test_what_a_worker_refuses_fails_also_where_no_rule_names_it(first, raw_server, wire):
    """A Signature header of more bytes than a worker reads."""

    async def respond(request, writer):
        answer = wire.signed_answer(request)
        writer.write(answer.replace(b"signature: ", b"signature: x=" + b"a" * 9000 + b",", 1))

    async with raw_server(respond) as server:
        played = await first(server.url())
    assert played.passed is False
    assert any(finding.broken for finding in played.findings)


async def test_a_merchant_that_signs_without_a_key_here_passes(first, raw_server):
    """No signature is required and no key is there: the answer counts, and that it was not verified is said."""
    async with raw_server() as server:
        played = await first(server.url(), signed=False, peer_keys={})
    assert (played.passed, rules(played)) == (True, [("not-verified", False)])


async def test_the_receivers_other_address_is_tried(first, raw_server):
    """At the first one nothing listens, as at the IPv6 address of a receiver that has IPv4 alone."""
    async with raw_server(host="127.0.0.2") as server:
        played = await first(server.url(), lambda _host: ["127.0.0.1", "127.0.0.2"])
    assert played.passed, played


async def test_an_address_that_says_nothing_leaves_time_for_the_next(first, raw_server):
    """It takes the connection, and never begins TLS."""
    async with (
        raw_server(tls=None) as silent,
        raw_server(host="127.0.0.2", port=silent.port) as server,
    ):
        played = await first(server.url(), lambda _host: ["127.0.0.1", "127.0.0.2"])
    assert (played.passed, silent.connections) == (True, 1)


async def test_our_fixed_address_calls(first, raw_server):
    """As a worker calls; an address of a family in which we have none is left out."""
    callers = []

    async def respond(_request, writer):
        callers.append(writer.get_extra_info("peername")[0])

    async with raw_server(respond) as server:
        await first(server.url(), sources=("127.0.0.3",), attempt_timeout_seconds=1)
        none = await first(server.url(), sources=("::1",))
    assert callers == ["127.0.0.3"]
    assert "NOTIFIER_EGRESS_SOURCE_ADDRESS has no address of this family" in none.answer


async def test_a_look_up_that_hangs_is_waited_for_once(first):
    """All situations fail with the name's fault, and nothing waits for the look-up at the end."""
    ended = threading.Event()
    asked = []

    def lookup(host):
        asked.append(host)
        ended.wait(TIMEOUT_SECONDS)
        return ["127.0.0.1"]

    before = Clock().now_ms()
    played = await first("https://hangs.example/n", lookup, whole=True, attempt_timeout_seconds=0.2)
    took_ms = Clock().now_ms() - before
    ended.set()
    assert asked == ["hangs.example"]
    assert [each.answer for each in played] == ["the host name was not found in time"] * len(
        SITUATIONS
    )
    assert not any(each.passed for each in played)
    assert took_ms < TIMEOUT_SECONDS * 1000


@pytest.mark.parametrize(
    ("lookup", "said"),
    [
        (lambda _host: [], "the host name was not found: "),
        (
            lambda _host: ["127.0.0.1", "10.0.0.1"],
            "not called: the host is or resolves to a private",
        ),
    ],
)
async def test_a_name_that_leads_nowhere_is_said(first, raw_server, lookup, said):
    """None is called where it has no address, or one that is forbidden."""
    async with raw_server() as server:
        played = await first(server.url(), lookup)
    assert played.answer.startswith(said)
    assert server.connections == 0
