"""Raises what a coordinator says against an OffsetFetch, instead of taking its answer for "nothing is committed".

Upstream: none filed known in aiokafka; sarama's pull request 3574 and librdkafka's issue 5586 are the same mistake.

Why: since version 2 of the request a coordinator that is still loading the group, that is no longer the group's coordinator
or that refuses the reader says so once for the whole answer, and names no partition. aiokafka looks at errors of partitions
only. A member that begins a generation in that moment, as in a rolling restart of the brokers, would read every partition
from its beginning, and commit low offsets over the true ones; and a group that starts at the end of its topics
(NOTIFIER_START_FROM=latest) would take a coordinator that is loading for a group that never read anything, and pass over
what nobody has settled.

Remove when: `GroupCoordinator._do_fetch_commit_offsets` and `AIOKafkaAdminClient.list_consumer_group_offsets` look at the
answer's own error.
"""

from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    NoError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest

REPLACES: Final = (
    "aiokafka.consumer.group_coordinator.GroupCoordinator._send_req",
    "aiokafka.admin.client.AIOKafkaAdminClient._send_request",
)

_send_to_coordinator = GroupCoordinator._send_req  # noqa: SLF001  # aiokafka has no public word for it
_send_to_node = AIOKafkaAdminClient._send_request  # noqa: SLF001  # likewise
_ELSEWHERE: Final = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)


def _raise_own_error(request: Any, answer: Any) -> None:  # noqa: ANN401  # aiokafka ships no types
    # Version 1, of brokers before 0.10.2, has none.
    code = getattr(answer, "error_code", 0) if isinstance(request, OffsetFetchRequest) else 0
    error = for_code(code)
    if error is not NoError:
        raise error


async def _ask_coordinator(self: Any, request: Any) -> Any:  # noqa: ANN401  # likewise
    answer = await _send_to_coordinator(self, request)
    try:
        _raise_own_error(request, answer)
    except _ELSEWHERE:
        self.coordinator_dead()  # whoever tries again asks who it is now
        raise
    return answer


async def _ask_node(self: Any, request: Any, node_id: int | None = None) -> Any:  # noqa: ANN401  # likewise
    answer = await _send_to_node(self, request, node_id)
    _raise_own_error(request, answer)
    return answer


def apply() -> None:
    """Let every reader of committed offsets in this process hear of errors. Calling it again does no harm."""
    GroupCoordinator._send_req = _ask_coordinator  # noqa: SLF001  # aiokafka has no public word for it
    AIOKafkaAdminClient._send_request = _ask_node  # noqa: SLF001  # likewise
