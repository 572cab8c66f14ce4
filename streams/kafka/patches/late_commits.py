"""A commit that ends after everybody has stopped waiting for it says nothing any more.

Upstream: none filed known.

Why: the caller of a commit bounds its time. aiokafka shields the commit itself, which goes on; when it fails
later, asyncio logs an error that nobody fetched, about offsets that were committed again meanwhile.

Remove when: aiokafka's `commit` takes a time-out, or retrieves the error of a commit that it has shielded.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

REPLACES: Final = ("aiokafka.consumer.group_coordinator.GroupCoordinator._do_commit_offsets",)


def _heard(commit: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> asyncio.Task[None]:  # noqa: ANN401  # aiokafka ships no types
    def hear(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()

    begun = asyncio.get_running_loop().create_task(commit(*args))
    begun.add_done_callback(hear)
    return begun


def hear_late_commits(consumer: AIOKafkaConsumer) -> None:
    """Retrieve the result of every commit, in a consumer of a group that was started."""
    coordinator = consumer._coordinator  # noqa: SLF001  # aiokafka has no public word for it
    coordinator._do_commit_offsets = partial(_heard, coordinator._do_commit_offsets)  # noqa: SLF001
