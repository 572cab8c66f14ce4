"""Egress on real connections, and the life of the clients."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from streams.notification.outcome import Answered, Blocked, Failure, NoResult, RequestLeft, Status
from streams.webhook.egress import Guard
from tests.support.waiting import TIMEOUT_SECONDS

BODY = b"{}"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")


async def test_loopback_is_blocked_unless_allowed(raw_server, make_caller, partner):
    """By name and by address: nothing is sent, no connection is made."""
    async with raw_server() as server, make_caller(Guard()) as caller:
        by_name = await caller.call(partner, server.url(), BODY, signed_answer=True)
        by_address = await caller.call(
            partner, server.url(host="127.0.0.1"), BODY, signed_answer=True
        )
    for call in (by_name, by_address):
        assert isinstance(call.outcome, Blocked)
        assert "loopback" in call.outcome.why
        assert (call.http_status, call.request_left) == (None, RequestLeft.NO)
        assert not call.slow_down
    assert by_name.url_origin == f"https://localhost:{server.port}"
    assert server.connections == 0


async def test_a_url_that_is_none_is_blocked(caller, partner):
    """It is an outcome, not an exception."""
    call = await caller.call(partner, "https://user@host/\n", BODY, signed_answer=True)
    assert isinstance(call.outcome, Blocked)
    assert call.url_origin == ""


async def test_hosts_outside_the_partners_list_are_blocked(raw_server, caller, partner):
    """allowed_hosts holds for this partner."""
    async with raw_server() as server:
        strict = replace(partner, allowed_hosts=frozenset({"partner.example"}))
        call = await caller.call(strict, server.url(), BODY, signed_answer=True)
        assert isinstance(call.outcome, Blocked)
        call = await caller.call(
            strict, server.url(host="partner.example"), BODY, signed_answer=True
        )
    assert call.outcome == SUCCESS
    assert server.requests[0].headers["host"] == f"partner.example:{server.port}"


async def test_a_port_that_nobody_named_is_not_called(raw_server, make_caller, partner):
    """A public address is called on 443 and on what the entry names; an operator's own address on every port."""
    async with raw_server() as server:
        async with make_caller(lookup=lambda _host: ["8.8.8.8"]) as caller:
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
        assert isinstance(call.outcome, Blocked)
        assert call.outcome.why.startswith("the port is not 443")
        assert (call.request_left, call.url_origin) == (
            RequestLeft.NO,
            f"https://localhost:{server.port}",
        )
        async with make_caller() as caller:
            call = await caller.call(partner, server.url(), BODY, signed_answer=True)
        assert call.outcome == SUCCESS


class Rebinding:
    """A name server that says something else each time."""

    def __init__(self, *answers):
        self._answers = iter(answers)
        self.asked = 0

    def __call__(self, _host):
        self.asked += 1
        return next(self._answers)


async def test_a_name_that_changes_after_the_check_gains_nothing(raw_server, make_caller, partner):
    """One look-up serves check and connection; a second answer is never asked for, or is checked itself."""
    lookup = Rebinding(["127.0.0.1"], ["169.254.169.254"])
    async with raw_server() as server, make_caller(lookup=lookup) as caller:
        first = await caller.call(
            partner, server.url(host="partner.example"), BODY, signed_answer=True
        )
        assert (first.outcome, lookup.asked) == (SUCCESS, 1)
        other = replace(partner, partner_id="other")
        second = await caller.call(
            other, server.url(host="partner.example"), BODY, signed_answer=True
        )
    assert isinstance(second.outcome, Blocked)
    assert "link-local" in second.outcome.why
    assert (len(server.requests), lookup.asked) == (1, 2)


async def test_one_forbidden_address_blocks_the_name(raw_server, make_caller, partner):
    """Also when another address of it is allowed and would be tried first; many calls at once agree."""
    async with (
        raw_server() as server,
        make_caller(lookup=lambda _host: ["127.0.0.1", "10.0.0.1"]) as caller,
    ):
        calls = await asyncio.gather(
            *(caller.call(partner, server.url(), BODY, signed_answer=True) for _ in range(20))
        )
    assert all(isinstance(call.outcome, Blocked) for call in calls)
    assert server.connections == 0


async def test_the_second_address_is_tried_when_the_first_is_dead(raw_server, make_caller, partner):
    """A partner with several addresses is reached while one of them answers."""
    async with (
        raw_server() as server,
        make_caller(lookup=lambda _host: ["127.0.0.2", "127.0.0.1"]) as caller,
    ):
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == SUCCESS


