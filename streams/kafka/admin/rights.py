"""The least rights at the brokers that each role needs, and which of them are missing.

`RIGHTS` is the one place where they stand; the documentation and the check before a start are made from it. The
broker is asked what we may do (KIP-430), so that a missing right is named before the first record is read, and not
found one by one in the middle of a night.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from streams.kafka.admin.group_description import describe_group
from streams.kafka.topics import TopicNames
from streams.notification.ladder import Wait

Role = Literal["main", "retry", "all", "console", "topics"]
RightsPlace = Literal[
    "source", "tiers", "replay", "dead-letter", "attempts", "group", "retry-group"
]

RIGHTS: Final[Mapping[Role, Mapping[RightsPlace, tuple[str, ...]]]] = {
    "main": {
        "source": ("READ",),
        "replay": ("READ", "DESCRIBE_CONFIGS"),
        "tiers": ("WRITE", "DESCRIBE_CONFIGS"),
        "dead-letter": ("WRITE", "DESCRIBE_CONFIGS"),
        "attempts": ("WRITE", "DESCRIBE_CONFIGS"),
        "group": ("READ",),
    },
    "retry": {
        "source": ("DESCRIBE",),
        "replay": ("DESCRIBE", "DESCRIBE_CONFIGS"),
        "tiers": ("READ", "WRITE", "DESCRIBE_CONFIGS"),
        "dead-letter": ("WRITE", "DESCRIBE_CONFIGS"),
        "attempts": ("WRITE", "DESCRIBE_CONFIGS"),
        "retry-group": ("READ",),
    },
    "all": {
        "source": ("READ",),
        "replay": ("READ", "DESCRIBE_CONFIGS"),
        "tiers": ("READ", "WRITE", "DESCRIBE_CONFIGS"),
        "dead-letter": ("WRITE", "DESCRIBE_CONFIGS"),
        "attempts": ("WRITE", "DESCRIBE_CONFIGS"),
        "group": ("READ",),
        "retry-group": ("READ",),
    },
    "console": {
        "source": ("READ",),
        "tiers": ("READ",),
        "replay": ("READ", "WRITE"),
        "dead-letter": ("READ",),
        "attempts": ("READ", "WRITE"),
        "group": ("DESCRIBE",),
        "retry-group": ("DESCRIBE",),
    },
    "topics": {
        "source": ("DESCRIBE",),
        "tiers": ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"),
        "replay": ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"),
        "dead-letter": ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"),
        "attempts": ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"),
    },
}
"""Operations by role and place. READ, WRITE, ALTER and DELETE bring DESCRIBE with them; nothing brings
DESCRIBE_CONFIGS. `console` is for the console and the commands that read orders and put dead letters back, `topics` for
`notifier topics create`."""

_BITS: Final = {"READ": 3, "WRITE": 4, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10}
"""Kafka's own numbers for operations; a set of them is a word with these bits."""

_NOT_TOLD: Final = -(1 << 31)
_DENIED: Final = 1 << _BITS["DESCRIBE_CONFIGS"]
"""What we may do where the broker shows us nothing: perhaps read settings, which alone shows nothing; the rest not."""

_TOPIC_DENIED: Final = TopicAuthorizationFailedError.errno
_GROUP_DENIED: Final = GroupAuthorizationFailedError.errno


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One access rule: who has the role may do this there.

    Attributes:
        kind: `topic` or `group`.
        name: in full.
        operation: as `kafka-acls` writes it.
    """

    kind: Literal["topic", "group"]
    name: str
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"


def rights_of(
    role: Role,
    names: TopicNames,
    waits: Iterable[Wait],
    source_topics: Iterable[str],
    group_id: str,
) -> tuple[Right, ...]:
    """Return every right that a role needs, with the names in full.

    Args:
        role: whose.
        names: our topics.
        waits: of the tiers.
        source_topics: what payment core writes.
        group_id: consumer group of the source topics; the tiers' has `-retry` behind it.
    """
    names_by_place: dict[RightsPlace, tuple[str, ...]] = {
        "source": tuple(source_topics),
        "tiers": tuple(names.tier(wait) for wait in waits),
        "replay": (names.replay,),
        "dead-letter": (names.dead_letter,),
        "attempts": (names.attempts,),
        "group": (group_id,),
        "retry-group": (f"{group_id}-retry",),
    }
    return tuple(
        Right("group" if place in {"group", "retry-group"} else "topic", name, operation)
        for place, operations in RIGHTS[role].items()
        for name in names_by_place[place]
        for operation in operations
    )


async def missing_rights(admin: AIOKafkaAdminClient, rights: Iterable[Right]) -> list[Right]:
    """Return those of these rights that we don't have, or nothing where the broker doesn't tell.

    A topic that does not exist is not judged: without it the broker knows no rights on it.

    Raises:
        KafkaError: the broker could not be asked.
    """
    wanted = list(rights)
    may: dict[tuple[str, str], int] = {}
    topics = sorted({right.name for right in wanted if right.kind == "topic"})
    try:
        may |= {("topic", name): bits async for name, bits in _topic_operations(admin, topics)}
        for group in sorted({right.name for right in wanted if right.kind == "group"}):
            may["group", group] = await _group_operations(admin, group)
    except (IncompatibleBrokerVersion, NotImplementedError):  # a broker before 2.3
        return []
    return [right for right in wanted if not _allows(may.get((right.kind, right.name)), right)]


def _allows(bits: int | None, right: Right) -> bool:
    if bits is None or bits == _NOT_TOLD or right.operation == "CREATE":
        return True  # who may create by a right on the whole cluster has none on the topic; trying it tells
    return bool(bits >> _BITS[right.operation] & 1)


async def _topic_operations(
    admin: AIOKafkaAdminClient, topics: list[str]
) -> AsyncIterator[tuple[str, int]]:
    answer = await admin._send_request(_MetadataRequest(topics))  # noqa: SLF001  # aiokafka's own request stops at version 5
    for error, name, _internal, _partitions, operations in answer.topics:
        if error == _TOPIC_DENIED:
            yield name, _DENIED
        elif not error:
            yield name, operations


async def _group_operations(admin: AIOKafkaAdminClient, group: str) -> int:
    try:
        coordinator = await admin.find_coordinator(group)
    except KafkaError as error:
        if isinstance(error, GroupAuthorizationFailedError):
            return _DENIED
        if error.retriable:  # a cluster that has never had a group makes the topic for them first
            return _NOT_TOLD
        raise
    described = await describe_group(admin, group, coordinator)
    if described.error == _GROUP_DENIED:
        return _DENIED
    return _NOT_TOLD if described.error else described.operations


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(
                ("node_id", Int32),
                ("host", String("utf-8")),
                ("port", Int32),
                ("rack", String("utf-8")),
            ),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("authorized_operations", Int32),
    )


class _MetadataRequestV8(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _MetadataRequest(Request[_MetadataRequestV8]):  # type: ignore[misc]  # aiokafka ships no types
    """What may we do with these topics?"""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV8]) -> _MetadataRequestV8:
        return request_struct_class(self._topics, False, False, True)  # noqa: FBT003  # Kafka's own order
