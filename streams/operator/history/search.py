"""Everything that our topics say of one order, read from Kafka alone.

Our records are keyed by the order id, so few partitions of each topic are read: that of the key, and those that it had
when the topic had fewer partitions. Only where nothing is found there all others are read, before we say that nothing is
known. Source topics are keyed and spread by payment core as it likes: an event is fetched from the place that our records
name, and only where we have no record it is looked for, in all partitions.
"""

from dataclasses import dataclass, field

from streams.kafka.format.facts import Fact, read_fact, topic_kinds
from streams.kafka.format.raw import RecordId
from streams.kafka.reader.reader import OnProgress, RecordReader, Span
from streams.kafka.reader.unread import unread_spans
from streams.kafka.topics import TopicNames
from streams.settings import Settings


@dataclass(slots=True)
class OrderRecords:
    """What the records about an order say, and how far the search went.

    Attributes:
        read: how many records were read for it.
        oldest_ms: of when the oldest attempts record is that was seen; None where there is none.
        looked_for_event: whether the source topics were searched too, as nothing was found elsewhere.
    """

    facts: list[Fact] = field(default_factory=list)
    read: int = 0
    oldest_ms: int | None = None
    looked_for_event: bool = False

    def saw(self, at_ms: int) -> None:
        """Note of when an attempts record is that was seen."""
        self.oldest_ms = at_ms if self.oldest_ms is None else min(self.oldest_ms, at_ms)


async def search_order(
    settings: Settings,
    reader: RecordReader,
    order_id: str,
    *,
    since_ms: int | None = None,
    on_progress: OnProgress | None = None,
) -> OrderRecords:
    """Return all that is known of an order.

    Args:
        settings: for the names of the topics and groups.
        reader: of the brokers.
        order_id: the order.
        since_ms: only what was written since, milliseconds since the epoch.
        on_progress: told how far the reading is.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    names, order = TopicNames(settings.topic_prefix), OrderRecords()
    key = order_id.encode()
    topics = topic_kinds(names)
    of_key = await reader.key_spans(*topics, key=key, since_ms=since_ms)
    for spans in (of_key.likely, of_key.rest):
        async for batch in reader.read(spans, on_progress):
            order.read += len(batch)
            if batch[0].topic == names.attempts:
                order.saw(batch[0].timestamp_ms)
            order.facts += [read_fact(topics[r.topic], r) for r in batch if r.key == key]
        if order.facts:
            break
    if order.facts:
        await _add_events(settings, reader, order)
    else:
        # Without a time: what no worker has settled yet; all the rest has left a record with us.
        if since_ms is None:
            spans = await unread_spans(settings, reader)
        else:
            spans = await reader.spans(*settings.source_topics, since_ms=since_ms)
        await _look_for_event(reader, spans, order_id, order, on_progress)
    return order


async def _add_events(settings: Settings, reader: RecordReader, order: OrderRecords) -> None:
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
            event = read_fact("event", record)
            # A topic that was created anew has other events at the old places.
            if event.order_id in {fact.order_id for fact in order.facts}:
                order.facts.append(event)


async def _look_for_event(
    reader: RecordReader,
    spans: list[Span],
    order_id: str,
    order: OrderRecords,
    on_progress: OnProgress | None,
) -> None:
    order.looked_for_event = True
    key = order_id.encode()
    async for batch in reader.read(spans, on_progress):
        order.read += len(batch)
        for record in batch:
            if key in (record.value or b""):  # most are not; reading JSON is slow
                fact = read_fact("event", record)
                if fact.order_id == order_id:
                    order.facts.append(fact)
