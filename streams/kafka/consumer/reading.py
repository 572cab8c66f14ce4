"""How far a member of a group has read: what it fetched, what lies outside of the logs, what no reader is given."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer import member
from streams.kafka.consumer.member import partition_of
from streams.kafka.consumer.standing import ANSWER_SECONDS, Commit, Standing
from streams.kafka.format.records import PartitionId

log = logging.getLogger(__name__)

_ENDS_AT_ONCE: Final = 60
_BETWEEN_ENDS_SECONDS: Final = 0.02


class Reading(Standing):
    """What one member knows of its partitions, and how far it has read them."""

    async def fetched(
        self,
        fetch: Callable[[], Awaitable[Mapping[Any, list[Any]]]],
        commit: Commit,
    ) -> Mapping[Any, list[Any]]:
        """Return what was fetched; nothing where a partition's position turned out to lie outside of its log, or may not be read."""
        try:
            fetched = await fetch()
        except NoOffsetForPartitionError as error:  # a fetch between an assignment and its seek
            with suppress(IllegalStateError):  # it is not ours any more
                member.reset_to_beginning(self._consumer(), [error.args[0]])
            return {}
        except OffsetOutOfRangeError as error:
            for tp, position in error.args[0].items():
                try:
                    await self._out_of_range(tp, position, commit)
                except (KafkaError, TimeoutError, IllegalStateError) as reason:
                    # It is fetched again from there, and comes back here; or it is not ours any more.
                    log.warning("the ends of %s can't be read: %s", tp, reason)
            return {}
        except TopicAuthorizationFailedError as error:
            # Somebody took the right away. The other topics go on; this one is fetched again, and goes on with the right.
            self._report.on_forbidden(str(error.args[0]))
            return {}
        # Before anything else can run: the position has moved with them.
        for tp, records in fetched.items():
            self._last_read[tp] = records[-1].offset
        return fetched

    async def _out_of_range(
        self,
        tp: TopicPartition,
        position: int,
        commit: Commit,
    ) -> None:
        generation = self._lanes().generation
        if generation is None:
            return  # a position of before: the generation that begins sets all of them
        await self.look(commit)
        consumer, partition = self._consumer(), partition_of(tp)
        async with asyncio.timeout(ANSWER_SECONDS):
            begin = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
        if self._lanes().is_given_up(partition) or self._lanes().generation != generation:
            return
        if position < begin:
            consumer.seek(tp, begin)
            position = max(position, self._lanes().begins_at(partition))
        if position < begin:
            # What the former owner had settled above its commit is gone, but not lost.
            lost = begin - position - self._lanes().settled_between(partition, position, begin)
            log.error(
                "topic %s, partition %s: the offsets from %s to %s are gone before anybody settled them, %s in all:"
                " retention or a deletion of records has passed them; expected them to be kept until they are read"
                " (retention.ms, retention.bytes); reading goes on at %s",
                *partition, position, begin - 1, lost, begin,
            )  # fmt: skip
            self._report.on_lost(tp.topic, lost)
        elif position > end:
            state = CommittedState(begin, topic_id=self._watch.id(tp.topic))
            await self._begin_again({partition: state}, commit)

    def pass_markers(self) -> None:
        """Let the lanes know how far their partitions were read: further than to the last record, where markers follow."""
        positions = {
            partition_of(tp): (state.position, self._last_read.get(tp))
            for tp, state in self._states()
            if state.has_valid_position
        }
        self._lanes().pass_to(positions)

    def undecided(self) -> dict[PartitionId, int]:
        """Return how many offsets lie behind the first open transaction, by partition: nobody is given them before it ends."""
        return {
            partition_of(tp): max(0, state.highwater - state.lso)
            for tp, state in self._states()
            if state.highwater is not None and state.lso is not None
        }

    def _states(self) -> Iterator[tuple[TopicPartition, Any]]:
        subscription = self._consumer()._subscription.subscription  # noqa: SLF001  # aiokafka has no public word for it
        assignment: Any = subscription.assignment if subscription else None
        if assignment is not None:
            yield from ((tp, assignment.state_value(tp)) for tp in assignment.tps)

    async def ends(self) -> dict[PartitionId, tuple[int, int]]:
        """Return, for each partition that is ours, the next offset to read and where a reader is given no more.

        That is the end of the log or the first record of a transaction that is still open: nobody can be given what
        comes after it. The one member that shares out the group's partitions adds those that it has not shared out.
        """
        consumer = self._consumer()
        ends_by_partition: dict[PartitionId, tuple[int, int]] = {}
        ours: set[TopicPartition] = consumer.assignment()
        wanted = sorted(ours | self._unshared())
        # In parts, with pauses: an answer about all partitions would hold up the event loop for some 50 ms. Not in too many:
        # each waits at its broker behind a fetch of the same connection.
        for first in range(0, len(wanted), _ENDS_AT_ONCE):
            ends = await consumer.end_offsets(wanted[first : first + _ENDS_AT_ONCE])
            for tp, end in ends.items():
                position = await consumer.position(tp) if tp in ours else 0
                ends_by_partition[partition_of(tp)] = (position, end)
            await asyncio.sleep(_BETWEEN_ENDS_SECONDS)
        return ends_by_partition

    def _unshared(self) -> set[TopicPartition]:
        """Return partitions that came after the group's were shared out, where this member did that."""
        if self._shared is None:
            return set()
        return {
            TopicPartition(topic, number)
            for topic, count in self._shared.items()
            for number in range(count, min(self._watch.partitions(topic), self._known(topic)))
        }
