"""What the applications of one process share, in the order in which it is started and stopped."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.kafka.producer import RecordProducer
from streams.telemetry.web import WebPort
from streams.webhook.https import WebhookClient

if TYPE_CHECKING:  # OpenTelemetry comes with an extra
    from streams.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

_YOUNG_OBJECTS = 10_000
"""New objects from one collection of garbage to the next. A record has some fifty, and hundreds are in flight: at the
interpreter's 700 each was looked at several times while it lived. A collection of so many takes 3 ms."""


@dataclass(slots=True)
class SharedServices:
    """Starts and stops what is shared.

    Attributes:
        web: the port for /metrics and /health.
        web_address: host and port that it listens on.
        before_start: waits for the brokers and checks them, before anything is consumed.
        producer: of every record that is written.
        caller: the client that calls partners.
        loops: what runs beside the records, see `background.py`.
        tracing: spans, where they are made.
        threads: pools that the caller signs and looks up names with.
    """

    web: WebPort
    web_address: tuple[str, int]
    before_start: Callable[[], Awaitable[None]]
    producer: RecordProducer
    caller: WebhookClient
    loops: Sequence[Callable[[], Coroutine[Any, Any, None]]]
    tracing: "Tracing | None"
    threads: Sequence[Executor]
    _tasks: list[asyncio.Task[None]] = field(init=False, default_factory=list)

    async def start(self) -> None:
        """Start it, the web port first: `/health/ready` says why the worker waits for Kafka."""
        # What exists now stays: a full collection that traversed it would block the event loop for 0.1 s. Nothing of it
        # is looked through for what could be freed: that is 1 MB, and takes as long.
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS)
        gc.enable()
        host, port = self.web_address
        log.info(
            "listening on %s:%s for /metrics and /health", host, await self.web.start(host, port)
        )
        await self.before_start()
        await self.producer.start()
        gc.freeze()  # the connections, too
        self._tasks = [asyncio.create_task(loop()) for loop in self.loops]

    async def stop(self) -> None:
        """Stop it; also what was started in part."""
        for task in self._tasks:
            task.cancel()
        await self.caller.aclose()
        await self.producer.stop()
        await self.web.stop()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.stop)
        for threads in self.threads:
            threads.shutdown(wait=False)
