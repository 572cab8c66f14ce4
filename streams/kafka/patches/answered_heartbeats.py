"""Tells when a request was sent by which the group's coordinator, in its answer, knew the member: a heartbeat or a SyncGroup.

Upstream: none filed known.

Why: aiokafka keeps that moment in a variable of its heartbeat's loop, and nowhere where a generation begins. The answer may
have been under way for longer than the session. `streams.kafka.consumer.membership` needs the moment to know whether the
partitions may be another's by now.

Remove when: aiokafka tells when the coordinator last answered, or gives out no records while a session may have expired.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.protocol.group import SyncGroupRequest

REPLACES: Final = (
    "aiokafka.consumer.group_coordinator.GroupCoordinator._do_heartbeat",
    "aiokafka.consumer.group_coordinator.GroupCoordinator._send_req",
)


def hear_answered_heartbeats(
    consumer: AIOKafkaConsumer, now: Callable[[], float], on_answered: Callable[[float], None]
) -> None:
    """Report each heartbeat and SyncGroup that was answered with "you are a member", in a consumer of a group that was started.

    Args:
        consumer: whose requests.
        now: the clock, in seconds.
        on_answered: given when the request was sent, by that clock.
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
    ask: Callable[[Any], Awaitable[Any]] = coordinator._send_req  # noqa: SLF001

    async def sync_too(request: Any) -> Any:  # noqa: ANN401  # aiokafka ships no types
        sent_at = now()
        answer = await ask(request)
        if isinstance(request, SyncGroupRequest) and not answer.error_code:
            on_answered(sent_at)
        return answer

    coordinator._send_req = sync_too  # noqa: SLF001
