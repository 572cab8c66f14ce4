"""Look-ups of host names: one partner's name server that hangs holds up nobody else."""

import asyncio
import socket
import threading
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from streams.webhook import lookups as module
from streams.webhook.lookups import AT_ONCE, Lookups
from tests.support.waiting import eventually

ADDRESS = "8.8.8.8"


class NameServers:
    """Answers at once, or hangs until `answer` is set.

    Attributes:
        hanging: hosts that get no answer.
        failing: hosts that get this errno.
        asked: every host, each time.
        most: look-ups that were under way at once, at most.
    """

    def __init__(self):
        self.hanging, self.failing, self.asked, self.most = set(), {}, [], 0
        self.answer = threading.Event()
        self._under_way, self._lock = 0, threading.Lock()

    def lookup(self, host):
        with self._lock:
            self.asked.append(host)
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            if host in self.hanging:
                self.answer.wait(60)
            if host in self.failing:
                raise socket.gaierror(self.failing[host], "as told")
            return [ADDRESS]
        finally:
            with self._lock:
                self._under_way -= 1


@pytest.fixture
def servers():
    """Answers everything in the end, so that no thread outlives its test."""
    made = NameServers()
    yield made
    made.answer.set()


@pytest.fixture
def threads(servers):
    """Threads as many as a worker had for all partners when one could take them all."""
    with ThreadPoolExecutor(16) as pool:
        yield pool
        servers.answer.set()


async def all_threads_are_held(servers):
    """Wait until one partner's look-ups hang in all the threads that it may have."""

    async def look():
        return len(servers.asked) >= AT_ONCE

    await eventually(look, what="the look-ups to begin")


async def test_a_partner_whose_name_servers_hang_holds_up_no_other(servers, threads):
    """A hundred hosts without an answer hold four threads; two dozen first look-ups of another partner all succeed."""
    servers.hanging = {f"h{number}.broken.example" for number in range(100)}
    broken, healthy = Lookups(servers.lookup, threads), Lookups(servers.lookup, threads)
    waiting = [asyncio.create_task(broken.addresses(host)) for host in sorted(servers.hanging)]
    await all_threads_are_held(servers)
    for number in range(24):
        assert await healthy.addresses(f"h{number}.healthy.example") == [ADDRESS]
    assert servers.most <= AT_ONCE + 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_was_called_off_takes_no_turn(servers, threads):
    """A call that ended meanwhile leaves nothing behind: only hosts that somebody waits for are looked up."""
    servers.hanging = {f"h{number}" for number in range(100)}
    lookups = Lookups(servers.lookup, threads)
    waiting = [asyncio.create_task(lookups.addresses(host)) for host in sorted(servers.hanging)]
    await all_threads_are_held(servers)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    servers.answer.set()
    assert await lookups.addresses("wanted") == [ADDRESS]
    assert len(servers.asked) == AT_ONCE + 1


async def test_one_look_up_serves_all_who_ask(servers, threads):
    """Also when the first of them stops waiting."""
    servers.hanging = {"h"}
    lookups = Lookups(servers.lookup, threads)
    asking = [asyncio.create_task(lookups.addresses("h")) for _ in range(20)]

    async def asked_once():
        return servers.asked

    await eventually(asked_once, what="the look-up to begin")
    asking[0].cancel()
    servers.answer.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [[ADDRESS]] * 19
    assert servers.asked == ["h"]


async def test_who_finds_no_turn_is_told(servers, threads, monkeypatch):
    """After its time, as a failed look-up that may be tried again."""
    monkeypatch.setattr(module, "_TURN_SECONDS", 0.05)
    servers.hanging = {f"h{number}" for number in range(AT_ONCE)}
    lookups = Lookups(servers.lookup, threads)
    waiting = [asyncio.create_task(lookups.addresses(host)) for host in sorted(servers.hanging)]
    await all_threads_are_held(servers)
    with pytest.raises(socket.gaierror, match="as many look-ups") as caught:
        await lookups.addresses("other")
    assert caught.value.errno == socket.EAI_AGAIN
    servers.answer.set()
    await asyncio.gather(*waiting)
    assert await lookups.addresses("other") == [ADDRESS]


@pytest.mark.parametrize("how", ["hangs", "fails for now"])
async def test_a_known_address_serves_while_the_name_server_is_away(
    servers, threads, monkeypatch, how
):
    """The last addresses are used for a quarter of an hour, and each time somebody asks anew."""
    lookups = Lookups(servers.lookup, threads)
    assert await lookups.addresses("h", 0.05) == [ADDRESS]
    if how == "hangs":
        servers.hanging = {"h"}
    else:
        servers.failing = {"h": socket.EAI_AGAIN}
    assert await lookups.addresses("h", 0.05) == [ADDRESS]
    assert await lookups.addresses("h", 0.05) == [ADDRESS]
    assert len(servers.asked) == (2 if how == "hangs" else 3)
    monkeypatch.setattr(module, "_REMEMBERED_SECONDS", -1.0)
    servers.answer.set()
    if how == "hangs":
        assert await lookups.addresses("h", 0.05) == [ADDRESS]
    else:
        with pytest.raises(socket.gaierror):
            await lookups.addresses("h", 0.05)


class NoThreads(Executor):
    """As many threads as the system gives: none, while `none` is set."""

    def __init__(self, threads):
        self._threads, self.none = threads, True

    def submit(self, fn, /, *args, **kwargs):
        if self.none:
            raise socket.gaierror(socket.EAI_AGAIN, "no thread")
        return self._threads.submit(fn, *args, **kwargs)


async def test_a_look_up_that_finds_no_thread_keeps_no_place(servers, threads):
    """Or four of them would end a partner's look-ups for good."""
    scarce = NoThreads(threads)
    lookups = Lookups(servers.lookup, scarce)
    for _ in range(2 * AT_ONCE):
        with pytest.raises(socket.gaierror) as caught:
            await lookups.addresses("h")
        assert caught.value.errno == socket.EAI_AGAIN
    scarce.none = False
    assert await lookups.addresses("h") == [ADDRESS]
    scarce.none = True
    assert await lookups.addresses("h") == [ADDRESS]  # the one that is known
    assert servers.asked == ["h"]


async def test_a_host_that_is_gone_is_gone(servers, threads):
    """The name server's word that there is no such host counts, whatever was known before."""
    lookups = Lookups(servers.lookup, threads)
    assert await lookups.addresses("h") == [ADDRESS]
    servers.failing = {"h": socket.EAI_NONAME}
    with pytest.raises(socket.gaierror) as caught:
        await lookups.addresses("h")
    assert caught.value.errno == socket.EAI_NONAME


async def test_what_is_remembered_is_bounded(servers, threads, monkeypatch):
    """URLs come from outside and may name any number of hosts."""
    monkeypatch.setattr(module, "_KNOWN_HOSTS", 3)
    lookups = Lookups(servers.lookup, threads)
    for number in range(10):
        await lookups.addresses(f"h{number}")
    assert len(lookups._known) == 3
