"""Reading the dead letters that are meant from their topic, and counting them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streams.kafka.format.facts import Fact, read_fact
from streams.kafka.format.raw import RawRecord, RecordId
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


def groups_of(dead_letters: Iterable[Fact]) -> list[DeadLetterGroup]:
    """Return dead letters counted by reason, partner and code, the most numerous first."""
    times: dict[tuple[str, str | None, str | None], list[int]] = {}
    for d in dead_letters:
        group = (d.reason or "unknown", d.partner_id, code_of(d.last_outcome))
        times.setdefault(group, []).append(d.at_ms)
    groups = [DeadLetterGroup(*group, len(at), min(at), max(at)) for group, at in times.items()]
    return sorted(groups, key=lambda group: -group.count)


async def find_dead_letters(
    reader: RecordReader,
    names: TopicNames,
    selection: Selection,
    *,
    on_progress: OnProgress | None = None,
    on_record: Callable[[Fact, RawRecord], None] | None = None,
) -> list[Fact]:
    """Return the dead letters that are meant, oldest first, without their bodies.

    Args:
        reader: of the brokers.
        names: our topics.
        selection: which.
        on_progress: told how far the reading is.
        on_record: given each with its record, body and all, while it is at hand.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    dead_letters: list[Fact] = []
    is_meant = selection.predicate()
    for spans in await _spans(reader, names, selection):
        async for batch in reader.read(spans, on_progress):
            for record in batch:
                dead_letter = read_fact("dead-letter", record)
                if is_meant(dead_letter):
                    dead_letters.append(dead_letter)
                    if on_record is not None:
                        on_record(dead_letter, record)
        if dead_letters:
            break
    return sorted(dead_letters, key=age_order)


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
