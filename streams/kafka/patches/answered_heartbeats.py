"""Tells when a heartbeat was sent that the group's coordinator has answered.

Upstream: none filed known.

Why: aiokafka keeps that moment in a variable of its heartbeat's loop. `streams.kafka.consumer.membership` needs it to
know whether the partitions may be another's by now.

Remove when: aiokafka tells when the coordinator last answered, or gives out no records while a session may have expired.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka import AIOKafkaConsumer

REPLACES: Final = ("aiokafka.consumer.group_coordinator.GroupCoordinator._do_heartbeat",)


def hear_answered_heartbeats(
    consumer: AIOKafkaConsumer, now: Callable[[], float], on_answered: Callable[[float], None]
) -> None:
    """Report each heartbeat that was answered with "you are a member", in a consumer of a group that was started.

    Args:
        consumer: whose heartbeats.
        now: the clock, in seconds.
        on_answered: given when the heartbeat was sent, by that clock.
    """
    coordinator = consumer._coordinator  # noqa: SLF001  # aiokafka has no public word for it
    send: Callable[[], Awaitable[bool]] = coordinator._do_heartbeat  # noqa: SLF001

    async def heartbeat() -> bool:
        sent_at = now()
        answered = await send()
        if answered:
            on_answered(sent_at)
        return answered

    coordinator._do_heartbeat = heartbeat  # noqa: SLF001
