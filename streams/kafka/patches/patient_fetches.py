"""Lets a fetch wait for longer at its broker where no partition is held back.

Upstream: none filed known.

Why: a fetch leaves out the partitions that are paused or whose last records were not taken yet, and those wait for its answer
before they are fetched again. So a fetch may not wait for long. Where it leaves out none, that costs an idle worker twice the
fetches for nothing.

Remove when: aiokafka lets a partition that flows again be fetched beside a fetch that waits at the same broker.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

REPLACES: Final = ("aiokafka.consumer.fetcher.Fetcher._proc_fetch_request",)

_LONG_WAIT_MS: Final = 500
"""What Kafka's clients wait unless they are told otherwise (`fetch.max.wait.ms`)."""


def wait_patiently(consumer: AIOKafkaConsumer) -> None:
    """Let the fetches of a consumer that was started wait for longer, where they leave out nothing."""
    fetcher = consumer._fetcher  # noqa: SLF001  # aiokafka has no public word for it
    make = fetcher._proc_fetch_request  # noqa: SLF001

    def fetch(assignment: Any, node_id: int, request: Any) -> Awaitable[bool]:  # noqa: ANN401  # aiokafka ships no types
        if not fetcher._records and not _holds_any(assignment):  # noqa: SLF001  # fetched, and not taken yet
            request._max_wait_ms = _LONG_WAIT_MS  # noqa: SLF001
        made: Awaitable[bool] = make(assignment, node_id, request)
        return made

    fetcher._proc_fetch_request = fetch  # noqa: SLF001


def _holds_any(assignment: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
    state_of: Callable[[Any], Any] = assignment.state_value
    return any(state_of(tp).paused for tp in assignment.tps)
