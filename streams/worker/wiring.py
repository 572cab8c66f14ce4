"""The worker put together: every part is made here, once, and given what it works with. Nothing runs yet."""

import random  # noqa: TID251  # here randomness comes in
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version

from streams.admission.admission import Admission
from streams.admission.limits import LONGEST_PARK_SECONDS
from streams.clock import Clock
from streams.kafka.admin.preflight import ask_brokers
from streams.kafka.connection import connection_of
from streams.kafka.consumer.app import NotifierApp, build_app
from streams.kafka.producer import RecordProducer
from streams.kafka.topics import TopicNames
from streams.mapping.mapping import EventMapping
from streams.notification.profiles import TIERS
from streams.partners import Partner, PartnersFile
from streams.settings import Settings
from streams.telemetry.access import show_access
from streams.telemetry.counting import Counting
from streams.telemetry.health import Health
from streams.telemetry.logs import LogSample
from streams.telemetry.loop_lag import watch_loop
from streams.telemetry.metrics import GROUP, RULE, TOPIC, Metrics
from streams.telemetry.partner_gauges import PartnerGauges
from streams.telemetry.unknown_tiers import watch_unknown_tiers
from streams.telemetry.watch import Watch
from streams.telemetry.web import WebPort
from streams.webhook.egress import guard_of
from streams.webhook.https import WebhookClient
from streams.webhook.lookup_threads import LookupThreads
from streams.worker.background import (
    confirmed,
    look_at_topics,
    look_for_death,
    reload_partners,
    symptoms,
    waits,
)
from streams.worker.deliver import Delivery
from streams.worker.gauges import Gauges
from streams.worker.handle import RecordHandler
from streams.worker.host import WorkerHost
from streams.worker.mapped import MappedEvents
from streams.worker.observe import Observer
from streams.worker.policy import Policy
from streams.worker.receive import Receiver
from streams.worker.services import SharedServices
from streams.worker.settle import Settler
from streams.worker.settlement import Settlements
from streams.worker.topology import groups_of

PROGRAM_VERSION = version("payment-notifier")

_SIGNING_THREADS = 2  # for long keys; more than the cores that one worker is given only queue
_LOOKUP_THREADS = 64  # each partner has 4 of them at most; one that waits costs some kilobytes

BeforeStart = Callable[[Settings, Callable[[str | None], None]], Awaitable[None]]
"""Waits for the brokers and checks them, before anything is consumed; is told whom to tell while it waits."""


def build_worker(
    settings: Settings,
    partners: PartnersFile,
    before_start: BeforeStart,
    mapping: EventMapping | None = None,
) -> Sequence[NotifierApp]:
    """Return the applications of the role; the first that starts also starts what they share."""
    clock, connection, names = Clock(), connection_of(settings), TopicNames(settings.topic_prefix)
    metrics = _metrics(settings, clock, names)
    health = Health()
    counting = Counting(
        metrics, health, LogSample(settings.log_sample) if settings.log_sample else None
    )
    partner_gauges = PartnerGauges(metrics)
    partner_gauges.show(partners.current.values(), clock.now_seconds())

    def partner_of(partner_id: str) -> Partner | None:
        return partners.current.get(partner_id)

    signing = ThreadPoolExecutor(_SIGNING_THREADS, thread_name_prefix="signing")
    lookups = LookupThreads(_LOOKUP_THREADS)
    caller = WebhookClient(
        clock=clock,
        guard=guard_of(settings),
        signing_threads=signing,
        lookup_threads=lookups,
        user_agent=f"payment-notifier/{PROGRAM_VERSION}",
        source_addresses=settings.egress_source_address,
        in_force=lambda partner: partner_of(partner.partner_id) is partner,
    )
    admission = Admission(
        settings.max_in_flight, clock.now_seconds, first_attempts=settings.role != "retry"
    )

    def count_failed_try(topic: str) -> None:
        metrics.produce_errors.labels(topic).inc()
        settler.writes.note_refusal()

    producer = RecordProducer(
        connection,
        f"{settings.group_id}-producer",
        count_failed_try,
    )
    tracing = None
    if settings.tracing:
        from streams.telemetry.tracing import start_tracing  # noqa: PLC0415  # comes with an extra

        tracing = start_tracing()

    settlements = Settlements(names, clock.now_ms, socket.gethostname())
    policy = Policy(
        parking=tuple(wait for wait in TIERS if wait.seconds <= LONGEST_PARK_SECONDS),
        scale=settings.ladder_scale,
        give_up_after_ms=int(settings.give_up_after * 1000),
        jitter=random.SystemRandom().random,
    )
    observer = Observer(clock, counting, tracing)
    mapped_events = None
    if mapping is not None:
        mapped_events = MappedEvents(mapping, clock.now_ms, observer)
        metrics.declare(RULE, mapping.rules)
    settler = Settler(producer, names.attempts, clock.now_seconds)
    handler = RecordHandler(
        Receiver(clock, partner_of, settlements, policy, settings.allow_http),
        Delivery(
            clock=clock,
            partner_of=partner_of,
            caller=caller,
            admission=admission,
            settlements=settlements,
            policy=policy,
            observer=observer,
        ),
        settler,
        observer,
        mapped_events,
    )
    groups = groups_of(settings, handler, clock, names)
    metrics.declare(GROUP, (group.group_id for group in groups))
    health.groups = frozenset(group.group_id for group in groups)
    host = WorkerHost(admission, metrics, health, clock)
    apps = [build_app(group, connection=connection, clock=clock, host=host) for group in groups]
    for app in apps:
        app.writes_are_refused = settler.writes.is_refused
    health.waits = partial(waits, apps, settler.writes, health)
    gauges = Gauges(
        apps, admission, partner_gauges, metrics, clock, settings.overdue_after, settler.writes
    )
    watch = Watch(
        health,
        partial(symptoms, apps, producer, settler.writes, health, clock),
        partial(
            confirmed,
            partial(
                ask_brokers,
                connection_of(settings),
                f"{settings.group_id}-watch",
                sorted(health.groups),
                settler.writes.late_topics,
            ),
        ),
    )
    access = partial(show_access, metrics, connection.look, clock.now_seconds)
    host.apps = apps
    host.services = SharedServices(
        web=WebPort(metrics.registry, health, clock.now_seconds, gauges.refresh),
        web_address=(settings.web_bind, settings.web_port),
        before_start=partial(before_start, settings, host.waits_for_kafka),
        producer=producer,
        caller=caller,
        loops=(
            partial(reload_partners, partners, caller, partner_gauges, clock, access),
            partial(look_for_death, watch, clock.now_seconds),
            partial(look_at_topics, apps, metrics),
            partial(watch_unknown_tiers, settings, metrics),
            partial(watch_loop, metrics.loop_lag.observe),
        ),
        tracing=tracing,
        threads=(signing, lookups),
    )
    return apps


def _metrics(settings: Settings, clock: Clock, names: TopicNames) -> Metrics:
    metrics = Metrics(PROGRAM_VERSION)
    metrics.in_flight_limit.set(settings.max_in_flight)
    metrics.reload_successful.set(1)
    metrics.reload_time.set(clock.now_seconds())
    written = (names.attempts, names.dead_letter, *(names.tier(wait) for wait in TIERS))
    metrics.declare(TOPIC, (*written, names.replay, *settings.source_topics))
    return metrics
