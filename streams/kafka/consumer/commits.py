"""Commits of one member: what the lanes say is settled, one commit at a time, and only what is new."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from aiokafka.errors import ConsumerStoppedError, KafkaError

from streams.kafka.committed_state import CommittedState
from streams.kafka.format.records import PartitionId

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 5.0
"""How long a commit is waited for; the chart's grace period counts on it."""

_MAY_ARRIVE_SECONDS: Final = 60.0
"""So long after it failed may a commit still reach the coordinator.

TCP delivers what stood on a connection that was given up, and a broker that stood still reads it, when newer offsets are
committed long since; the group takes it for as long as the member that sent it belongs to it. Nobody is silent for longer
than a session, 10 s, and stays a member, and TCP tries again within as long: this is three times that.
"""

_States = Mapping[PartitionId, CommittedState]


class Commits:
    """What was committed, so that only what is new is committed again.

    Args:
        settled: returns what may be committed now.
        commit: sends a commit of the partitions that are still ours; returns those that are committed now.
        changes: counts up whenever what may be committed has become another. While it stays the same and all is committed,
            nobody looks at the partitions, of which there are hundreds.
        on_error: called for each commit that failed.
        clock: seconds, from whenever.
    """

    def __init__(
        self,
        settled: Callable[[], _States],
        commit: Callable[[_States], Awaitable[Collection[PartitionId]]],
        changes: Callable[[], int],
        on_error: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._settled = settled
        self._commit = commit
        self._changes = changes
        self._all_committed_at: int | None = None
        self._on_error = on_error
        self._clock = clock
        self._again_at: float | None = None
        self._failed_at = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._committed: dict[PartitionId, CommittedState] = {}
        self._to_write: dict[PartitionId, CommittedState] = {}

    def is_all_committed(self) -> bool:
        """Tell whether a commit would find nothing to do: the last one succeeded, and nothing has changed since."""
        return self._changes() == self._all_committed_at and not self._may_have_gone_back()

    def _may_have_gone_back(self) -> bool:
        return self._again_at is not None and self._clock() >= self._again_at

    async def commit(self) -> bool:
        """Commit what is not yet committed. Never raises; what failed is committed the next time."""
        async with self._one_at_a_time:
            # Asked only now: what was settled before a wait for the lock may have been given up in it.
            if self.is_all_committed():
                return False
            if self._may_have_gone_back():
                # Those that failed since may still arrive behind this one.
                again_at = self._failed_at + _MAY_ARRIVE_SECONDS
                self._again_at = again_at if again_at > self._clock() else None
                self._committed.clear()
            changes, states = self._changes(), {**self._to_write, **self._settled()}
            new = {
                partition: state
                for partition, state in states.items()
                if self._committed.get(partition) != state
            }
            if not new:
                self._all_committed_at = changes
                return False
            try:
                done = await self._send(new)
            except ConsumerStoppedError:  # the worker stops, and has committed what it could
                return False
            except (KafkaError, TimeoutError) as error:
                log.warning(
                    "committing offsets failed, trying again: %s", error or type(error).__name__
                )
                self._on_error()
                return False
            for partition in done:
                self._committed[partition] = new[partition]
                self._to_write.pop(partition, None)
            if len(done) == len(new):
                self._all_committed_at = changes
            return bool(done)

    async def _send(self, states: _States) -> Collection[PartitionId]:
        try:
            return await asyncio.wait_for(self._commit(states), TIMEOUT_SECONDS)
        except (KafkaError, TimeoutError):
            self._failed_at = self._clock()
            if self._again_at is None:  # put off by each of many, it would never come
                self._again_at = self._failed_at + _MAY_ARRIVE_SECONDS
            raise

    async def write_down(self, states: _States) -> None:
        """Commit where partitions begin, whatever the lanes say; they have given these up.

        What could not be written goes with every commit until the partitions go.

        Raises:
            KafkaError, TimeoutError: it could not be written.
        """
        async with self._one_at_a_time:
            self._all_committed_at = None
            for partition in states:
                self._committed.pop(partition, None)
            self._to_write |= states
            for partition in await self._send(states):
                self._to_write.pop(partition, None)

    async def begin_anew(self) -> None:
        """Let the next commit be of all partitions, whatever was committed."""
        async with self._one_at_a_time:
            self._all_committed_at = None
            self._committed.clear()

    def forget(self) -> None:
        """Forget what was committed: the partitions go, and others may commit there."""
        self._all_committed_at = None
        self._committed.clear()
        self._to_write.clear()
