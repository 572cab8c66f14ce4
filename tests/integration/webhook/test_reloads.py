"""A partner's entry that changes, or goes, while it is called: what its look-ups found, its connections, its late calls."""

import asyncio
import gc
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from streams.notification.outcome import Answered, Failure, NoResult, Status
from streams.webhook.lookups import AT_ONCE
from tests.support.lookups import answers_in_turn
from tests.support.waiting import TIMEOUT_SECONDS, eventually

BODY = b"{}"
SUCCESS = Answered(Status.SUCCESS, "SUCCESS")


class NameServer:
    """Answers at once, or says nothing until `end` is called."""

    def __init__(self):
        self.hangs, self.asked = False, []
        self._ended = threading.Event()

    def lookup(self, host):
        self.asked.append(host)
        if self.hangs:
            self._ended.wait(TIMEOUT_SECONDS)
        return ["127.0.0.1"]

    def end(self):
        self._ended.set()


@pytest.fixture
def name_server():
    made = NameServer()
    yield made
    made.end()


@pytest.fixture
def many_threads(name_server):
    """As many threads as leave it to the look-ups themselves how many they take."""
    with ThreadPoolExecutor(4 * AT_ONCE) as pool:
        yield pool
        name_server.end()


@pytest.fixture
def patient(partner):
    """A partner whose attempts last longer than any look-up is waited for."""
    return replace(partner, attempt_timeout_seconds=20.0)


async def test_addresses_outlive_a_change_of_the_entry(
    raw_server, make_caller, patient, name_server, many_threads
):
    """The name server hangs after the first call: the changed entry is called at what was found before."""
    async with (
        raw_server() as server,
        make_caller(lookup=name_server.lookup, lookup_threads=many_threads) as caller,
    ):
        first = await caller.call(patient, server.url(), BODY, signed_answer=True)
        name_server.hangs = True
        changed = await caller.call(replace(patient), server.url(), BODY, signed_answer=True)
        name_server.end()
    assert [first.outcome, changed.outcome] == [SUCCESS, SUCCESS]
    assert [request.connection for request in server.requests] == [1, 2]


async def test_a_brief_attempt_is_made_at_the_addresses_of_before(
    raw_server, make_caller, partner, name_server, many_threads
):
    """In a second of time in all, of which the look-up that hangs gets a quarter."""
    brief = replace(partner, attempt_timeout_seconds=1.0)
    async with (
        raw_server() as server,
        make_caller(lookup=name_server.lookup, lookup_threads=many_threads) as caller,
    ):
        await caller.call(partner, server.url(), BODY, signed_answer=True)
        name_server.hangs = True
        call = await caller.call(brief, server.url(), BODY, signed_answer=True)
        name_server.end()
    assert call.outcome == SUCCESS


@pytest.mark.parametrize("goes", [False, True])
async def test_a_changed_entry_has_no_further_threads(  # noqa: PLR0913, PLR0917  # what a call needs
    raw_server, make_caller, patient, name_server, many_threads, goes
):
    """What hangs of the entry before counts, also where it was away meanwhile: the others' share of the threads stays theirs."""
    name_server.hangs = True
    brief = replace(patient, attempt_timeout_seconds=1.0)
    async with (
        raw_server() as server,
        make_caller(lookup=name_server.lookup, lookup_threads=many_threads) as caller,
    ):

        def calls(entry, name):
            return [
                asyncio.create_task(
                    caller.call(
                        entry, server.url(host=f"{name}{n}.example"), BODY, signed_answer=True
                    )
                )
                for n in range(2 * AT_ONCE)
            ]

        hanging = calls(patient, "before")

        async def all_are_held():
            return len(name_server.asked) >= AT_ONCE

        await eventually(all_are_held, what="the look-ups to begin")
        if goes:
            caller.discard([patient.partner_id])
            for call in hanging:
                call.cancel()
            await asyncio.wait(hanging)
            gc.collect()
        late = await asyncio.gather(*calls(brief, "after"))
        asked = list(name_server.asked)
        name_server.end()
        await asyncio.gather(*hanging, return_exceptions=goes)
    assert {call.outcome for call in late} == {NoResult(Failure.CONNECT_TIMEOUT)}
    assert len(asked) == AT_ONCE
    assert all(host.startswith("before") for host in asked)


async def test_a_partner_that_is_gone_leaves_no_addresses(raw_server, make_caller, partner):
    """One that comes back under its name is looked up anew."""
    lookup = answers_in_turn(["127.0.0.1"], socket.gaierror(socket.EAI_AGAIN, "as told"))

    async with raw_server() as server, make_caller(lookup=lookup) as caller:
        first = await caller.call(partner, server.url(), BODY, signed_answer=True)
        caller.discard([partner.partner_id])
        again = await caller.call(replace(partner), server.url(), BODY, signed_answer=True)
    assert first.outcome == SUCCESS
    assert again.outcome == NoResult(Failure.DNS_ERROR, detail=again.outcome.detail)


async def test_late_calls_of_the_entry_before_break_no_connection_of_the_new_one(
    raw_server, make_caller, partner
):
    """They were admitted with it before it changed: each is made as that entry says, on a connection that then ends."""
    changed = replace(partner, client_id="CHANGED")
    async with (
        raw_server() as server,
        make_caller(in_force=lambda entry: entry is changed) as caller,
        asyncio.timeout(TIMEOUT_SECONDS),
    ):
        for entry in (changed, partner, changed, partner, changed):
            call = await caller.call(entry, server.url(), BODY, signed_answer=True)
            assert call.outcome == SUCCESS
        while server.open_now > 1:
            await server.closed.wait()
            server.closed.clear()
    assert [request.connection for request in server.requests] == [1, 2, 1, 3, 1]
    clients = [request.headers["client-id"] for request in server.requests]
    assert clients == ["CHANGED", partner.client_id] * 2 + ["CHANGED"]


async def test_late_calls_share_connections_while_one_of_them_runs(
    raw_server, make_caller, partner, wire
):
    """What a call of the entry before still uses is not built a second time, and goes with the last of them."""
    arrived, release = asyncio.Event(), asyncio.Event()
    changed, in_force = replace(partner), [partner]

    async def respond(request, writer):
        if request.target == "/held":
            arrived.set()
            await release.wait()
        writer.write(wire.signed_answer(request))

    async with (
        raw_server(respond) as server,
        make_caller(in_force=lambda entry: entry is in_force[0]) as caller,
        asyncio.timeout(TIMEOUT_SECONDS),
    ):
        held = asyncio.create_task(
            caller.call(partner, server.url("/held"), BODY, signed_answer=True)
        )
        await arrived.wait()
        in_force[0] = changed
        for entry in (changed, partner, partner, changed):
            call = await caller.call(entry, server.url(), BODY, signed_answer=True)
            assert call.outcome == SUCCESS
        release.set()
        assert (await held).outcome == SUCCESS
        while server.open_now > 1:
            await server.closed.wait()
            server.closed.clear()
    assert [request.connection for request in server.requests] == [1, 2, 3, 3, 2]


async def test_a_late_call_of_a_partner_that_is_gone_leaves_nothing_open(
    raw_server, make_caller, partner
):
    """Nobody would discard it again."""
    async with (
        raw_server() as server,
        make_caller(in_force=lambda _: False) as caller,
        asyncio.timeout(TIMEOUT_SECONDS),
    ):
        call = await caller.call(partner, server.url(), BODY, signed_answer=True)
        assert call.outcome == SUCCESS
        await server.closed.wait()
        assert server.open_now == 0
