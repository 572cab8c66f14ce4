"""Which topics there are now: the id of each and how many partitions it has.

A name says nothing about whose log stands behind it: a topic that was deleted and made again has the same name, its
offsets begin anew, and an offset of the old one points into the middle of the new one. Since Kafka 2.8 each topic has
an id of its own (KIP-516), which metadata carry from version 10 on; aiokafka's own requests stop at version 5.
"""

import struct
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, NamedTuple
from zlib import crc32

from aiokafka.errors import IncompatibleBrokerVersion, UnknownTopicOrPartitionError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Schema,
    TaggedFields,
)

_VERSION: Final = 10
_NO_ID: Final = bytes(16)
_MISSING: Final = UnknownTopicOrPartitionError.errno
_TOO_SHORT: Final = "the answer ends too early"


class Topic(NamedTuple):
    """A topic as a broker knows it.

    Attributes:
        id: as Kafka's tools print it, an `@` and eight digits that stand for the cluster: a mirror copies what is
            committed, the text beside it too, to topics with other ids. Empty where the broker gives none.
        partitions: how many.
    """

    id: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Topics:
    """What a broker said about some topics. What it would not speak about (no right to it) is in neither.

    Attributes:
        existing: by name.
        missing: those that do not.
    """

    existing: dict[str, Topic] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()

    def id(self, topic: str) -> str:
        """Return a topic's id, or nothing where it is not known."""
        known = self.existing.get(topic)
        return known.id if known else ""


async def look_at_topics(
    send: Callable[[Any], Awaitable[Any]], topics: Iterable[str]
) -> Topics | None:
    """Ask a broker about topics. Creates none.

    Args:
        send: sends a request to any broker, as aiokafka's clients do.
        topics: their names.

    Returns:
        What it said, or None from a broker before 2.8, which knows no ids.

    Raises:
        KafkaError: no broker answers.
        ValueError: the answer can't be read.
    """
    try:
        answer = await send(_TopicIdsRequest(sorted(set(topics))))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    existing: Topics = answer.topics
    return existing


class _ResponseReader:
    """Reads the primitives of Kafka's flexible versions (KIP-482) off a buffer.

    aiokafka's types would read it too, in some 20 calls for each partition: too long for the loop that calls partners.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def skip(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._raw):
            raise ValueError(_TOO_SHORT)
        passed, self._at = self._raw[self._at : end], end
        return passed

    def int16(self) -> int:
        return int.from_bytes(self.skip(2), "big", signed=True)

    def varint(self) -> int:
        value = shift = 0
        while True:
            (byte,) = self.skip(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  # the last one
                return value
            shift += 7

    def count(self) -> int:
        """Return a length; 0 for none at all."""
        return max(0, self.varint() - 1)

    def text(self) -> str:
        return self.skip(self.count()).decode()

    def tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.skip(self.varint())


def read_answer(raw: bytes) -> Topics:
    """Read a version 10 answer, the header left out.

    Raises:
        ValueError: it is none.
    """
    read = _ResponseReader(raw)
    read.skip(4)  # throttle time
    for _ in range(read.count()):  # brokers
        read.skip(4)
        read.skip(read.count())  # host
        read.skip(4)
        read.skip(read.count())  # rack
        read.tags()
    cluster = f"{crc32(read.skip(read.count())):08x}"
    read.skip(4)  # controller
    existing: dict[str, Topic] = {}
    missing = set()
    for _ in range(read.count()):
        error, name, topic_id = read.int16(), read.text(), read.skip(16)
        read.skip(1)  # whether it is internal
        partitions = read.count()
        for _ in range(partitions):
            read.skip(2 + 4 + 4 + 4)  # error, number, leader, its epoch
            for _ in range(3):  # replicas, in sync, offline
                read.skip(4 * read.count())
            read.tags()
        read.skip(4)  # authorized operations
        read.tags()
        if error == _MISSING:
            missing.add(name)
        elif partitions:
            existing[name] = Topic(_as_text(topic_id, cluster), partitions)
    return Topics(existing, frozenset(missing))


def _as_text(topic_id: bytes, cluster: str) -> str:
    if topic_id == _NO_ID:
        return ""
    return f"{urlsafe_b64encode(topic_id).decode().rstrip('=')}@{cluster}"


class _TopicIdsResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = _VERSION
    SCHEMA = Schema()  # read by hand

    def __init__(self, topics: Topics) -> None:
        super().__init__()
        self.topics = topics

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> "_TopicIdsResponse":
        """Read an answer. Raises ValueError, as aiokafka's own do."""
        raw = data if isinstance(data, bytes) else data.read()
        try:
            return cls(read_answer(raw))
        except (struct.error, UnicodeDecodeError) as error:
            message = f"the broker's answer about topics can't be read: {error}"
            raise ValueError(message) from error


class _Uuid:
    """A topic's id in a request: none, since we ask by name."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value


class _TopicIdsRequestV10(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = _VERSION
    RESPONSE_TYPE = _TopicIdsResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicIdsRequest(Request[_TopicIdsRequestV10]):  # type: ignore[misc]  # aiokafka ships no types
    """What are these topics now?"""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_TopicIdsRequestV10]) -> _TopicIdsRequestV10:
        named: list[tuple[bytes, str, dict[int, bytes]]] = [
            (_NO_ID, topic, {}) for topic in self._topics
        ]
        return request_struct_class(named, False, False, False, {})  # noqa: FBT003  # Kafka's own order
