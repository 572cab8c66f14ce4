"""Reads records whose header names are no UTF-8, on which aiokafka's consumer raises.

Kafka stores any bytes there, so one such record would end every worker that reads its partition, again and again.
Such a fetch is read a second time, slower; bytes of a name that are no UTF-8 become lone surrogates (PEP 383), from
which `raw_names.py` makes the same bytes again.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


class _Buffer(bytearray):
    """Bytes whose parts are decoded whatever they are."""

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401  # bytearray's own
        part = super().__getitem__(index)
        return _Buffer(part) if isinstance(index, slice) else part

    def decode(self, *_: str) -> str:
        return super().decode("utf-8", "surrogateescape")


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka ships no types
    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Buffer):
            self._buffer = _Buffer(self._buffer)


class _SlowRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> _Batch:
        batch = self._next_slice
        self._cache_next()
        return _Batch(batch)


class _Records(MemoryRecords):  # type: ignore[misc]
    """aiokafka's, and the bytes that it was made of."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    _records: Any

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:
            self._records = _SlowRecords(self._records.raw)
            yield from super()._unpack_records()  # leaves out the offsets that it has given already


def read_any_header_name() -> None:
    """Make every consumer of this process read such records."""
    fetcher.MemoryRecords = _Records
    fetcher.PartitionRecords = _PartitionRecords
