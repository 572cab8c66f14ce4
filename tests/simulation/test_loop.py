import asyncio
import gc
import sys

import pytest

from tests.simulation.loop import Process, Stuck, WorldLoop, without_last_words
from tests.simulation.network import Network


@pytest.fixture
def loop():
    """A loop of its own for each test."""
    with without_last_words():
        made = WorldLoop("test")
        yield made
        made.end()
        del made


def test_time_passes_at_once_and_timers_are_never_early(loop):
    """An hour costs nothing; what fires early in no world could hide a retry that comes early."""

    async def sleep():
        begun = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - begun

    assert 3600 <= loop.run_until_complete(sleep()) < 3601


def test_a_process_keeps_the_order_that_asyncio_promises(loop):
    """Callbacks run in the order in which they were scheduled; only processes and messages are drawn."""
    first, second = Process("first"), Process("second")
    seen: list[tuple[str, int]] = []
    for number in range(20):
        for process in (first, second):
            loop.call_soon(seen.append, (process.name, number), context=process.context())
    loop.run_until_complete(asyncio.sleep(1))
    for name in ("first", "second"):
        assert [number for who, number in seen if who == name] == list(range(20))


def test_what_died_does_nothing_more(loop):
    """Not even its `finally`: a machine without power runs none."""
    process, seen = Process("victim"), list[str]()

    async def work():
        try:
            await asyncio.sleep(5)
        finally:
            seen.append("finally")

    context = process.context()
    context.run(loop.create_task, work())
    loop.call_later(1, loop.kill, process)
    loop.run_until_complete(asyncio.sleep(10))
    assert seen == []


def _end_a_world(kept: list[asyncio.Task[None]]) -> None:
    """Leave tasks of it: one in the midst of something, and one that never took a step."""
    loop, process = WorldLoop("test"), Process("victim")

    async def work():
        await asyncio.sleep(5)

    def crash():
        kept.append(loop.create_task(work()))
        loop.kill(process)

    context = process.context()
    kept.append(loop.create_task(work(), context=context))
    loop.call_later(1, crash, context=context)
    loop.run_until_complete(asyncio.sleep(2))
    loop.end()


def test_a_world_that_has_ended_says_nothing_later(monkeypatch):
    """A task may outlive its world, in the traceback of a log record: another test would fail for it."""
    kept: list[asyncio.Task[None]] = []
    said: list[object] = []
    with without_last_words():
        _end_a_world(kept)
    assert len(kept) == 2
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    kept.clear()
    gc.collect()
    assert not said


def test_a_world_in_which_nothing_can_happen_says_so(loop):
    """It would stand still for ever."""
    with pytest.raises(Stuck):
        loop.run_until_complete(loop.create_future())


def test_messages_of_a_connection_arrive_in_their_order(loop):
    """TCP promises that; when they arrive is drawn."""
    network, server, client = Network(loop), Process("server"), Process("client")
    got: list[bytes] = []

    class Behind:
        def received(self, data):
            got.append(data)

        def lost(self):
            got.append(b"end")

    network.listen(("there", 1), server, lambda _: Behind())

    async def talk():
        link, _ = await loop.create_connection(asyncio.Protocol, "there", 1)
        for number in range(50):
            link.write(b"%d" % number)
        link.close()

    loop.run_until_complete(loop.create_task(talk(), context=client.context()))
    loop.run_until_complete(asyncio.sleep(5))
    assert got == [*(b"%d" % number for number in range(50)), b"end"]
