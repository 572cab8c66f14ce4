"""Coroutines that Ctrl-C ends, also where a library catches the cancellation that it sends."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_CANCEL_AGAIN_AFTER_SECONDS = 3.0
"""Long enough for what a cancelled task does to end in order: it is not to be cancelled in that."""

_T = TypeVar("_T")


def run_until_interrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine as `asyncio.run` does; once Ctrl-C came, cancel it and what it left behind until all have ended.

    `asyncio.run` cancels once. Code that catches that cancellation (`asyncio.wait_for` of Python 3.11 does, where what
    it waits for ends in the same moment: https://github.com/python/cpython/issues/86296) would go on for ever.

    Raises:
        KeyboardInterrupt: Ctrl-C came.
    """

    async def watch() -> _T:
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            await _cancel({task})
            await _cancel(asyncio.all_tasks() - {asyncio.current_task()})
            raise
        return task.result()

    return asyncio.run(watch())


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel these until each has ended; what came of them doesn't matter then."""
    while tasks:
        for task in tasks:
            task.cancel()
        ended, tasks = await asyncio.wait(tasks, timeout=_CANCEL_AGAIN_AFTER_SECONDS)
        for task in ended:
            if not task.cancelled():
                task.exception()
