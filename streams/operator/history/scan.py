"""The orders whose records or events have an id: of a payment, of an event, of the place where an event stands.

Nothing is keyed by these, so all topics are read from their ends, payment core's too: a batch is decoded only where the
id stands in it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from streams.kafka.format.facts import read_fact, topic_kinds
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.reader.batch_search import text_search
from streams.kafka.reader.reader import OnProgress, ReadProgress, RecordReader, Span
from streams.kafka.topics import TopicNames
from streams.mapping.mapping import EventMapping
from streams.operator.history.mapped_events import EventReader
from streams.settings import Settings


@dataclass(slots=True)
class Scanned:
    """What was found.

    Attributes:
        orders: the order ids, as they were found: mostly the newest first.
        nameless: records that have the id and name no order.
        read: how many records were looked at.
        is_cut: whether more may have it: the reading ended when enough was found.
        left_out: what could not be read: more may stand there.
    """

    orders: list[str] = field(default_factory=list)
    nameless: list[RecordId] = field(default_factory=list)
    read: int = 0
    is_cut: bool = False
    left_out: tuple[Span, ...] = ()


async def orders_with(  # noqa: PLR0913  # where, what, since when, how it is shown
    settings: Settings,
    reader: RecordReader,
    text: str,
    *,
    since_ms: int | None = None,
    on_progress: OnProgress | None = None,
    mapping: EventMapping | None = None,
) -> Scanned:
    """Return the orders that an id belongs to.

    Args:
        settings: for the names of the topics.
        reader: of the brokers.
        text: the id; a place as `TOPIC:PARTITION:OFFSET` or with slashes.
        since_ms: only what was written since, milliseconds since the epoch.
        on_progress: told how far the reading is.
        mapping: of events that are not of our own form.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    kinds = topic_kinds(TopicNames(settings.topic_prefix), settings.source_topics)
    event_of, found = EventReader(mapping), Scanned()

    def note(record: RawRecord) -> None:
        order = read_fact(kinds[record.topic], record, event_of).order_id
        if order is None:
            found.nameless.append(record.record_id)
        elif order not in found.orders:
            found.orders.append(order)

    place = _place(text, kinds)
    if place is not None and (record := await reader.at(place)) is not None:
        note(record)
    spans = await reader.spans(*kinds, since_ms=since_ms)
    if on_progress is not None:
        on_progress(ReadProgress(0, sum(span.length for span in spans)))
    search = text_search(reader, spans, text if place is None else place.header, on_progress)
    while search.left and not search.has_enough:
        for record in await search.step():
            note(record)
    found.read, found.is_cut = search.passed, search.has_enough
    found.left_out = tuple(reader.left_out)
    return found


def _place(text: str, topics: Collection[str]) -> RecordId | None:
    """Return the place that a text names on one of these topics, or None where it is none."""
    try:
        place = RecordId.parse(text)
    except ValueError:
        return None
    return place if place.topic in topics else None
