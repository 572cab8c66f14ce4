"""A coordinator that says for the whole answer why it names no offsets."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)
from aiokafka.protocol.commit import OffsetFetchResponse_v1, OffsetFetchResponse_v3
from aiokafka.structs import OffsetAndMetadata

from streams.kafka.patches import offset_fetch_errors

TP = TopicPartition("a", 0)
COMMITTED = OffsetFetchResponse_v3(0, [("a", [(0, 7, "text", 0)])], 0)


def refused(error: type[Exception]) -> OffsetFetchResponse_v3:
    """Return what a coordinator answers that has an error."""
    return OffsetFetchResponse_v3(0, [], error.errno)  # type: ignore[attr-defined]  # aiokafka's errors have numbers


class Node:
    """A client of which each request has the next of some answers."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def send(self, _node: int, _request: Any, **_options: Any) -> Any:
        return self.answers.pop(0)


class Coordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka ships no types
    """As much of one as reads what is committed."""

    def __init__(self, node: Node) -> None:
        self._client, self.group_id, self._retry_backoff_ms = node, "g", 1
        self.coordinator_id: int | None = 1
        self.found = 0

    def __del__(self) -> None:
        """Say nothing: it was not started."""

    def coordinator_dead(self) -> None:
        self.coordinator_id = None

    async def ensure_coordinator_known(self) -> None:
        self.found += self.coordinator_id is None
        self.coordinator_id = 1


@pytest.fixture
def put(monkeypatch):
    """Put aiokafka's own methods in force for a test, whoever patched them before, or ours."""

    def put(coordinator, admin):
        monkeypatch.setattr(GroupCoordinator, "_send_req", coordinator)
        monkeypatch.setattr(AIOKafkaAdminClient, "_send_request", admin)

    return put


@pytest.fixture
def ours(put):
    put(offset_fetch_errors._ask_coordinator, offset_fetch_errors._ask_node)


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize(
    ("error", "asked_again"),
    [
        (GroupLoadInProgressError, 0),
        (GroupCoordinatorNotAvailableError, 1),
        (NotCoordinatorForGroupError, 1),
    ],
)
async def test_a_coordinator_that_is_loading_or_moves_is_asked_again(error, asked_again):
    """Nothing committed is what a group has that never read anything; all its partitions would be read from their beginning."""
    coordinator = Coordinator(Node(refused(error), COMMITTED))
    offsets = await asyncio.wait_for(coordinator.fetch_committed_offsets([TP]), 5)
    assert offsets == {TP: OffsetAndMetadata(7, "text")}
    assert coordinator.found == asked_again


@pytest.mark.usefixtures("ours")
async def test_a_refusal_is_an_error():
    """No waiting helps."""
    coordinator = Coordinator(Node(refused(GroupAuthorizationFailedError)))
    with pytest.raises(GroupAuthorizationFailedError):
        await coordinator.fetch_committed_offsets([TP])


@pytest.mark.usefixtures("ours")
async def test_the_admin_client_tells_of_the_error_too():
    """What an operator is shown would be a group that has read nothing."""
    admin: Any = AIOKafkaAdminClient.__new__(AIOKafkaAdminClient)
    admin._client = Node(refused(GroupLoadInProgressError), COMMITTED)
    with pytest.raises(GroupLoadInProgressError):
        await admin.list_consumer_group_offsets("g", 1)
    assert await admin.list_consumer_group_offsets("g", 1) == {TP: OffsetAndMetadata(7, "text")}


@pytest.mark.usefixtures("ours")
async def test_an_old_brokers_answer_has_no_error_of_its_own():
    """Brokers before 0.10.2 say it of each partition."""
    answer = OffsetFetchResponse_v1([("a", [(0, 7, "text", 0)])])
    coordinator = Coordinator(Node(answer))
    assert await coordinator.fetch_committed_offsets([TP]) == {TP: OffsetAndMetadata(7, "text")}


async def test_aiokafka_itself_still_takes_it_for_nothing(put):
    """When this fails, the patch can go."""
    put(offset_fetch_errors._send_to_coordinator, offset_fetch_errors._send_to_node)
    coordinator = Coordinator(Node(refused(GroupLoadInProgressError)))
    assert await coordinator.fetch_committed_offsets([TP]) == {}
    admin: Any = AIOKafkaAdminClient.__new__(AIOKafkaAdminClient)
    admin._client = Node(refused(GroupLoadInProgressError))
    assert await admin.list_consumer_group_offsets("g", 1) == {}


def test_it_is_in_force_in_every_program(put):
    """Applied by whoever makes clients."""
    put(offset_fetch_errors._send_to_coordinator, offset_fetch_errors._send_to_node)
    offset_fetch_errors.apply()
    assert GroupCoordinator._send_req is offset_fetch_errors._ask_coordinator
    assert AIOKafkaAdminClient._send_request is offset_fetch_errors._ask_node
