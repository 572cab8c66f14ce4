"""The Faust applications: one consumer group each, whose agents only hand records to lanes.

Nothing an agent does may raise out of it (Faust acknowledges the record all the same and it is lost), and an
agent never waits (one full queue stops every topic of the worker).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.agents import Agent
from faust.types import AgentT, StreamT

from streams.clock import Clock, uptime_seconds
from streams.kafka.connection import Connection
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.group import ConsumerGroup, Host
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.member import partition_of
from streams.kafka.consumer.membership import Membership
from streams.kafka.consumer.refusals import refusal
from streams.kafka.consumer.transport import ConsumerFlow, Transport
from streams.kafka.consumer.unused import NoTables, QuietMonitor
from streams.kafka.format.records import PartitionId

log = logging.getLogger(__name__)

DRAIN_SECONDS = 11.0
"""How long a revocation or a stop waits for calls in flight: the longest attempt time-out and a second to settle."""

COMMIT_SECONDS = 0.15
"""From one commit to the next. A crash repeats what was settled since the last: 250 ms of it at most, lag included."""

LEAST_CONCURRENCY = 5
"""Records that a group which gives way still begins at once in a busy process: enough to use all that is left of it."""

LONGEST_IN_FLIGHT_MS = 60_000
"""Longer than any record may be in flight that waits for no broker: patience, attempt and settling take seconds."""

HELD = "a record is held unacknowledged for too long"
"""The symptom that a write may explain which the brokers do not take."""


def of_group(group_id: str) -> str:
    """Return how each symptom of a group begins."""
    return f"group {group_id}: "


class NotifierApp(faust.App):
    """A Faust application over the hardened transport.

    Attributes:
        writes_are_refused: tells whether the brokers refuse the process's writes, which are tried again.
    """

    connection: Connection
    between_fetches_seconds: float
    gives_way: bool
    host: Host
    lanes: Lanes
    membership: Membership
    sources: frozenset[str]
    writes_are_refused: Callable[[], bool] = staticmethod(lambda: False)
    _pending: Mapping[PartitionId, int] = {}

    def _create_directories(self) -> None:
        """Make none: there are no tables, and the file system may be read-only."""

    async def on_first_start(self) -> None:
        """Start what is shared before anything is consumed."""
        await self.host.acquire()
        await super().on_first_start()

    async def on_stop(self) -> None:
        """Finish what is in flight, then let Faust stop the consumer, which commits a last time."""
        since = self.host.stop_starting()
        await self._drain(since + DRAIN_SECONDS - time.monotonic())
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Let go of what is shared."""
        await super().on_shutdown()
        self.lanes.close()
        await self.host.release()

    async def before_revoke(self) -> None:
        """Finish what is in flight before the partitions go. Never raises."""
        self.host.on_revoked(self.conf.id)
        await self._drain(DRAIN_SECONDS)

    def after_assign(self, partitions: int, of: int) -> None:
        """Note that partitions came."""
        self.host.on_assigned(self.conf.id, partitions, of)

    def on_refused(self, error: Exception) -> None:
        """Note that the group's coordinator does not take us."""
        self.membership.put_off()
        self.host.on_refused(self.conf.id, refusal(error))

    def on_commit_error(self) -> None:
        """Note that a commit failed."""
        self.host.on_commit_error()

    def on_forbidden(self, topic: str) -> None:
        """Note that a topic may not be read any more."""
        self.host.on_forbidden(topic)

    def on_lost(self, topic: str, offsets: int) -> None:
        """Count what is gone."""
        self.host.on_lost(topic, offsets)

    def on_reset(self, topic: str) -> None:
        """Count that a topic is another one now."""
        self.host.on_reset(topic)

    def on_missing(self, topics: Collection[str]) -> None:
        """Note which topics do not exist now."""
        self.host.on_missing(self.conf.id, topics)

    def pending_of(self, topic: str) -> int | None:
        """Return how many records of a topic were not settled when it was looked last; None where it was not looked."""
        counts = [count for partition, count in self._pending.items() if partition[0] == topic]
        return sum(counts) if counts else None

    def symptoms(self) -> list[str]:
        """Return what looks dead about this application, one sentence each, the same words each time."""
        if not self.started or self.should_stop:
            return []
        symptoms = list(self.consumer.symptoms())  # type: ignore[attr-defined]  # our consumer's
        # What waits for the brokers would only be repeated by a new process, and wait again. Whether they would take a write
        # that has no answer, the watch asks them.
        silent = self.membership.silent_seconds() >= self.conf.broker_session_timeout
        waits = self.writes_are_refused() or silent or self.membership.is_put_off()
        if not waits and any(
            lane.longest_in_flight_ms > LONGEST_IN_FLIGHT_MS for lane in self.lanes
        ):
            symptoms.append(HELD)
        return [of_group(self.conf.id) + symptom for symptom in symptoms]

    async def look(self) -> None:
        """See whether the topics are what they were, and act where they are not; says nothing where nobody can say now."""
        if not self.started or self.should_stop:
            return
        with suppress(KafkaError, TimeoutError):
            await self.consumer.look()  # type: ignore[attr-defined]  # our consumer's

    async def pending(self) -> Mapping[str, int] | None:
        """Return how many records are not settled, by stage, in the partitions that are ours; None where nobody can say now."""
        if not self.started or self.should_stop:
            return None
        try:
            pending = self.lanes.pending(await self.consumer.ends())  # type: ignore[attr-defined]  # our consumer's
        except (KafkaError, TimeoutError):
            return None
        # Of a topic that is gone, or a partition without a leader, the last count is kept: it says what may go with it.
        absent: frozenset[str] = self.consumer.standing.absent  # type: ignore[attr-defined]  # our consumer's
        ours = set(map(partition_of, self.consumer.assignment()))
        gone = {at: count for at, count in self._pending.items() if at[0] in absent}
        silent = {
            at: count for at, count in self._pending.items() if at in ours and at[0] not in absent
        }
        pending = silent | pending
        self._pending = gone | pending
        by_stage: Counter[str] = Counter()
        for (topic, _), count in pending.items():
            by_stage[self.lanes.stage_of(topic)] += count
        return by_stage

    def undecided(self) -> Counter[str]:
        """Return how many offsets open transactions hold back, by stage."""
        by_stage: Counter[str] = Counter()
        if self.started and not self.should_stop:
            for (topic, _), count in self.consumer.standing.undecided().items():  # type: ignore[attr-defined]  # our consumer's
                by_stage[self.lanes.stage_of(topic)] += count
        return by_stage

    def unreadable(self) -> Counter[str]:
        """Return how many of our partitions stand still at a batch that can't be read, by stage."""
        if not self.started or self.should_stop:
            return Counter()
        unreadable = self.consumer.unreadable()  # type: ignore[attr-defined]  # our consumer's
        return Counter(self.lanes.stage_of(at.record_id.topic) for at in unreadable)

    async def _drain(self, seconds: float) -> None:
        late = await self.lanes.drain(max(seconds, 0.0))
        if late:
            log.warning(
                "%s records were still in flight after %s s; they will be repeated",
                late,
                DRAIN_SECONDS,
            )


