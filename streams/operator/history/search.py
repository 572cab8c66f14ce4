"""Everything that our topics say of one order, read from Kafka alone.

Our records are keyed by the order id, so few partitions of each topic are read: that of the key, and those that it had
when the topic had fewer partitions. Only where nothing is found there all others are read, before we say that nothing is
known. Those of the key are read whole: payment core may write a result again after days, with a new id and a new time, and
nothing in the second event tells of the first, which the partner was told as well.

Source topics are keyed and spread by payment core as it likes: an event is fetched from the place that our records
name, and only where we have no record it is looked for, in all partitions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streams.kafka.format.facts import Fact, read_fact, topic_kinds
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.batch_search import key_search
from streams.kafka.reader.raw_fetch import scan
from streams.kafka.reader.reader import OnProgress, RecordReader, Span
from streams.kafka.reader.unread import unread_spans
from streams.kafka.topics import TopicNames
from streams.mapping.mapping import EventMapping
from streams.operator.history.mapped_events import EventOf, EventReader
from streams.operator.history.near_orders import near_orders
from streams.settings import Settings


@dataclass(slots=True)
class OrderRecords:
    """What the records about an order say, and how far the search went.

    Attributes:
        read: how many records were read for it.
        oldest_ms: of when the oldest attempts record is that was seen; None where there is none.
        looked_for_event: whether the source topics were searched too, as nothing was found elsewhere.
        near: where nothing is known, ids of orders that may be meant instead.
        left_out: what could not be read: more may stand there.
    """

    facts: list[Fact] = field(default_factory=list)
    read: int = 0
    oldest_ms: int | None = None
    looked_for_event: bool = False
    near: tuple[str, ...] = ()
    left_out: tuple[Span, ...] = ()

    def saw(self, at_ms: int) -> None:
        """Note of when an attempts record is that was seen."""
        self.oldest_ms = at_ms if self.oldest_ms is None else min(self.oldest_ms, at_ms)


async def search_order(  # noqa: PLR0913  # where, what, since when, how it is shown
    settings: Settings,
    reader: RecordReader,
    order_id: str,
    *,
    since_ms: int | None = None,
    on_progress: OnProgress | None = None,
    mapping: EventMapping | None = None,
) -> OrderRecords:
    """Return all that is known of an order.

    Args:
        settings: for the names of the topics and groups.
        reader: of the brokers.
        order_id: the order.
        since_ms: only what was written since, milliseconds since the epoch.
        on_progress: told how far the reading is.
        mapping: of events that are not of our own form.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    event_of = EventReader(mapping)
    names, order = TopicNames(settings.topic_prefix), OrderRecords()
    before = len(reader.left_out)
    key = order_id.encode()
    topics = topic_kinds(names)
    of_key = await reader.key_spans(*topics, key=key, since_ms=since_ms)
    for spans in (of_key.likely, of_key.rest):
        search = key_search(reader, spans, key, on_progress)
        while search.left:
            found = await search.step()
            order.facts += [read_fact(topics[record.topic], record) for record in found]
        order.read += search.passed
        if names.attempts in search.oldest_ms:
            order.saw(search.oldest_ms[names.attempts])
        if order.facts:
            break
    if order.facts:
        await _add_events(settings, reader, order, event_of)
        order.left_out = tuple(reader.left_out[before:])
    else:
        # Without a time: what no worker has settled yet; all the rest has left a record with us.
        if since_ms is None:
            spans = await unread_spans(settings, reader)
        else:
            spans = await reader.spans(*settings.source_topics, since_ms=since_ms)
        await _look_for_event(
            reader, spans, order_id, order, on_progress=on_progress, mapping=mapping
        )
        order.left_out = tuple(reader.left_out[before:])
        if not order.facts:
            order.near = await near_orders(reader, names, order_id, on_progress)
    return order


async def _add_events(
    settings: Settings, reader: RecordReader, order: OrderRecords, event_of: EventOf
) -> None:
    """Fetch the events that the facts name."""
    for origin in sorted({fact.origin for fact in order.facts if fact.origin}):
        try:
            record_id = RecordId.parse(origin)
        except ValueError:
            continue
        if record_id.topic not in settings.source_topics:
            continue
        record = await reader.at(record_id)
        if record is not None:
            event = read_fact("event", record, event_of)
            # A topic that was created anew has other events at the old places.
            if event.order_id in {fact.order_id for fact in order.facts}:
                order.facts.append(event)


async def _look_for_event(  # noqa: PLR0913  # as above
    reader: RecordReader,
    spans: list[Span],
    order_id: str,
    order: OrderRecords,
    *,
    on_progress: OnProgress | None,
    mapping: EventMapping | None,
) -> None:
    order.looked_for_event = True
    event_of = EventReader(mapping)
    order.read += sum(span.length for span in spans)
    mapped = () if mapping is None else mapping.topics
    # What a mapping makes of an event need not stand in it.
    for some, is_wanted in (
        ([span for span in spans if span.topic not in mapped], may_name(order_id)),
        ([span for span in spans if span.topic in mapped], None),
    ):
        async for batch in scan(reader, some, is_wanted, on_progress):
            for record in batch:
                fact = read_fact("event", record, event_of)
                if fact.order_id == order_id:
                    order.facts.append(fact)


def may_name(order_id: str) -> Callable[[Any], bool]:
    """Return what tells of a record of aiokafka's whether its value, as JSON, can name an order: reading JSON is slow."""
    plain = order_id.encode()

    def may_be(record: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        value = record.value or b""
        return plain in value or b"\\" in value  # any character may be escaped

    return may_be
