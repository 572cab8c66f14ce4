"""What a lane remembers of the records it has settled, so that a second copy is recognised.

A crash between the broker's acknowledgement of a notification's next place and the commit of its offset leaves two
copies of it; payment core may write an event twice. One notification must not climb two ladders for that.

Only settled records are remembered, for ten minutes and up to a number of them. The memory goes with its lane; a new lane of
a retry topic reads the last settled records again for it, see `streams.kafka.consumer.recall`.
"""

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
        # Who holds a key, and behind it who waits for it, in the order in which they came.
        self._lines: dict[bytes, deque[Lock]] = {}
        self._waiting: dict[int, Lock] = {}

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._settled)

    def lock(self, holder: int, *keys: bytes) -> "Lock":
        """Hold these keys in a `with`; a later record with one of them has its turn when it ends.

        Args:
            holder: who asks; once more after `Held`, when its turn has come.
            keys: of one record.
        """
        lock = self._waiting.get(holder)
        if lock is not None and lock.keys == keys:
            return lock
        if lock is not None:
            lock.leave()
        return Lock(self._lines, self._waiting, holder, keys)

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


class Held(Exception):  # noqa: N818  # what it says
    """Raised on entering a lock: a record that came before holds one of its keys.

    Its place is kept; who asks again when the turn has come gets it.

    Attributes:
        lock: says when.
    """

    def __init__(self, lock: "Lock") -> None:
        self.lock = lock
        super().__init__("a record that came before has not been settled yet")


class Lock:
    """A record's hold of its keys, or its place behind others.

    Attributes:
        keys: what is held.
        on_turn: called once when its turn has come, where it had to wait.
    """

    __slots__ = ("_holder", "_lines", "_waiting", "keys", "on_turn")

    def __init__(
        self,
        lines: dict[bytes, deque["Lock"]],
        waiting: dict[int, "Lock"],
        holder: int,
        keys: tuple[bytes, ...],
    ) -> None:
        self._lines = lines
        self._waiting = waiting
        self._holder = holder
        self.keys = keys
        self.on_turn: Callable[[], None] | None = None

    def __enter__(self) -> None:
        """Hold the keys.

        Raises:
            Held: another's turn comes first.
        """
        if self._waiting.get(self._holder) is not self:
            for key in self.keys:
                self._lines.setdefault(key, deque()).append(self)
        if not self._is_first():
            self._waiting[self._holder] = self
            raise Held(self)
        self._waiting.pop(self._holder, None)

    def __exit__(self, *_: object) -> None:
        """Let the next one go on."""
        self.leave()

    def leave(self) -> None:
        """Give up the keys, or the place behind others; nothing where neither is had."""
        if self._waiting.get(self._holder) is self:
            del self._waiting[self._holder]
        for key in self.keys:
            line = self._lines.get(key)
            if line is None or self not in line:
                continue
            was_first = line[0] is self
            line.remove(self)
            if not line:
                del self._lines[key]
            elif was_first and line[0]._is_first() and (tell := line[0].on_turn) is not None:  # noqa: SLF001  # its own kind
                line[0].on_turn = None
                tell()

    def _is_first(self) -> bool:
        return all(self._lines[key][0] is self for key in self.keys)


def digest(*parts: str | bytes | int) -> bytes:
    """Return a short key for these parts; no two different lists of parts share one in practice."""
    return blake2b(repr(parts).encode(), digest_size=_DIGEST_BYTES).digest()
