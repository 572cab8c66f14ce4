"""The console put together: the reading that keeps the model, and the web server over it."""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client.exposition import choose_encoder

from streams.clock import Clock
from streams.kafka.connection import connection_of
from streams.kafka.format.facts import topic_kinds
from streams.kafka.reader.tail import Tail
from streams.kafka.topics import TopicNames
from streams.mapping.mapping import EventMapping
from streams.operator.console.api import Api
from streams.operator.console.ingest import Ingest, Source
from streams.operator.console.metrics import ConsoleMetrics
from streams.operator.console.pages import Pages
from streams.operator.console.protection import Handler, Protection
from streams.operator.console.read_model import ReadModel
from streams.operator.console.render import make_environment, static_response
from streams.operator.console.replay_pages import ReplayPages
from streams.operator.console.replays import Replays
from streams.operator.console.resends import Resends
from streams.operator.console.sessions import Sessions
from streams.operator.console.sign_in import SignIn
from streams.operator.console.store import ReadModelStore
from streams.operator.console.tokens import AccessTokens
from streams.operator.dead_letters.clients import ReplayClients, open_replay_clients
from streams.operator.history.assessment import Limits
from streams.operator.history.mapped_events import EventReader
from streams.settings import Settings
from streams.telemetry.server_header import hide_versions

log = logging.getLogger(__name__)

PROGRAM_VERSION = version("payment-notifier")
SERVER: Final[Mapping[str, Any]] = {"access_log": None, "auto_decompress": False}
"""How the console is served. No browser compresses a form, and what unpacks can grow."""
_STOP_SECONDS = 2.0  # for open connections; aiohttp's minute would outlive a pod's grace


