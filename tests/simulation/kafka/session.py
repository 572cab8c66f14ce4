"""A connection at its broker: one request after the other, each answered before the next is looked at."""

import struct
from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.kafka import wire
from tests.simulation.kafka.order import Order
from tests.simulation.network import Link

if TYPE_CHECKING:
    from tests.simulation.kafka.cluster import Cluster


class Session:
    """One connection at its broker: one request after the other."""

    def __init__(self, cluster: "Cluster", node: int, link: Link) -> None:
        self.cluster, self.node, self.link = cluster, node, link
        self.order: Order | None = None
        self._buffer = b""
        self._requests: deque[bytes] = deque()
        self._busy = False
        self._gone = False

    def received(self, data: bytes) -> None:
        """Take bytes off the wire, and have the requests in them done."""
        self._buffer += data
        while len(self._buffer) >= 4:
            (length,) = struct.unpack_from(">i", self._buffer)
            if len(self._buffer) < 4 + length:
                break
            self._requests.append(self._buffer[4 : 4 + length])
            self._buffer = self._buffer[4 + length :]
        self._next()

    def _next(self) -> None:
        while self._requests and not self._busy and not self._gone:
            self._busy, self.order = True, None
            self.cluster.handle(wire.Request(self._requests.popleft()), self)

    def reply(self, answer: bytes) -> None:
        """Send an answer, unless it was ordered otherwise; then the next request has its turn."""
        order = self.order
        if self._gone:
            return
        if order is not None and order.how == "lose":
            self.hang_up()
            return
        if order is not None and order.how == "late":
            self.order = None
            self.cluster.later(order.seconds, self.reply, answer)
            return
        self._busy = False
        self.link.answer(answer)
        self._next()

    def hang_up(self) -> None:
        """End the connection."""
        self._gone = True
        self.cluster.fetches.drop_session(self)
        self.link.break_off()

    def lost(self) -> None:
        """Note that the client's end is gone."""
        self._gone = True
        self.cluster.fetches.drop_session(self)
