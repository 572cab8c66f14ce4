"""A partner to rehearse against: HTTPS on the loopback interface, for all profiles, answering by script.

It checks the sender's signature with code of its own and answers INVALID_SIGNATURE to a wrong one, whatever the
script says. An order's script is found in this order: the URL's query (`?script=U,U,S`), the order id, the path,
shares, and S where nothing else is said.

`streams.sandbox.partner_process` runs one in a process of its own.
"""

import asyncio
import hashlib
import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random  # noqa: TID251  # the type only; the generator is passed in
from typing import Self, TextIO
from urllib.parse import quote

from aiohttp import web

from streams.clock import Clock
from streams.notification.profiles import PROFILES
from streams.sandbox.inbox import Inbox, Received
from streams.sandbox.keys import Keys
from streams.sandbox.request_checks import faults_of, order_id_of, read_json
from streams.sandbox.responder import Responder
from streams.sandbox.script import Answer, Script
from streams.sandbox.signatures import is_signed, load_private_key, load_public_key

PATHS: Mapping[str, str] = {name: profile.sample.path for name, profile in PROFILES.items()}
"""Where each profile's notifications go; any other path is answered just the same."""

# Connections reset on purpose are no news.
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


class PartnerError(Exception):
    """The partner could not be started."""


class ScriptedPartner(Inbox):
    """A partner in a thread of its own. Every method may be called from any thread.

    Args:
        keys: its own keys, and the sender's public key.
        scripts: answers by order id or path, as `U,U,S`.
        shares: answers by weight for requests without a script; needs `rng`.
        rng: where shares are drawn from.
        tls: HTTPS, or plain HTTP.
        client_certificate: whether the sender must show a certificate of the sandbox's authority.
        port: 0 picks a free one.
        record: an open file that takes one line of JSON for each request.
        show: is given each request before it is answered, in the partner's thread.
    """

    def __init__(  # noqa: PLR0913  # options, each with its default
        self,
        keys: Keys,
        *,
        scripts: Mapping[str, str] | None = None,
        shares: Mapping[str, float] | None = None,
        rng: Random | None = None,
        tls: bool = True,
        client_certificate: bool = False,
        port: int = 0,
        record: TextIO | None = None,
        show: Callable[[Received], None] | None = None,
    ) -> None:
        super().__init__()
        if shares and rng is None:
            message = "shares need a source of randomness: pass rng"
            raise ValueError(message)
        self._keys = keys
        self._private_key = load_private_key(keys.receiver.private)
        self._sender = load_public_key(keys.sender.public)
        self._scripts = {key: Script.parse(text) for key, text in (scripts or {}).items()}
        self._shares = {Answer.parse(text): weight for text, weight in (shares or {}).items()}
        self._rng = rng
        self._tls = _tls(keys, client_certificate=client_certificate) if tls else None
        self._port = port
        self._record = record
        self._show = show
        self._clock = Clock()
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._number = 0
        self._in_flight = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event
        self._release: asyncio.Event
        self._responder: Responder

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Scheme, host and port. The host is 127.0.0.1."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def notify_url(self, profile: str, script: str = "") -> str:
        """Return a profile's URL, with a script that only this URL has."""
        return notify_url(self.url, profile, script)

    def script(self, key: str, text: str) -> None:
        """Give an order id or a path a script from now on, in place of the one it has.

        Raises:
            ValueError: an answer is wrong.
        """
        self._scripts[key] = Script.parse(text)

    def release(self) -> None:
        """Answer every request on `hold`, and hold none from now on."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._release.set)

    def start(self) -> None:
        """Listen.

        Raises:
            PartnerError: the port could not be opened.
        """
        started: list[BaseException | None] = []
        ready = threading.Event()

        def run() -> None:
            asyncio.run(self._serve(started, ready))

        self._thread = threading.Thread(target=run, name="sandbox-partner", daemon=True)
        self._thread.start()
        ready.wait()
        if started[0] is not None:
            self._thread.join()
            message = f"the partner can't listen on 127.0.0.1:{self._port}: {started[0]}"
            raise PartnerError(message) from started[0]

    def stop(self) -> None:
        """Reset every connection and stop listening; a later `start` takes the same port."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()

    async def _serve(self, started: list[BaseException | None], ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._release = asyncio.Event(), asyncio.Event()
        self._responder = Responder(self._private_key, self._release, self._stop)
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=0
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port, ssl_context=self._tls, backlog=4096)
            await site.start()
        except OSError as exc:
            started.append(exc)
        else:
            self._port = runner.addresses[0][1]
            started.append(None)
        ready.set()
        if started[0] is None:
            await self._stop.wait()
        # reset, not closed in order: TLS would wait for the other side's farewell
        for connection in runner.server.connections if runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        with self._counted():
            received, answer = self._receive(request, body)
            self.add(received)
            if self._record is not None:
                self._record.write(received.to_json() + "\n")
                self._record.flush()
            if self._show is not None:
                self._show(received)
            return await self._responder.respond(request, answer)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def _receive(self, request: web.Request, body: bytes) -> tuple[Received, Answer]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        document = read_json(body)
        order_id = order_id_of(request.path, document)
        self._number += 1
        self._attempts[request.raw_path, order_id] += 1
        attempt = self._attempts[request.raw_path, order_id]
        signed = request.method == "POST" and is_signed(
            self._sender,
            headers.get("signature", ""),
            request.raw_path,
            headers.get("client-id", ""),
            headers.get("request-time", ""),
            body,
        )
        answer = (
            self._choose(request, order_id, attempt)
            if signed
            else Answer.parse("F:INVALID_SIGNATURE")
        )
        peer = request.transport.get_extra_info("peername") if request.transport else None
        received = Received(
            number=self._number,
            attempt=attempt,
            at_seconds=time.monotonic(),
            at_ms=self._clock.now_ms(),
            path=request.raw_path,
            method=request.method,
            headers=headers,
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
            order_id=order_id,
            signature_valid=signed,
            faults=tuple(faults_of(request.method, headers, document, signed=signed)),
            answer=answer.text,
            connection=f"{peer[0]}:{peer[1]}" if peer else "",
            in_flight=self._in_flight,
        )
        return received, answer

    def _choose(self, request: web.Request, order_id: str, attempt: int) -> Answer:
        if "script" in request.query:
            try:
                return Script.parse(request.query["script"]).at(attempt)
            except ValueError:
                return Answer.parse("F:PARAM_ILLEGAL")
        for key in (order_id, request.path):
            if key in self._scripts:
                return self._scripts[key].at(attempt)
        if self._shares and self._rng is not None:
            return self._rng.choices(list(self._shares), list(self._shares.values()))[0]
        return Answer.parse("S")


def notify_url(base: str, profile: str, script: str = "") -> str:
    """Return a profile's URL below a partner's, with a script that only this URL has."""
    query = f"?script={quote(script, safe=',:')}" if script else ""
    return f"{base}{PATHS[profile]}{query}"


def _tls(keys: Keys, *, client_certificate: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.server.certificate, keys.server.key)
    if client_certificate:
        context.load_verify_locations(keys.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
