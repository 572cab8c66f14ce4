"""What a lane remembers of the records it has settled, so that a second copy is recognised.

A crash between the broker's acknowledgement of a notification's next place and the commit of its offset leaves two
copies of it; payment core may write an event twice. One notification must not climb two ladders for that.

Only settled records are remembered, for ten minutes and up to a number of them. The memory goes with its lane; a new lane of
a retry topic reads the last settled records again for it, see `streams.kafka.consumer.recall`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from hashlib import blake2b

KEEP_MS = 600_000
_DIGEST_BYTES = 15  # two different keys meet once in 2^120 pairs; with one byte more a key takes 64 bytes, not 48
_TIME_BYTES = 8


class Deduplicator:
    """Keys of settled records, each with what was settled under it.

    A worker that has been busy for a while holds a hundred thousand of them, so an entry is one bytes object: its time,
    then the value. An `OrderedDict` of pairs takes twice the memory.

    Args:
        now_ms: the clock.
        most: how many keys at most; the oldest go first.
    """

    def __init__(self, now_ms: Callable[[], int], most: int) -> None:
        self._now_ms = now_ms
        self._most = most
        self._settled: dict[bytes, bytes] = {}
        # The oldest first; a key stands here once for each time that it was settled.
        self._order: deque[bytes] = deque()
        self._again: dict[bytes, int] = {}  # how often a key stands there besides its last time
        self._in_flight: dict[bytes, Lock] = {}

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._settled)

    def lock(self, *keys: bytes) -> "Lock":
        """Hold these keys in an `async with`; a later record with one of them waits until it ends."""
        return Lock(self._in_flight, keys)

    def get(self, key: bytes) -> bytes | None:
        """Return what was settled under this key, or None."""
        entry = self._settled.get(key)
        if entry is None or self._now_ms() - _time_of(entry) > KEEP_MS:
            return None
        return entry[_TIME_BYTES:]

    def remember(self, key: bytes, value: bytes) -> None:
        """Remember that this was settled."""
        now = self._now_ms()
        if key in self._settled:
            self._again[key] = self._again.get(key, 0) + 1
        self._settled[key] = now.to_bytes(_TIME_BYTES) + value
        self._order.append(key)
        while (
            len(self._order) > self._most or now - _time_of(self._settled[self._order[0]]) > KEEP_MS
        ):
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        key = self._order.popleft()
        if not (more := self._again.pop(key, 0)):
            del self._settled[key]
        elif more > 1:
            self._again[key] = more - 1


def _time_of(entry: bytes) -> int:
    return int.from_bytes(entry[:_TIME_BYTES])


class Lock:
    """A record's hold of its keys."""

    __slots__ = ("_in_flight", "_keys", "_over")

    def __init__(self, in_flight: dict[bytes, "Lock"], keys: tuple[bytes, ...]) -> None:
        self._in_flight = in_flight
        self._keys = keys
        self._over: asyncio.Future[None] | None = None

    async def __aenter__(self) -> None:
        """Wait for those who came before."""
        while before := [
            self._in_flight[key].over() for key in self._keys if key in self._in_flight
        ]:
            await asyncio.wait(before)
        for key in self._keys:
            self._in_flight[key] = self

    async def __aexit__(self, *_: object) -> None:
        """Let the next one go on."""
        for key in self._keys:
            del self._in_flight[key]
        if self._over is not None:
            self._over.set_result(None)

    def over(self) -> asyncio.Future[None]:
        """Return what is done when this lock is released; seldom asked for."""
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        return self._over


def digest(*parts: str | bytes | int) -> bytes:
    """Return a short key for these parts; no two different lists of parts share one in practice."""
    return blake2b(repr(parts).encode(), digest_size=_DIGEST_BYTES).digest()
