"""Record batches made byte by byte, as the protocol's pages describe them: every version and codec, and damaged ones."""

import gzip
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cramjam
from aiokafka.record.util import calc_crc32c

TIME_MS = 1_795_385_194_937
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS = {"none": 0, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
LOG_APPEND_TIME = 8
CRC_AT, CHECKED_FROM = 17, 21


@dataclass(frozen=True)
class Row:
    """A record."""

    value: bytes | None
    key: bytes | None = b"key"
    headers: tuple[tuple[bytes, bytes | None], ...] = ()


def rows(count: int, begin: int = 0) -> list[Row]:
    """Return records with values of their own."""
    return [
        Row(b"value-%d" % number, b"key-%d" % number, ((b"trace", b"\xff"), (b"null", None)))
        for number in range(begin, begin + count)
    ]


def xerial(data: bytes, block: int = 100) -> bytes:
    """Compress with snappy as the Java library does: blocks behind a head of its own."""
    out = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
    for at in range(0, len(data), block):
        packed = bytes(cramjam.snappy.compress_raw(data[at : at + block]))
        out += struct.pack(">i", len(packed)) + packed
    return out


def compressed(codec: int, data: bytes) -> bytes:
    """Compress as a producer does."""
    match codec:
        case 1:
            return gzip.compress(data)
        case 2:
            return bytes(cramjam.snappy.compress_raw(data))
        case 3:
            return bytes(cramjam.lz4.compress(data))
        case 4:
            return bytes(cramjam.zstd.compress(data))
        case _:
            return data


def varint(number: int) -> bytes:
    """Encode a number, zigzag and in groups of seven bits."""
    rest, out = (number << 1) ^ (number >> 63), b""
    while rest > 0x7F:
        out += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return out + bytes([rest])


def sized(data: bytes | None) -> bytes:
    """Encode bytes behind their length."""
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset_delta: int, row: Row) -> bytes:
    """Encode a record of version 2."""
    body = b"\0" + varint(offset_delta) + varint(offset_delta) + sized(row.key) + sized(row.value)
    body += varint(len(row.headers))
    body += b"".join(sized(name) + sized(value) for name, value in row.headers)
    return sized(body)


def batch(  # noqa: PLR0913  # the fields of a head
    records: Sequence[Row] | bytes,
    offset: int = 0,
    codec: int = 0,
    *,
    attributes: int | None = None,
    magic: int = 2,
    count: int | None = None,
    last_delta: int | None = None,
    producer: int = -1,
    packed: bytes | None = None,
) -> bytes:
    """Encode a batch of version 2, or what lies about being one; its checksum is right.

    Args:
        records: what is in it; bytes stand for records that are encoded already.
        offset: of the first.
        codec: compresses them.
        attributes: the codec's number, unless another is given.
        magic: the version.
        count: of the records, unless it lies.
        last_delta: the last one's offset less the first's, unless it lies.
        producer: its id.
        packed: what stands where the compressed records should.
    """
    many = 1 if isinstance(records, bytes) else len(records)
    if not isinstance(records, bytes):
        records = b"".join(record(delta, row) for delta, row in enumerate(records))
    packed = compressed(codec, records) if packed is None else packed
    checked = struct.pack(
        ">hiqqqhii",
        codec if attributes is None else attributes,
        many - 1 if last_delta is None else last_delta,
        TIME_MS,
        TIME_MS,
        producer,
        0 if producer >= 0 else -1,
        0 if producer >= 0 else -1,
        many if count is None else count,
    )
    checked += packed
    head = struct.pack(">ibI", 0, magic, calc_crc32c(checked))
    return struct.pack(">qi", offset, len(head) + len(checked)) + head + checked


def old_record(  # noqa: PLR0913, PLR0917  # the fields of a record
    magic: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    attributes: int = 0,
    time_ms: int = TIME_MS,
) -> bytes:
    """Encode a record of version 0 or 1."""
    checked = struct.pack(">bb", magic, attributes)
    if magic == 1:
        checked += struct.pack(">q", time_ms)
    for data in (key, value):
        checked += struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data
    body = struct.pack(">I", zlib.crc32(checked)) + checked
    return struct.pack(">qi", offset, len(body)) + body


def old_set(
    magic: int, codec: int, records: Iterable[Row], offset: int = 0, attributes: int = 0
) -> bytes:
    """Encode a compressed set of version 0 or 1 as a broker stores it: the last record's offset outside."""
    records = list(records)
    # Version 0 has absolute offsets inside, version 1 those within the set.
    first = offset if magic == 0 else 0
    inside = b"".join(
        old_record(magic, first + number, row.key, row.value) for number, row in enumerate(records)
    )
    packed = xerial(inside) if codec == SNAPPY else compressed(codec, inside)
    if (magic, codec) == (0, LZ4):
        packed = (
            packed[:6] + bytes([packed[6] ^ 0x5A]) + packed[7:]
        )  # as Kafka wrote it then, wrong
    last = offset + len(records) - 1
    return old_record(magic, last, None, packed, codec | attributes, TIME_MS + 1)


def with_checksum(raw: bytes) -> bytes:
    """Return a batch of version 2 whose checksum is made right again."""
    checked = raw[CHECKED_FROM:]
    return raw[:CRC_AT] + struct.pack(">I", calc_crc32c(checked)) + checked


def flipped(raw: bytes, at: int) -> bytes:
    """Return bytes of which one is another."""
    return raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]
