"""Waiting for a condition, with a limit, and with words for the case that it never comes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    look: Callable[[], Awaitable[T]],
    timeout_seconds: float = 30,
    *,
    what: str = "the condition",
    every_seconds: float = 0.05,
) -> T:
    """Look again and again until something true is seen, and return it.

    For what tells nobody when it changes: a topic's end, a group's offsets, a web page.

    Raises:
        TimeoutError: it did not come to that; the message says what was seen last.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        seen = await look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            message = f"waited {timeout_seconds:g} s for {what}; seen last: {seen!r}"
            raise TimeoutError(message)
        await asyncio.sleep(every_seconds)
