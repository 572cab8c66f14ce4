"""The web port, over a real socket."""

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from streams.telemetry.health import Health
from streams.telemetry.web import WebPort


class Scene:
    def __init__(self):
        self.registry, self.health, self.refreshed = CollectorRegistry(), Health(), 0
        self.gauge = Gauge("g", "A gauge.", registry=self.registry)
        self.port = 0
        self.web = WebPort(self.registry, self.health, lambda: 1000.0, self.refresh)

    def refresh(self):
        self.refreshed += 1
        self.gauge.set(self.refreshed)


@pytest.fixture
async def client(scene):
    async with aiohttp.ClientSession(f"http://127.0.0.1:{scene.port}") as made:
        yield made


@pytest.fixture
async def scene():
    made = Scene()
    made.port = await made.web.start("127.0.0.1", 0)
    assert made.port > 0
    yield made
    await made.web.stop()


async def test_health(scene, client):
    """200 and 503, with the reasons."""
    for path in ("/health/live", "/health/ready"):
        async with client.get(path) as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True, "reasons": []})
    scene.health.stopping = True
    async with client.get("/health/live") as answer:
        assert answer.status == 200
    async with client.get("/health/ready") as answer:
        assert (answer.status, await answer.json()) == (503, {"ok": False, "reasons": ["stopping"]})
    scene.health.crashed = "broken"
    async with client.get("/health/live") as answer:
        assert (answer.status, await answer.json()) == (503, {"ok": False, "reasons": ["broken"]})


async def test_metrics_are_brought_up_to_date_before_each_scrape(client):
    """In the form that Prometheus asks for."""
    async with client.get("/metrics") as answer:
        assert "g 1.0" in await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with client.get("/metrics", headers=accept) as answer:
        text = await answer.text()
        assert "g 2.0" in text
        assert text.endswith("# EOF\n")
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")


async def test_nothing_else_is_served(client):
    """No tables, no router, no index."""
    for path in ("/", "/metrics/", "/health", "/stats"):
        async with client.get(path) as answer:
            assert answer.status == 404


async def test_an_address_that_is_taken_is_an_error_of_the_start(scene):
    """Not a worker without a web port."""
    other = WebPort(scene.registry, scene.health, lambda: 0.0, lambda: None)
    try:
        with pytest.raises(OSError, match="address already in use"):
            await other.start("127.0.0.1", scene.port)
    finally:
        await other.stop()


async def test_stopping_what_was_never_started():
    """A worker that fails early still stops."""
    await WebPort(CollectorRegistry(), Health(), lambda: 0.0, lambda: None).stop()
