"""Picks from a fetch's answer the batches that may hold a key or a text, without decoding a record.

A batch is checked, decompressed and searched for the bytes. That is some hundred times faster than making an object of
every record to compare its key.
"""

import struct
from typing import Final

from aiokafka.record.util import calc_crc32c, encode_varint

from streams.kafka.format.batches import NotGiven, offset_behind
from streams.kafka.format.codecs import Decode, gunzip, unlz4, unsnappy, unzstd

_FRAME: Final = struct.Struct(">qi")  # offset, length of what follows
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_MAGIC_AT: Final = 16
_PRESENT: Final = 2
_CHECKED_FROM: Final = 21  # the checksum is over all that follows it
_CODEC_BITS: Final = 7
_CONTROL_BIT: Final = 0x20
_DECODERS: Final[dict[int, Decode]] = {1: gunzip, 2: unsnappy, 3: unlz4, 4: unzstd}


class BatchFilter:
    """A filter for batches that hold some bytes.

    Args:
        wanted: the bytes, of which one at least must stand in a batch.

    Attributes:
        passed: how many records were looked at, those with these bytes included.
        oldest_ms: by topic, the time of the oldest batch that was looked at, milliseconds since the epoch.
    """

    def __init__(self, *wanted: bytes) -> None:
        self.passed = 0
        self.oldest_ms: dict[str, int] = {}
        self._wanted = wanted

    def batches(self, topic: str, raw: bytes) -> tuple[bytes, int]:
        """Return the batches that may hold the bytes, those that tell of transactions and those that can't be judged here.

        And the offset behind the last batch; 0 where none came whole.
        """
        if isinstance(raw, NotGiven):
            return raw, 0
        kept: list[bytes] = []
        at = behind = 0
        while len(raw) - at >= _FRAME.size:
            _, length = _FRAME.unpack_from(raw, at)
            end = at + _FRAME.size + length
            if end > len(raw) and at:
                break  # the last one is cut off: the next answer begins with it
            if length < 0 or not self._can_be_passed(topic, raw, at, end):
                kept.append(raw[at:end] if length >= 0 else raw[at:])
            behind = max(behind, offset_behind(raw[at : at + _HEAD.size]) or 0)
            if length < 0:
                break  # the decoder says what is wrong
            at = end
        return b"".join(kept), behind

    def _can_be_passed(self, topic: str, raw: bytes, at: int, end: int) -> bool:
        """Tell whether a batch is whole and has no such record; note how many records it has, and its time."""
        if end - at < _HEAD.size or end > len(raw) or raw[at + _MAGIC_AT] != _PRESENT:
            return False
        (*_, crc, attributes, last, first_ms, _, _, _, _, count) = _HEAD.unpack_from(raw, at)
        if last < 0 or attributes & _CONTROL_BIT:
            return False
        if calc_crc32c(memoryview(raw)[at + _CHECKED_FROM : end]) != crc:
            return False
        self.passed += count
        if first_ms >= 0:
            self.oldest_ms[topic] = min(self.oldest_ms.get(topic, first_ms), first_ms)
        if not (codec := attributes & _CODEC_BITS):
            return all(raw.find(bytes_, at + _HEAD.size, end) < 0 for bytes_ in self._wanted)
        try:
            records = bytes(_DECODERS[codec](raw[at + _HEAD.size : end]))
        except Exception:  # noqa: BLE001  # decoders of four formats, fed with anything: their errors have no root
            return False
        return not any(bytes_ in records for bytes_ in self._wanted)


def key_in_record(key: bytes) -> bytes:
    """Return the bytes of a key in a record of version 2: its length, then itself."""
    length = bytearray()
    encode_varint(len(key), length.append)
    return bytes(length) + key
