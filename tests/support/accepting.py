"""Closes connections that a server of asyncio accepts in the very turn of the event loop in which it is closed.

asyncio makes their transport a turn later, fails at an assertion that nobody sees (CPython's issue 109564, open), and
leaves the socket to the garbage collector. Its warning then fails whatever test is running.
"""

import socket
from asyncio.selector_events import BaseSelectorEventLoop
from typing import Any


def close_what_comes_too_late() -> None:
    """Apply it to every event loop of this process; once."""
    loops: Any = BaseSelectorEventLoop
    accept = loops._accept_connection2

    async def accept_or_close(  # noqa: PLR0913, PLR0917  # asyncio's
        self: Any,
        protocol_factory: Any,
        connection: socket.socket,
        extra: Any,
        tls: Any = None,
        server: Any = None,
        *times: Any,
    ) -> None:
        if server is not None and not server.is_serving():
            connection.close()
        else:
            await accept(self, protocol_factory, connection, extra, tls, server, *times)

    loops._accept_connection2 = accept_or_close
