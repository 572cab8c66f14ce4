"""Workers that are made to run and do nothing, each in another way, and those that look so and are well.

The broker of one is away, that of another takes none of its writes, and one loses its producer and makes another.
"""

import asyncio
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.kafka.topics import topic_specs
from streams.notification.profiles import TIERS
from streams.sandbox.broker import Broker
from streams.sandbox.keys import Keys
from streams.sandbox.partner_process import PartnerProcess
from streams.sandbox.payments import payment_event
from tests.faults.rehearsal import inside
from tests.support.deployment import Deployment
from tests.support.kafka import administration
from tests.support.notifier import WorkerProcess
from tests.support.waiting import eventually

PATIENCE_SECONDS = 600.0
"""Three times what the longest takes: a minute that a record may be held, two until the probe fails."""

REFUSE_ALL = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": "0",
    "message.timestamp.after.max.ms": "0",
}
"""No record may have been made before it arrives. (More replicas than there are would do, but Kafka 4 asks for no more
than a partition can have.)"""

HARMS = {
    "leave group": "the worker is out of its group",
    "lose coordination": "the coordination task has ended",
    "lose fetches": "the fetch task has ended",
    "hang": "nothing was polled lately",
    "hold records": "a record is held unacknowledged for too long",
}
"""What is done inside of a worker, and what its probe must say."""


async def refuse_all(deployment: Deployment, *, refuse: bool = True) -> None:
    """Let the attempts topic take nothing any more, so that nothing is settled, or let it take records again."""
    specs = topic_specs(deployment.names, TIERS, deployment.partitions, 1)
    (spec,) = [spec for spec in specs if spec.name == deployment.names.attempts]
    config = spec.config | (REFUSE_ALL if refuse else {})
    async with administration(deployment.bootstrap) as admin:
        resource = ConfigResource(ConfigResourceType.TOPIC, spec.name, config)
        (answer,) = await admin.alter_configs([resource])
        assert [error[0] for error in answer.resources] == [0], answer


class Zombies:
    """Makes every kind of zombie at once, since each takes minutes to be recognised.

    Args:
        broker: that answers all the time.
        partner: who is told.
        keys: of both sides.
        directory: for files.
    """

    def __init__(
        self, broker: Broker, partner: PartnerProcess, keys: Keys, directory: Path
    ) -> None:
        self._broker, self._partner, self._keys = broker, partner, keys
        self._directory = directory

    async def make(self) -> dict[str, str]:
        """Return what each one's liveness probe said when it failed, by what was done to it.

        Meanwhile the broker of one more worker is away, that of another takes none of its writes, and a third loses its
        producer. Raises AssertionError where these do not live on, or do not deliver when they could.
        """
        with self._other_broker() as other:
            async with self._deployment("outage", other) as outage:
                waiting = await outage.ready_worker()  # of both groups: a first attempt may fail
                await asyncio.to_thread(other.kill)
                async with self._refused_all(), self._without_producer():
                    says = await asyncio.gather(*(self._harmed(harm) for harm in HARMS))
                live = await waiting.get("/health/live")
                assert live.is_success, f"an outage of the broker alone made it fail: {live.text}"
                await asyncio.to_thread(other.start)
                orders = await outage.send([self._event(outage)])
                await outage.delivered(orders, PATIENCE_SECONDS)
                assert await waiting.stop(60) == 0
        return dict(zip(HARMS, says, strict=True))

    async def _harmed(self, harm: str) -> str:
        async with self._harm(harm) as (deployment, worker):
            if harm == "hold records":
                await deployment.send([self._event(deployment)])
            return await self._failing(worker)

    @asynccontextmanager
    async def _without_producer(self):
        """Have a worker whose producer has died, and that has nothing to write: it is no zombie, and makes another."""
        async with self._harm("lose producer") as (deployment, worker):
            yield
            live = await worker.get("/health/live")
            assert live.is_success, f"nothing waited for the producer that died: {live.text}"
            await deployment.delivered(await deployment.send([self._event(deployment)]), 60)
            assert await worker.stop(60) == 0

    @asynccontextmanager
    async def _harm(self, harm: str):
        """Do harm to a worker that was well."""
        told = self._directory / f"{harm}.harm"
        async with self._deployment(harm, self._broker) as deployment:
            worker = deployment.worker(inside(FAULTS_HARM=str(told)), role="main")
            await worker.ready(120)
            await deployment.delivered(await deployment.send([self._event(deployment)]), 60)
            assert (await worker.get("/health/live")).is_success
            told.write_text(harm, "ascii")
            await worker.said(f"harm done: {harm}", 60)
            yield deployment, worker

    @asynccontextmanager
    async def _refused_all(self):
        """Have a worker hold a record meanwhile that the broker does not take: it is no zombie."""
        async with self._deployment("refused", self._broker) as deployment:
            worker = await deployment.ready_worker(role="main")
            await refuse_all(deployment)
            orders = await deployment.send([self._event(deployment)])
            yield
            live, ready = await worker.get("/health/live"), await worker.get("/health/ready")
            assert live.is_success, f"a broker that refuses writes made it fail: {live.text}"
            assert "the brokers have not taken a record for" in ready.text
            await refuse_all(deployment, refuse=False)
            await deployment.delivered(orders, PATIENCE_SECONDS)
            assert [len(deployment.requests(order)) for order in orders] == [1]
            assert await worker.stop(60) == 0

    async def _failing(self, worker: WorkerProcess) -> str:
        async def probe() -> str:
            answer = await worker.get("/health/live")
            return "" if answer.is_success else answer.text

        return await eventually(
            probe, PATIENCE_SECONDS, what="/health/live to fail", every_seconds=1
        )

    def _event(self, deployment: Deployment):
        profile = "mpp-to-ant"
        url = self._partner.notify_url(profile, "S")
        return payment_event(profile, rng=deployment.rng, notify_url=url)

    @contextmanager
    def _other_broker(self):
        directory = self._directory / "other"
        directory.mkdir()
        with Broker(directory, heap="256m") as other:
            yield other

    @asynccontextmanager
    async def _deployment(self, name: str, broker: Broker):
        directory = self._directory / name
        directory.mkdir()
        deployment = Deployment(broker, self._partner, self._keys, directory, partitions=1)
        try:
            await deployment.create_topics()
            yield deployment
        finally:
            deployment.kill_workers()
