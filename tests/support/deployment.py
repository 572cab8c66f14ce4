"""One installation of the notifier on the shared broker: topics, groups and a partners file of its own."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251  # seeded
from typing import Any

import yaml
from aiokafka import ConsumerRecord

from streams.kafka.topics import TopicNames, create_topics, topic_specs
from streams.notification.profiles import PROFILES, TIERS
from streams.sandbox.broker import Broker
from streams.sandbox.client import create_topic, encode, produce
from streams.sandbox.cluster import Cluster
from streams.sandbox.inbox import Received
from streams.sandbox.keys import PARTNERS, Keys, write_partners_file
from streams.sandbox.partner import ScriptedPartner
from streams.sandbox.partner_process import PartnerProcess
from streams.sandbox.payments import order_id
from tests.support.kafka import (
    TopicReader,
    administration,
    ends,
    header_bytes,
    offsets_of,
    producer,
    read_topic,
    read_values,
    values_of,
)
from tests.support.notifier import NOTIFIER, WorkerProcess, notifier
from tests.support.shared_broker import WORKER, SharedBroker
from tests.support.waiting import TIMEOUT_SECONDS, eventually

_numbers = count(1)

Event = Mapping[str, Any]


def attempts_made(records: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return how many attempts are written down for each order, of the attempts topic's records.

    What a partner was asked is compared with this, not with 1: where a busy machine answered after the time-out, the
    partner was asked again.
    """
    return Counter(record["order_id"] for record in records if record["kind"] == "attempt")


