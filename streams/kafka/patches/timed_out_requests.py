"""Lets a request whose time is over end as timed out, also where its connection was taken away before.

Upstream: none filed known in aiokafka; its issue 1118 is about the same lines.

Why: when several requests of a connection are out of time at once, the first closes it, and a connection that is closed is
forgotten once somebody has asked for another. The next one looks for it to close it and fails with a KeyError, which is no
error of Kafka's: it ends the task that fetches, and the consumer reads nothing any more.

Remove when: `AIOKafkaClient.send` keeps the connection that it has sent on.
"""

from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import RequestTimedOutError

REPLACES: Final = ("aiokafka.client.AIOKafkaClient.send",)

_send = AIOKafkaClient.send


async def _send_or_time_out(
    self: Any,  # noqa: ANN401  # aiokafka ships no types
    node_id: int,
    request: Any,  # noqa: ANN401  # likewise
    *,
    group: ConnectionGroup = ConnectionGroup.DEFAULT,
) -> Any:  # noqa: ANN401  # likewise
    try:
        return await _send(self, node_id, request, group=group)
    except KeyError as error:
        if error.args != ((node_id, group),):
            raise
        raise RequestTimedOutError from error


def apply() -> None:
    """Let every client of this process go on. Calling it again does no harm."""
    AIOKafkaClient.send = _send_or_time_out
