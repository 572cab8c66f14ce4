"""Makes fetches cheap: fewer of them, and answers read at a tenth of the price.

aiokafka's consumer names all its partitions in each fetch, and its general decoder makes some 50 calls for each of them
in the answer. At a few hundred events a second, when an answer brings one or two records, that was half of all the
functions that a worker called.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from io import BytesIO
from struct import Struct
from typing import Any

from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11

_HEAD = Struct(">ihii")  # throttle time, error, session, how many topics
_TOPIC = Struct(">h")  # length of its name
_COUNT = Struct(">i")
_PARTITION = Struct(
    ">ihqqqi"
)  # number, error, high watermark, last stable, first offset, how many aborted
_ABORTED = Struct(">qq")  # producer, first offset
_TOO_SHORT = "the records end too early"
_RECORDS = Struct(">ii")  # preferred replica, length of the records


def _read(raw: bytes, at: int) -> tuple[Any, ...]:
    throttle, failure, session, count = _HEAD.unpack_from(raw, at)
    at += _HEAD.size
    topics: list[tuple[str, list[tuple[Any, ...]]]] = []
    for _ in range(count):
        (length,) = _TOPIC.unpack_from(raw, at)
        at += _TOPIC.size
        name = raw[at : at + length].decode()
        at += length
        (many,) = _COUNT.unpack_from(raw, at)
        at += _COUNT.size
        partitions: list[tuple[Any, ...]] = []
        for _ in range(many):
            *partition, of_aborted = _PARTITION.unpack_from(raw, at)
            at += _PARTITION.size
            aborted = None
            if of_aborted >= 0:
                end = at + of_aborted * _ABORTED.size
                aborted = list(_ABORTED.iter_unpack(raw[at:end]))
                at = end
            replica, size = _RECORDS.unpack_from(raw, at)
            at += _RECORDS.size
            records = None
            if size >= 0:
                records = raw[at : at + size]
                at += size
            if at > len(raw):
                raise struct.error(_TOO_SHORT)
            partitions.append((*partition, aborted, replica, records))
        topics.append((name, partitions))
    return throttle, failure, session, topics


class FetchAnswer(FetchResponse_v11):  # type: ignore[misc]  # aiokafka ships no types
    """A version 11 answer; brokers since Kafka 2.3 speak it."""

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> FetchResponse_v11:
        """Return what aiokafka's own decoder would. Raises ValueError, as it does."""
        raw, at = (data, 0) if isinstance(data, bytes) else (data.getvalue(), data.tell())
        try:
            return FetchResponse_v11(*_read(raw, at))
        except (struct.error, UnicodeDecodeError) as exc:
            message = f"the broker's answer to a fetch can't be read: {exc}"
            raise ValueError(message) from exc


def read_fetches_fast() -> None:
    """Make every consumer of this process read answers so."""
    FetchRequest_v11.RESPONSE_TYPE = FetchAnswer


class PacedFetches:
    """Makes fetches with a pause between them, for each broker.

    Each fetch names every partition of its group: to fetch single records from many partitions costs more than all the
    rest that is done with them.

    Args:
        fetch: makes one, as aiokafka's fetcher does.
        seconds: from one to the next, at least.
    """

    def __init__(self, fetch: Callable[[Any, int, Any], Awaitable[bool]], seconds: float) -> None:
        self._fetch, self._seconds = fetch, seconds
        self._next: dict[int, float] = {}

    async def __call__(self, assignment: Any, node_id: int, request: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        """Make one when its time has come. Returns whether records came."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(max(self._next.get(node_id, 0.0) - loop.time(), 0.0))
        except asyncio.CancelledError:
            return False  # what aiokafka's says when it is cancelled
        self._next[node_id] = loop.time() + self._seconds
        return await self._fetch(assignment, node_id, request)
