"""A wire to the partner that breaks in the ways wires and partners do, at any moment, under open connections too."""

import asyncio
import os
from contextlib import suppress
from typing import Self

CHUNK = 65_536


class Wire:
    """Forwards connections to a partner, well or badly.

    Args:
        port: the partner's, on 127.0.0.1.

    Attributes:
        url: of this end.
    """

    MODES = ("well", "refuse", "hang", "drop", "garbage", "slow")
    """How it behaves.

    `refuse`: connections are reset, none is taken. `hang`: connections are taken and nothing moves. `drop`: answers
    are cut in their middle. `garbage`: answers are random bytes. `slow`: answers come at one byte a second.
    """

    def __init__(self, port: int) -> None:
        self._partner_port = port
        self._mode = "well"
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"https://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def behave(self, mode: str) -> None:
        """Behave so from now on."""
        assert mode in self.MODES
        before, self._mode = self._mode, mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode == "refuse":
            await self._close()
        elif before == "refuse":
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._connections):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections.add(writer)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._forward(reader, writer)
        finally:
            self._connections.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._partner_port)
        ways = [
            asyncio.ensure_future(self._requests(reader, back)),
            asyncio.ensure_future(self._answers(there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._unless_hanging()
            back.write(data)
            await back.drain()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(CHUNK):
            await self._unless_hanging()
            match self._mode:
                case "drop":
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    return
                case "garbage":
                    writer.write(os.urandom(len(data)))
                    await writer.drain()
                    return
                case _:
                    data = await self._slowly(data, writer)
                    writer.write(data)
                    await writer.drain()

    async def _unless_hanging(self) -> None:
        while self._mode == "hang":
            await self._changed.wait()

    async def _slowly(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        while self._mode == "slow" and data:
            writer.write(data[:1])
            data = data[1:]
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1)
        return data
