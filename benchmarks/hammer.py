"""The receiver's own limit: requests made in advance, sent as fast as it answers, over keep-alive connections."""

import argparse
import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.backlog import order_of
from streams.sandbox.keys import CLIENT_ID, keys_in
from streams.sandbox.partner import notify_url
from streams.sandbox.signatures import load_private_key, sign

_CONNECTIONS = 32
_END_OF_ANSWER = b"}}"  # every answer of the receiver ends so, and holds it nowhere else
_WHEN = "2026-11-22T00:00:00+00:00"


class Sender(asyncio.Protocol):
    """One connection: sends the request again when its answer is there."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Go on."""
        if data.endswith(_END_OF_ANSWER):
            self.answers += 1
            self._transport.write(self._request)


async def hammer(base: str, directory: Path, seconds: float) -> float:
    """Return the answers a second."""
    loop = asyncio.get_running_loop()
    keys = keys_in(directory)
    parts = urlsplit(notify_url(base, "mpp-to-alipay-plus"))
    request = _request(parts.path, keys.sender.private)
    tls = ssl.create_default_context(cafile=keys.ca)
    senders: list[Sender] = []
    for _ in range(_CONNECTIONS):
        _, sender = await loop.create_connection(
            lambda: Sender(request), "127.0.0.1", parts.port or 0, ssl=tls
        )
        senders.append(sender)
    begun, before = time.monotonic(), sum(sender.answers for sender in senders)
    await asyncio.sleep(seconds)
    made = sum(sender.answers for sender in senders) - before
    return made / (time.monotonic() - begun)


def _request(path: str, private_key: Path) -> bytes:
    amount = {"currency": "USD", "value": "1250"}
    document = {
        "paymentResult": {"resultStatus": "S", "resultCode": "SUCCESS", "resultMessage": ""},
        "paymentRequestId": order_of(0).decode(),
        "paymentId": "2" * 28,
        "paymentTime": _WHEN,
        "paymentAmount": amount,
        "payToAmount": amount,
    }
    body = json.dumps(document).encode()
    head = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Client-Id: {CLIENT_ID}",
        f"Request-Time: {_WHEN}",
        f"Signature: {sign(load_private_key(private_key), path, CLIENT_ID, _WHEN, body)}",
        "Content-Type: application/json; charset=UTF-8",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def main() -> None:
    """Print the answers a second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hammer")
    parser.add_argument("--url", required=True, help="of the receiver")
    parser.add_argument("--directory", type=Path, required=True, help="of the keys")
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    rate = uvloop.run(hammer(options.url, options.directory, options.seconds))
    sys.stdout.write(f"{rate}\n")


if __name__ == "__main__":
    main()
