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
            try:
                await self._out_of_range(error.args[0], commit)
            except (KafkaError, TimeoutError) as reason:
                # It is fetched again from there, and comes back here.
                log.warning("the ends of %s can't be read: %s", [*error.args[0]], reason)
            return {}
        except TopicAuthorizationFailedError as error:
            # Somebody took the right away. The other topics go on; this one is fetched again, and goes on with the right.
            self._report.on_forbidden(str(error.args[0]))
            return {}
        # Before anything else can run: the position has moved with them.
        for tp, records in fetched.items():
            self._last_read[tp] = records[-1].offset
        return fetched

    async def _out_of_range(self, positions: Mapping[TopicPartition, int], commit: Commit) -> None:
        generation = self._lanes().generation
        if generation is None:
            return  # positions of before: the generation that begins sets all of them
        await self.look(commit)
        consumer = self._consumer()
        # All that wait to be told so: the first that was cut off ends the generation, and with it what is known of the others.
        positions = {**member.positions_out_of_range(consumer), **positions}
        # Those without a leader are fetched again from there, and come back here.
        asked = member.led(consumer, positions)
        async with asyncio.timeout(ANSWER_SECONDS):
            begins = await consumer.beginning_offsets(asked)
            ends = await consumer.end_offsets(asked)
        if self._lanes().generation != generation:
            return
        cut_off: dict[PartitionId, CommittedState] = {}
        for tp in asked:
            position = positions[tp]
            if self._lanes().is_given_up(partition_of(tp)):
                continue
            if position < begins[tp]:
                with suppress(IllegalStateError):  # it is not ours any more
                    self._pass_gone(tp, position, begins[tp])
            elif position > ends[tp]:
                state = CommittedState(begins[tp], topic_id=self._watch.id(tp.topic))
                began_at = self._began_at.get(tp) or 0
                self._begins.note(tp, state, range(began_at, max(position, began_at) + 1))
                cut_off[partition_of(tp)] = state
        if cut_off:
            try:
                await self._begin_again(cut_off, commit)
            except (KafkaError, TimeoutError) as reason:
                log.warning(
                    "where %s begin can't be written down now, they are read from there all the same: %s",
                    [*cut_off],
                    type(reason).__name__,  # aiokafka's words are six lines about its settings
                )

    def _pass_gone(self, tp: TopicPartition, position: int, begin: int) -> None:
        partition = partition_of(tp)
        self._consumer().seek(tp, begin)
        position = max(position, self._lanes().begins_at(partition))
        if position >= begin:
            return
        # What the former owner had settled above its commit is gone, but not lost.
        lost = begin - position - self._lanes().settled_between(partition, position, begin)
        log.error(
            "topic %s, partition %s: the offsets from %s to %s are gone before anybody settled them, %s in all:"
            " retention or a deletion of records has passed them; expected them to be kept until they are read"
            " (retention.ms, retention.bytes); reading goes on at %s",
            *partition, position, begin - 1, lost, begin,
        )  # fmt: skip
        self._report.on_lost(tp.topic, lost)

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
        comes after it. The one member that shares out the group's partitions adds those that it has not shared out. Of a
        partition without a leader nobody can say.
        """
        consumer = self._consumer()
        ends_by_partition: dict[PartitionId, tuple[int, int]] = {}
        ours: set[TopicPartition] = consumer.assignment()
        wanted = sorted(ours | self._unshared())
        # In parts, with pauses: an answer about all partitions would hold up the event loop for some 50 ms. Not in too many:
        # each waits at its broker behind a fetch of the same connection.
        for first in range(0, len(wanted), _ENDS_AT_ONCE):
            asked = member.led(consumer, wanted[first : first + _ENDS_AT_ONCE])
            ends = await consumer.end_offsets(asked)
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
