"""What a consumer group has not read yet: from the offsets that it committed."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import KafkaError

from streams.kafka.admin.preflight import Brokers, Unusable
from streams.kafka.admin.topic_ids import look_at_topics
from streams.kafka.committed_state import CommittedState
from streams.kafka.reader.reader import ReadFailed, RecordReader, Span
from streams.settings import Settings

_TRIES: Final = 50
_BETWEEN_TRIES_SECONDS: Final = 0.2


async def unread_spans(settings: Settings, reader: RecordReader) -> list[Span]:
    """Return the parts of the source topics that no worker has settled yet.

    Raises:
        ReadFailed: the brokers can't be read.
    """
    try:
        async with Brokers(settings) as brokers:
            send = brokers.admin._send_request  # noqa: SLF001  # aiokafka has no public word for it
            topics = await look_at_topics(send, settings.source_topics)
            offsets = await _committed(brokers, settings.group_id)
    except (KafkaError, Unusable, ValueError) as error:
        raise ReadFailed(str(error)) from error
    # An offset of a topic that was deleted says nothing of the one that has its name now.
    committed = {
        (tag.topic, tag.partition): CommittedState.read(seen.offset, seen.metadata or "")
        .within(topics.id(tag.topic) if topics else "")
        .offset
        for tag, seen in offsets.items()
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


async def _committed(brokers: Brokers, group_id: str) -> Mapping[Any, Any]:
    """Return a group's offsets; a coordinator that moves, or is made with the cluster's first group, is waited for."""
    tries = 0
    while True:
        try:
            offsets: Mapping[Any, Any] = await brokers.admin.list_consumer_group_offsets(group_id)
        except KafkaError as error:
            tries += 1
            if not error.retriable or tries == _TRIES:
                raise
            await asyncio.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            return offsets
