"""What a replay works with: a reader, a producer and, where bodies are made anew, a reader for their events."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from schemas.notify_url import check_notify_url
from streams.clock import Clock
from streams.kafka.connection import connection_of
from streams.kafka.producer import RecordProducer
from streams.kafka.reader.reader import RecordReader
from streams.kafka.topics import TopicNames
from streams.mapping.mapping import EventMapping
from streams.operator.dead_letters.rebuild import Rebuild
from streams.operator.history.mapped_events import EventReader
from streams.partners import Partner
from streams.settings import Settings
from streams.worker.settle import Settler


@dataclass(frozen=True, slots=True)
class ReplayClients:
    """What a run works with.

    Attributes:
        reader: of the brokers; used by the run alone while it lasts.
        settler: writes what puts something back.
        names: our topics.
        clock: for the times in the records.
        check_url: raises ValueError for a notify URL that may not be called.
        rebuild: makes notifications anew from their events.
    """

    reader: RecordReader
    settler: Settler
    names: TopicNames
    clock: Clock
    check_url: Callable[[str], None]
    rebuild: Rebuild


@asynccontextmanager
async def open_replay_clients(
    settings: Settings,
    partner_of: Callable[[str], Partner | None],
    clock: Clock,
    mapping: EventMapping | None = None,
) -> AsyncIterator[ReplayClients]:
    """Give what a run works with, connected; close it afterwards.

    Raises:
        ReadFailed: no broker answers.
    """
    connection, names = connection_of(settings), TopicNames(settings.topic_prefix)
    client_id = f"{settings.group_id}-replay"
    async with AsyncExitStack() as stack:
        reader, second = [
            await stack.enter_async_context(RecordReader(connection, client_id)) for _ in range(2)
        ]
        producer = RecordProducer(connection, client_id, lambda _: None)
        stack.push_async_callback(producer.stop)
        yield ReplayClients(
            reader=reader,
            settler=Settler(producer, names.attempts, clock.now_seconds),
            names=names,
            clock=clock,
            check_url=partial(check_notify_url, allow_http=settings.allow_http),
            rebuild=Rebuild(
                second,
                names,
                settings.source_topics,
                partner_of,
                settings.allow_http,
                EventReader(mapping),
            ),
        )