class Deployment:
    """Everything that belongs to one installation; what its workers left is seen through it.

    Args:
        broker: the shared one, or a cluster.
        partner: who is told.
        keys: of both sides.
        directory: where the partners file goes.
        partitions: of each of its topics, the source topic too.
        settings: the workers', under their names without the prefix.

    Attributes:
        rng: draws its payments.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what it is made of
        self,
        broker: Broker | SharedBroker | Cluster,
        partner: ScriptedPartner | PartnerProcess,
        keys: Keys,
        directory: Path,
        partitions: int = 2,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        number = next(_numbers)
        name = f"it-{WORKER}{number}"
        self.rng = Random(number)  # noqa: S311  # no secret; another for each, so that no order ids meet at the partner
        self.broker, self.partner, self.keys, self.partitions = broker, partner, keys, partitions
        self.bootstrap = broker.bootstrap
        self.source, self.group = f"{name}-final", f"{name}-notifier"
        self.names = TopicNames(f"{name}-notification")
        self._more = dict(settings or {})
        self._workers: list[WorkerProcess] = []
        self.partners_file = write_partners_file(
            directory, {profile: partner.notify_url(profile) for profile in PROFILES}, keys
        )

    # --- setting up -------------------------------------------------------------------------------

    @property
    def partners(self) -> dict[str, Any]:
        """The entries of the partners file, to be changed and given to `write_partners`."""
        entries: dict[str, Any] = yaml.safe_load(self.partners_file.read_text())["partners"]
        return entries

    def write_partners(self, entries: Mapping[str, Any]) -> None:
        """Replace the partners file in one step, as a deployment does."""
        new = self.partners_file.with_suffix(".new")
        new.write_text(yaml.safe_dump({"partners": dict(entries)}, sort_keys=False), "utf-8")
        new.replace(self.partners_file)

    def add_partner(self, name: str, profile: str, script: str = "", **more: object) -> None:
        """Add an entry like the one that stands for a profile, with a URL whose script is its own."""
        entries = self.partners
        url = self.partner.notify_url(profile, script)
        entries[name] = entries[PARTNERS[profile]] | {"notify_url": url} | more
        self.write_partners(entries)

    def settings(self, **more: object) -> dict[str, str]:
        """Return the settings of its workers; a value None leaves one out."""
        values: dict[str, object] = {
            "brokers": self.bootstrap,
            "source_topics": self.source,
            "topic_prefix": self.names.prefix,
            "topic_partitions": self.partitions,
            "group_id": self.group,
            "partners_file": self.partners_file,
            "egress_allow": "127.0.0.0/8",
            **self._more,
            **more,
        }
        return {
            f"NOTIFIER_{name.upper()}": str(value)
            for name, value in values.items()
            if value is not None
        }

    async def create_topics(self, source: Mapping[str, str] | None = None) -> None:
        """Make the source topic, with this configuration, and all of the notifier's."""
        specs = topic_specs(self.names, TIERS, self.partitions, self.broker.copies)
        async with administration(self.bootstrap) as admin:
            await create_topics(admin, specs)
        await create_topic(self.bootstrap, self.source, self.partitions, source, self.broker.copies)

    async def delete_topics(self) -> None:
        """Take its topics away again, so that the broker's next start is short."""
        async with administration(self.bootstrap) as admin:
            prefix = self.source.removesuffix("final")
            own = [name for name in await admin.list_topics() if name.startswith(prefix)]
            if own:
                await admin.delete_topics(own)

    # --- running ----------------------------------------------------------------------------------

    def worker(
        self,
        environment: Mapping[str, str] | None = None,
        program: Path | None = None,
        /,
        **settings: object,
    ) -> WorkerProcess:
        """Start a worker, with more in its environment than its settings, of another installation where one is given."""
        if environment and program is None:
            program = NOTIFIER  # what is set for the interpreter counts from its start on
        worker = WorkerProcess(self.settings(**settings) | dict(environment or {}), program=program)
        self._workers.append(worker)
        return worker

    async def ready_worker(self, **settings: object) -> WorkerProcess:
        """Start a worker and wait until it is ready."""
        return await self.worker(**settings).ready()

    async def run(self, *arguments: str, **settings: object):
        """Run another command of `notifier` to its end."""
        return await notifier(*arguments, settings=self.settings(**{"web_port": 0} | settings))

    def kill_workers(self) -> None:
        """End whatever still runs."""
        for worker in self._workers:
            worker.kill()

    @property
    def unwanted(self) -> list[str]:
        """Lines that its workers should never have logged."""
        return [line for worker in self._workers for line in worker.unwanted]

    # --- what goes in -----------------------------------------------------------------------------

    async def send(self, events: Iterable[Event], rate: float | None = None) -> list[str]:
        """Write events as payment core does; return their order ids."""
        events = list(events)
        await produce(self.bootstrap, self.source, events, rate_per_second=rate)
        return [order_id(event) for event in events]

    async def write(
        self,
        topic: str,
        value: Event | bytes | None,
        key: str | bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        partition: int | None = None,
    ) -> str:
        """Write one record, whatever it is, and return where it stands: topic/partition/offset."""
        async with producer(self.bootstrap) as client:
            stored = await client.send_and_wait(
                topic,
                encode(value) if isinstance(value, Mapping) else value,
                key.encode() if isinstance(key, str) else key,
                partition,
                headers=header_bytes(headers or {}),
            )
        return f"{stored.topic}/{stored.partition}/{stored.offset}"

    # --- what came of it --------------------------------------------------------------------------

    def requests(self, order: str) -> list[Received]:
        """Return the requests about an order, in their order."""
        return list(self.partner.of_order(order))

    async def records(self, topic: str) -> list[ConsumerRecord]:
        """Return every record of a topic."""
        return await read_topic(self.bootstrap, topic)

    async def dead_letters(self, least: int = 0) -> list[ConsumerRecord]:
        """Return the dead letters, once there are so many."""
        async with TopicReader(self.bootstrap, self.names.dead_letter) as reader:

            async def enough() -> bool:
                await reader.to_end()
                return len(reader.records) >= least

            await eventually(enough, what=f"{least} dead letters", every_seconds=0.1)
            return reader.records

    async def attempts(self) -> list[dict[str, Any]]:
        """Return the attempts topic's records."""
        return await read_values(self.bootstrap, self.names.attempts)

    async def delivered(
        self, orders: Iterable[str], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[dict[str, Any]]:
        """Wait until each of these orders is written down as delivered; return the attempts topic's records."""
        missing = set(orders)
        async with TopicReader(self.bootstrap, self.names.attempts) as reader:

            async def all_told() -> bool:
                new = values_of(await reader.to_end())
                missing.difference_update(
                    item["order_id"] for item in new if item.get("decision") == "delivered"
                )
                return not missing

            try:
                await eventually(all_told, timeout_seconds, what="deliveries", every_seconds=0.1)
            except TimeoutError as error:
                message = f"{error}: {len(missing)} orders are not delivered"
                raise TimeoutError(message) from error
            return values_of(reader.records)

    async def committed(self, group: str | None = None) -> dict[tuple[str, int], int]:
        """Return the offsets that a group has committed; the source topics' group by default."""
        async with administration(self.bootstrap) as admin:
            return await offsets_of(admin, group or self.group)

    async def all_committed(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until the groups have committed the end of every partition that has records."""
        topics = [self.source, self.names.replay, *(self.names.tier(wait) for wait in TIERS)]
        behind: dict[tuple[str, int], tuple[int | None, int]] = {}

        async with administration(self.bootstrap) as admin, ends(self.bootstrap, topics) as stored:

            async def caught_up() -> bool:
                wanted = await stored()
                seen = await offsets_of(admin, self.group)
                seen |= await offsets_of(admin, f"{self.group}-retry")
                behind.clear()
                behind.update(
                    {at: (seen.get(at), end) for at, end in wanted.items() if seen.get(at) != end}
                )
                return not behind

            try:
                await eventually(caught_up, timeout_seconds, what="commits", every_seconds=0.2)
            except TimeoutError as error:
                log = "".join(worker.log for worker in self._workers)
                message = f"{error}: committed, but should be: {behind}\n{log[-8000:]}"
                raise TimeoutError(message) from error
