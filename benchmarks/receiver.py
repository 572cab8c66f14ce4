"""Where every system's notifications go: keep-alive over TLS and over plain HTTP, signed answers, a note of each receipt.

Much faster than anything it measures: one process, a parser that knows only what the systems here send (POST with a
Content-Length), and one signature for each path, client, answer and second. What costs time is done afterwards, when
the figures are asked for: the signatures of all requests are verified then.

Commands come as lines of JSON on standard input, each is answered with one line.
"""

import argparse
import asyncio
import hashlib
import json
import re
import ssl
import sys
import threading
import time
import zlib
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvloop

from streams.clock import Clock
from streams.sandbox.keys import keys_in
from streams.sandbox.signatures import is_signed, load_private_key, load_public_key, sign

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CLIENT = re.compile(rb"\r\nclient-id: *([^\r]+)", re.IGNORECASE)
_ORDER = re.compile(rb'"paymentRequestId": ?"([^"]+)"')
_PUSH_ORDER = re.compile(rb'"paymentId": ?"([^"]+)"')
_PUSH_PATH = b"notifyPushPayment"
_ANSWERS = {
    status: json.dumps(
        {"result": {"resultCode": code, "resultStatus": status, "resultMessage": ""}}
    )
    for status, code in (("S", "SUCCESS"), ("U", "UNKNOWN_EXCEPTION"), ("F", "PROCESS_FAIL"))
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How requests are answered.

    Attributes:
        delay_seconds: how long each answer waits.
        unknown_of_1000: so many of a thousand orders are answered U the first time.
        refused_of_1000: so many are answered F every time.
    """

    delay_seconds: float = 0.0
    unknown_of_1000: int = 0
    refused_of_1000: int = 0

    def answer(self, order: bytes, attempt: int) -> str:
        """Return S, F or U for an order's attempt, from 1; the same in every run."""
        if not (self.unknown_of_1000 or self.refused_of_1000):
            return "S"
        lot = zlib.crc32(order) % 1000
        if lot < self.unknown_of_1000:
            return "U" if attempt == 1 else "S"
        return "F" if lot < self.unknown_of_1000 + self.refused_of_1000 else "S"


class Receiver:
    """What all connections share."""

    def __init__(self, directory: Path) -> None:
        keys = keys_in(directory)
        self._private = load_private_key(keys.receiver.private)
        self._sender = load_public_key(keys.sender.public)
        self._clock = Clock()
        self._second = 0
        self._signed: dict[tuple[bytes, bytes, str], bytes] = {}
        self.begin(Manner())

    def begin(self, manner: Manner) -> None:
        """Forget what came so far, and answer in this manner."""
        self.manner = manner
        self._moments = array("q")
        self._orders: list[bytes] = []
        self._statuses: list[str] = []
        self._requests: list[tuple[bytes, bytes]] = []
        self._attempts: dict[bytes, int] = {}

    def drain(self, file: Path) -> dict[str, Any]:
        """Report what came so far, and forget it but for the attempts of orders that will come again."""
        found = self.report(file)
        waiting = {
            order: attempt
            for order, attempt in self._attempts.items()
            if self.manner.answer(order, attempt) == "U"
        }
        self.begin(self.manner)
        self._attempts = waiting
        return found

    @property
    def count(self) -> int:
        """How many requests came."""
        return len(self._moments)

    @property
    def orders(self) -> int:
        """How many different orders they were about."""
        return len(self._attempts)

    def take(self, head: bytes, body: bytes) -> bytes:
        """Note a request and return its answer."""
        self._moments.append(time.monotonic_ns())
        path = head[5 : head.index(b" ", 5)]
        found = (_PUSH_ORDER if path.endswith(_PUSH_PATH) else _ORDER).search(body)
        order = found[1] if found else b"-"
        attempt = self._attempts[order] = self._attempts.get(order, 0) + 1
        status = self.manner.answer(order, attempt)
        self._orders.append(order)
        self._statuses.append(status)
        self._requests.append((head, body))
        client = _CLIENT.search(head)
        return self._answer(path, client[1] if client else b"", status)

    def _answer(self, path: bytes, client: bytes, status: str) -> bytes:
        second = self._clock.now_ms() // 1000
        if second != self._second:
            self._second = second
            self._signed.clear()
        key = path, client, status
        answer = self._signed.get(key)
        if answer is None:
            answer = self._signed[key] = self._sign(path.decode(), client.decode(), status)
        return answer

    def _sign(self, path: str, client: str, status: str) -> bytes:
        now = datetime.fromtimestamp(self._second, UTC).isoformat()
        body = _ANSWERS[status]
        signature = sign(self._private, path, client, now, body.encode())
        head = (
            "HTTP/1.1 200 OK",
            "Content-Type: application/json; charset=UTF-8",
            f"Content-Length: {len(body)}",
            f"client-id: {client}",
            f"response-time: {now}",
            f"signature: {signature}",
        )
        return "\r\n".join((*head, "", body)).encode()

    def report(self, file: Path) -> dict[str, Any]:
        """Write one line for each receipt (order id, monotonic nanoseconds, answer) and return what was found."""
        with file.open("w", encoding="ascii") as lines:
            for order, moment, status in zip(
                self._orders, self._moments, self._statuses, strict=True
            ):
                lines.write(f"{order.decode()} {moment} {status}\n")
        wrong = sum(not self._is_signed(head, body) for head, body in self._requests)
        sizes = [len(body) for _, body in self._requests]
        return {
            "receipts": self.count,
            "wrongly_signed": wrong,
            "body_bytes": round(sum(sizes) / len(sizes)) if sizes else 0,
            "bodies_sha256": hashlib.sha256(
                b"\n".join(sorted(body for _, body in self._requests))
            ).hexdigest(),
        }

    def _is_signed(self, head: bytes, body: bytes) -> bool:
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        return is_signed(
            self._sender,
            headers.get("signature", ""),
            first.split(" ")[1],
            headers.get("client-id", ""),
            headers.get("request-time", ""),
            body,
        )


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        self._receiver = receiver
        self._loop = loop
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        data = self._rest + data if self._rest else data
        while (end := data.find(_END_OF_HEAD)) >= 0:
            length = _LENGTH.search(data, 0, end)
            if length is None:
                self._transport.write(b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n\r\n")
                self._transport.close()
                return
            begin = end + len(_END_OF_HEAD)
            stop = begin + int(length[1])
            if len(data) < stop:
                break
            answer = self._receiver.take(data[:end], data[begin:stop])
            if delay := self._receiver.manner.delay_seconds:
                self._loop.call_later(delay, self._write, answer)
            else:
                self._transport.write(answer)
            data = data[stop:]
        self._rest = data

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(directory: Path) -> None:
    loop = asyncio.get_running_loop()
    receiver = Receiver(directory)
    keys = keys_in(directory)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(keys.server.certificate, keys.server.key)
    servers = [
        await loop.create_server(
            lambda: Connection(receiver, loop), "127.0.0.1", 0, ssl=context, backlog=4096
        )
        for context in (tls, None)
    ]
    port, plain_port = (server.sockets[0].getsockname()[1] for server in servers)
    _say({"port": port, "plain_port": plain_port})
    ended = asyncio.Event()

    def obey() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(_obey, receiver, json.loads(line))
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=obey, daemon=True).start()
    await ended.wait()


def _obey(receiver: Receiver, command: dict[str, Any]) -> None:
    match command:
        case {"begin": manner}:
            receiver.begin(Manner(**manner))
            _say({})
        case {"report": file}:
            _say(receiver.report(Path(file)))
        case {"drain": file}:
            _say(receiver.drain(Path(file)))
        case _:
            _say({"count": receiver.count, "orders": receiver.orders})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until standard input ends; the first line of output names the ports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receiver")
    parser.add_argument("--directory", type=Path, required=True, help="of the keys")
    uvloop.run(_serve(parser.parse_args().directory))


if __name__ == "__main__":
    main()
