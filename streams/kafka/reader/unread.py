"""The part of the source topics that the workers have not settled yet, by the offsets that their group committed."""

from aiokafka.errors import KafkaError

from streams.kafka.admin.preflight import Brokers, Unusable
from streams.kafka.admin.topic_ids import look_at_topics
from streams.kafka.committed_state import CommittedState
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.reader import RecordReader, Span
from streams.settings import Settings


async def unread_spans(settings: Settings, reader: RecordReader) -> list[Span]:
    """Return the parts of the source topics that no worker has settled yet.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    try:
        async with Brokers(settings) as brokers:
            send = brokers.admin._send_request  # noqa: SLF001  # aiokafka has no public word for it
            topics = await look_at_topics(send, settings.source_topics)
            offsets = await brokers.committed_offsets(settings.group_id)
    except (KafkaError, Unusable, ValueError) as error:
        raise ReadFailed(str(error)) from error
    # An offset of a topic that was deleted says nothing of the one that has its name now.
    committed = {
        (tp.topic, tp.partition): CommittedState.read(stored.offset, stored.metadata or "")
        .within(topics.id(tp.topic) if topics else "")
        .offset
        for tp, stored in offsets.items()
    }
    spans = await reader.spans(*settings.source_topics)
    return [
        Span(
            span.topic,
            span.partition,
            max(span.start, committed.get((span.topic, span.partition), 0)),
            span.end,
        )
        for span in spans
    ]
