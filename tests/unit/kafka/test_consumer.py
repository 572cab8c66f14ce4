"""What our consumer makes good about aiokafka, where no broker is needed to show it."""

import asyncio
from types import SimpleNamespace

from faust.transport import consumer as base

from streams.kafka.consumer.consumer import Consumer


class Stopping:
    """Stops as aiokafka's does when a fetch has just failed: with the cancellation of that fetch."""

    closed = False

    def __init__(self):
        self._client = self
        heartbeats = asyncio.get_running_loop().create_future()
        self._coordinator = SimpleNamespace(_heartbeat_task=heartbeats)

    async def stop(self):
        fetch = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        fetch.cancel()
        await fetch

    async def close(self):
        self.closed = True


async def test_a_fetch_that_fails_while_the_consumer_stops(monkeypatch):
    """The consumer ended with the cancellation, and the worker ran until it was killed."""

    async def committed(_):
        pass

    monkeypatch.setattr(base.Consumer, "on_stop", committed)
    consumer = Consumer.__new__(Consumer)
    consumer._kafka = Stopping()
    await consumer.on_stop()
    assert consumer._kafka.closed
    assert consumer._kafka._coordinator._heartbeat_task.cancelled()
