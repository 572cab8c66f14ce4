"""Writes records and returns when the broker has acknowledged them: acks=all, in batches, retried until it has.

aiokafka's producer (`streams.kafka.batching`), not Faust's: without Faust's topic objects, and it can be replaced when it
dies (an idempotent producer does, when the broker forgets or mixes up its sequence).
"""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    UnknownProducerId,
)

from schemas.valueclass import valueclass
from streams.kafka.batching import BatchingProducer, BatchTooLarge
from streams.kafka.connection import Connection
from streams.kafka.format.raw_names import has_raw_name, send_with_raw_names
from streams.kafka.format.records import OutRecord, too_large
from streams.kafka.patches.quick_close import close_quickly
from streams.kafka.sizes import MAX_RECORD_BYTES

log = logging.getLogger(__name__)

_LINGER_SECONDS = 0.02
"""The shortest time between two requests: nobody but a commit waits for it, and a batch costs more than its records."""

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_STOP_SECONDS = 2.0  # whoever wrote has waited before, as long as a drain lasts
_BETWEEN_STARTS_SECONDS = 1.0
_SEQUENCE_LOST = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch, ProducerFenced)
"""A batch that the broker refused for good has used up its sequence numbers: every later one of this producer is refused
too, for ever, and aiokafka goes on with it."""


class RecordTooLarge(ValueError):  # noqa: N818  # what the record is
    """The broker will never take this record.

    Attributes:
        record: the one that was to be written.
    """

    def __init__(self, record: OutRecord) -> None:
        super().__init__(too_large(record))
        self.record = record


@valueclass(frozen=True, slots=True)
class Written:
    """Where and when the broker stored a record.

    Attributes:
        append_time_ms: the broker's clock where the topic stamps records at append, else -1.
    """

    append_time_ms: int


