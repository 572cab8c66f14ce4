"""Names that are looked up: every address is judged, and a lookup that hangs holds up nothing."""

import asyncio
import socket
from concurrent.futures import Executor, Future

import pytest

from streams.webhook.egress import DestinationBlocked, Guard
from streams.webhook.lookups import Lookups
from streams.webhook.resolver import CheckedResolver, system_lookup
from tests.support.lookups import answers_in_turn
from tests.unit.webhook.virtual_time import in_virtual_time


class FirstOnly(Executor):
    """Does the first task at once, and none of the others."""

    def __init__(self):
        self._idle = True

    def submit(self, fn, /, *args, **kwargs):
        future: Future[object] = Future()
        if self._idle:
            self._idle = False
            future.set_result(fn(*args, **kwargs))
        return future


async def test_a_name_with_one_forbidden_address_is_refused(threads):
    """All addresses of a name are judged: a connection may go to any of them."""
    answers = {
        "good.example": ["8.8.8.8", "2606:4700:4700::1111"],
        "bad.example": ["8.8.8.8", "169.254.169.254"],
        "bad6.example": ["::ffff:127.0.0.1"],
        "scoped.example": ["fe80::1%lo"],
        "none.example": [],
    }
    resolver = CheckedResolver(Guard(), Lookups(answers.__getitem__, threads), {})
    found = await resolver.resolve("good.example", 443)
    assert {(entry["host"], entry["port"]) for entry in found} == {
        ("8.8.8.8", 443),
        ("2606:4700:4700::1111", 443),
    }
    assert all(entry["flags"] & socket.AI_NUMERICHOST for entry in found)
    for name in ("bad.example", "bad6.example", "scoped.example"):
        with pytest.raises(DestinationBlocked):
            await resolver.resolve(name, 443)
    with pytest.raises(OSError, match="no addresses"):
        await resolver.resolve("none.example", 443)
    await resolver.close()


async def test_what_is_remembered_is_judged_by_the_entry_that_asks(threads):
    """Addresses outlive a change of the entry; what it allowed does not."""
    lookup = answers_in_turn(["8.8.8.8"], socket.gaierror(socket.EAI_AGAIN, "as told"))

    lookups = Lookups(lookup, threads)
    before = CheckedResolver(Guard(), lookups, {}, frozenset({"x.example:8443"}))
    assert [found["host"] for found in await before.resolve("x.example", 8443)] == ["8.8.8.8"]
    with pytest.raises(DestinationBlocked, match="the port is not 443"):
        await CheckedResolver(Guard(), lookups, {}).resolve("x.example", 8443)


@pytest.mark.parametrize(
    ("attempt_seconds", "patience_seconds"), [(1.0, 0.25), (2.0, 0.5), (4.0, 1.0), (10.0, 1.0)]
)
@in_virtual_time
async def test_a_look_up_that_hangs_leaves_most_of_the_attempt(attempt_seconds, patience_seconds):
    """Remembered addresses are of no use to an attempt whose time is over when they are taken."""
    threads = FirstOnly()
    resolver = CheckedResolver(
        Guard(), Lookups(lambda _: ["8.8.8.8"], threads), {}, attempt_seconds=attempt_seconds
    )
    assert [found["host"] for found in await resolver.resolve("x.example", 443)] == ["8.8.8.8"]
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(attempt_seconds):
        assert [found["host"] for found in await resolver.resolve("x.example", 443)] == ["8.8.8.8"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(patience_seconds)


async def test_the_systems_lookup_knows_localhost(threads):
    """The default look-up asks the machine, and what it finds is checked."""
    assert set(system_lookup("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(DestinationBlocked, match="loopback"):
        await CheckedResolver(Guard(), Lookups(system_lookup, threads), {}).resolve(
            "localhost", 443
        )


@pytest.mark.parametrize("name", ["proxy..example", ".proxy", f"{'a' * 64}.example", "a\ud800"])
def test_what_is_no_name_has_no_address(name):
    """Python raises a ValueError for it, which nobody who calls a partner expects: it would end the worker."""
    with pytest.raises(socket.gaierror) as caught:
        system_lookup(name)
    assert caught.value.errno == socket.EAI_NONAME


async def test_a_hanging_lookup_does_not_hold_the_loop(threads):
    """Look-ups run in the threads that were given."""
    answer = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_host):
        asyncio.run_coroutine_threadsafe(answer.wait(), loop).result(10)
        return ["8.8.8.8"]

    resolving = asyncio.create_task(
        CheckedResolver(Guard(), Lookups(slow, threads), {}).resolve("x.example", 443)
    )
    await asyncio.sleep(0)
    assert not resolving.done()
    answer.set()
    assert [entry["host"] for entry in await resolving] == ["8.8.8.8"]
