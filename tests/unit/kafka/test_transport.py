"""What the transport makes good about aiokafka, where no broker is needed to show it."""

import asyncio

from streams.kafka.transport import ConsumerThread


class Consumer:
    """Stops as aiokafka's does when a fetch has just failed: with the cancellation of that fetch."""

    closed = False

    def __init__(self):
        self._client = self

    async def stop(self):
        fetch = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        fetch.cancel()
        await fetch

    async def close(self):
        self.closed = True


async def test_a_fetch_that_fails_while_the_consumer_stops():
    """The thread ended with the cancellation, and the worker ran until it was killed."""
    thread = ConsumerThread.__new__(ConsumerThread)
    thread._consumer = Consumer()
    await thread.on_thread_stop()
    assert thread._consumer.closed