class RecordProducer:
    """A producer that never gives up on a record while its caller still waits.

    Args:
        connection: the brokers.
        client_id: as the brokers' logs shall show it.
        on_error: called with the topic at every failed try; for metrics.
    """

    def __init__(
        self, connection: Connection, client_id: str, on_error: Callable[[str], None]
    ) -> None:
        self._connection = connection
        self._client_id = client_id
        self._on_error = on_error
        self._producer: BatchingProducer | None = None
        self._changing = asyncio.Lock()
        self._closed = False
        self._retiring: set[asyncio.Task[None]] = set()
        self._next_start = 0.0

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaError where no broker can be reached."""
        await self._usable()

    async def stop(self) -> None:
        """Send what is buffered and disconnect; what brokers do not take now, nobody waits for any more."""
        async with self._changing:
            self._closed = True
            producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop(_STOP_SECONDS)
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=_STOP_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether the task that sends batches runs."""
        return self._producer is not None and not _is_dead(self._producer)

    async def write(self, *records: OutRecord) -> list[Written]:
        """Return when the broker has acknowledged every record; a failed one is tried again until it does.

        A record may be stored twice if an acknowledgement got lost; never zero times.

        Raises:
            RecordTooLarge: a record is over the size that the broker takes; it has acknowledged all that are not.
            asyncio.CancelledError: the caller gave up; records may or may not be stored.
        """
        written: list[Written | None] = [None] * len(records)
        missing = list(range(len(records)))
        refused: dict[int, Exception] = {}
        alone: set[int] = set()
        pause = _FIRST_PAUSE_SECONDS
        while missing:
            failed = await self._try(records, missing, alone, written)
            refused |= {
                index: error
                for index, error in failed.items()
                if isinstance(error, MessageSizeTooLargeError)
            }
            missing = [index for index in failed if index not in refused]
            if missing:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            alone |= {index for index, error in failed.items() if isinstance(error, BatchTooLarge)}
        if refused:
            first = min(refused)
            raise RecordTooLarge(records[first]) from refused[first]
        return [stored for stored in written if stored is not None]

    async def _try(
        self,
        records: tuple[OutRecord, ...],
        missing: list[int],
        alone: set[int],
        written: list[Written | None],
    ) -> dict[int, Exception]:
        pending: list[tuple[int, asyncio.Future[Any]]] = []
        failed: dict[int, Exception] = {}
        try:
            producer = await self._usable()
        # The second is of a file of the settings, which is read again for a new producer.
        except (KafkaError, OSError) as error:
            self._failed(records[missing[0]], error)
            return dict.fromkeys(missing, error)
        for index in missing:
            record = records[index]
            try:
                pending.append((index, await _send(producer, record, alone=index in alone)))
            except MessageSizeTooLargeError as error:
                failed[index] = error
            except KafkaError as error:
                self._failed(record, error)
                failed[index] = error
        for index, future in pending:
            try:
                # Of this record only: to give it up takes nothing out of a batch.
                stored = await future
            except MessageSizeTooLargeError as error:
                failed[index] = error
            except KafkaError as error:
                self._failed(records[index], error)
                failed[index] = error
                if isinstance(error, _SEQUENCE_LOST):
                    self._retire(producer)
            else:
                written[index] = Written(stored.timestamp if stored.timestamp_type == 1 else -1)
        return failed

    def _retire(self, producer: BatchingProducer) -> None:
        """Stop a producer whose batches are refused, once its batches have ended; the next record gets another producer."""
        if self._producer is producer:
            self._producer = None
            log.error("the broker takes nothing more from this producer; starting another")
            self._end(producer, producer.stop())

    def _end(self, producer: BatchingProducer, ending: Coroutine[Any, Any, None]) -> None:
        """Let a producer end, which nobody waits for, and then what still waits for its metadata."""

        def ended(task: asyncio.Task[None]) -> None:
            self._retiring.discard(task)
            _end_waiting(producer)

        task = asyncio.create_task(ending)
        self._retiring.add(task)
        task.add_done_callback(ended)

    def _failed(self, record: OutRecord, error: Exception) -> None:
        self._on_error(record.topic)
        log.warning("writing to %s failed, trying again: %s", record.topic, error)

    async def _usable(self) -> BatchingProducer:
        producer = self._producer
        if producer is not None and not _is_dead(producer):
            return producer
        async with self._changing:
            if self._closed:
                message = "the producer was stopped"
                raise asyncio.CancelledError(message)
            if self._producer is not None and _is_dead(self._producer):
                dead, self._producer = self._producer, None
                log.error("the producer died; starting another")
                close_quickly(dead.client)
                self._end(dead, dead.client.close())
            if self._producer is None:
                loop = asyncio.get_running_loop()
                # One a second, whatever the broker does.
                await asyncio.sleep(self._next_start - loop.time())
                self._next_start = loop.time() + _BETWEEN_STARTS_SECONDS
                self._producer = await self._start_new()
            return self._producer

    async def _start_new(self) -> BatchingProducer:
        producer = BatchingProducer(
            **self._connection.options(self._client_id),
            acks="all",
            enable_idempotence=True,
            linger_seconds=_LINGER_SECONDS,
            max_batch_size=256 * 1024,
            max_request_size=MAX_RECORD_BYTES + 48_576,
            request_timeout_ms=20_000,
        )
        # A batch that expired after it was sent once leaves a gap in the producer's sequence, and the broker refuses
        # every later one of its partition (OutOfOrderSequenceNumber) for good. Our writers never give up anyway.
        producer._message_accumulator._batch_ttl = math.inf  # noqa: SLF001  # aiokafka ties it to the request's time-out
        try:
            await producer.start()
        except BaseException:
            close_quickly(producer.client)  # all writers wait meanwhile
            await producer.stop()
            raise
        return producer


def _end_waiting(producer: BatchingProducer) -> None:
    """Fail the sends that wait, or are going to wait, for metadata of a producer whose client is closed.

    aiokafka lets both wait for ever: a send asks again and again until the brokers name its topic's partitions.
    """
    client = producer.client
    update = client._md_update_fut  # noqa: SLF001  # aiokafka has no public word for it
    if update is None or update.done():
        update = client._md_update_fut = asyncio.get_running_loop().create_future()  # noqa: SLF001  # likewise
    message = "the producer was replaced while it asked who leads"
    update.set_exception(KafkaConnectionError(message))
    update.exception()  # asyncio would report one that nobody waits for


async def _send(
    producer: BatchingProducer, record: OutRecord, *, alone: bool
) -> asyncio.Future[Any]:
    if producer._closed or _is_dead(producer):  # noqa: SLF001  # since the record before this one was sent
        raise ProducerClosed
    if has_raw_name(record.headers):
        return await send_with_raw_names(producer, record)
    sending: asyncio.Future[Any] = await producer.send(
        record.topic, record.value, record.key, headers=list(record.headers), alone=alone
    )
    return sending


def _is_dead(producer: BatchingProducer) -> bool:
    # aiokafka has no public word for them. Without the second it would never learn of another leader.
    sends, learns = producer._sender.sender_task, producer.client._sync_task  # noqa: SLF001
    return sends is None or sends.done() or learns is None or learns.done()
