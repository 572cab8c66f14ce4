"""The worker put together: what the applications of one process share, and the routes of each group."""

import asyncio
import gc
import logging
import random  # noqa: TID251  # here randomness comes in
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from streams.admission.admission import Admission
from streams.call.egress import guard_of
from streams.call.https import Caller
from streams.clock import Clock
from streams.kafka.app import NotifierApp, build_app
from streams.kafka.connection import connection_of
from streams.kafka.preflight import broker_answers
from streams.kafka.producer import RecordProducer
from streams.kafka.topics import TopicNames
from streams.notification.profiles import TIERS
from streams.operate.access import show_access
from streams.operate.counting import Counting
from streams.operate.health import Health
from streams.operate.logs import Sample
from streams.operate.loop_lag import watch_loop
from streams.operate.metrics import GROUP, TOPIC, Metrics
from streams.operate.unknown_tiers import watch_unknown_tiers
from streams.operate.watch import Watch
from streams.operate.web import WebPort
from streams.partners import Partner, PartnersFile, Rejected, Reloaded
from streams.routes import STAGES, groups_of
from streams.settings import Settings
from streams.worker.deliver import Delivery
from streams.worker.handle import RecordHandler
from streams.worker.observe import Observer
from streams.worker.policy import LONGEST_PARK_SECONDS, Policy
from streams.worker.receive import Receiver
from streams.worker.settle import Settler
from streams.worker.settlement import Settlements

if TYPE_CHECKING:  # OpenTelemetry comes with an extra
    from streams.operate.tracing import Tracing

log = logging.getLogger(__name__)

PROGRAM_VERSION = version("payment-notifier")

_SIGNING_THREADS = 2  # for long keys; more than the cores that one worker is given only queue
_LOOKUP_THREADS = 64  # each partner has 4 of them at most; one that waits costs some kilobytes
_RELOAD_SECONDS = 2.0
_LOOK_SECONDS = 5.0