@dataclass(slots=True)
class Console:
    """The role `console`. Starts with `start`, ends with `stop`.

    Attributes:
        settings: as read.
        tokens: who may come in.
        clock: for everything that has a time.
        source: opens what the records come from; Kafka unless a test says otherwise.
        replay_clients: connects what a replay works with; the same.
        mapping: of events that are not of our own form.
        port: where it listens, once started.
    """

    settings: Settings
    tokens: AccessTokens
    clock: Clock = field(default_factory=Clock)
    source: Callable[[], AbstractAsyncContextManager[Source]] | None = None
    replay_clients: Callable[[], AbstractAsyncContextManager[ReplayClients]] | None = None
    mapping: EventMapping | None = None
    port: int = field(default=0, init=False)
    read_model: ReadModel = field(init=False)
    replays: Replays = field(init=False)
    metrics: ConsoleMetrics = field(init=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        names = TopicNames(settings.topic_prefix)
        path = settings.console_database
        if path is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="console-"))
            path = Path(folder) / "console.sqlite"
        store = ReadModelStore(path, _identity(settings))
        self._stack.callback(store.close)
        if store.anew is not None and settings.console_database is not None:
            log.info("the read model at %s is made anew: %s", path, store.anew)
        ingest = Ingest(
            store=store,
            open_source=self.source or self._tail,
            kinds=topic_kinds(names, settings.source_topics),
            groups=(settings.group_id, settings.retry_group_id),
            attempts_topic=names.attempts,
            now_ms=self.clock.now_ms,
            event_of=EventReader(self.mapping),
        )
        self.read_model = ReadModel(
            store,
            ingest,
            names,
            settings.source_topics,
            Limits.of(settings),
            int(settings.console_keep * 1000),
            self.clock.now_ms,
        )
        self.replays = Replays(self.read_model, self.replay_clients or self._replay_clients)
        self.metrics = ConsoleMetrics()

    def application(self) -> web.Application:
        """Return the web application."""
        protection = Protection(
            self.tokens,
            Sessions(self.tokens, self.clock.now_seconds),
            self.settings.console_url,
        )
        pages = Pages(
            self.read_model, self.tokens, make_environment(self.clock.now_ms), PROGRAM_VERSION
        )
        app = web.Application(middlewares=[*protection.middlewares(), _faults(pages)])
        app.add_routes([*pages.routes(), *SignIn(pages, protection, self.metrics).routes()])
        app.add_routes(
            ReplayPages(pages, self.replays, Resends(self.replays), self.metrics).routes()
        )
        app.add_routes(Api(pages, self.replays).routes())
        app.add_routes(
            [
                web.get("/static/{digest}/{name}", _static),
                *([] if self.settings.console_metrics_port else [self._metrics_route()]),
                web.get("/health/live", self._live),
                web.get("/health/ready", self._ready),
            ]
        )
        return app

    async def start(self) -> None:
        """Begin to read and to listen.

        Raises:
            OSError: the address can't be had.
        """
        hide_versions()
        self.port = await self._serve(self.application(), self.settings.console_port)
        if self.settings.console_metrics_port:
            metrics = web.Application()
            metrics.add_routes([self._metrics_route()])
            await self._serve(metrics, self.settings.console_metrics_port)
        reading = asyncio.create_task(self.read_model.ingest.run())
        self._stack.push_async_callback(_end, reading)
        self._stack.push_async_callback(self.replays.close)

    async def _serve(self, application: web.Application, port: int) -> int:
        runner = web.AppRunner(application, **SERVER, shutdown_timeout=_STOP_SECONDS)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self.settings.console_bind, port).start()
        return int(runner.addresses[0][1])

    def _metrics_route(self) -> web.RouteDef:
        return web.get("/metrics", self._show_metrics)

    async def stop(self) -> None:
        """End replays in order, then listening and reading."""
        await self._stack.aclose()

    def _tail(self) -> Tail:
        settings, kinds = self.settings, self.read_model.ingest.kinds
        return Tail(
            connection_of(settings),
            f"{settings.group_id}-console",
            kinds,
            # Tiers and dead letters are read whole: what waits, and what nobody has dealt with, is never too old.
            [topic for topic, kind in kinds.items() if kind in {"attempts", "event", "replay"}],
            lambda: self.clock.now_ms() - self.read_model.keep_ms,
        )

    def _replay_clients(self) -> AbstractAsyncContextManager[ReplayClients]:
        # Bodies stay as they were, or a worker makes them: who the partners are and what keys they have is none of the console's
        # business.
        return open_replay_clients(self.settings, lambda _: None, self.clock, self.mapping)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        await asyncio.to_thread(self.metrics.refresh, self.read_model, self.tokens)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encode(self.metrics.registry), headers={"Content-Type": content_type}
        )

    async def _live(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"ok": True, "reasons": []})

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready to answer, also while it is rebuilt: the pages say how true they are. Not ready without a Kafka at all."""
        del request
        fault = self.read_model.ingest.freshness.fault
        never = fault is not None and not self.read_model.ingest.edges
        reasons = [fault] if never and fault else []
        return web.json_response(
            {"ok": not reasons, "reasons": reasons}, status=503 if reasons else 200
        )


def _identity(settings: Settings) -> str:
    # A file that was read with a shorter reach knows less than the settings say.
    kept = f"{settings.console_keep:g}s"
    return " ".join([settings.brokers, settings.topic_prefix, *settings.source_topics, kept])


async def _static(request: web.Request) -> web.Response:
    return static_response(request)


def _faults(pages: Pages) -> Middleware:
    """Return what shows a page for a fault to people, where a handler only named it."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPClientError as error:
            if request.path.startswith(("/api/", "/static/")):
                raise
            why = error.text if error.text and not error.text.startswith(f"{error.status}:") else ""
            title = (
                "There is no such page"
                if error.status == web.HTTPNotFound.status_code
                else "Not done"
            )
            return pages.show(
                request,
                "refused.html",
                error.status,
                title=title,
                why=why or "Nothing is known of what this address names.",
                back="/",
            )

    return handle


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
