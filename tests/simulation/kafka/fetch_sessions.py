"""Fetch sessions as a broker keeps them (KIP-227): who fetches says what has changed, and hears what is new."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from tests.simulation.kafka import wire
from tests.simulation.kafka.log import NO_ERROR

NO_SUCH_SESSION: Final = 70
WRONG_EPOCH: Final = 71
SLOTS: Final = 1000
"""How many sessions a broker keeps, unless it is told otherwise."""
_SHELTERED_SECONDS: Final = 120.0
"""So long after its begin, or after it was used last, no session makes room for another."""
_FINAL_EPOCH: Final = -1
_LAST_EPOCH: Final = 2**31 - 1

Part = tuple[Any, ...]
"""What an answer says of a partition: number, error, high watermark, last stable offset, log start, and more; the records last."""
Parts = list[tuple[str, Part]]
"""Topic and what is said of a partition, partition by partition."""
Said = tuple[int, int, tuple[Any, ...]]
"""An answer: its error, the number of the session, and what is said by topic."""


@dataclass(slots=True)
class _Cached:
    """A partition of a session: as it was asked for last, and what was said of it last."""

    asked: tuple[Any, ...]
    replicated: int = -1
    start: int = -1

    def is_news(self, part: Part) -> bool:
        """Tell whether an answer has to name it, and take it for said."""
        _, error, replicated, _, start, *_, raw = part
        news = (
            bool(raw) or error != NO_ERROR or (replicated, start) != (self.replicated, self.start)
        )
        self.replicated, self.start = (-1 if error else replicated), start
        return news


@dataclass(eq=False, slots=True)
class _Kept:
    """A session.

    Attributes:
        number: its name.
        epoch: that the next fetch must have.
        cached: its partitions by topic and number; those that were in the last answers stand last.
        began: when.
        used: when last.
    """

    number: int
    epoch: int
    cached: dict[tuple[str, int], _Cached]
    began: float
    used: float


def _without(parts: Parts) -> Said:
    return NO_ERROR, 0, by_topic(parts)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a fetch asks for, its session's partitions included.

    Attributes:
        error: why it is refused; 0 if it is not.
        wanted: topic and what was asked of a partition, partition by partition.
        answer: returns the answer, of all that there is to say.
    """

    error: int
    wanted: Parts = field(default_factory=list)
    answer: Callable[[Parts], Said] = _without


class FetchSessions:
    """The sessions at one broker.

    Args:
        numbers: of sessions to come; of all brokers, so that none comes twice.
        now: the time in seconds.
        slots: how many it keeps.
    """

    def __init__(self, numbers: Iterator[int], now: Callable[[], float], slots: int) -> None:
        self._numbers, self._now = numbers, now
        self.slots = slots
        self._kept: dict[int, _Kept] = {}

    def forget(self) -> None:
        """Lose them all, as a broker does that ends, or one whose room others have taken."""
        self._kept.clear()

    def asked(self, request: wire.Request) -> Asked:
        """Return what a fetch asks for; what it says of its session counts from now on."""
        number, epoch, topics, forgotten = request.fields[5:9]
        named = [(topic, asked) for topic, partitions in topics for asked in partitions]
        if epoch in {0, _FINAL_EPOCH}:
            self._kept.pop(number, None)
            return Asked(NO_ERROR, named, _without if epoch else partial(self._begin, named))
        kept = self._kept.get(number)
        if kept is None:
            return Asked(NO_SUCH_SESSION)
        if epoch != kept.epoch:
            return Asked(WRONG_EPOCH)
        for topic, asked in named:
            cached = kept.cached.setdefault((topic, asked[0]), _Cached(asked))
            cached.asked = asked
        for topic, partitions in forgotten:
            for partition in partitions:
                kept.cached.pop((topic, partition), None)
        if not kept.cached:
            del self._kept[number]
            return Asked(NO_ERROR, named)
        kept.epoch, kept.used = epoch % _LAST_EPOCH + 1, self._now()
        wanted = [(topic, cached.asked) for (topic, _), cached in kept.cached.items()]
        return Asked(NO_ERROR, wanted, partial(_go_on, kept, kept.epoch))

    def _begin(self, named: Parts, parts: Parts) -> Said:
        number = 0
        if self._has_room(len(parts)):
            number = next(self._numbers)
            asked_of = {(topic, asked[0]): asked for topic, asked in named}
            cached = {
                (topic, part[0]): _Cached(asked_of[topic, part[0]], part[2], part[4])
                for topic, part in parts
            }
            self._kept[number] = _Kept(number, 1, cached, self._now(), self._now())
        return NO_ERROR, number, by_topic(parts)

    def _has_room(self, partitions: int) -> bool:
        if len(self._kept) < self.slots:
            return True
        if not self._kept:
            return False
        now = self._now()
        oldest = min(self._kept.values(), key=lambda kept: kept.used)
        if now - oldest.used <= _SHELTERED_SECONDS:
            old = [kept for kept in self._kept.values() if now - kept.began > _SHELTERED_SECONDS]
            if not old:
                return False
            oldest = min(old, key=lambda kept: (len(kept.cached), kept.number))
            if len(oldest.cached) > partitions:
                return False
        del self._kept[oldest.number]
        return True


def _go_on(kept: _Kept, epoch: int, parts: Parts) -> Said:
    if kept.epoch != epoch:  # another fetch of the session has come meanwhile
        return WRONG_EPOCH, kept.number, ()
    said = []
    for topic, part in parts:
        place = (topic, part[0])
        if kept.cached[place].is_news(part):
            kept.cached[place] = kept.cached.pop(place)
            said.append((topic, part))
    return NO_ERROR, kept.number, by_topic(said)


def by_topic(parts: Parts) -> tuple[Any, ...]:
    """Return them as an answer has them: a topic comes again where others stand between its partitions."""
    return tuple(
        (topic, tuple(part for _, part in group)) for topic, group in groupby(parts, itemgetter(0))
    )
