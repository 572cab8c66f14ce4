"""What a lane remembers of the records it has settled, so that a second copy is recognised.

A crash between the broker's acknowledgement of a notification's next place and the commit of its offset leaves two
copies of it; payment core may write an event twice. One notification must not climb two ladders for that.

Only settled records are remembered, for ten minutes and up to a number of them, and the memory goes with its lane.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import blake2b

KEEP_MS = 600_000
_DIGEST_BYTES = 16  # two different keys meet once in 2^64 pairs


class SettledMemory:
    """Keys of settled records, each with what was settled under it.

    Args:
        now_ms: the clock.
        most: how many keys at most; the oldest go first.
    """

    def __init__(self, now_ms: Callable[[], int], most: int) -> None:
        self._now_ms = now_ms
        self._most = most
        self._settled: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()
        self._in_flight: dict[bytes, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._settled)

    @asynccontextmanager
    async def turn(self, *keys: bytes) -> AsyncIterator[None]:
        """Hold these keys while the body runs; whoever comes later with one of them waits until then."""
        while waiting := [self._in_flight[key] for key in keys if key in self._in_flight]:
            await asyncio.wait(waiting)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for key in keys:
            self._in_flight[key] = over
        try:
            yield
        finally:
            for key in keys:
                del self._in_flight[key]
            over.set_result(None)

    def recall(self, key: bytes) -> bytes | None:
        """Return what was settled under this key, or None."""
        found = self._settled.get(key)
        return found[1] if found is not None and self._now_ms() - found[0] <= KEEP_MS else None

    def settle(self, key: bytes, what: bytes) -> None:
        """Remember that this was settled."""
        now = self._now_ms()
        self._settled[key] = (now, what)
        self._settled.move_to_end(key)
        while (
            len(self._settled) > self._most or now - next(iter(self._settled.values()))[0] > KEEP_MS
        ):
            self._settled.popitem(last=False)


def digest(*parts: str | bytes | int) -> bytes:
    """Return a short key for these parts; no two different lists of parts share one in practice."""
    hashed = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        hashed.update(len(raw).to_bytes(4, "big"))
        hashed.update(raw)
    return hashed.digest()
