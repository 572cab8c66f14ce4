"""A commit is sent by a member of the group only, of what it holds; one that ends late says nothing any more.

Upstream: none filed known.

Why: aiokafka's consumer forgets its generation and its id when the group no longer knows it, and then commits as one that
is no member. A group that is empty at that moment takes such a commit, and its offsets go back to where this consumer
was: what others have settled since is read again. And a commit is bounded in time by whoever asks for it. aiokafka shields
the commit itself, which goes on; when it fails later, asyncio logs an error that nobody fetched, about offsets that were
committed again meanwhile.

Remove when: aiokafka commits nothing while its generation is -1 or for an assignment that has ended, and its `commit`
takes a time-out, or retrieves the error of a commit that it has shielded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalGenerationError

REPLACES: Final = ("aiokafka.consumer.group_coordinator.GroupCoordinator._do_commit_offsets",)


def guard_commits(consumer: AIOKafkaConsumer) -> None:
    """Refuse commits of no member, and take note of every commit's end, in a consumer of a group that was started."""
    coordinator = consumer._coordinator  # noqa: SLF001  # aiokafka has no public word for it
    commit: Callable[[Any, Any], Awaitable[None]] = coordinator._do_commit_offsets  # noqa: SLF001

    async def commit_as_member(assignment: Any, offsets: Any) -> None:  # noqa: ANN401  # aiokafka ships no types
        # Asked here, where nothing comes in between before the request is built.
        if coordinator.generation < 0 or not assignment.active:
            message = "this consumer is no member of its group now"
            raise IllegalGenerationError(message)
        await commit(assignment, offsets)

    def hear(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()

    def begin(assignment: Any, offsets: Any) -> asyncio.Task[None]:  # noqa: ANN401  # likewise
        begun = asyncio.get_running_loop().create_task(commit_as_member(assignment, offsets))
        begun.add_done_callback(hear)
        return begun

    coordinator._do_commit_offsets = begin  # noqa: SLF001
