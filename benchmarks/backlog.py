"""Backlogs: source topics written in advance, whose orders are numbered so that offsets tell what was settled.

Record i of partition p carries the order number i * partitions + p, so what a group committed needs no list to be
held against what the receiver got.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251  # seeded: every run has the same payments
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.notification.profiles import PROFILES
from streams.sandbox.client import create_topic, encode
from streams.sandbox.partner import notify_url
from streams.sandbox.payments import events, payment_event

_EVENT, _ORDER = "@event@", "@order@"
_PREFIX = "bench-"
_DIFFERENT = 500
"""Events that differ in more than their ids; others repeat them."""
_BATCH = 200
_SEED = 5


@dataclass(frozen=True, slots=True)
class Mould:
    """An event without its ids."""

    parts: tuple[bytes, bytes, bytes]

    @classmethod
    def of(cls, event: dict[str, Any]) -> "Mould":
        """Take the ids out of an event."""
        payment = event["payment"] | {PROFILES[event["profile"]].order_id_member: _ORDER}
        text = encode(event | {"eventId": _EVENT, "payment": payment})
        first, rest = text.split(_EVENT.encode())
        middle, last = rest.split(_ORDER.encode())
        return cls((first, middle, last))

    def cast(self, order: bytes) -> bytes:
        """Return the event of an order."""
        first, middle, last = self.parts
        return b"".join((first, b"evt-", order, middle, order, last))


def order_of(number: int) -> bytes:
    """Return the order id of a number."""
    return b"%s%016d" % (_PREFIX.encode(), number)


def number_of(order: str) -> int:
    """Return the number of an order id.

    Raises:
        ValueError: it is none of ours.
    """
    if not order.startswith(_PREFIX):
        message = f"the receiver got an order id that no event had: {order[:20]!r}"
        raise ValueError(message)
    return int(order.removeprefix(_PREFIX))


def plain_moulds(base: str, *, filler_bytes: int = 0, partners: int = 1) -> list[Mould]:
    """Return successes of one profile.

    Args:
        base: the receiver's URL.
        filler_bytes: more bytes in the body; needs the profile whose bodies may be long.
        partners: over how many they are spread, see `partner_name`.
    """
    rng = Random(_SEED)  # noqa: S311  # no secret
    profile = "alipay-to-merchant" if filler_bytes else "mpp-to-alipay-plus"
    made = []
    for number in range(max(_DIFFERENT, partners)):
        event = payment_event(profile, rng=rng, notify_url=notify_url(base, profile))
        if partners > 1:
            event["partnerId"] = partner_name(number % partners)
        if filler_bytes:
            event["payment"]["metadata"] = {"basket": "x" * filler_bytes}
        made.append(Mould.of(event))
    return made


def mixed_moulds(base: str) -> list[Mould]:
    """Return all five profiles with every outcome."""
    urls = {profile: notify_url(base, profile) for profile in PROFILES}
    rng = Random(_SEED)  # noqa: S311  # no secret
    return [Mould.of(event) for event in events(_DIFFERENT + 50, rng, notify_urls=urls)]


def partner_name(number: int) -> str:
    """Return the name of one of many partners."""
    return f"partner-{number:04}"


@dataclass(frozen=True, slots=True)
class Backlog:
    """A source topic with its records."""

    topic: str
    partitions: int
    count: int

    def settled(self, committed: dict[int, int]) -> Iterator[int]:
        """Yield the numbers of the orders below the offsets that a group committed."""
        for partition, offset in committed.items():
            yield from range(partition, offset * self.partitions, self.partitions)


async def write_backlog(
    bootstrap: str, topic: str, moulds: Sequence[Mould], count: int, partitions: int
) -> Backlog:
    """Create a topic and write so many events to it, rounded up to whole rounds over the partitions."""
    await create_topic(bootstrap, topic, partitions)
    return await fill_topic(bootstrap, topic, moulds, count, partitions)


async def fill_topic(
    bootstrap: str, topic: str, moulds: Sequence[Mould], count: int, partitions: int
) -> Backlog:
    """Write so many events to a topic that holds none, rounded up to whole rounds over its partitions."""
    rounds = -(-count // partitions)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=512 * 1024
    )
    await producer.start()
    try:
        for begin in range(0, rounds, _BATCH):
            await write_rounds(
                producer, topic, moulds, range(begin, min(rounds, begin + _BATCH)), partitions
            )
    finally:
        await producer.stop()
    return Backlog(topic, partitions, rounds * partitions)


async def write_rounds(
    producer: AIOKafkaProducer,
    topic: str,
    moulds: Sequence[Mould],
    offsets: Iterable[int],
    partitions: int,
) -> None:
    """Write one record to each partition for each of these offsets, and return when the broker has them."""
    written = []
    for partition in range(partitions):
        batch = producer.create_batch()
        for offset in offsets:
            number = offset * partitions + partition
            order = order_of(number)
            value = moulds[number % len(moulds)].cast(order)
            if batch.append(key=order, value=value, timestamp=None) is None:  # full
                written.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=order, value=value, timestamp=None)
        written.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*written)
