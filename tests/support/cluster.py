"""A cluster as its administrator works on it: leaders are moved, copies watched, clients held to quotas."""

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

from tests.support.kafka import administration
from tests.support.waiting import TIMEOUT_SECONDS, eventually

OFFSETS = "__consumer_offsets"
_TIMEOUT_MS = 30_000


async def described(bootstrap: str, topics: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Return every partition of these topics, or of all, as the metadata have it, with its topic's name."""
    async with administration(bootstrap) as admin:
        names = list(await admin.list_topics()) if topics is None else list(topics)
        found = await admin.describe_topics(names)
    return [part | {"topic": topic["topic"]} for topic in found for part in topic["partitions"]]


async def leaders_of(
    bootstrap: str, topics: Iterable[str] | None = None
) -> dict[tuple[str, int], int]:
    """Return which node leads each partition."""
    parts = await described(bootstrap, topics)
    return {(part["topic"], part["partition"]): part["leader"] for part in parts}


async def move_leaders(bootstrap: str, topics: Iterable[str] | None = None) -> int:
    """Let each partition's next copy lead, as an administrator does; return how many partitions that are."""
    before = await described(bootstrap, topics)
    wanted: dict[str, list[tuple[int, list[int], dict[int, bytes]]]] = {}
    for part in before:
        at = part["replicas"].index(part["leader"]) + 1
        turned = part["replicas"][at:] + part["replicas"][:at]
        wanted.setdefault(part["topic"], []).append((part["partition"], turned, {}))
    request = AlterPartitionReassignmentsRequest(
        _TIMEOUT_MS, [(topic, parts, {}) for topic, parts in wanted.items()], {}
    )
    async with administration(bootstrap) as admin:
        answer = await admin._send_to_controller(request)
        assert answer.error_code == 0, answer
        numbers = [(topic, [number for number, *_ in parts]) for topic, parts in wanted.items()]
        elected = await admin._send_to_controller(_ElectionRequest(numbers))
        assert elected.error_code == 0, elected
    asked = {
        (topic, number): first
        for topic, parts in wanted.items()
        for number, (first, *_), _ in parts
    }

    async def all_moved() -> bool:
        return await leaders_of(bootstrap, wanted) == asked

    await eventually(all_moved, what="other leaders", every_seconds=0.2)
    return len(before)


async def coordinators_of(bootstrap: str, groups: Iterable[str]) -> set[int]:
    """Return which nodes keep the members and offsets of these groups."""
    async with administration(bootstrap) as admin:
        return {await admin.find_coordinator(group) for group in groups}


async def in_sync(bootstrap: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait until every copy of every partition is in sync."""

    async def all_of_them() -> bool:
        try:
            parts = await described(bootstrap)
        except KafkaError:  # a node that has just come, or is about to
            return False
        return all(sorted(part["isr"]) == sorted(part["replicas"]) for part in parts)

    await eventually(
        all_of_them, timeout_seconds, what="all copies to be in sync", every_seconds=0.5
    )


async def set_quotas(
    bootstrap: str, client_ids: Iterable[str], quotas: Mapping[str, float | None]
) -> None:
    """Hold each of these clients to quotas of each broker, in bytes a second or percent of a thread; None takes one away."""
    changes = [(name, value or 0.0, value is None) for name, value in quotas.items()]
    entries = [([("client-id", client_id)], changes) for client_id in client_ids]
    async with administration(bootstrap) as admin:
        answer = await admin._send_to_controller(_QuotasRequest(entries))
    assert {code for code, *_ in answer.entries} == {0}, answer


async def controller_of(bootstrap: str) -> int:
    """Return the number of the node that leads the controllers."""
    async with administration(bootstrap) as admin:
        return await _controller(admin)


async def _controller(admin: AIOKafkaAdminClient) -> int:
    answer = await admin._send_request(_QuorumRequest())
    ((_, ((_, code, leader, *_),), _),) = answer.topics
    assert (answer.error_code, code) == (0, 0), answer
    return int(leader)


_REPLICAS = CompactArray(("replica_id", Int32), ("log_end_offset", Int64), ("tags", TaggedFields))


class _QuorumResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 55
    API_VERSION = 0
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("current_voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _QuorumRequestV0(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    FLEXIBLE_VERSION = True
    API_KEY = 55
    API_VERSION = 0
    RESPONSE_TYPE = _QuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                ("partitions", CompactArray(("partition", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _QuorumRequest(Request[_QuorumRequestV0]):  # type: ignore[misc]  # aiokafka ships no types
    """Who leads the controllers?"""

    API_KEY = 55

    def build(self, request_struct_class: type[_QuorumRequestV0]) -> _QuorumRequestV0:
        return request_struct_class([("__cluster_metadata", [(0, {})], {})], {})


class _ElectionResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 43
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "results",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", String("utf-8")),
                    ),
                ),
            ),
        ),
    )


class _ElectionRequestV1(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 43
    API_VERSION = 1
    RESPONSE_TYPE = _ElectionResponse
    SCHEMA = Schema(
        ("election_type", Int8),
        ("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
        ("timeout_ms", Int32),
    )


class _ElectionRequest(Request[_ElectionRequestV1]):  # type: ignore[misc]  # aiokafka ships no types
    """Let the first copy of each of these partitions lead."""

    API_KEY = 43

    def __init__(self, topics: list[tuple[str, list[int]]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_ElectionRequestV1]) -> _ElectionRequestV1:
        return request_struct_class(0, self._topics, _TIMEOUT_MS)


_ENTITY = Array(("type", String("utf-8")), ("name", String("utf-8")))


class _QuotasResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(("error_code", Int16), ("error_message", String("utf-8")), ("entity", _ENTITY)),
        ),
    )


class _QuotasRequestV0(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _QuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", _ENTITY),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


_Quotas = list[tuple[list[tuple[str, str]], list[tuple[str, float, bool]]]]


class _QuotasRequest(Request[_QuotasRequestV0]):  # type: ignore[misc]  # aiokafka ships no types
    """Set or take away quotas of these clients."""

    API_KEY = 49

    def __init__(self, entries: _Quotas) -> None:
        self._entries = entries

    def build(self, request_struct_class: type[_QuotasRequestV0]) -> _QuotasRequestV0:
        return request_struct_class(self._entries, False)  # noqa: FBT003  # not only to validate
