"""Notifications that already wait on retry topics, written there by the hundred thousand."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from streams.clock import Clock
from streams.kafka.format.records import notification_record
from streams.notification.intake import PartnerTerms, Prepared, ReadEvent, prepare, read_event
from streams.notification.ladder import Wait
from streams.notification.notification import Notification
from streams.notification.profiles import TIERS
from streams.sandbox.client import encode
from tests.faults.measures.world import PROFILE, World

_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Waiting:
    """One that waits: on which tier, until when (milliseconds since the epoch), for which address."""

    tier: str
    due_at_ms: int
    host: str


def tier(label: str) -> Wait:
    """Return the wait that has this label."""
    (found,) = [wait for wait in TIERS if wait.label == label]
    return found


async def fill(world: World, waiting: Iterable[Waiting], prefix: str) -> list[str]:
    """Write these, each after one attempt; return their order ids, which begin with the prefix."""
    template, now = _template(world), Clock().now_ms()
    name, orders, pending = template.order_id, [], []
    width = len(name) - len(prefix)
    async with world.producer() as producer:
        for number, one in enumerate(waiting):
            order = f"{prefix}{number:0{width}}"
            made = replace(
                template,
                notification_id=order,
                order_id=order,
                notify_url=world.partner.url(one.host),
                body=template.body.replace(name.encode(), order.encode()),
                due_at_ms=one.due_at_ms,
                first_attempt_at_ms=now,
                attempt=1,
                last_outcome="U",
                origin=f"{world.deployment.source}/0/{number}",
            )
            record = notification_record(world.deployment.names.tier(tier(one.tier)), made)
            sent = await producer.send(
                record.topic, record.value, record.key, headers=list(record.headers)
            )
            orders.append(order)
            pending.append(sent)
            if len(pending) >= _AT_ONCE:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)
    return orders


def _template(world: World) -> Notification:
    event = world.event(world.partner.hosts[0])
    read = read_event(encode(event), allow_http=True)
    assert isinstance(read, ReadEvent), read
    terms = PartnerTerms(frozenset({PROFILE}), {}, hold_unmapped=False, notify_url=None)
    prepared = prepare(read, terms, accepted_at_ms=Clock().now_ms(), origin="none/0/0")
    assert isinstance(prepared, Prepared), prepared
    return prepared.notification
