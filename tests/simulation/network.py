"""The network between the processes: connections in order, each message on its way for a time of its own."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from tests.simulation.loop import Process, WorldLoop, current_process

_SHORTEST, _SPREAD = 0.0002, 0.003
_APART: Final = 1e-6
_SELDOM: Final = 0.02
"""How many of the messages take ten times as long."""


class Server(Protocol):
    """One side of a connection, at whom it was made to."""

    def received(self, data: bytes) -> None:
        """Take what has come."""

    def lost(self) -> None:
        """Note that the connection has ended."""


class Link(asyncio.Transport):
    """A connection, as its client has it.

    Args:
        network: that carries it.
        client: the process that made it.
        server: the process that it was made to.
    """

    def __init__(self, network: "Network", client: Process, server: Process) -> None:
        super().__init__()
        self.network, self.client, self.server = network, client, server
        self._protocol: Any = None
        self.behind: Server | None = None
        self.closed = False
        self._up_at = self._down_at = 0.0

    # --- the client's side ------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        if not self.closed and self.behind is not None:
            self._up_at = self.network.arrival(self._up_at, self.client, self.server)
            self._at(self._up_at, self.server, self._to_server, bytes(data))

    def _to_server(self, data: bytes) -> None:
        if self.behind is not None:
            self.behind.received(data)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.network.links.pop(self, None)
        self._up_at = self.network.arrival(self._up_at, self.client, self.server)
        self._at(self._up_at, self.server, self._end_server)
        self._at(self.network.loop.time(), self.client, self._protocol.connection_lost, None)

    def _end_server(self) -> None:
        if self.behind is not None:
            behind, self.behind = self.behind, None
            behind.lost()

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: Any, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 2)}.get(name, default)

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def is_reading(self) -> bool:
        return not self.closed

    def pause_reading(self) -> None:
        """Read on: nobody sends so much."""

    def resume_reading(self) -> None:
        """Read on."""

    def get_write_buffer_size(self) -> int:
        return 0

    # --- the server's side ------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Send to the client."""
        if not self.closed:
            self._down_at = self.network.arrival(self._down_at, self.server, self.client)
            self._at(self._down_at, self.client, self._to_client, data)

    def _to_client(self, data: bytes) -> None:
        if not self.closed:
            self._protocol.data_received(data)

    def break_off(self, error: Exception | None = None) -> None:
        """End it from the server's side, or in between."""
        self.behind = None
        self._down_at = self.network.arrival(self._down_at, self.server, self.client)
        self._at(self._down_at, self.client, self._end_client, error)

    def _end_client(self, error: Exception | None) -> None:
        if self.closed:
            return
        self.closed = True
        self.network.links.pop(self, None)
        if error is None:
            self._protocol.eof_received()
        self._protocol.connection_lost(error)

    def _at(self, when: float, process: Process, callback: Callable[..., Any], *args: Any) -> None:
        context = self.network.context_of(process)
        self.network.loop.exactly_at(when, callback, *args, context=context)


class Network:
    """All connections.

    Args:
        loop: that carries them.
    """

    def __init__(self, loop: WorldLoop) -> None:
        self.loop = loop
        loop.connect = self.connect
        self.links: dict[Link, None] = {}
        self.cut_until: dict[Process, float] = {}
        self._listeners: dict[tuple[str, int], tuple[Process, Callable[[Link], Server | None]]] = {}
        self._contexts: dict[Process, Any] = {}

    def context_of(self, process: Process) -> Any:
        """Return a context of a process, the same each time."""
        context = self._contexts.get(process)
        if context is None:
            context = self._contexts[process] = process.context()
        return context

    def listen(
        self, address: tuple[str, int], process: Process, accept: Callable[[Link], Server | None]
    ) -> None:
        """Accept connections to an address; who is given None is refused."""
        self._listeners[address] = (process, accept)

    def arrival(self, earliest: float, sender: Process, receiver: Process) -> float:
        """Draw when a message arrives that is sent now, behind those that were sent before."""
        rng = self.loop.rng
        takes = _SHORTEST + rng.random() * _SPREAD
        if rng.random() < _SELDOM:
            takes *= 10
        moment = self.loop.now + takes
        for process in (sender, receiver):
            moment = max(moment, self.cut_until.get(process, 0.0) + takes)
        return max(moment, earliest + _APART)

    async def connect(self, factory: Callable[[], Any], address: tuple[str, int]) -> Any:
        """Make a connection, as a loop's `create_connection` does."""
        client = current_process()
        assert client is not None
        if address not in self._listeners:
            raise ConnectionRefusedError(111, f"nobody listens on {address}")
        server, accept = self._listeners[address]
        when = self.arrival(self.loop.now, client, server)
        await asyncio.sleep(when - self.loop.now)
        link = Link(self, client, server)
        behind = accept(link)
        if behind is None:
            raise ConnectionRefusedError(111, f"{address} does not accept")
        link.behind = behind
        self.links[link] = None
        protocol = factory()
        link.set_protocol(protocol)
        protocol.connection_made(link)
        return link, protocol

    def drop(self, client: Process) -> None:
        """End the connections of a client that died: what was sent arrives, and then the end."""
        for link in [link for link in self.links if link.client is client]:
            link.closed = True
            self.links.pop(link, None)
            when = self.arrival(link._up_at, client, link.server)
            link._at(when, link.server, link._end_server)

    def break_links(self, where: Callable[[Link], bool]) -> None:
        """Break connections off, without a word to the servers."""
        for link in [link for link in self.links if where(link)]:
            link.break_off(ConnectionResetError(104, "reset"))