async def test_a_changed_partner_gets_new_connections(raw_server, caller, partner):
    """An entry that stays the same object keeps its connection; a new one doesn't inherit it."""
    async with raw_server() as server:
        for who in (partner, partner, replace(partner), replace(partner)):
            call = await caller.call(who, server.url(), BODY, signed_answer=True)
            assert call.outcome == SUCCESS
    assert [request.connection for request in server.requests] == [1, 1, 2, 3]


async def test_a_replaced_client_lives_until_its_calls_have_ended(
    raw_server, caller, partner, wire
):
    """A reload in the middle of a call doesn't break it; afterwards its connection goes."""
    arrived, release = asyncio.Event(), asyncio.Event()

    async def respond(request, writer):
        if request.target == "/held":
            arrived.set()
            await release.wait()
        writer.write(wire.signed_answer(request))

    async with raw_server(respond) as server, asyncio.timeout(TIMEOUT_SECONDS):
        held = asyncio.create_task(
            caller.call(partner, server.url("/held"), BODY, signed_answer=True)
        )
        await arrived.wait()
        changed = replace(partner)
        call = await caller.call(changed, server.url(), BODY, signed_answer=True)
        assert call.outcome == SUCCESS
        assert not held.done()
        release.set()
        assert (await held).outcome == SUCCESS
        await server.closed.wait()
        assert server.open_now == 1


async def test_discarded_partners_lose_their_connections(raw_server, caller, partner):
    """A partner that left the file holds nothing open; unknown ids do no harm."""
    async with raw_server() as server, asyncio.timeout(TIMEOUT_SECONDS):
        await caller.call(partner, server.url(), BODY, signed_answer=True)
        assert server.open_now == 1
        caller.discard(["stranger", partner.partner_id])
        await server.closed.wait()
        assert server.open_now == 0


async def test_closing_ends_running_calls(raw_server, make_caller, partner):
    """At the end of a worker nothing hangs: a running call is a broken connection, a later one an error."""
    arrived, stop = asyncio.Event(), asyncio.Event()

    async def respond(_request, _writer):
        arrived.set()
        await stop.wait()

    async with (
        raw_server(respond) as server,
        make_caller() as caller,
        asyncio.timeout(TIMEOUT_SECONDS),
    ):
        running = asyncio.create_task(caller.call(partner, server.url(), BODY, signed_answer=True))
        await arrived.wait()
        await caller.aclose()
        call = await running
        stop.set()
        with pytest.raises(RuntimeError, match="closed"):
            await caller.call(partner, server.url(), BODY, signed_answer=True)
    assert call.outcome == NoResult(Failure.BROKEN_CONNECTION)
    assert call.request_left is RequestLeft.PERHAPS


async def test_cancellation_passes_and_frees_the_connection(raw_server, caller, partner):
    """Whoever cancels a call gets a CancelledError, and the partner a closed connection."""
    arrived = asyncio.Event()

    async def respond(_request, _writer):
        arrived.set()

    async with raw_server(respond) as server, asyncio.timeout(TIMEOUT_SECONDS):
        running = asyncio.create_task(caller.call(partner, server.url(), BODY, signed_answer=True))
        await arrived.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await server.closed.wait()
        assert server.open_now == 0


async def test_a_fault_of_ours_is_an_exception(raw_server, make_caller, partner):
    """A bug in a collaborator is not taken for a partner's failure."""

    def lookup(_host):
        raise ZeroDivisionError

    async with raw_server() as server, make_caller(lookup=lookup) as caller:
        with pytest.raises(ZeroDivisionError):
            await caller.call(partner, server.url(), BODY, signed_answer=True)


async def test_a_partner_whose_name_servers_hang_costs_no_other_its_first_call(
    raw_server, make_caller, partner
):
    """A hundred hosts of one partner without an answer are called; the first calls of two dozen others succeed."""
    ended = threading.Event()

    def lookup(host):
        if host.endswith(".broken.example"):
            ended.wait(TIMEOUT_SECONDS)
        return ["127.0.0.1"]

    broken = replace(partner, partner_id="broken")
    with ThreadPoolExecutor(16) as few:
        async with raw_server() as server, make_caller(lookup=lookup, lookup_threads=few) as caller:
            hanging = [
                asyncio.create_task(
                    caller.call(
                        broken, server.url(host=f"h{n}.broken.example"), BODY, signed_answer=True
                    )
                )
                for n in range(100)
            ]
            await asyncio.sleep(0.1)
            url = server.url(host="partner.example")
            told = [
                await caller.call(
                    replace(partner, partner_id=f"p{n}"), url, BODY, signed_answer=True
                )
                for n in range(24)
            ]
            ended.set()
            await asyncio.gather(*hanging)
    assert [call.outcome for call in told] == [SUCCESS] * 24
