"""What a worker does beside its records: loops that each stand by themselves and run until they are cancelled.

Each knows what it is given and no other. None ends by an error of what it looks at.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from streams.clock import Clock
from streams.kafka.admin.preflight import Answers
from streams.kafka.consumer.app import HELD, NotifierApp, of_group
from streams.kafka.producer import RecordProducer
from streams.partners import PartnersFile, Rejected, Reloaded
from streams.telemetry.health import (
    MAX_CLOCK_OFFSET_SECONDS,
    REBALANCE_PATIENCE_SECONDS,
    Health,
)
from streams.telemetry.metrics import Metrics
from streams.telemetry.partner_gauges import PartnerGauges
from streams.telemetry.watch import Watch
from streams.webhook.https import WebhookClient
from streams.worker.topology import STAGES
from streams.worker.writes import Writes

log = logging.getLogger(__name__)

_RELOAD_SECONDS = 2.0
_LOOK_SECONDS = 5.0
_PRODUCER_DIED = "the producer has died"


async def reload_partners(
    partners: PartnersFile,
    caller: WebhookClient,
    shown: PartnerGauges,
    clock: Clock,
    show_access: Callable[[], None],
) -> NoReturn:
    """Read the partners file and its keys again when they change; a bad new version keeps the old one in force.

    Args:
        partners: the file.
        caller: lets go of what it holds for partners that are gone or changed.
        shown: the gauges of partners, among the metrics where it is counted.
        clock: the worker's.
        show_access: looks whether the credentials for Kafka have changed on disk; blocks.
    """
    metrics = shown.metrics
    while True:
        try:
            await asyncio.to_thread(show_access)
        except Exception:  # whatever it is, the next look must come
            log.exception("looking at the credentials for Kafka failed")
        await asyncio.sleep(_RELOAD_SECONDS)
        try:
            result = await asyncio.to_thread(partners.poll, clock.now_seconds())
            match result:
                case Reloaded(removed=removed):
                    caller.discard(removed)
                    metrics.reload_successful.set(1)
                    metrics.reload_time.set(clock.now_seconds())
                    shown.show(partners.current.values(), clock.now_seconds())
                    log.info("the partners file changed and was read again")
                case Rejected(faults):
                    metrics.reload_successful.set(0)
                    log.error(
                        "the new partners file is not used, the old one stays in force: %s",
                        "; ".join(faults),
                    )
                case _:
                    pass
        except Exception:  # as above
            metrics.reload_successful.set(0)
            log.exception(
                "looking at the partners file failed; what was read before stays in force, and the next look is as ever"
            )


def symptoms(
    apps: Sequence[NotifierApp],
    producer: RecordProducer,
    writes: Writes,
    health: Health,
    clock: Clock,
) -> list[str]:
    """Return what looks dead now, or what a new process would not have, one sentence each."""
    seen = [symptom for app in apps for symptom in app.symptoms()]
    # The next write replaces it. One that waits although the brokers could take it shows that nothing did.
    if not producer.alive and writes.late_seconds():
        seen.append(_PRODUCER_DIED)
    offset = health.clock_offset_seconds
    if (
        abs(offset) > MAX_CLOCK_OFFSET_SECONDS
        and abs(offset - clock.stepped_seconds()) <= MAX_CLOCK_OFFSET_SECONDS
    ):
        # Ours follows no step, so that none hurries or delays a retry; a new process reads the right one.
        seen.append("this worker began with a wrong clock, which was set right since")
    return seen


def waits(apps: Sequence[NotifierApp], writes: Writes, health: Health) -> list[str]:
    """Return for what of the brokers records wait now, one sentence each; a new process would wait for the same."""
    reasons = []
    if late := writes.late_seconds():
        reasons.append(
            f"the brokers have not taken a record for {late:.0f} s, expected at once; it is tried again"
        )
    for app in apps:
        silent = app.membership.silent_seconds()
        # A rebalance has no heartbeats, and has a patience of its own.
        if silent <= REBALANCE_PATIENCE_SECONDS:
            continue
        if app.conf.id in health.refused:  # which says why
            continue
        if app.membership.is_put_off():
            reasons.append(
                f"group {app.conf.id}: its coordinator has let nobody join for {silent:.0f} s (are enough copies"
                " of __consumer_offsets in sync?); it is asked again"
            )
        elif app.conf.id in health.joined:
            reasons.append(
                f"group {app.conf.id}: its coordinator has not answered for {silent:.0f} s"
            )
    return reasons


async def confirmed(ask: Callable[[], Awaitable[Answers]], seen: Sequence[str]) -> list[str]:
    """Return what looks dead for which the brokers give no reason.

    Args:
        ask: asks them.
        seen: what looks dead.
    """
    said = await ask()
    if not said.broker:
        return []
    away = tuple(map(of_group, said.silent_groups))
    return [
        symptom
        for symptom in seen
        if not symptom.startswith(away)
        and (said.take_writes or not symptom.endswith((HELD, _PRODUCER_DIED)))
    ]


async def look_for_death(watch: Watch, now_seconds: Callable[[], float]) -> NoReturn:
    """Look every few seconds whether the worker lives."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            await watch.look(now_seconds())
        except Exception:  # whatever it is, the next look must come
            log.exception("looking for signs of death failed")


async def look_at_topics(apps: Sequence[NotifierApp], metrics: Metrics) -> NoReturn:
    """Look every few seconds whether the topics are what they were, and how much of them is not settled."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            for app in apps:
                await app.look()
            await _count_backlog(apps, metrics)
        except Exception:  # whatever it is, the next look must come
            log.exception("looking at the topics failed")


async def _count_backlog(apps: Sequence[NotifierApp], metrics: Metrics) -> None:
    undecided: Counter[str] = Counter()
    for app in apps:
        undecided.update(app.undecided())
    for stage in STAGES:
        metrics.undecided.labels(stage).set(undecided[stage])
    pending: Counter[str] = Counter()
    for app in apps:
        of_app = await app.pending()
        if of_app is None:  # a part is no count: the last one stands
            return
        pending.update(of_app)
    for stage in STAGES:
        metrics.pending.labels(stage).set(pending[stage])
