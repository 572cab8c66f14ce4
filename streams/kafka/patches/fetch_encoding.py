"""Encodes fetch requests and decodes their answers in a tenth of the time.

Upstream: none filed known; aiokafka's issue 943 is another cost that grows with topics.

Why: aiokafka's general encoder makes some 20 calls for each partition that a fetch names, and its decoder some 50 for each
in an answer. Where every fetch named all partitions, the decoder alone was half of all the functions that a worker called
at a few hundred events a second. With sessions (`fetch_sessions`) they are few, but for the first fetch of each session, brokers
that have no room for sessions, and a backlog. An error of the broker about single batches is also passed on as such,
where aiokafka asks again at once, for ever; and one that says that the partition is elsewhere as that.

Remove when: aiokafka encodes and decodes fetches in C, and tells of an error instead of records.
"""

import struct
from io import BytesIO
from struct import Struct, pack
from typing import Any, Final

from aiokafka.errors import (
    CorruptRecordException,
    KafkaStorageError,
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    ReplicaNotAvailableError,
    UnknownError,
)
from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11

from streams.kafka.format.batches import NotGiven

REPLACES: Final = tuple(
    f"aiokafka.protocol.fetch.FetchRequest_v11.{name}" for name in ("encode", "RESPONSE_TYPE")
)

_WANTED = Struct(
    ">iiiibiii"
)  # replica, longest wait, least, most bytes, isolation, session, its epoch, how many topics
_FROM = Struct(">iiqqi")  # number, leader epoch, offset, log start, most bytes
_HEAD = Struct(">ihii")  # throttle time, error, session, how many topics
_TEXT = Struct(">h")  # its length
_COUNT = Struct(">i")
_PARTITION = Struct(
    ">ihqqqi"
)  # number, error, high watermark, last stable, first offset, how many aborted
_ABORTED = Struct(">qq")  # producer, first offset
_TOO_SHORT = "the records end too early"
_RECORDS = Struct(">ii")  # preferred replica, length of the records
_NOT_GIVEN = {
    error.errno: NotGiven(f"{error.errno} ({error.message})".encode())
    for error in (CorruptRecordException, UnknownError)
}
"""What a broker says of records that it can't read itself. aiokafka asks again at once, for ever."""
_ELSEWHERE: Final = {
    error.errno: NotLeaderForPartitionError.errno
    for error in (KafkaStorageError, LeaderNotAvailableError, ReplicaNotAvailableError)
}
"""What a broker says that has lost a partition (a disk of it) or does not have it yet, to what aiokafka looks at the leaders for.
It asks the same broker again otherwise, until it looks anyhow in five minutes."""


def encode(request: FetchRequest_v11) -> bytes:
    """Return a request's bytes, as aiokafka's own encoder would."""
    head = (
        request.replica_id,
        request.max_wait_time,
        request.min_bytes,
        request.max_bytes,
        request.isolation_level,
        request.session_id,
        request.session_epoch,
    )
    parts = [_WANTED.pack(*head, len(request.topics))]
    for topic, partitions in request.topics:
        parts += (*_text(topic), _COUNT.pack(len(partitions)))
        parts += [_FROM.pack(*partition) for partition in partitions]
    parts.append(_COUNT.pack(len(request.forgotten_topics_data)))
    for topic, numbers in request.forgotten_topics_data:
        parts += (*_text(topic), pack(f">i{len(numbers)}i", len(numbers), *numbers))
    parts += _text(request.rack_id)
    return b"".join(parts)


def _text(text: str) -> tuple[bytes, bytes]:
    raw = text.encode()
    return _TEXT.pack(len(raw)), raw


def _read(raw: bytes, at: int) -> tuple[Any, ...]:
    throttle, failure, session, count = _HEAD.unpack_from(raw, at)
    at += _HEAD.size
    topics: list[tuple[str, list[tuple[Any, ...]]]] = []
    for _ in range(count):
        (length,) = _TEXT.unpack_from(raw, at)
        at += _TEXT.size
        name = raw[at : at + length].decode()
        at += length
        (many,) = _COUNT.unpack_from(raw, at)
        at += _COUNT.size
        partitions: list[tuple[Any, ...]] = []
        for _ in range(many):
            *partition, of_aborted = _PARTITION.unpack_from(raw, at)
            at += _PARTITION.size
            aborted = None
            if of_aborted >= 0:
                end = at + of_aborted * _ABORTED.size
                aborted = list(_ABORTED.iter_unpack(raw[at:end]))
                at = end
            replica, size = _RECORDS.unpack_from(raw, at)
            at += _RECORDS.size
            records = None
            if size >= 0:
                records = raw[at : at + size]
                at += size
            if at > len(raw):
                raise struct.error(_TOO_SHORT)
            if (refused := _NOT_GIVEN.get(partition[1])) is not None:
                partition[1], records = 0, refused
            partition[1] = _ELSEWHERE.get(partition[1], partition[1])
            partitions.append((*partition, aborted, replica, records))
        topics.append((name, partitions))
    return throttle, failure, session, topics


class FetchAnswer(FetchResponse_v11):  # type: ignore[misc]  # aiokafka ships no types
    """A version 11 answer; brokers since Kafka 2.3 speak it."""

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> FetchResponse_v11:
        """Return what aiokafka's own decoder would, but for `_NOT_GIVEN` and `_ELSEWHERE`. Raises ValueError, as it does."""
        raw, at = (data, 0) if isinstance(data, bytes) else (data.getvalue(), data.tell())
        try:
            return FetchResponse_v11(*_read(raw, at))
        except (struct.error, UnicodeDecodeError) as exc:
            message = f"the broker's answer to a fetch can't be read: {exc}"
            raise ValueError(message) from exc


def apply() -> None:
    """Make every consumer of this process write requests and read answers so."""
    FetchRequest_v11.encode = encode
    FetchRequest_v11.RESPONSE_TYPE = FetchAnswer
