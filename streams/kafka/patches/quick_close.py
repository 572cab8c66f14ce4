"""Ends a client's connections without waiting long for the brokers.

Upstream: none filed known.

Why: over TLS both sides end a connection, and uvloop waits 30 s for the broker's part. A worker that stops would be killed
before it has ended.

Remove when: aiokafka closes connections within a time of its own, or without waiting for their end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from aiokafka.client import AIOKafkaClient

REPLACES: Final = ("aiokafka.client.AIOKafkaClient.close",)

_CLOSE_SECONDS: Final = 1.0


async def _close_soon(close: Callable[[], Awaitable[None]]) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(close(), _CLOSE_SECONDS)


def close_quickly(client: AIOKafkaClient) -> None:
    """Let a client that is about to be closed wait only shortly for the end of its connections."""
    client.close = partial(_close_soon, client.close)
