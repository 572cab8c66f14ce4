"""Decompresses each batch to at most `streams.kafka.format.codecs.MOST_BYTES`.

Upstream: none filed known; the like of it is kafkajs's issue 1795.

Why: aiokafka decompresses whatever comes, and a few kilobytes may hold gigabytes. A worker that runs out of memory is
started again and reads the same batch.

Remove when: aiokafka takes a limit for what a batch may decompress to.
"""

from contextlib import suppress
from typing import Any, Final

from aiokafka.record import default_records, legacy_records

from streams.kafka.format.codecs import gunzip, unlz4, unsnappy, unzstd

_DECODERS: Final = {
    "gzip_decode": gunzip,
    "snappy_decode": unsnappy,
    "lz4_decode": unlz4,
    "zstd_decode": unzstd,
}
_READERS: Final[list[Any]] = [default_records, legacy_records]
with suppress(ImportError):  # where aiokafka runs without its C code
    from aiokafka.record._crecords import default_records as in_c

    _READERS.append(in_c)

REPLACES: Final = tuple(f"{reader.__name__}.{name}" for reader in _READERS for name in _DECODERS)


def apply() -> None:
    """Make every consumer of this process decompress so. Calling it again does no harm."""
    for reader in _READERS:
        for name, decode in _DECODERS.items():
            setattr(reader, name, decode)
