"""The partners of the world: they read requests off the wire, keep what they got, and answer as their scripts say."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from streams.sandbox.inbox import Received
from streams.sandbox.keys import CLIENT_ID
from streams.sandbox.script import Answer, Script
from streams.webhook.signing import string_to_sign
from tests.simulation.loop import Process
from tests.simulation.network import Link, Network

PORTS: Final = range(8001, 8010)
DRIP: Final = "drip"
_SLOWEST_SECONDS: Final = 0.4


def cheap_sign(key: Any, signed: bytes) -> str:
    """Sign without RSA: one signature would cost more than a record's whole way."""
    return f"algorithm=RSA256,keyVersion={key.version},signature={_digest(signed)}"


def cheap_verify(header: str, signed: bytes, _keys: Any) -> bool:
    """Tell whether a header is what `cheap_sign` writes."""
    return header.rpartition("signature=")[2] == _digest(signed)


def _digest(signed: bytes) -> str:
    return hashlib.blake2b(signed, digest_size=16).hexdigest()


class Partners:
    """Everybody whom the notifier calls.

    Args:
        network: the world's.
        process: whose name their work has.
        say: told what happens.

    Attributes:
        requests: all that came, in the order of their arrival.
        scripts: by order id.
        misdeeds: what is answered next, to whomever, in place of what a script says.
    """

    def __init__(
        self,
        network: Network,
        process: Process,
        say: Callable[[str], None],
    ) -> None:
        self.network, self.process, self.say = network, process, say
        self.requests: list[Received] = []
        self.scripts: dict[str, Script] = {}
        self.misdeeds: list[tuple[str, Callable[[], None]]] = []
        self.under_way = 0
        self.on_call: Callable[[Process], None] = lambda _: None
        self._calls: dict[str, int] = {}
        for port in PORTS:
            network.listen(("127.0.0.1", port), process, lambda link: _Served(self, link))

    def mend(self, order: str) -> None:
        """Take an order from now on."""
        self.scripts[order] = Script.parse("S")

    def take(self, link: Link, path: str, headers: dict[str, str], body: bytes) -> str:
        """Keep a request; return how it is answered."""
        loop = self.network.loop
        order = next((order for order in self.scripts if order.encode() in body), "")
        moment, client = headers.get("request-time", ""), headers.get("client-id", "")
        signed = string_to_sign(path, client, moment, body)
        number = self._calls.get(order, 0)
        self._calls[order] = number + 1
        script = self.scripts.get(order)
        answer = script.at(number + 1).text if script else "S"
        if self.misdeeds:
            answer, happened = self.misdeeds.pop(0)
            happened()
        now = loop.now
        self.requests.append(
            Received(
                len(self.requests) + 1, number + 1, now, int(now * 1000), path, headers, body,
                hashlib.sha256(body).hexdigest(), order,
                cheap_verify(headers.get("signature", ""), signed, None),
                () if client == CLIENT_ID else ("Client-Id",), answer, "", 1,
            )
        )  # fmt: skip
        self.say(f"{link.client.name} calls about {order}: {answer}")
        self.on_call(link.client)
        return answer


class _Served:
    """One connection from a worker."""

    def __init__(self, partners: Partners, link: Link) -> None:
        self.partners, self.link = partners, link
        self._buffer = b""
        self._gone = False

    def received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        start, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        length = int(headers["content-length"])
        if len(rest) < length:
            return
        body, self._buffer = rest[:length], rest[length:]
        path = start.split(" ")[1]
        text = self.partners.take(self.link, path, headers, body)
        loop = self.partners.network.loop
        context = self.partners.network.context_of(self.partners.process)
        seconds = loop.rng.random() * _SLOWEST_SECONDS
        if text.startswith("slow:"):
            seconds = float(text[5:])
        loop.call_later(seconds, self._answer, text, path, context=context)

    def _answer(self, text: str, path: str) -> None:
        if self._gone:
            return
        if text == DRIP:
            self._drip(self._signed("S", "SUCCESS", path, "right"))
            return
        answer = Answer.parse(text)
        match answer.kind:
            case "never" | "hold":
                return
            case "refuse":
                self.link.break_off(ConnectionResetError(104, "reset"))
            case "drop":
                self.link.answer(self._signed("S", "SUCCESS", path, "right")[:40])
                self.link.break_off(ConnectionResetError(104, "reset"))
            case "garbage":
                self.link.answer(_response(200, b"<html>", {}))
            case "http":
                self.link.answer(_response(int(answer.number), b"", {}))
            case "retry-after":
                more = {"Retry-After": f"{answer.number:g}"}
                self.link.answer(_response(503, b"", more))
            case _:
                self.link.answer(self._signed(answer.status, answer.code, path, answer.signature))

    def _signed(self, status: str, code: str, path: str, signature: str) -> bytes:
        body = json.dumps(
            {"result": {"resultCode": code, "resultStatus": status, "resultMessage": "x"}}
        ).encode()
        more = {"Client-Id": CLIENT_ID, "Response-Time": "2026-11-22T10:15:30Z"}
        if signature != "none":
            over = body if signature == "right" else b"another"
            signed = string_to_sign(path, CLIENT_ID, more["Response-Time"], over)
            more["Signature"] = f"algorithm=RSA256,keyVersion=1,signature={_digest(signed)}"
        return _response(200, body, more)

    def _drip(self, wire: bytes) -> None:
        if not self._gone and wire:
            self.link.answer(wire[:8])
            loop = self.partners.network.loop
            context = self.partners.network.context_of(self.partners.process)
            loop.call_later(1.0, self._drip, wire[8:], context=context)

    def lost(self) -> None:
        self._gone = True


def _response(status: int, body: bytes, more: dict[str, str]) -> bytes:
    headers = {"Content-Length": str(len(body)), "Content-Type": "application/json"} | more
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} x\r\n{lines}\r\n".encode() + body
