"""Reads every batch that Kafka allows, and says what is wrong with any other instead of guessing at it.

aiokafka's own reader, in C, does less, and each of these ended a worker or lost records:

- It takes every batch of an answer for one of the first one's version: where a log goes from an old version of records
  to the present one, the second batch can't be read.
- It reads beyond a batch that is shorter than its own head, and beyond damaged records of the old versions, which ends
  the process.
- It raises on header names that are no UTF-8; Kafka stores any bytes there. Such a batch is read a second time, slower;
  bytes of a name that are no UTF-8 become lone surrogates (PEP 383), from which `raw_names.py` makes the same bytes.
- It counts a batch of which the first part only came as too large, and passes over an offset.
"""

import struct
from typing import Any, Final

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.legacy_records import _LegacyRecordBatchPy
from aiokafka.record.util import decode_varint_py

from streams.kafka.format.codecs import unlz4_of_version_0

_START: Final = struct.Struct(">qi")  # offset, length of what follows
_MAGIC_AT: Final = 16  # in every version
_LEAST_OLD: Final = 14  # a record without key and value, of version 0
_LEAST: Final = 61  # the head of a batch, of version 2
_PRESENT: Final = 2
_LAST_DELTA_AT: Final = 23
_SIZE: Final = struct.Struct(">i")
_NONE: Final = -1  # the length of a key or value that there is none of


class NotGiven(bytes):
    """Stands where a broker gave an error instead of records: its name."""

    __slots__ = ()


class RecordSet:
    """The batches in a fetch's answer, in aiokafka's words for them.

    Args:
        raw: as the answer has it; the last batch may be cut off.
    """

    def __init__(self, raw: bytes | None) -> None:
        self._raw = raw or b""
        self._at = self._begin = 0
        self._given = memoryview(b"")

    def any_names(self) -> "AnyNames":
        """Return the batch that was given last, to be read from its beginning whatever its headers' names are."""
        return AnyNames(self._given)

    def size_in_bytes(self) -> int:
        """Return how many bytes came."""
        return len(self._raw)

    def has_next(self) -> bool:
        """Tell whether there is a batch to be read, or one that must be and can't."""
        if self._at == 0:
            return bool(self._raw)
        end = self._end()
        return end is None or end <= len(self._raw)

    def next_batch(self) -> Any:  # noqa: ANN401  # aiokafka ships no types
        """Return the next batch.

        Raises:
            CorruptRecordException: it can't be one.
        """
        self._begin = self._at
        if isinstance(self._raw, NotGiven):
            message = f"the broker can't give it: {self._raw.decode()}"
            raise CorruptRecordException(message)
        at, end = self._at, self._end()
        if end is None:
            message = "its length can't be right"
            raise CorruptRecordException(message)
        if end > len(self._raw):
            message = f"it is cut off: {len(self._raw) - at} bytes of it came, of {end - at}"
            raise CorruptRecordException(message)
        magic = self._raw[at + _MAGIC_AT]
        if magic > _PRESENT:
            message = f"records of version {magic}, which nobody knows"
            raise CorruptRecordException(message)
        if magic == _PRESENT and end - at < _LEAST:
            message = f"it has {end - at} bytes, and its head alone has {_LEAST}"
            raise CorruptRecordException(message)
        self._given = memoryview(self._raw)[at:end]
        self._at = end
        return (
            DefaultRecordBatch(self._given) if magic == _PRESENT else OldBatch(self._given, magic)
        )

    @property
    def last(self) -> bytes:
        """The bytes of the batch that came last to `next_batch`, read or not; all to the end where its own can't be told."""
        if isinstance(self._raw, NotGiven):
            return b""
        self._at = self._begin
        return self._raw[self._begin : self._end()]

    def _end(self) -> int | None:
        """Return where the next batch ends, perhaps beyond what came; None where its length can't be right."""
        if len(self._raw) - self._at < _START.size:
            return len(self._raw) + 1
        _, length = _START.unpack_from(self._raw, self._at)
        return self._at + _START.size + length if length >= _LEAST_OLD else None


def offset_behind(batch: bytes) -> int | None:
    """Return the offset behind a batch, as its head says: of a damaged batch that may be wrong. None where it says none."""
    if len(batch) <= _MAGIC_AT:
        return None
    (first, _) = _START.unpack_from(batch)
    if batch[_MAGIC_AT] != _PRESENT:
        return int(first) + 1  # of a compressed set of the old versions it is the last one's
    if len(batch) < _LEAST:
        return None
    (more,) = _SIZE.unpack_from(batch, _LAST_DELTA_AT)
    return int(first + more) + 1 if more >= 0 else None


class OldBatch(_LegacyRecordBatchPy):  # type: ignore[misc]  # aiokafka ships no types
    """A record of version 0 or 1, or a compressed set of them."""

    _buffer: memoryview
    _offset: int

    @property
    def base_offset(self) -> int:
        """The last record's offset: these versions say no other."""
        return self._offset

    def _decompress(self, key_offset: int) -> Any:  # noqa: ANN401  # any buffer
        if self._magic != 0 or self._compression_type != self.CODEC_LZ4:
            return super()._decompress(key_offset)
        _, packed = self._read_key_value(key_offset)
        if packed is None:
            message = "a compressed set without a value"
            raise CorruptRecordException(message)
        return unlz4_of_version_0(packed)

    def _read_all_headers(self) -> Any:  # noqa: ANN401  # aiokafka's own
        # aiokafka follows lengths that lead nowhere, or backwards, for ever.
        at = 0
        while at < len(self._buffer):
            if len(self._buffer) - at < _START.size + _LEAST_OLD:
                message = "the last record of a compressed set is cut off"
                raise CorruptRecordException(message)
            _, length = _START.unpack_from(self._buffer, at)
            at += _START.size + length
            if length < _LEAST_OLD or at > len(self._buffer):
                message = f"a record of a compressed set says that it has {length} bytes"
                raise CorruptRecordException(message)
        return super()._read_all_headers()

    def _read_key_value(self, pos: int) -> tuple[bytes | None, bytes | None]:
        # aiokafka takes what is there of a key or a value that says that it is longer.
        at = pos
        for _ in ("key", "value"):
            (size,) = _SIZE.unpack_from(self._buffer, at)
            at += _SIZE.size + max(size, 0)
            if size < _NONE or at > len(self._buffer):
                message = f"a key or value says that it has {size} bytes"
                raise CorruptRecordException(message)
        key_and_value: tuple[bytes | None, bytes | None] = super()._read_key_value(pos)
        return key_and_value


class _Buffer(bytearray):
    """Bytes whose parts are decoded whatever they are."""

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401  # bytearray's own
        part = super().__getitem__(index)
        return _Buffer(part) if isinstance(index, slice) else part

    def decode(self, *_: str) -> str:
        return super().decode("utf-8", "surrogateescape")


class AnyNames(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka ships no types
    """A batch of version 2, read slowly and whatever its headers' names are."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Buffer):
            self._buffer = _Buffer(self._buffer)

    def _read_msg(self) -> Any:  # noqa: ANN401  # aiokafka's own
        return super()._read_msg(decode_varint_py)  # the one in C reads beyond the end
