"""The web port: `/metrics`, `/health/live`, `/health/ready`. Served on the worker's own loop, so that a stuck loop fails it."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streams.telemetry.health import Health
from streams.telemetry.server_header import hide_versions


class WebPort:
    """An HTTP server for probes and Prometheus.

    Args:
        registry: what `/metrics` shows.
        health: what the probes tell.
        now_seconds: the clock.
        refresh: brings gauges up to date before a scrape.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        health: Health,
        now_seconds: Callable[[], float],
        refresh: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._health = health
        self._now_seconds = now_seconds
        self._refresh = refresh
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen. Returns the port, chosen by the system where 0 was asked for.

        Raises:
            OSError: the address can't be used.
        """
        hide_versions()
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        addresses = self._runner.addresses
        return int(addresses[0][1]) if addresses else port

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        self._refresh()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _live(self, request: web.Request) -> web.Response:
        del request
        return _answer(self._health.not_live())

    async def _ready(self, request: web.Request) -> web.Response:
        del request
        return _answer(self._health.not_ready(self._now_seconds()))


def _answer(reasons: list[str]) -> web.Response:
    return web.json_response(
        {"ok": not reasons, "reasons": reasons}, status=503 if reasons else 200
    )
