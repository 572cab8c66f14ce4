"""Faust's abstract consumer over aiokafka's, on the worker's own event loop.

Faust's own implementation runs aiokafka in a thread, for whose turns each side waits up to 5 ms, commits past records in
flight (its issue 606), forgets acknowledgements before it commits in a revocation (its issue 502), and spends four tasks
on each record. Here:

- Commits: what the lanes say is settled, nothing else.
- Revocation: records in flight are finished and committed before the partitions go.
- Seeking: to what is committed, 0 and nothing included (aiokafka seeks only to what is above 0, so that records which
  were fetched and dropped in a rebalance were lost).
- Generations: counted here. Kafka gives a member that joins again the same number where nothing has changed for the group;
  by it, records that were fetched before could not be told from those after the seek, and Faust let them flow.
- Polling: partitions that flow again are noticed within 0.1 s (Faust: 1 s), read committed only.
- Handing over: several records of a partition are one item of their agent's stream.
- Reading: every batch that Kafka allows; one that can't be read holds its partition, see `streams.kafka.format.unreadable`.

A little over 300 lines: it is all that Faust's consumer does, and the order of its steps is what the promises rest on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.exceptions import ConsumerNotStarted
from faust.transport import consumer as base
from faust.types import TP, ConsumerMessage
from mode import Service, ServiceT

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer import commits, member
from streams.kafka.consumer.commits import Commits
from streams.kafka.consumer.group import ConsumerApp
from streams.kafka.consumer.reading import Reading
from streams.kafka.consumer.unused import WithoutTables
from streams.kafka.format.records import InRecord, PartitionId
from streams.kafka.format.unreadable import Unreadable, unreadable_of

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 1.0
_NOTICE_SECONDS: Final = 0.1
_BEGIN_TIMEOUT_SECONDS: Final = 10.0
"""Two answers of brokers, and a busy machine. Heartbeats are sent meanwhile; a rebalance may take 60 s."""

_LEAST_PAUSE_SECONDS: Final = 0.02
"""Between two commits, however long the first took."""

_LONGEST_PAUSE_SECONDS: Final = 1.0
"""As long is a change waited for: commits that were forgotten or written down meanwhile are none, and are made then."""

_TOGETHER: Final = 16
"""Records of a partition that are handed over at once, each some 0.1 ms of work: others must have their turns."""

_TURNS_GIVEN: Final = 3
"""Of the event loop after each record of a group that gives way to another: its records come first."""

_POLL_PATIENCE_SECONDS: Final = 10.0
"""A poll returns at least once a second."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types for it
    """Is told by aiokafka when partitions are revoked and assigned."""

    def __init__(self, consumer: "Consumer", app: ConsumerApp) -> None:
        self._consumer = consumer
        self._app = app

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> Awaitable[None]:
        """Return the coroutine that finishes and commits. Faust is told at once, also where it is never awaited."""
        self._app.on_rebalance_start()
        return self._consumer.on_partitions_revoked(base.ensure_TPset(revoked))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin the generation."""
        # What follows asks brokers, for seconds, and the coordinator waits no longer for a member than its session.
        member.send_heartbeats(self._consumer.kafka())
        await self._consumer.on_partitions_assigned(base.ensure_TPset(assigned))


class Consumer(WithoutTables):
    """The consumer of one application, committing what the lanes say."""

    last_poll: float = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # Faust's
        super().__init__(*args, **options)
        self._ours = cast(ConsumerApp, self.app)
        self._kafka: AIOKafkaConsumer | None = None
        self.standing = Reading(
            self.kafka, lambda: self._ours.lanes, self._ours, self._ours.sources
        )
        self._commits = Commits(
            self._settled,
            self.standing.commit,
            lambda: self._ours.lanes.changes,
            self._ours.on_commit_error,
            lambda: self.loop.time(),  # noqa: PLW0108  # the loop comes later
        )

    def kafka(self) -> AIOKafkaConsumer:
        """Return aiokafka's consumer.

        Raises:
            ConsumerNotStarted: there is none yet.
        """
        if self._kafka is None:
            message = "the consumer was not started"
            raise ConsumerNotStarted(message)
        return self._kafka

    def make(self) -> AIOKafkaConsumer:
        """Return a consumer of aiokafka's that is to be started."""
        return member.make_consumer(self._ours.connection, self.app.conf)

    async def on_start(self) -> None:
        """Start aiokafka's consumer."""
        self._kafka = self.make()
        await member.start(
            self._kafka,
            self._ours.between_fetches_seconds,
            self._ours.membership.confirm,
            self._ours.membership.put_off,
            self._ours.on_refused,
        )

    async def on_stop(self) -> None:
        """Commit a last time and leave the group."""
        await super().on_stop()
        if self._kafka is not None:
            await member.stop(self._kafka)

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand records to the agents until this consumer, or Faust's service that runs this, is told to stop."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._hand_over(await self._poll())
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _poll(self) -> Mapping[TopicPartition, list[Any]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # any awaitable event will do
        self.last_poll = self.loop.time()
        active = self._get_active_partitions()
        if not active:
            await self.sleep(_NOTICE_SECONDS)
            return {}
        # A paused partition may be resumed at any moment.
        timeout = _NOTICE_SECONDS if self._buffered_partitions else _POLL_SECONDS
        # Buffered records come without a wait, and agents and lanes must get their turn of the event loop.
        await asyncio.sleep(0)
        return await self._getmany(active, timeout)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109  # Faust's
    ) -> Mapping[Any, list[Any]]:
        async def fetch() -> Mapping[Any, list[Any]]:
            if not self.flow_active:
                return {}
            return await member.fetch(self.kafka(), active_partitions or (), timeout)

        return await self.standing.fetched(fetch, self._commits.write_down)

    async def _hand_over(self, fetched: Mapping[TopicPartition, list[Any]]) -> None:
        # Nothing has run since these records left aiokafka: they are of this generation.
        generation = self.app.consumer_generation_id
        gives_way = self._ours.gives_way
        for partition, records in _by_turns(fetched, 1 if gives_way else _TOGETHER):
            if generation != self._ours.lanes.generation:
                return  # the lanes open with a seek to what is committed: from there they are read again
            if partition in self._active_partitions or partition in self._buffered_partitions:
                await self.callback(self._to_message(TP(*partition), records))
            for _ in range(_TURNS_GIVEN if gives_way else 1):
                await asyncio.sleep(0)

    def _to_message(self, tp: TP, fetched: list[Any]) -> ConsumerMessage:
        """Return what Faust hands to an agent: records of one partition as the value of one message."""
        records = [
            InRecord(
                r.topic,
                r.partition,
                r.offset,
                r.key,
                r.value,
                tuple(r.headers),
                append_time_ms=r.timestamp if r.timestamp_type == 1 else -1,
            )
            for r in fetched
        ]
        return ConsumerMessage(
            *tp,
            records[0].offset,
            timestamp=0.0,
            timestamp_type=0,
            headers=None,
            key=None,
            value=cast(bytes, records),  # the raw codec hands on whatever it is
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def commit(self, topics: object = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002
        """Commit what is settled and not yet committed. Never raises; what failed is committed the next time."""
        return await self._commits.commit()

    def _settled(self) -> dict[PartitionId, CommittedState]:
        return self._ours.lanes.progress()

    @Service.task
    async def _commit_handler(self) -> None:
        # Faust's own loop sleeps for a whole interval, and a tenth of a second more at times, after each commit: what is
        # settled would wait for longer than the interval, and be repeated after a crash. And it sleeps by two tasks that
        # are woken at the end; this one is cancelled then.
        changed = self._ours.lanes.changed
        while not self.should_stop:
            begun = self.loop.time()
            changed.clear()
            await self.commit()
            spent = self.loop.time() - begun
            await asyncio.sleep(max(self.commit_interval - spent, _LEAST_PAUSE_SECONDS))
            # A commit that could not be made is made again, whether or not anything changes.
            if self._commits.is_all_committed():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LONGEST_PAUSE_SECONDS):
                        await changed.wait()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Read these topics."""
        self.kafka().subscribe(topics=set(topics), listener=_Listener(self, self._ours))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in flight and commit it before the partitions go to another member."""
        self._next_generation()  # of nobody: what still goes on for the last one must not seek, nor let records flow
        self._ours.membership.lose()
        await self._ours.before_revoke()
        self.standing.allow_again()
        await self.commit()
        self._ours.lanes.close()
        self._commits.forget()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:  # noqa: ARG002  # Faust's
        """Begin a generation; its records are taken once their positions are set, see `seek_to_committed`."""
        generation = self._next_generation()
        self._ours.lanes.close()  # what a look has given up between two generations was of the last one
        self._commits.forget()  # and what it could not write down
        await self._compare_topics(assigned)
        await super().on_partitions_assigned(assigned, generation)
        self._ours.after_assign(len(assigned), member.partition_count(self.kafka()))

    def _next_generation(self) -> int:
        self.app.consumer_generation_id += 1
        return self.app.consumer_generation_id

    async def _compare_topics(self, assigned: set[TP]) -> None:
        """See whether the partitions are of the topics that were read before; where nobody can say now, before their records."""
        try:
            await asyncio.wait_for(
                self.standing.begin([TopicPartition(*tp) for tp in assigned]),
                _BEGIN_TIMEOUT_SECONDS,
            )
        except (KafkaError, TimeoutError) as error:
            log.warning(
                "what is committed can't be compared with the topics now, nothing is read until it can: %s",
                error or type(error).__name__,
            )

    def symptoms(self) -> list[str]:
        """Return what looks dead about this member of the group, in words that do not change from look to look."""
        put_off = self._ours.membership.is_put_off()
        symptoms = member.symptoms_of(self._kafka, put_off=put_off)
        silent_since = self.loop.time() - self.last_poll
        if self._kafka is not None and not put_off and silent_since > _POLL_PATIENCE_SECONDS:
            symptoms.append("nothing was polled lately")
        return symptoms

    async def look(self) -> None:
        """See whether the topics are what they were, see `Standing.look`.

        Raises:
            KafkaError, TimeoutError: the brokers can't say now.
        """
        await self.standing.look(self._commits.write_down)
        # Kept until here, whoever looked and whatever failed then: else it would stay committed under the wrong id.
        if self.standing.take_back_ids():
            await self._commits.begin_anew()

    def unreadable(self) -> list[Unreadable]:
        """Return where partitions stand still at a batch that can't be read."""
        return [] if self._kafka is None else unreadable_of(self._kafka)

    async def ends(self) -> dict[PartitionId, tuple[int, int]]:
        """Return where each partition ends that is ours, see `Reading.ends`; markers of transactions are passed first.

        Raises:
            KafkaError, TimeoutError: the brokers can't say now, or partitions are on the move.
        """
        self.standing.pass_markers()
        return await asyncio.wait_for(self.standing.ends(), commits.TIMEOUT_SECONDS)

    def assignment(self) -> set[TP]:
        """Return the partitions that are ours."""
        return base.ensure_TPset(self.kafka().assignment())

    async def seek_to_committed(self) -> dict[TopicPartition, int | None]:  # type: ignore[override]  # None, as the caller takes it
        """Go to what is committed, in every partition that is ours, and take records from there.

        Returns:
            The offsets; None stands where nothing is committed, for the beginning. Nothing at all where another rebalance
            has begun meanwhile.
        """
        generation = self.app.consumer_generation_id
        starts = await self.standing.starts()
        if generation != self.app.consumer_generation_id:
            return {}
        # In one turn of the event loop: whatever was fetched before is dropped, all that comes after is taken.
        self._ours.lanes.open(generation, starts.finished)
        self.standing.seek(starts)
        return starts.offsets


def _by_turns(
    fetched: Mapping[TopicPartition, list[Any]], most: int
) -> Iterator[tuple[TopicPartition, list[Any]]]:
    """Return the records in parts, partition by partition in turn, each partition's in their order."""
    waiting = deque(fetched.items())
    while waiting:
        partition, records = waiting.popleft()
        yield partition, records[:most]
        if len(records) > most:
            waiting.append((partition, records[most:]))
