"""Faust's Kafka transport with the parts replaced that lose messages, stall, hang or cost too much in 0.15.3.

- Commits: what the lanes say is settled, nothing else (Faust commits past records in flight: its issue 606).
- Revocation: records in flight are finished and committed before the partitions go (Faust forgets
  acknowledgements before it commits: its issue 502).
- Seeking: to what is committed, 0 and nothing included (aiokafka seeks only to what is above 0, so that records
  which were fetched and dropped in a rebalance were lost).
- Polling: partitions that flow again are noticed within 0.1 s (Faust: 1 s), read committed only.
- Handing over: a record that its agent's queue takes at once costs no tasks, see `Consumer.wait_first`.
- Reading: every batch that Kafka allows; one that can't be read holds its partition, see `streams.kafka.unreadable`.
- One event loop: no thread, see `ConsumerThread`.
- No producer: `streams.kafka.producer` writes.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Protocol, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError
from faust.transport import base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.services import WaitResults
from mode.threads import WorkerThread
from mode.utils.futures import maybe_async

from streams.kafka.connection import Connection
from streams.kafka.lanes import Lanes
from streams.kafka.patches.late_commits import hear_late_commits
from streams.kafka.patches.moved_leaders import learn_of_moved_leaders
from streams.kafka.patches.nearby_copies import learn_of_nearby_copies
from streams.kafka.patches.paced_fetches import pace_fetches
from streams.kafka.patches.quick_close import close_quickly
from streams.kafka.progress import Progress
from streams.kafka.reading import Reading
from streams.kafka.records import Tag
from streams.kafka.standing import Report
from streams.kafka.unreadable import Unreadable, unreadable_of

log = logging.getLogger(__name__)

_FETCH_WAIT_MS = (
    250  # Faust: 1500. How long a partition that flows again may wait for a fetch already under way
)
_NOTICE_SECONDS = 0.1
_COMMIT_TIMEOUT_SECONDS = 5.0
_BEGIN_TIMEOUT_SECONDS = (
    10.0  # two answers of brokers, and a busy machine; a rebalance may take 60 s
)
_LEAST_PAUSE_SECONDS = 0.02  # between two commits, however long the first took
_HANDED_OVER_IN_A_TURN = 16  # records, each some 0.1 ms
_POLL_PATIENCE_SECONDS = 10.0  # a poll returns at least once a second


class App(Report, Protocol):
    """What the transport asks of the application."""

    connection: Connection
    between_fetches_seconds: float
    gives_way: bool
    lanes: Lanes
    sources: frozenset[str]

    async def before_revoke(self) -> None:
        """Finish what is in flight. Never raises."""

    def after_assign(self, partitions: int, of: int) -> None:
        """Note how many of the group's partitions came."""

    def on_commit_error(self) -> None:
        """Note that a commit failed."""


def _ours(app: Any) -> App:
    return cast(App, app)


class _Task(WorkerThread):
    """Stands where mode wants a thread: what it would serve is a task on the event loop that we have."""

    service: "ConsumerThread"

    def start(self) -> None:
        """Serve."""
        self.serving = self.service.parent_loop.create_task(self.service.serve())

    def stop(self) -> None:
        """Join nothing."""


