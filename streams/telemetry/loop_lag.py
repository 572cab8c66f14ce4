"""The lag of the worker's event loop, which delays due times, probes and heartbeats alike."""

import asyncio
from collections.abc import Callable
from typing import NoReturn

_EVERY_SECONDS = 1.0


async def watch_loop(observe: Callable[[float], object]) -> NoReturn:
    """Say once a second how late a timer ran, in seconds. Runs until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _EVERY_SECONDS
        await asyncio.sleep(_EVERY_SECONDS)
        observe(max(0.0, loop.time() - due))