def build_app(
    group: ConsumerGroup,
    *,
    connection: Connection,
    clock: Clock,
    host: Host,
) -> NotifierApp:
    """Return the application that reads the topics of a group.

    Args:
        group: name and routes.
        connection: the brokers.
        clock: for due times.
        host: the process around it.
    """
    app = NotifierApp(
        group.group_id,
        env={},  # variables such as WEB_PORT or BROKER_SESSION_TIMEOUT would go before what stands here
        broker=[f"kafka://{broker.strip()}" for broker in connection.brokers.split(",")],
        broker_client_id=group.group_id,
        broker_max_poll_records=500,
        # Client side only, and never over (31 years): a worker that fetches nothing for so long, as one without partitions or
        # with all of them held back, would leave its group for good.
        broker_max_poll_interval=1e9,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=1.0,  # how soon the others notice that one is gone, and that a rebalance has begun
        broker_request_timeout=40.0,
        broker_rebalance_timeout=60.0,
        broker_commit_interval=COMMIT_SECONDS,
        consumer_max_fetch_size=group.fetch_bytes,
        stream_wait_empty=False,  # our own drain has a time-out, Faust's has none
        stream_buffer_maxsize=65_536,  # lanes hold back; this queue is nearly always empty
        stream_processing_timeout=7 * 86_400.0,
        broker_commit_livelock_soft_timeout=7 * 86_400.0,
        processing_guarantee="at_least_once",
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,  # else Faust's own assignor, which wants tables
        web_enabled=False,
        store="memory://",
        autodiscover=False,
        worker_redirect_stdouts=False,
        Monitor=QuietMonitor,
        TableManager=NoTables,
    )
    # The runtime has the web port, once for both applications; Faust's own command would start one whatever the setting.
    app.boot_strategy.enable_web = False
    # Faust would choose one by the broker's URL.
    app.transport = Transport(app.conf.broker_consumer, app)
    app.producer_transport = app.transport
    app.connection = connection
    app.between_fetches_seconds = group.between_fetches_seconds
    app.gives_way = group.gives_way
    app.sources = group.sources
    app.host = host

    def crash(error: BaseException, what: str = "a handler raised") -> None:
        host.on_crash(error, what)
        log.critical("%s; the worker stops so that nothing is lost", what, exc_info=error)
        app.loop.create_task(app.crash(error))

    concurrency = ConcurrencyLimit(
        group.max_concurrency, LEAST_CONCURRENCY if group.gives_way else None
    )

    def regained() -> None:
        app.lanes.take_turns()  # which are made of the membership

    app.membership = Membership(app.conf.broker_session_timeout, uptime_seconds, regained)
    app.lanes = Lanes(
        group.routes,
        concurrency,
        ConsumerFlow(lambda: app.consumer),
        clock.now_ms,
        crash,
        app.membership,
    )
    for topic in group.routes:
        _add_agent(app, topic, crash)
    return app


def _add_agent(app: NotifierApp, topic: str, crash: Callable[[BaseException, str], None]) -> None:
    channel = app.topic(
        topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )

    def admit(event: Any) -> None:  # noqa: ANN401  # Faust declares an event's message too widely
        try:
            for record in event.message.value:
                app.lanes.admit(record, event.message.generation_id)
        except BaseException as error:  # noqa: BLE001  # Faust would go on behind the records that no lane has taken
            app.lanes.stop_starting()
            crash(error, "a lane raised")

    async def dispatch(stream: StreamT[Any]) -> None:
        queue = stream.channel.queue  # type: ignore[attr-defined]  # missing in Faust's interface
        async for event in stream.noack().events():  # type: ignore[attr-defined]  # missing in Faust's interface
            admit(event)
            # The stream takes a turn of the event loop for each; what has come with this one needs none.
            while not queue.empty():
                admit(queue.get_nowait())

    # As Faust's decorator does it, which also looks through the source of every module for where it stands.
    agent: AgentT[Any] = Agent(
        dispatch,
        name=f"{app.conf.id}-{topic}",
        app=app,
        channel=channel,
        on_error=app._on_agent_error,  # noqa: SLF001  # Faust has no public word for it
    )
    app.agents[agent.name] = agent
