"""Tells when the group's coordinator knew the member, and when it put the member off that wanted to join.

Upstream: none filed known.

Why: aiokafka keeps that moment in a variable of its heartbeat's loop, and nowhere where a generation begins. The answer may
have been under way for longer than the session. `streams.kafka.consumer.membership` needs the moment to know whether the
partitions may be another's by now. And a coordinator that can't write a group down (too few copies of
`__consumer_offsets` in sync) puts everybody off who joins, for as long as that lasts; aiokafka asks again, and tells
nobody.

Remove when: aiokafka tells when the coordinator last answered, and why a member can't join, or gives out no records while
a session may have expired.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    RebalanceInProgressError,
)
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest

REPLACES: Final = (
    "aiokafka.consumer.group_coordinator.GroupCoordinator._do_heartbeat",
    "aiokafka.consumer.group_coordinator.GroupCoordinator._send_req",
)

_PUTS_OFF: Final = frozenset(
    error.errno
    for error in (
        GroupLoadInProgressError,
        GroupCoordinatorNotAvailableError,
        NotCoordinatorForGroupError,
        # Where the group can't be written down, whoever asks a moment after its leader hears this one.
        RebalanceInProgressError,
    )
)


def hear_answered_heartbeats(
    consumer: AIOKafkaConsumer,
    now: Callable[[], float],
    on_answered: Callable[[float], None],
    on_put_off: Callable[[], None],
) -> None:
    """Report what the coordinator says to a member, in a consumer of a group that was started.

    A heartbeat or a SyncGroup that is answered with "you are a member", and a JoinGroup or a SyncGroup with "not now".

    Args:
        consumer: whose requests.
        now: the clock, in seconds.
        on_answered: given when the request was sent, by that clock.
        on_put_off: called each time that it can't join now.
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

    async def joins_too(request: Any) -> Any:  # noqa: ANN401  # aiokafka ships no types
        sent_at = now()
        answer = await ask(request)
        if isinstance(request, SyncGroupRequest) and not answer.error_code:
            on_answered(sent_at)
        joins = isinstance(request, JoinGroupRequest | SyncGroupRequest)
        if joins and answer.error_code in _PUTS_OFF:
            on_put_off()
        return answer

    coordinator._send_req = joins_too  # noqa: SLF001