@dataclass(slots=True)
class Runtime:
    """What the applications of one process share. Started by the first of them, stopped after the last.

    Attributes:
        settings: as read.
        partners: the partners file in force.
        before_start: waits for the brokers and checks them, before anything is consumed; is told whom to tell while it
            waits.
    """

    settings: Settings
    partners: PartnersFile
    before_start: Callable[[Settings, Callable[[str | None], None]], Awaitable[None]] | None = None
    clock: Clock = field(default_factory=Clock)
    metrics: Metrics = field(init=False)
    health: Health = field(init=False)
    apps: list[NotifierApp] = field(init=False)
    web_port: int = field(init=False, default=0)
    _caller: Caller = field(init=False)
    _admission: Admission = field(init=False)
    _producer: RecordProducer = field(init=False)
    _web: WebPort = field(init=False)
    _held: dict[str, float] = field(init=False, default_factory=dict)
    _users: int = field(init=False, default=0)
    _signing_threads: ThreadPoolExecutor = field(init=False)
    _lookup_threads: ThreadPoolExecutor = field(init=False)
    _counting: Counting = field(init=False)
    _tracing: "Tracing | None" = field(init=False, default=None)
    _show_access: Callable[[], None] = field(init=False)
    _upkeep: list[asyncio.Task[None]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        settings, clock = self.settings, self.clock
        connection = connection_of(settings)
        names = TopicNames(settings.topic_prefix)
        self.metrics = Metrics(PROGRAM_VERSION)
        self.metrics.in_flight_limit.set(settings.max_in_flight)
        self.metrics.reload_successful.set(1)
        self.metrics.reload_time.set(clock.now_seconds())
        self._show_access = partial(show_access, self.metrics, connection.look, clock.now_seconds)
        self._signing_threads = ThreadPoolExecutor(_SIGNING_THREADS, thread_name_prefix="signing")
        self._lookup_threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="lookup")
        self._caller = Caller(
            clock=clock,
            guard=guard_of(settings),
            signing_threads=self._signing_threads,
            lookup_threads=self._lookup_threads,
            user_agent=f"payment-notifier/{PROGRAM_VERSION}",
            source_addresses=settings.egress_source_address,
        )
        self._admission = Admission(
            settings.max_in_flight, clock.now_seconds, first_attempts=settings.role != "retry"
        )
        self._producer = RecordProducer(
            connection,
            f"{settings.group_id}-producer",
            lambda topic: self.metrics.produce_errors.labels(topic).inc(),
        )
        if settings.tracing:
            from streams.operate.tracing import start_tracing  # noqa: PLC0415  # comes with an extra

            self._tracing = start_tracing()
        self.health = Health()
        self._counting = counting = Counting(
            self.metrics, self.health, Sample(settings.log_sample) if settings.log_sample else None
        )
        counting.partners(self.partners.current.values(), clock.now_seconds())
        settlements = Settlements(names, clock.now_ms, socket.gethostname())
        policy = Policy(
            parking=tuple(wait for wait in TIERS if wait.seconds <= LONGEST_PARK_SECONDS),
            scale=settings.ladder_scale,
            give_up_after_ms=int(settings.give_up_after * 1000),
            jitter=random.SystemRandom().random,
        )
        observer = Observer(clock, counting, self._tracing)
        delivery = Delivery(
            clock=clock,
            partner_of=self._partner_of,
            caller=self._caller,
            admission=self._admission,
            settlements=settlements,
            policy=policy,
            observer=observer,
        )
        receiver = Receiver(clock, self._partner_of, settlements, policy, settings.allow_http)
        settler = Settler(self._producer, names.attempts, clock.now_seconds)
        handler = RecordHandler(receiver, delivery, settler, observer)
        groups = groups_of(settings, handler, clock, names)
        self.metrics.declare(GROUP, (group.group_id for group in groups))
        written = (names.attempts, names.dead_letter, *(names.tier(wait) for wait in TIERS))
        self.metrics.declare(TOPIC, (*written, names.replay, *settings.source_topics))
        self.health.groups = frozenset(group.group_id for group in groups)
        self.apps = [
            build_app(group, connection=connection, clock=clock, host=self) for group in groups
        ]
        self._web = WebPort(self.metrics.registry, self.health, clock.now_seconds, self._refresh)

    # --- the applications' host -----------------------------------------------------------------

    async def acquire(self) -> None:
        """Start what is shared, or count one more user of it."""
        self._users += 1
        if self._users > 1:
            return
        self.web_port = await self._web.start(self.settings.web_bind, self.settings.web_port)
        log.info(
            "listening on %s:%s for /metrics and /health", self.settings.web_bind, self.web_port
        )
        if self.before_start is not None:
            await self.before_start(self.settings, self._waits_for_kafka)
        await self._producer.start()
        # What is there now stays: a full collection that looked through all of it would hold the loop up for 0.1 s.
        gc.collect()
        gc.freeze()
        self._upkeep = [
            asyncio.create_task(self._reload()),
            asyncio.create_task(self._look_for_death()),
            asyncio.create_task(self._look_at_topics()),
            asyncio.create_task(watch_unknown_tiers(self.settings, self.metrics)),
            asyncio.create_task(watch_loop(self.metrics.loop_lag.observe)),
        ]

    async def release(self) -> None:
        """Count one user less; the last stops what is shared."""
        self._users -= 1
        if self._users:
            return
        for task in self._upkeep:
            task.cancel()
        await self._caller.aclose()
        await self._producer.stop()
        await self._web.stop()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.stop)
        self._signing_threads.shutdown(wait=False)
        self._lookup_threads.shutdown(wait=False)

    def _waits_for_kafka(self, why: str | None) -> None:
        self.health.waiting_for_kafka = why

    def stop_starting(self) -> None:
        """Begin no new attempt anywhere: with two applications one stops after the other, but their calls end together."""
        self.health.stopping = True
        for app in self.apps:
            app.lanes.retire()

    def on_commit_error(self) -> None:
        """Count a commit that failed."""
        self.metrics.commit_errors.inc()

    def on_assigned(self, group_id: str, partitions: int, of: int) -> None:
        """Note that the group gave us so many of its partitions."""
        # First attempts and retries come from two groups, in one worker or in two; each group has half of a
        # destination's limits, and a worker the part of it that its partitions are.
        self._held[group_id] = partitions / of if of else 0.0
        self._admission.share = sum(self._held.values()) / 2
        self.health.joined.add(group_id)
        self.health.rebalancing_since.pop(group_id, None)
        self.metrics.partitions.labels(group_id).set(partitions)
        log.info("group %s: holds %s partitions", group_id, partitions)

    def on_revoked(self, group_id: str) -> None:
        """Note that a rebalance has begun."""
        self.health.rebalancing_since[group_id] = self.clock.now_seconds()
        self.metrics.rebalances.labels(group_id).inc()
        self.metrics.partitions.labels(group_id).set(0)

    def on_lost(self, topic: str, offsets: int) -> None:
        """Count offsets of a topic that are gone before anybody settled them."""
        self.metrics.lost_offsets.labels(topic).inc(offsets)

    def on_reset(self, topic: str) -> None:
        """Count that a topic is read from its beginning, since it is another log than before."""
        self.metrics.topic_resets.labels(topic).inc()

    def on_missing(self, group_id: str, topics: Collection[str]) -> None:
        """Note which topics of a group do not exist now: no rollout goes on over that."""
        self.health.missing_topics[group_id] = frozenset(topics)
        self.metrics.missing_topics.labels(group_id).set(len(topics))

    def on_crash(self, error: BaseException) -> None:
        """Note that an application is crashing."""
        self.health.crashed = f"a handler raised {type(error).__name__}"

    # --- upkeep ---------------------------------------------------------------------------------

    async def _reload(self) -> None:
        """Read the partners file and its keys again when they change; a bad new version keeps the old one in force."""
        while True:
            await asyncio.to_thread(self._show_access)
            await asyncio.sleep(_RELOAD_SECONDS)
            result = await asyncio.to_thread(self.partners.poll, self.clock.now_seconds())
            match result:
                case Reloaded(removed=removed):
                    self._caller.discard(removed)
                    self.metrics.reload_successful.set(1)
                    self.metrics.reload_time.set(self.clock.now_seconds())
                    self._counting.partners(
                        self.partners.current.values(), self.clock.now_seconds()
                    )
                    log.info("the partners file changed and was read again")
                case Rejected(faults):
                    self.metrics.reload_successful.set(0)
                    log.error(
                        "the new partners file is not used, the old one stays in force: %s",
                        "; ".join(faults),
                    )
                case _:
                    pass

    def _symptoms(self) -> list[str]:
        found = [symptom for app in self.apps for symptom in app.symptoms()]
        if not self._producer.alive:
            found.append("the producer has died")
        return found

    async def _look_for_death(self) -> None:
        settings = self.settings
        probe = partial(broker_answers, connection_of(settings), f"{settings.group_id}-watch")
        watch = Watch(self.health, self._symptoms, probe)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await watch.look(self.clock.now_seconds())
            except Exception:  # whatever it is, the next look must come
                log.exception("looking for signs of death failed")

    async def _look_at_topics(self) -> None:
        """Every few seconds: are the topics what they were, and how much of them is not settled?"""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                for app in self.apps:
                    await app.look()
                await self._count_backlog()
            except Exception:  # whatever it is, the next look must come
                log.exception("looking at the topics failed")

    async def _count_backlog(self) -> None:
        undecided: Counter[str] = Counter()
        for app in self.apps:
            undecided.update(app.undecided())
        for tier in STAGES:
            self.metrics.undecided.labels(tier).set(undecided[tier])
        found: Counter[str] = Counter()
        for app in self.apps:
            pending = await app.pending()
            if pending is None:  # a part is no count: the last one stands
                return
            found.update(pending)
        for tier in STAGES:
            self.metrics.pending.labels(tier).set(found[tier])

    def _partner_of(self, partner_id: str) -> Partner | None:
        return self.partners.current.get(partner_id)

    def _refresh(self) -> None:
        """Bring the gauges up to date that nothing else moves."""
        self._counting.partners(self.partners.current.values(), self.clock.now_seconds())
        self.metrics.in_flight.set(self._admission.in_flight)
        self.metrics.destinations.set(len(self._admission))
        self.metrics.silent_destinations.set(self._admission.unresponsive_destinations())
        overdue_before = self.clock.now_ms() - int(self.settings.overdue_after * 1000)
        lanes = [lane for app in self.apps for lane in app.lanes]
        unreadable = sum((app.unreadable() for app in self.apps), Counter[str]())
        for tier in STAGES:
            here = [lane for lane in lanes if lane.stage == tier]
            due = [lane.next_due_at_ms for lane in here if lane.next_due_at_ms is not None]
            self.metrics.held.labels(tier).set(sum(lane.held for lane in here))
            self.metrics.overdue.labels(tier).set(
                sum(lane.overdue(overdue_before) for lane in here)
            )
            self.metrics.unreadable.labels(tier).set(unreadable[tier])
            self.metrics.oldest_due.labels(tier).set(min(due, default=0) / 1000)
