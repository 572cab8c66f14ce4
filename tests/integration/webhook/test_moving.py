"""What the network changes while a worker runs: names that move, addresses that are dead or half dead."""

import asyncio
import socket
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest

from streams.notification.outcome import Answered, RequestLeft, Status
from streams.webhook import connector, protocol
from streams.webhook.addresses import EgressNetworks
from streams.webhook.egress import Guard
from tests.integration.webhook.conftest import LOOPBACK
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b"{}"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")
NAME = "partner.example"
OLD, NEW = "127.0.0.1", "127.0.0.2"


class Names:
    """A name server whose answer changes."""

    def __init__(self, *addresses):
        self.addresses = list(addresses)
        self.asked = 0

    def __call__(self, _host):
        self.asked += 1
        return list(self.addresses)


@pytest.fixture
def short_lives(monkeypatch):
    """Connections live for 0.5 s and addresses for 0.2 s, in place of a minute and 10 s."""
    monkeypatch.setattr(protocol, "GREATEST_AGE_SECONDS", protocol.IDLE_SECONDS + 0.5)
    monkeypatch.setattr(protocol, "SPREAD_SECONDS", 1)  # none
    monkeypatch.setattr(connector, "LOOKUP_SECONDS", 0.2)


@pytest.mark.usefixtures("short_lives")
async def test_a_name_that_moves_is_followed_while_the_old_address_still_answers(
    raw_server, make_caller, partner
):
    """Under a load that never lets a connection lie idle, without one call that fails; the old server gets no more."""
    names = Names(OLD)
    outcomes = []
    async with (
        raw_server(host=OLD) as old,
        raw_server(host=NEW, port=old.port) as new,
        make_caller(lookup=names) as caller,
        asyncio.timeout(TIMEOUT_SECONDS),
    ):

        async def load(until):
            while not until():
                call = await caller.call(partner, old.url(host=NAME), BODY, signed_answer=True)
                outcomes.append(call.outcome)

        await asyncio.gather(*(load(lambda: len(old.requests) > 40) for _ in range(8)))
        assert new.connections == 0
        names.addresses = [NEW]
        await asyncio.gather(*(load(lambda: len(new.requests) > 40) for _ in range(8)))
        while old.open_now:  # noqa: ASYNC110  # the last of its connections is closed by now, or soon
            await asyncio.sleep(0.01)
        before = len(old.requests)
        await asyncio.gather(*(load(lambda: len(new.requests) > 80) for _ in range(8)))
        assert len(old.requests) == before
    assert set(outcomes) == {SUCCESS}
    assert names.asked < len(outcomes) / 4


async def test_a_connection_carries_so_many_calls_and_no_more(
    raw_server, caller, partner, monkeypatch
):
    """Then the next one is opened, and no call is lost between them."""
    monkeypatch.setattr(protocol, "MOST_CALLS", 3)
    async with raw_server() as server:
        for _ in range(7):
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
            assert call.outcome == SUCCESS
    assert [request.connection for request in server.requests] == [1, 1, 1, 2, 2, 2, 3]


@contextmanager
def black_hole(host, port):
    """Hold an address whose queue is full: the kernel drops what would connect, as a dead host's network does."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(0)
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.settimeout(0.0)
                filler.connect_ex((host, port))
                fillers.append(filler)
            yield
        finally:
            for filler in fillers:
                filler.close()


@contextmanager
def mute(host, port):
    """Hold an address that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(64)
        yield


@pytest.mark.parametrize("dead", [black_hole, mute])
async def test_one_dead_address_of_two_costs_no_attempt(raw_server, make_caller, partner, dead):
    """Every call gets through within its time, whichever address comes first."""
    names = Names(OLD, NEW)
    patient = replace(partner, attempt_timeout_seconds=10.0)
    async with (
        raw_server(host=OLD) as server,
        make_caller(lookup=names) as caller,
    ):
        with dead(NEW, server.port):
            calls = await asyncio.gather(
                *(
                    caller.call(
                        replace(patient, partner_id=f"p{number}"),
                        server.url(host=NAME),
                        BODY,
                        signed_answer=True,
                    )
                    for number in range(12)
                )
            )
    assert [call.outcome for call in calls] == [SUCCESS] * 12
    assert {call.request_left for call in calls} == {RequestLeft.YES}


async def test_ipv6_that_leads_nowhere_costs_no_attempt(raw_server, make_caller, partner):
    """A name with an AAAA record, where IPv6 can't be used: here an address that needs a zone and has none."""
    names = Names("fe80::1", OLD)
    guard = Guard(EgressNetworks(allow=(*LOOPBACK, ip_network("fe80::/10"))))
    async with raw_server(host=OLD) as server, make_caller(guard, lookup=names) as caller:
        calls = [
            await caller.call(
                replace(partner, partner_id=f"p{number}"),
                server.url(host=NAME),
                BODY,
                signed_answer=True,
            )
            for number in range(6)
        ]
    assert [call.outcome for call in calls] == [SUCCESS] * 6


async def test_all_addresses_are_used(raw_server, make_caller, partner):
    """The system sorts them, the same one first for ever; a dead one must not stand before the others at each attempt."""
    names = Names(OLD, NEW)
    async with (
        raw_server(host=OLD) as one,
        raw_server(host=NEW, port=one.port) as other,
        make_caller(lookup=names) as caller,
    ):
        for number in range(4):
            names.addresses.reverse()  # as some name servers do; it must not cancel out
            who = replace(partner, partner_id=f"p{number}")
            call = await caller.call(who, one.url(host=NAME), BODY, signed_answer=True)
            assert call.outcome == SUCCESS
    assert (len(one.requests), len(other.requests)) == (2, 2)


async def test_a_failed_lookup_is_not_kept(raw_server, make_caller, partner):
    """The next attempt asks again, and a name server that is back is used at once."""
    working = False

    def lookup(_host):
        if not working:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [OLD]

    async with raw_server(host=OLD) as server, make_caller(lookup=lookup) as caller:
        url = server.url(host=NAME)
        first = await caller.call(partner, url, BODY, signed_answer=True)
        working = True
        second = await caller.call(partner, url, BODY, signed_answer=True)
    assert first.request_left is RequestLeft.NO
    assert second.outcome == SUCCESS
    assert len(server.requests) == 1
