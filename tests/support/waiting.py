"""Waiting for a condition, with a limit, and with words for the case that it never comes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TIMEOUT_SECONDS = 180.0
"""How long a test waits for what must come: no measure of speed, only an end for what never comes.

On a machine that does much else at the same time everything takes many times as long, and is right all the same.
"""


async def eventually(
    look: Callable[[], Awaitable[T]],
    timeout_seconds: float = TIMEOUT_SECONDS,
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


def change_of_status(path: Path, change: Callable[[], object]) -> None:
    """Make a change to a file that its time of change shows; that time moves in steps of some milliseconds."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        change()
