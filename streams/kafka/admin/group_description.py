"""What the broker says of a consumer group: its state, what its members read, and what we may do with it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

_SETTLED_STATES = frozenset({"Stable", "Empty", "Dead"})


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A group at one moment.

    Attributes:
        error: Kafka's code; 0 where there is none, and then only the others mean something.
        topics: that its members read; None in the middle of a rebalance, when nobody knows.
        operations: what we may do with it: a word with a bit for each, by Kafka's own numbers.
    """

    error: int
    topics: Collection[str] | None
    operations: int


async def describe_group(
    admin: AIOKafkaAdminClient, group: str, coordinator: int
) -> GroupDescription:
    """Ask a group's coordinator about it.

    Raises:
        KafkaError: the broker could not be asked.
    """
    answer = await admin._send_request(_GroupRequest(group), coordinator)  # noqa: SLF001  # aiokafka reads the answer by the wrong version
    ((error, _, state, _, _, members, operations),) = answer.groups
    topics = None
    if state in _SETTLED_STATES:
        topics = {topic for *_, metadata, share in members for topic in _topics(metadata, share)}
    return GroupDescription(int(error), topics, int(operations))


def _topics(metadata: bytes | None, share: bytes | None) -> set[str]:
    """Return the topics that a member subscribes to, and those that it was given."""
    topics: set[str] = set()
    if metadata:
        topics.update(_read(ConsumerProtocolMemberMetadata, metadata, "subscription"))
    if share:
        topics.update(
            topic for topic, _ in _read(ConsumerProtocolMemberAssignment, share, "assignment")
        )
    return topics


def _read(kind: Any, raw: bytes, member: str) -> list[Any]:  # noqa: ANN401  # aiokafka ships no types
    try:
        return list(getattr(kind.decode(raw), member))
    except ValueError:  # of a program that is none of ours
        return []


class _GroupResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String("utf-8")),
                ("state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _GroupRequestV3(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = _GroupResponse
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class _GroupRequest(Request[_GroupRequestV3]):  # type: ignore[misc]  # aiokafka ships no types
    """Who is in this group, and what may we do with it?"""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupRequestV3]) -> _GroupRequestV3:
        return request_struct_class([self._group], True)  # noqa: FBT003  # Kafka's own order
