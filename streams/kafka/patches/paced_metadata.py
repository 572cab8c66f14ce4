"""Waits a moment before the brokers are asked the same again about topics and their leaders.

Upstream: none filed known in aiokafka, whose issue 1155 is the like of it for fetches; librdkafka had it (issue 28), and the Java
client waits `retry.backoff.ms`.

Why: where a partition has no leader, or is there no more, aiokafka asks who leads as soon as it has heard that nobody does:
hundreds of times a second for as long as it lasts, from each consumer and producer. That is when the brokers have
least to spare, and the loop that asks is the one that calls partners.

Remove when: aiokafka waits `retry_backoff_ms` between two requests for metadata of the same topics.
"""

import asyncio
from typing import Any, Final

from aiokafka.client import AIOKafkaClient

REPLACES: Final = ("aiokafka.client.AIOKafkaClient._metadata_update",)

_PAUSE_SECONDS: Final = 0.1
"""The Java client's `retry.backoff.ms`."""

_ask = AIOKafkaClient._metadata_update  # noqa: SLF001  # aiokafka has no public word for it


async def _ask_paced(self: Any, cluster: Any, topics: Any) -> Any:  # noqa: ANN401  # aiokafka ships no types
    if cluster is not self.cluster:  # somebody looks at all topics once
        return await _ask(self, cluster, topics)
    loop, asked = asyncio.get_running_loop(), frozenset(topics)
    before, again_at = getattr(self, "_asked_before", (None, 0.0))
    if asked == before:
        await asyncio.sleep(again_at - loop.time())
    try:
        return await _ask(self, cluster, topics)
    finally:
        self._asked_before = asked, loop.time() + _PAUSE_SECONDS


def apply() -> None:
    """Let every client of this process wait. Calling it again does no harm."""
    AIOKafkaClient._metadata_update = _ask_paced  # noqa: SLF001  # aiokafka has no public word for it