class _Rest:
    """What is left of a coroutine that was begun outside of a task and now waits for something."""

    def __init__(self, begun: Coroutine[Any, Any, Any], pending: Any) -> None:
        self._begun = begun
        self._pending = pending

    def __await__(self) -> Generator[Any, Any, Any]:
        while True:
            try:
                sent = yield self._pending
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is the coroutine's
                step = partial(self._begun.throw, error)
            else:
                step = partial(self._begun.send, sent)
            try:
                self._pending = step()
            except StopIteration as done:
                return done.value


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """aiokafka's consumer, configured by us, on the worker's own event loop.

    Faust gives it a thread. Whatever that thread does needs the interpreter's lock, for which each side waits up to
    5 ms while the other one works; from the broker to an agent it changes hands several times.
    """

    Worker = _Task
    last_poll: float = 0.0

    def __init__(
        self, consumer: "Consumer", loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(consumer, loop=loop, thread_loop=loop, **options)
        app = _ours(self.app)
        self.standing = Reading(self._ensure_consumer, lambda: app.lanes, app, app.sources)

    async def serve(self) -> None:
        """Run until stopped. Whoever waits for the end hears of it, however it comes."""
        try:
            await self._serve()
        except Exception:  # while it ran, the application was told, and crashes
            log.warning("the consumer did not end as it should", exc_info=True)
        finally:
            self.set_shutdown()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call it."""
        return await maybe_async(fun(*args, **options))

    async def _gather_remaining_tasks(self) -> None:
        """Cancel nothing: the other tasks of this loop are the worker's."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        conf = self.app.conf
        del transport  # the brokers stand in the connection
        self._assignor = RoundRobinPartitionAssignor
        connection: Connection = _ours(self.app).connection
        return AIOKafkaConsumer(
            **connection.options(conf.broker_client_id),
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            client_rack=connection.rack,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="none",  # nothing is passed over without a word, see `Reading`
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
        )

    async def on_start(self) -> None:
        """Start the consumer."""
        await super().on_start()
        consumer = self._ensure_consumer()
        hear_late_commits(consumer)
        learn_of_moved_leaders(consumer)
        learn_of_nearby_copies(consumer)
        if pause := _ours(self.app).between_fetches_seconds:
            pace_fetches(consumer, pause)

    async def on_thread_stop(self) -> None:
        """Stop the consumer."""
        if self._consumer is not None:
            close_quickly(self._consumer)
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            # aiokafka's own: it cancels its fetches, and one that has just failed lets that through. The consumer
            # would end without a word, and the worker wait for it for ever.
            await self._ensure_consumer()._client.close()  # noqa: SLF001  # what was left to do

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Fetch; wait only shortly while a partition is held back, since it may flow again any moment."""
        self.last_poll = self.thread_loop.time()
        if self.consumer._buffered_partitions:  # noqa: SLF001  # Faust's driver reads it too
            timeout = min(timeout, _NOTICE_SECONDS)
        # What is buffered comes at once, and agents and lanes must get their turn.
        await asyncio.sleep(0)
        return await super().getmany(active_partitions, timeout)

    def symptoms(self) -> list[str]:
        """Return what looks dead about this member of the group, in words that do not change from look to look."""
        consumer = self._consumer
        # aiokafka has no public word for its state; a consumer that is starting has no coordinator yet
        coordinator = None if consumer is None else consumer._coordinator  # noqa: SLF001
        if coordinator is None:
            return ["the consumer was not started"]
        found = []
        if coordinator.generation < 0 or not coordinator.member_id:
            found.append("the worker is out of its group")
        if coordinator._coordination_task.done():  # noqa: SLF001
            found.append("the coordination task has ended")
        if self.thread_loop.time() - self.last_poll > _POLL_PATIENCE_SECONDS:
            found.append("nothing was polled lately")
        return found

    def unreadable(self) -> list[Unreadable]:
        """Return where partitions stand still at a batch that can't be read."""
        return [] if self._consumer is None else unreadable_of(self._consumer)

    async def seek_to_committed(self) -> dict[TopicPartition, int | None]:  # type: ignore[override]  # None, as Faust's caller takes it
        """Go back to what is committed, in every partition that is ours; None stands where nothing is, for its beginning."""
        return await self.standing.seek()

    async def _fetch_records(self, *args: Any, **options: Any) -> Any:
        fetch = partial(super()._fetch_records, *args, **options)
        return await self.standing.fetched(fetch, cast(Consumer, self.consumer).write_down)

    def partition_count(self) -> int:
        """Return how many partitions the subscribed topics have."""
        consumer = self._ensure_consumer()
        return sum(
            len(consumer.partitions_for_topic(topic) or ()) for topic in consumer.subscription()
        )


class Consumer(driver.Consumer):
    """Faust's consumer, committing what the lanes say."""

    _committing: asyncio.Lock
    _last_committed: dict[Tag, Progress]
    _handed_over = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._committing = asyncio.Lock()
        self._last_committed = {}

    @property
    def _lanes(self) -> Lanes:
        return _ours(self.app).lanes

    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002
        """Commit what is settled and not yet committed. Never raises; what failed is committed the next time."""
        async with self._committing:
            made = self._lanes.progress()
            news = {tag: new for tag, new in made.items() if self._last_committed.get(tag) != new}
            if not news:
                return False
            try:
                done = await asyncio.wait_for(
                    self._thread.standing.commit(news), _COMMIT_TIMEOUT_SECONDS
                )
            except (KafkaError, TimeoutError) as error:
                log.warning(
                    "committing offsets failed, trying again: %s", error or type(error).__name__
                )
                _ours(self.app).on_commit_error()
                return False
            if done:
                self._last_committed.update(news)
            return done

    async def write_down(self, progress: dict[Tag, Progress]) -> None:
        """Commit where partitions begin, whatever the lanes say; they have given these up.

        Raises:
            KafkaError, TimeoutError: it could not be written.
        """
        async with self._committing:
            for tag in progress:
                self._last_committed.pop(tag, None)
            await asyncio.wait_for(self._thread.standing.commit(progress), _COMMIT_TIMEOUT_SECONDS)

    @Service.task
    async def _commit_handler(self) -> None:
        # Faust's own loop sleeps for a whole interval, and a tenth of a second more at times, after each commit: what
        # is settled would wait for longer than the interval, and be repeated after a crash.
        while not self.should_stop:
            begun = self.loop.time()
            await self.commit()
            spent = self.loop.time() - begun
            await self.sleep(max(self.commit_interval - spent, _LEAST_PAUSE_SECONDS))

    async def wait_first(self, *waited: Any, timeout: Any = None) -> WaitResults:
        """Wait for the first to come true; one that comes true at once needs none of the four tasks that Faust spends.

        Faust waits so for each record until its agent's queue has taken it, and the queue nearly always has room. Still
        a fetch of hundreds must not hold up those who are being handled; and where the group gives way to another one,
        the turns that the tasks take leave room for its records.
        """
        first, *others = waited
        if isinstance(first, Coroutine) and not _ours(self.app).gives_way:
            try:
                pending = first.send(None)
            except StopIteration as done:
                for other in others:
                    other.close()
                self._handed_over += 1
                if self._handed_over % _HANDED_OVER_IN_A_TURN == 0:
                    await asyncio.sleep(0)
                return WaitResults([first], [done.value], stopped=False)
            first = _Rest(first, pending)
        return await super().wait_first(first, *others, timeout=timeout)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit before the partitions go to somebody else."""
        await _ours(self.app).before_revoke()
        await self.commit()
        self._lanes.close()
        self._last_committed.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take records of the new generation from now on."""
        self._lanes.open(generation_id, await self._finished(assigned))
        await super().on_partitions_assigned(assigned, generation_id)
        _ours(self.app).after_assign(len(assigned), self._thread.partition_count())

    def symptoms(self) -> list[str]:
        """Return what looks dead."""
        return self._thread.symptoms()

    async def look(self) -> None:
        """See whether the topics are what they were, see `Standing.look`.

        Raises:
            KafkaError, TimeoutError: the brokers can't say now.
        """
        await self._thread.standing.look(self.write_down)

    @property
    def absent(self) -> frozenset[str]:
        """Topics that the last look did not find."""
        return self._thread.standing.absent

    def unreadable(self) -> list[Unreadable]:
        """Return where partitions stand still at a batch that can't be read."""
        return self._thread.unreadable()

    async def ends(self) -> dict[Tag, tuple[int, int]]:
        """Return where each partition ends that is ours, see `Reading.ends`; markers of transactions are passed first.

        Raises:
            KafkaError, TimeoutError: the brokers can't say now, or partitions are on the move.
        """
        standing = self._thread.standing
        standing.pass_markers()
        return await asyncio.wait_for(standing.ends(), _COMMIT_TIMEOUT_SECONDS)

    def undecided(self) -> dict[Tag, int]:
        """Return what open transactions hold back, see `Reading.undecided`."""
        return self._thread.standing.undecided()

    async def _finished(self, assigned: set[TP]) -> dict[Tag, frozenset[int]]:
        """Return what the former owners settled above their committed offsets; nothing where it can't be read."""
        try:
            progress = await asyncio.wait_for(
                self._thread.standing.begin([TopicPartition(*tp) for tp in assigned]),
                _BEGIN_TIMEOUT_SECONDS,
            )
        except (KafkaError, TimeoutError) as error:
            log.warning("reading finished offsets failed, some records will be repeated: %s", error)
            return {}
        return {tag: made.finished for tag, made in progress.items() if made.finished}

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: Faust's gaps (transaction markers) serve its own commits, and would only grow."""

    def track_message(self, message: Any) -> None:
        """Do nothing: the lanes know what is unacknowledged."""

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: Faust's livelock detector watches acknowledgements that we don't make."""

    async def _wait_next_records(self, timeout: float) -> Any:
        # With every partition held back Faust sleeps for a second, during which none can flow again.
        if self.flow_active and not self._get_active_partitions() and not self.app.client_only:
            self._thread.last_poll = self._thread.thread_loop.time()  # there is nothing to poll
            await self.sleep(_NOTICE_SECONDS)
            return {}, set()
        return await super()._wait_next_records(timeout)


class _NoProducer(base.Producer):
    """Stands where Faust wants a producer; connects to nothing."""

    async def on_start(self) -> None:
        """Connect to nothing."""


class Transport(driver.Transport):
    """The transport of `NotifierApp`."""

    Consumer = Consumer
    Producer = _NoProducer


class ConsumerTap:
    """The flow of partitions, stopped and started the way Faust's own conductor does it.

    `pause_partitions` would drop records that were fetched already; `on_buffer_full` keeps them.
    """

    def __init__(self, consumer: Callable[[], Any]) -> None:
        self._consumer = consumer

    def close(self, tag: Tag) -> None:
        """Fetch no more from the partition."""
        self._consumer().on_buffer_full(TP(*tag))

    def open(self, tag: Tag) -> None:
        """Fetch again from the partition."""
        self._consumer().on_buffer_drop(TP(*tag))
