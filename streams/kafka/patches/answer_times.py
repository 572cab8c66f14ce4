"""How long a worker waits for a broker's answer: by what was asked, and not one time-out for all.

Upstream: aiokafka's issues 576 (closed; the first connection only) and 876.

Why: aiokafka has a single time-out, for connecting as well, and joining a group needs a long one: the answer comes when
the slowest member has let go of its partitions. A broker whose machine is suddenly gone (no power, cut off) would
hold up everything for as long: aiokafka makes one connection after the other, also those to brokers that are well, and
asks any broker who leads what. The controller lets others lead after `broker.session.timeout.ms`, 9 s by default; not
much longer may a client wait for the old leader.

Remove when: aiokafka has time-outs for connecting and for short questions, and connects to several brokers at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

CONNECT_SECONDS: Final = 4.0
"""For a connection, and for each answer that makes it usable (versions, SASL)."""

SHUNNED_SECONDS: Final = 10.0
"""So long nobody calls a broker that did not answer a call: while one waits for it, nobody can call the others."""

_PRODUCE, _FETCH, _LIST_OFFSETS, _METADATA = 0, 1, 2, 3
_OFFSET_COMMIT, _OFFSET_FETCH, _FIND_COORDINATOR, _HEARTBEAT = 8, 9, 10, 12

ANSWER_SECONDS: Final[Mapping[int, float]] = {
    _PRODUCE: 15.0,  # a leader waits for a copy that does not answer until the controller has given that up
    _FETCH: 10.0,
    _LIST_OFFSETS: 10.0,
    _OFFSET_COMMIT: 5.0,
    _OFFSET_FETCH: 5.0,
    # Short questions. A member that has not found its new coordinator after 10 s is put out of its group.
    _METADATA: 3.0,
    _FIND_COORDINATOR: 3.0,
    _HEARTBEAT: 3.0,
}
"""By the number that Kafka gives to a request; any other has the client's own time-out."""


class _Cluster:
    """What is known of the cluster.

    Attributes:
        brokers: how many it has; 0 before that is known.
    """

    brokers = 0


_cluster: Final = _Cluster()


def know_brokers(count: int) -> None:
    """Note how many brokers there are.

    Where there is one alone, nobody else can be asked, and hanging up costs more than waiting: when it goes on, it
    answers what lies in its connections, heartbeats too, and the members are still in their groups.
    """
    _cluster.brokers = count


class NotAnswering(KafkaConnectionError):  # type: ignore[misc]  # noqa: N818  # aiokafka ships no types; what it does
    """Not called: it did not answer the last call, a moment ago."""


REPLACES: Final = tuple(f"aiokafka.conn.AIOKafkaConnection.{name}" for name in ("send", "connect"))


def _by_request(send: Callable[..., Any]) -> Callable[..., Any]:
    """Return aiokafka's `send` with the time-out of the request."""

    @wraps(send)
    def send_with_limit(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # aiokafka's own
        if _cluster.brokers == 1:
            return send(self, request, *args, **kwargs)
        whole = self._request_timeout
        self._request_timeout = min(whole, ANSWER_SECONDS.get(request.API_KEY, whole))
        try:
            return send(self, request, *args, **kwargs)
        finally:
            self._request_timeout = whole

    send_with_limit.limits_waits = True  # type: ignore[attr-defined]  # our own mark; other wrappers copy it
    return send_with_limit


def _soon(connect: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return aiokafka's `connect` with its own time-out; all its users share which brokers did not answer."""
    shunned: dict[tuple[str, int], float] = {}

    @wraps(connect)
    async def connect_soon(self: Any) -> Any:  # noqa: ANN401  # aiokafka's own
        if _cluster.brokers == 1:
            return await connect(self)
        now, address = asyncio.get_running_loop().time, (self.host, self.port)
        if now() < shunned.get(address, 0.0):
            message = f"the broker at {self.host}:{self.port} did not answer a call a moment ago"
            raise NotAnswering(message)
        whole = self._request_timeout
        self._request_timeout = min(whole, CONNECT_SECONDS)
        try:
            connected = await connect(self)
        except TimeoutError:
            shunned[address] = now() + SHUNNED_SECONDS
            raise
        finally:
            self._request_timeout = whole
        shunned.pop(address, None)
        return connected

    return connect_soon


def apply() -> None:
    """Put the limits in force, for every aiokafka client of this process. Calling it again does no harm."""
    if not hasattr(AIOKafkaConnection.send, "limits_waits"):
        AIOKafkaConnection.send = _by_request(AIOKafkaConnection.send)
        AIOKafkaConnection.connect = _soon(AIOKafkaConnection.connect)
