"""Requests and answers as bytes, by the schemas of the client library; one form by hand that it does not know."""

import struct
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import Any, Final

from aiokafka.protocol import (
    admin,
    commit,
    coordination,
    fetch,
    group,
    metadata,
    offset,
    produce,
    transaction,
)
from aiokafka.protocol.api import RequestStruct

PRODUCE, FETCH, LIST_OFFSETS, METADATA, COMMIT, OFFSET_FETCH = 0, 1, 2, 3, 8, 9
COORDINATOR, JOIN, HEARTBEAT, LEAVE, SYNC, VERSIONS, PRODUCER_ID = 10, 11, 12, 13, 14, 18, 22

OFFERED: Final = (
    (PRODUCE, 3, 7),
    (FETCH, 4, 11),
    (LIST_OFFSETS, 1, 3),
    (METADATA, 1, 10),
    (COMMIT, 2, 3),
    (OFFSET_FETCH, 1, 3),
    (COORDINATOR, 0, 1),
    (JOIN, 2, 5),
    (HEARTBEAT, 0, 1),
    (LEAVE, 0, 1),
    (SYNC, 0, 3),
    (VERSIONS, 0, 2),
    (PRODUCER_ID, 0, 0),
)
"""Numbers and versions, as brokers of today have them as far as the client goes."""

TOPIC_IDS_VERSION: Final = 10


def _structs() -> Iterator[type[RequestStruct]]:
    for module in (
        admin, commit, coordination, fetch, group, metadata, offset, produce, transaction,
    ):  # fmt: skip
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, RequestStruct):
                yield value


_KNOWN: Final = {
    (one.API_KEY, one.API_VERSION): one for one in _structs() if hasattr(one, "API_KEY")
}
_decoded: dict[tuple[int, int, bytes], tuple[Any, ...]] = {}
_MOST_DECODED: Final = 20_000
_ASK_THE_SAME: Final = frozenset({HEARTBEAT, METADATA})
"""Requests that come again and again, byte for byte."""
_SAY_THE_SAME: Final = frozenset({FETCH, HEARTBEAT})
"""Requests whose answers do."""


class Request:
    """A request as it came.

    Attributes:
        key: which.
        version: of its form.
        correlation: names it to its client.
        client_id: as the client calls itself.
        fields: what it says, in the order of its schema.
    """

    __slots__ = ("client_id", "correlation", "fields", "key", "version")

    def __init__(self, raw: bytes) -> None:
        self.key, self.version, self.correlation, length = struct.unpack_from(">hhih", raw)
        at = 10 + max(length, 0)
        self.client_id = raw[10:at].decode()
        body = raw[at:]
        known = (self.key, self.version, body)
        fields = _decoded.get(known)
        if fields is None:
            if (self.key, self.version) == (METADATA, TOPIC_IDS_VERSION):
                fields = (_topics_asked(body[1:]),)
            else:
                fields = _KNOWN[self.key, self.version].SCHEMA.decode(BytesIO(body))
            if self.key in _ASK_THE_SAME:
                if len(_decoded) > _MOST_DECODED:
                    _decoded.clear()
                _decoded[known] = fields
        self.fields = fields

    def answer(self, *fields: Any) -> bytes:
        """Return the bytes of the answer, its length in front."""
        encode = _encoded_again if self.key in _SAY_THE_SAME else _encoded
        return self.raw_answer(encode(self.key, self.version, fields))

    def raw_answer(self, body: bytes, tags: bytes = b"") -> bytes:
        """Return the same of a body that is bytes already."""
        return struct.pack(">ii", 4 + len(tags) + len(body), self.correlation) + tags + body


def _encoded(key: int, version: int, fields: tuple[Any, ...]) -> bytes:
    body: bytes = _KNOWN[key, version].RESPONSE_TYPE.SCHEMA.encode(fields)
    return body


_encoded_again: Final = lru_cache(4096)(_encoded)


def _topics_asked(body: bytes) -> list[str]:
    names, at = [], 1
    for _ in range(body[0] - 1):
        at += 16
        length = body[at] - 1
        names.append(body[at + 1 : at + 1 + length].decode())
        at += 1 + length + 1
    return names


def topic_ids(topics: dict[str, tuple[str, int] | None], cluster: str) -> bytes:
    """Return the answer about topics in the version that has ids: of each its id and how many partitions; None where it is not there."""

    def text(value: str) -> bytes:
        return bytes([len(value.encode()) + 1]) + value.encode()

    parts = [bytes(4), b"\1", text(cluster), bytes(4), bytes([len(topics) + 1])]
    for name, found in topics.items():
        if found is None:
            parts.append(struct.pack(">h", 3) + text(name) + bytes(16) + b"\0\1")
        else:
            topic_id, count = found
            one = bytes(2 + 4 + 4 + 4) + b"\1\1\1" + b"\0"
            parts.append(
                bytes(2) + text(name) + urlsafe_b64decode(topic_id + "==") + b"\0"
                + bytes([count + 1]) + one * count
            )  # fmt: skip
        parts.append(bytes(4) + b"\0")
    return b"".join([*parts, b"\0"])
