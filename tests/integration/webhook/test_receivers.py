"""The receivers of these tests leave no connection open, whenever one comes; it would fail another test later."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Callable

import pytest


class SteppedLoop(asyncio.SelectorEventLoop):
    """Does something before a given turn.

    Attributes:
        turns: how many have begun.
        at: before which of them.
        what: what is done.
    """

    turns, at = 0, 0
    what: Callable[[], None] | None = None

    def _run_once(self):
        self.turns += 1
        if self.turns == self.at and self.what is not None:
            self.what()
        super()._run_once()  # type: ignore[misc]  # asyncio's own, of each turn


def left_open(receive, at):
    """Let a connection come before a turn of a receiver's life; return how many turns that has, and what was left open."""
    loop, ours = SteppedLoop(), []
    loop.at = at
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)

        def connect_to(port):
            def connect():
                client = socket.socket()
                ours.append(client)
                client.connect_ex(("127.0.0.1", port))

            loop.what = connect

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(receive(connect_to))
        for client in ours:
            client.close()
        gc.collect()
    return loop.turns, [str(warning.message) for warning in caught]


async def bare(connect_to):
    """A server of asyncio, as many tests start one."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    connect_to(server.sockets[0].getsockname()[1])
    for _ in range(4):
        await asyncio.sleep(0)
    server.close()
    await server.wait_closed()


@pytest.fixture
def serving(raw_server):
    async def serving(connect_to):
        async with raw_server(tls=None) as server:
            connect_to(server.port)
            for _ in range(4):
                await asyncio.sleep(0)

    return serving


@pytest.mark.parametrize("which", ["bare", "serving"])
def test_a_connection_that_comes_at_any_turn_is_closed(serving, which):
    """Also one that is accepted in the turn in which the server is closed, which asyncio forgets."""
    receive, at, turns, came = {"bare": bare, "serving": serving}[which], 0, 1, {}
    while at <= turns:
        at += 1
        turns, came[at] = left_open(receive, at)
    assert len(came) > 8
    assert {at: left for at, left in came.items() if left} == {}
