"""Makes a consumer's fetches with a pause between them.

Upstream: none filed known. `fetch_min_bytes` is the nearest thing that aiokafka has, and waits for each answer instead.

Why: before each fetch aiokafka looks through every partition of the group, and the broker through those of the session, or
of the fetch where it keeps no sessions. To fetch single records from many partitions costs more than all the rest that is
done with them.

Remove when: a fetch costs what it brings and not what it might bring, or a group reads few partitions.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

REPLACES: Final = ("aiokafka.consumer.fetcher.Fetcher._proc_fetch_request",)


class PacedFetches:
    """Makes fetches with a pause between them, for each broker.

    Args:
        fetch: makes one, as aiokafka's fetcher does.
        seconds: from one to the next, at least.
    """

    def __init__(self, fetch: Callable[[Any, int, Any], Awaitable[bool]], seconds: float) -> None:
        self._fetch, self._seconds = fetch, seconds
        self._next: dict[int, float] = {}

    async def __call__(self, assignment: Any, node_id: int, request: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        """Make one when its time has come. Returns whether records came."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(max(self._next.get(node_id, 0.0) - loop.time(), 0.0))
        except asyncio.CancelledError:
            return False  # what aiokafka's says when it is cancelled
        self._next[node_id] = loop.time() + self._seconds
        return await self._fetch(assignment, node_id, request)


def pace_fetches(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Let so much time pass between two fetches of a consumer that was started, from each broker."""
    fetcher = consumer._fetcher  # noqa: SLF001  # aiokafka has no public word for it
    fetcher._proc_fetch_request = PacedFetches(fetcher._proc_fetch_request, seconds)  # noqa: SLF001
