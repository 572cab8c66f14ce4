"""A consumer as one writes it with Faust: a record class, one agent with many actors, commits as Faust does them."""

import os
from functools import cache
from typing import Any

import aiohttp
import faust
from faust.types import StreamT

from benchmarks.peers.common import TIMEOUT_SECONDS, Desk

desk = Desk()
app = faust.App(
    desk.group,
    broker=f"kafka://{desk.brokers}",
    store="memory://",
    datadir=os.environ["BENCH_DIRECTORY"],
    topic_allow_declare=False,
    topic_disable_leader=True,
    web_enabled=False,
)


class Event(faust.Record, serializer="json"):
    """Payment core's event; members under their wire names."""

    eventId: str  # noqa: N815
    profile: str
    partnerId: str  # noqa: N815
    outcome: str
    occurredAt: str  # noqa: N815
    notifyUrl: str  # noqa: N815
    payment: dict[str, Any]
    reason: str | None = None


payments = app.topic(desk.topic, value_type=Event)
retries = app.topic(desk.retry_topic, value_type=Event)


@cache
def session() -> aiohttp.ClientSession:
    """Return the one session of all actors, made where an event loop runs."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=desk.in_flight, ssl=desk.tls()),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )


@app.agent(payments, concurrency=desk.in_flight)
async def notify(stream: StreamT[Event]) -> None:
    """Tell the partner of each payment, or leave it to the retry topic."""
    async for event in stream:
        request = desk.request(event.asdict())
        try:
            async with session().post(
                request.url, data=request.body, headers=request.headers
            ) as answer:
                told = desk.is_told(request, answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            told = False
        if not told:
            await (await retries.send(key=request.order, value=event))
