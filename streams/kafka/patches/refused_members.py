"""A member that its group refuses says why, and asks again.

Upstream: aiokafka's issue 1154 (closed) and pull request 1188 are about members that stand still like this.

Why: aiokafka keeps the coordinator's refusal (another program in the group, a session time-out that the brokers don't
take, a right that is missing, a full group) for the next call of `getmany`, and does nothing before that has raised it. A
worker asks for records only while it has partitions, and never hears of it: it would stand still without a word, also
once the reason is gone.

Remove when: aiokafka tells of a refusal by a callback, and goes on by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka import AIOKafkaConsumer

REPLACES: Final = ("aiokafka.consumer.group_coordinator.GroupCoordinator._push_error_to_user",)

PAUSE_SECONDS: Final = 2.0
"""From a refusal to the next try."""


def ask_again(consumer: AIOKafkaConsumer, on_refused: Callable[[Exception], None]) -> None:
    """Report each refusal and join again after a pause, in a consumer of a group that was started.

    Args:
        consumer: the member.
        on_refused: given what aiokafka would have raised.
    """
    coordinator = consumer._coordinator  # noqa: SLF001  # aiokafka has no public word for it

    def refused(error: Exception) -> Awaitable[object]:
        on_refused(error)
        # Its heartbeats have ended where one of them was refused; they begin again with the next generation.
        coordinator.request_rejoin()
        return asyncio.wait([coordinator._closing], timeout=PAUSE_SECONDS)  # noqa: SLF001

    coordinator._push_error_to_user = refused  # noqa: SLF001
