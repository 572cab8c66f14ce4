"""Writes records with header names that are no UTF-8, as `batches.py` reads them: to the byte as they came.

aiokafka's producer takes names of text only. Such a record goes in a batch of its own, made by the part of aiokafka that
is written in Python.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from streams.kafka.format.records import OutRecord
from streams.notification.notification import Headers


class _RawName(str):
    """A name that becomes the bytes that it was read from."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return super().encode("utf-8", "surrogateescape")


class _Batch(BatchBuilder):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's, of one record."""

    def __init__(self, record: OutRecord) -> None:
        super().__init__(0, 0)
        self._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 0)
        self.append(
            timestamp=None,
            key=record.key,
            value=record.value,
            headers=[(_RawName(name), value) for name, value in record.headers],
        )
        self.close()

    def _set_producer_state(self, producer_id: int, producer_epoch: int, sequence: int) -> None:
        self._builder.set_producer_state(producer_id, producer_epoch, sequence)


def has_raw_name(headers: Headers) -> bool:
    """Tell whether a header's name is no text."""
    names = "".join([name for name, _ in headers])
    return not names.isascii() and any("\udc80" <= letter <= "\udcff" for letter in names)


async def send_with_raw_names(
    producer: AIOKafkaProducer, record: OutRecord
) -> "asyncio.Future[Any]":
    """Hand a record to the producer, as its own `send` does, and return what its acknowledgement will resolve.

    Raises:
        KafkaError: as `send` does.
    """
    await producer.client._wait_on_metadata(record.topic)  # noqa: SLF001  # as `send` does
    partition = producer._partition(record.topic, None, None, None, record.key, record.value)  # noqa: SLF001  # likewise
    sending: asyncio.Future[Any] = await producer.send_batch(
        _Batch(record), record.topic, partition=partition
    )
    return sending
