"""Reading the dead letters that are meant from their topic, and counting them."""

import heapq
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from streams.kafka.format.facts import Fact, read_fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import OnProgress, RecordReader, Span
from streams.kafka.topics import TopicNames
from streams.operator.dead_letters.selection import Selection, code_of


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """Dead letters of one kind: how many, and when the oldest and the youngest were written."""

    reason: str
    partner_id: str | None
    code: str | None
    count: int
    oldest_ms: int
    youngest_ms: int


class Survey:
    """Dead letters counted, and the youngest of them, in the memory of those.

    Args:
        limit: so many of the youngest are kept.

    Attributes:
        count: of all.
    """

    def __init__(self, limit: int) -> None:
        self.count = 0
        self._limit = limit
        self._times: dict[tuple[str, str | None, str | None], tuple[int, int, int]] = {}
        self._youngest: list[tuple[tuple[int, RecordId], Fact]] = []

    def add(self, dead: Fact) -> None:
        """Count one."""
        self.count += 1
        group = (dead.reason or "unknown", dead.partner_id, code_of(dead.last_outcome))
        count, oldest, youngest = self._times.get(group, (0, dead.at_ms, dead.at_ms))
        self._times[group] = count + 1, min(oldest, dead.at_ms), max(youngest, dead.at_ms)
        if len(self._youngest) < self._limit:
            heapq.heappush(self._youngest, (age_order(dead), dead))
        elif self._limit:
            heapq.heappushpop(self._youngest, (age_order(dead), dead))

    @property
    def groups(self) -> list[DeadLetterGroup]:
        """By reason, partner and code, the most numerous first."""
        groups = [DeadLetterGroup(*group, *times) for group, times in self._times.items()]
        return sorted(groups, key=lambda group: -group.count)

    @property
    def youngest(self) -> list[Fact]:
        """The youngest, these first."""
        return [dead for _, dead in sorted(self._youngest, reverse=True)]


async def each_dead_letter(
    reader: RecordReader,
    names: TopicNames,
    selection: Selection,
    on_progress: OnProgress | None = None,
) -> AsyncIterator[tuple[Fact, RawRecord]]:
    """Yield the dead letters that are meant, each with its record, body and all, as they are read.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    is_meant, found = selection.predicate(), False
    for spans in await _spans(reader, names, selection):
        async for batch in scan(reader, spans, None, on_progress):
            for record in batch:
                dead_letter = read_fact("dead-letter", record)
                if is_meant(dead_letter):
                    found = True
                    yield dead_letter, record
        if found:
            break


def age_order(dead_letter: Fact) -> tuple[int, RecordId]:
    """Return what dead letters are sorted by, the oldest first."""
    return dead_letter.at_ms, dead_letter.record_id


async def _spans(
    reader: RecordReader, names: TopicNames, selection: Selection
) -> Sequence[Sequence[Span]]:
    """Return the least that must be read, and what else is read where that has none."""
    topic = names.dead_letter
    if selection.record_ids and not selection.orders:
        return [spans_around(selection.record_ids, await reader.spans(topic))]
    if len(selection.orders) == 1 and not selection.record_ids:
        (order,) = selection.orders
        of_key = await reader.key_spans(topic, key=order.encode(), since_ms=selection.since_ms)
        return [of_key.likely, of_key.rest]
    return [await reader.spans(topic, since_ms=selection.since_ms)]


def spans_around(record_ids: Iterable[RecordId], spans: Iterable[Span]) -> list[Span]:
    """Return the shortest spans, within these, that hold all of these records that lie in them."""
    wanted: dict[tuple[str, int], list[int]] = {}
    for record_id in record_ids:
        wanted.setdefault((record_id.topic, record_id.partition), []).append(record_id.offset)
    return [
        Span(
            span.topic,
            span.partition,
            max(span.start, min(offsets)),
            min(span.end, max(offsets) + 1),
        )
        for span in spans
        if (offsets := wanted.get((span.topic, span.partition)))
    ]
