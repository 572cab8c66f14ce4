"""What every measurement works with: a broker, a light partner, an installation, and a source of events."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random  # noqa: TID251  # seeded
from tempfile import TemporaryDirectory
from typing import cast

from aiokafka import AIOKafkaProducer

from schemas.attempt_record import AttemptRecord
from streams.sandbox.broker import Broker
from streams.sandbox.client import encode
from streams.sandbox.keys import Keys, make_keys
from streams.sandbox.ledger_evidence import read_topics
from streams.sandbox.partner_process import PartnerProcess
from streams.sandbox.payments import Event, order_id, payment_event
from tests.faults.measures.light_partner import LightPartner, Receipt
from tests.support.deployment import Deployment

PROFILE = "alipay-to-merchant"  # whose answers need no signature
PARTITIONS = 12
DRAIN_SECONDS = 300.0
"""How long it may take until nothing is left to be told, once all destinations answer: the ladder's first wait is two minutes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event: its order, the address it is for, when it was due to be handed to the broker's client, and its partition."""

    order_id: str
    host: str
    at: float
    partition: int


def at_share(values: Iterable[float], share: float) -> float:
    """Return the value that this share of all keep within; 0 without any."""
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


def within(with_: float, without: float, times: float, more_ms: float = 0.0) -> bool:
    """Tell whether a time with something is at most so many times the one without, or at most so much above it."""
    return with_ <= max(times * without, without + more_ms)


def say(what: str) -> None:
    """Print a line of progress."""
    sys.stdout.write(f"[measure] {what}\n")
    sys.stdout.flush()


class World:
    """One of each.

    Args:
        broker: running.
        partner: running.
        keys: of both sides.
        directory: for files.
        settings: the workers'.
    """

    def __init__(
        self,
        broker: Broker,
        partner: LightPartner,
        keys: Keys,
        directory: Path,
        settings: Mapping[str, object],
    ) -> None:
        self.broker, self.partner = broker, partner
        common = {"allow_http": "true"}
        # A deployment wants a partner's notify URLs; what it says of requests is not asked here.
        self.deployment = Deployment(
            broker,
            cast(PartnerProcess, partner),
            keys,
            directory,
            PARTITIONS,
            common | dict(settings),
        )
        self.rng = Random(1)  # noqa: S311  # no secret
        self._receipts: list[Receipt] = []
        self._reached: list[float] = []

    def one_entry_for_each_address(self) -> None:
        """Give each address of the partner an entry of its own in the partners file, with the address as its name."""
        entries = self.deployment.partners
        for host in self.partner.hosts:
            entries[host] = entries["merchant"] | {"notify_url": self.partner.url(host)}
        self.deployment.write_partners(entries)

    def event(self, host: str, *, own_entry: bool = False) -> Event:
        """Return an event for an address."""
        event = payment_event(PROFILE, rng=self.rng, notify_url=self.partner.url(host))
        return event | {"partnerId": host} if own_entry else event

    async def send(
        self,
        rate: float,
        seconds: float,
        event: Callable[[int], tuple[str, Event]],
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[Sent]:
        """Write events at a rate; `event` gives the address and the event for a number from 0 on.

        Each counts from when it was due: where this process is late itself, so are they, and that is part of what is measured.
        """
        sent: list[Sent] = []
        pending = []
        async with self.producer() as producer:
            # Else the first event waits for it.
            await producer.partitions_for(self.deployment.source)
            begun = handed = time.monotonic()
            for number in range(int(rate * seconds)):
                if stop():
                    break
                host, made = event(number)
                order, raw = order_id(made), encode(made)
                at = begun + number / rate
                if (ahead := at - time.monotonic()) > 0:
                    await asyncio.sleep(ahead)
                future = await producer.send(self.deployment.source, raw, order.encode())
                handed = time.monotonic()
                pending.append((order, host, at, future))
            if len(pending) > 1:
                self._reached.append((len(pending) - 1) / (handed - begun))
            for order, host, at, future in pending:
                sent.append(Sent(order, host, at, (await future).partition))
        return sent

    @property
    def least_rate(self) -> float:
        """The lowest rate at which events were handed to the broker's client, a second."""
        return round(min(self._reached, default=0.0), 1)

    @asynccontextmanager
    async def producer(self):
        """Give a producer."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.deployment.bootstrap,
            acks="all",
            linger_ms=2,
            max_batch_size=1024 * 1024,
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    def receipts(self) -> list[Receipt]:
        """Return everything that the partner got so far."""
        self._receipts += self.partner.receipts()
        return self._receipts

    async def received(
        self, sent: Sequence[Sent], patience_seconds: float = 120
    ) -> dict[str, float]:
        """Wait until the partner got every one of these; return when it first did, by order."""
        deadline = time.monotonic() + patience_seconds
        while True:
            first: dict[str, float] = {}
            for receipt in self.receipts():
                first.setdefault(receipt.order_id, receipt.at)
            missing = [one for one in sent if one.order_id not in first]
            if not missing or time.monotonic() > deadline:
                assert not missing, f"{len(missing)} of {len(sent)} never came to the partner"
                return first
            await asyncio.sleep(0.5)

    async def received_orders(self, orders: set[str], patience_seconds: float) -> None:
        """Wait until the partner got every one of these."""
        deadline = time.monotonic() + patience_seconds
        while missing := orders - {receipt.order_id for receipt in self.receipts()}:
            assert time.monotonic() < deadline, f"{len(missing)} never came to the partner"
            await asyncio.sleep(0.5)

    async def latencies_ms(self, sent: Sequence[Sent]) -> list[float]:
        """Return how long each took to the partner from when it was due at the broker's client, milliseconds."""
        first = await self.received(sent)
        return [(first[one.order_id] - one.at) * 1000 for one in sent]

    async def journal(self) -> list[AttemptRecord]:
        """Return the attempts records."""
        records = await read_topics(self.deployment.bootstrap, [self.deployment.names.attempts])
        return [
            AttemptRecord.model_construct(**json.loads(record.value or b"")) for record in records
        ]


@contextmanager
def _parts(hosts: int) -> Iterator[tuple[Broker, LightPartner, Keys, Path]]:
    with TemporaryDirectory() as name:
        directory = Path(name)
        keys = make_keys(directory / "keys")
        with Broker(directory, heap="768m") as broker, LightPartner(hosts) as partner:
            yield broker, partner, keys, directory


@asynccontextmanager
async def world(hosts: int = 1, **settings: object) -> AsyncIterator[World]:
    """Give a world with topics and without workers; ends everything."""
    with _parts(hosts) as (broker, partner, keys, directory):
        made = World(broker, partner, keys, directory, settings)
        await made.deployment.create_topics()
        try:
            yield made
        finally:
            made.deployment.kill_workers()
