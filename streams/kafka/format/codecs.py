"""Decompresses batches, each to at most `MOST_BYTES`: a few kilobytes may hold gigabytes of zeros.

`streams.kafka.patches.bounded_decompression` puts it in force. The brokers limit a batch's size on the wire only (`message.max.bytes`).
"""

import re
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

import cramjam

MOST_BYTES: Final = 64 * 1024 * 1024
"""A batch of Kafka's default size (1 MiB) may be compressed to a sixty-fourth; JSON comes to a tenth or so."""

_FIRST_GUESS: Final = 16  # times what is compressed
_LEAST_GUESS: Final = 64 * 1024
_NEXT_GUESS: Final = 4  # times the last
_SPARE: Final = 32  # aiokafka's C code may look at some bytes behind the last one
_GZIP_STEP: Final = 1024  # the first; it doubles within a member
_ZEROS: Final = re.compile(rb"\0*")
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEAD: Final = len(_XERIAL) + 8  # its version, and the oldest one that can read it
_LENGTH: Final = struct.Struct(">i")

Decode = Callable[[Any], Any]


class BatchTooLarge(ValueError):  # noqa: N818  # what the batch is
    """A batch that decompresses to more than `MOST_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"decompresses to more than {MOST_BYTES // 1024**2} MiB")


def gunzip(packed: Any) -> bytes:  # noqa: ANN401  # any buffer
    """Return what gzip compressed, in one member or several.

    Raises:
        BatchTooLarge: it is too much.
        EOFError, zlib.error: the data are damaged.
    """
    whole = memoryview(bytes(packed))
    at, parts, left = 0, [], MOST_BYTES
    while at < len(whole):
        member, step = zlib.decompressobj(wbits=31), _GZIP_STEP
        while not member.eof:
            piece = whole[at : at + step]
            if not piece:
                message = "the gzip data end too early"
                raise EOFError(message)
            part = member.decompress(piece, left + 1)
            left -= len(part)
            if left < 0:
                raise BatchTooLarge
            parts.append(part)
            # The library copies what follows a member: of the whole rest, for each of very many empty ones, that is too much.
            at += len(piece) - len(member.unused_data)
            step *= 2
        at = _end_of_zeros(whole, at)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _end_of_zeros(packed: memoryview, at: int) -> int:
    """Return where something else follows: writers may fill up with zeros."""
    found = _ZEROS.match(packed, at)
    return found.end() if found else at


def unsnappy(packed: Any) -> memoryview:  # noqa: ANN401  # any buffer
    """Return what snappy compressed: one block, as the format has it, or the Java library's chain of them.

    Raises:
        BatchTooLarge: it is too much.
        cramjam.DecompressionError, ValueError: the data are damaged.
    """
    blocks = _snappy_blocks(memoryview(packed))
    lengths = [int(cramjam.snappy.decompress_raw_len(block)) for block in blocks]
    total = sum(lengths)
    if total > MOST_BYTES:
        raise BatchTooLarge
    out, at = bytearray(total + _SPARE), 0
    for block in blocks:
        part = cramjam.snappy.decompress_raw(block)
        out[at : at + len(part)] = memoryview(part)
        at += len(part)
    return memoryview(out)[:at]


def _snappy_blocks(packed: memoryview) -> list[memoryview]:
    if bytes(packed[: len(_XERIAL)]) != _XERIAL:
        return [packed]
    blocks, at = [], _XERIAL_HEAD
    while at < len(packed):
        (length,) = _LENGTH.unpack_from(packed, at)
        at += _LENGTH.size
        if not 0 <= length <= len(packed) - at:
            message = (
                f"a snappy block says that it has {length} bytes, and {len(packed) - at} follow"
            )
            raise ValueError(message)
        blocks.append(packed[at : at + length])
        at += length
    return blocks


def _bounded(decompress_into: Callable[[Any, Any], int]) -> Decode:
    """Return a decoder that tries with ever more room: neither lz4 nor zstd need say how much they hold."""

    def decode(packed: Any) -> memoryview:  # noqa: ANN401  # any buffer
        room = min(max(_FIRST_GUESS * len(packed), _LEAST_GUESS), MOST_BYTES)
        while True:
            out = bytearray(room + _SPARE)
            try:
                length = decompress_into(packed, memoryview(out)[:room])
            except cramjam.DecompressionError as error:
                if _NO_ROOM not in str(error):
                    raise
                if room == MOST_BYTES:
                    raise BatchTooLarge from error
                room = min(room * _NEXT_GUESS, MOST_BYTES)
            else:
                return memoryview(out)[:length]

    return decode


_NO_ROOM: Final = "failed to write whole buffer"  # Rust's words for an output that is full

unlz4 = _bounded(cramjam.lz4.decompress_into)
unzstd = _bounded(cramjam.zstd.decompress_into)


def unlz4_of_version_0(packed: Any) -> memoryview:  # noqa: ANN401  # any buffer
    """Return what lz4 compressed in a set of version 0: Kafka wrote a wrong checksum of the frame's head then (KAFKA-3160).

    Raises:
        BatchTooLarge: it is too much.
        cramjam.DecompressionError: the data are damaged.
    """
    frame = bytearray(packed)
    if len(frame) > _LZ4_FLAGS_AT:
        flags = frame[_LZ4_FLAGS_AT]
        end = _LZ4_FLAGS_AT + 2 + (8 if flags & _LZ4_HAS_SIZE else 0)
        if len(frame) > end:
            frame[end] = _xxh32(bytes(frame[_LZ4_FLAGS_AT:end])) >> 8 & 0xFF
    return memoryview(unlz4(bytes(frame)))


def _xxh32(data: bytes) -> int:
    """Return the hash that lz4's frames have, of fewer than 16 bytes."""
    digest, at = _PRIMES[4] + len(data), 0
    while len(data) - at >= _WORD.size:
        digest = _rotated(digest + _WORD.unpack_from(data, at)[0] * _PRIMES[2], 17) * _PRIMES[3]
        at += _WORD.size
    for byte in data[at:]:
        digest = _rotated(digest + byte * _PRIMES[4], 11) * _PRIMES[0]
    digest &= 0xFFFFFFFF
    digest = (digest ^ digest >> 15) * _PRIMES[1] & 0xFFFFFFFF
    digest = (digest ^ digest >> 13) * _PRIMES[2] & 0xFFFFFFFF
    return digest ^ digest >> 16


def _rotated(number: int, by: int) -> int:
    number &= 0xFFFFFFFF
    return (number << by | number >> (32 - by)) & 0xFFFFFFFF


_PRIMES: Final = (2654435761, 2246822519, 3266489917, 668265263, 374761393)
_WORD: Final = struct.Struct("<I")
_LZ4_FLAGS_AT: Final = 4  # behind the magic number
_LZ4_HAS_SIZE: Final = 8
