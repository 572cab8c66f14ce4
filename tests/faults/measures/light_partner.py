"""A partner that costs little: plain HTTP, many addresses, answers at once or never, and notes what came when.

For measuring, where the rehearsal partner's own work (TLS, checking every signature) would be measured too. Runs as a
process of its own and does what its standard input says, one command a line: `hang HOST…`, `flood HOST…`, `dump`.
"""

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import uvloop

from tests.faults.measures.floods import FLOODS

_BODY = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"ok"}}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)
_HEAD_ENDS = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
_HOST = re.compile(rb"(?i)\r\nhost: *([0-9.]+)")
_ORDER = re.compile(rb'"paymentRequestId": *"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Receipt:
    """A request: the order it was about, the address it came to, and when, on the machine's monotonic clock."""

    order_id: str
    host: str
    at: float


class LightPartner:
    """The process, from outside.

    Args:
        hosts: how many addresses it has, from 127.0.0.1 on.
        gives_way: its process gets the processor only when nobody else wants it.
    """

    def __init__(self, hosts: int = 1, *, gives_way: bool = False) -> None:
        self.hosts = [f"127.0.{number // 250}.{1 + number % 250}" for number in range(hosts)]
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self._gives_way = gives_way

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", "tests.faults.measures.light_partner", *self.hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_give_way if self._gives_way else None,  # noqa: PLW1509  # before any thread is there
        )
        self._port = int(self._line())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def url(self, host: str) -> str:
        """Return the notify URL at an address."""
        return f"http://{host}:{self._port}/notify"

    def notify_url(self, _profile: str, _script: str = "") -> str:
        """Return the notify URL at the first address."""
        return self.url(self.hosts[0])

    def hang(self, hosts: Iterable[str]) -> None:
        """Answer nothing at these addresses from now on, at all others at once."""
        self._say(" ".join(["hang", *hosts]))
        assert self._line() == "done\n"

    def flood(self, hosts: Iterable[str]) -> None:
        """Answer with floods at these addresses from now on, at all others at once."""
        self._say(" ".join(["flood", *hosts]))
        assert self._line() == "done\n"

    def receipts(self) -> list[Receipt]:
        """Return everything that has come since the last time."""
        self._say("dump")
        return [Receipt(*entry) for entry in json.loads(self._line())]

    def _say(self, command: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 19)


class _Connection(asyncio.Protocol):
    hanging: frozenset[str] = frozenset()
    flooding: frozenset[str] = frozenset()
    floods: Mapping[str, Iterator[Callable[[], Iterator[bytes]]]]
    came: list[tuple[str, str, float]]

    def __init__(self) -> None:
        self._buffer = b""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._flood: asyncio.Task[None] | None = None

    def connection_made(self, transport) -> None:
        self._transport = transport

    def connection_lost(self, _exc) -> None:
        if self._flood is not None:
            self._flood.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(_HEAD_ENDS)) >= 0:
            head = self._buffer[: end + 2]
            length = int(match[1]) if (match := _LENGTH.search(head)) else 0
            total = end + len(_HEAD_ENDS) + length
            if len(self._buffer) < total:
                return
            body, self._buffer = self._buffer[end:total], self._buffer[total:]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        host, order = _HOST.search(head), _ORDER.search(body)
        name = host[1].decode() if host else ""
        self.came.append((order[1].decode() if order else "", name, time.monotonic()))
        if name in self.flooding:
            self._flood = asyncio.create_task(self._pour(next(self.floods[name])()))
        elif name not in self.hanging:
            self._transport.write(_ANSWER)

    async def _pour(self, pieces: Iterator[bytes]) -> None:
        """Send piece by piece, as fast as they are taken."""
        for piece in pieces:
            self._transport.write(piece)
            await self._may_write.wait()
            await asyncio.sleep(0)  # a piece each turn, so that they are not put together


async def _serve(hosts: list[str]) -> None:
    loop = asyncio.get_running_loop()
    _Connection.came = []
    _Connection.floods = {
        host: itertools.cycle(kinds)
        for host, kinds in zip(hosts, itertools.cycle(FLOODS), strict=False)
    }
    port, servers = 0, []
    for host in hosts:
        server = await loop.create_server(_Connection, host, port, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        servers.append(server)
    print(port, flush=True)  # noqa: T201  # to the process that asked
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *arguments = line.split()
        if command in {"hang", "flood"}:
            setattr(_Connection, f"{command}ing", frozenset(arguments))
            print("done", flush=True)  # noqa: T201
        else:
            came, _Connection.came = _Connection.came, []
            print(json.dumps(came), flush=True)  # noqa: T201


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1:]))
