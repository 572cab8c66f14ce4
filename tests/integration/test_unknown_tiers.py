"""A retry topic that this version does not know, left by a newer one: never passed over without a word."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.structs import OffsetAndMetadata

from streams.sandbox.client import create_topic
from streams.sandbox.payments import payment_event
from streams.settings import load_settings
from streams.telemetry import unknown_tiers
from streams.telemetry.metrics import Metrics
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

WAITING = 3
PROFILE = "mpp-to-ant"


@pytest.fixture
async def deployment(make_deployment):
    """An installation beside which a newer version has left a retry topic with records."""
    async with make_deployment() as made:
        await create_topic(made.bootstrap, unknown(made), 2, None)
        for number in range(WAITING):
            await made.write(unknown(made), b"{}", f"order-{number}")
        yield made


def unknown(deployment):
    return f"{deployment.names.prefix}-retry-45s"


@asynccontextmanager
async def newer_member(deployment):
    """A member of the tiers' group that reads the topic, as a worker of the newer version does, and settles nothing."""
    consumer = AIOKafkaConsumer(
        unknown(deployment),
        bootstrap_servers=deployment.bootstrap,
        group_id=f"{deployment.group}-retry",
        partition_assignment_strategy=[RoundRobinPartitionAssignor],
        enable_auto_commit=False,
        heartbeat_interval_ms=200,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def settle(deployment):
    """Commit the ends as the tiers' group."""
    async with newer_member(deployment) as consumer:
        tags = [TopicPartition(unknown(deployment), number) for number in range(2)]
        await eventually(lambda: asyncio.sleep(0, consumer.assignment()), what="partitions")
        ends = await consumer.end_offsets(tags)
        await consumer.commit({tag: OffsetAndMetadata(end, "") for tag, end in ends.items()})


async def test_it_is_a_fault_of_every_check_and_in_nobodys_way_to_be_made(deployment):
    """`topics check` and `check` name it with what waits there; `topics create`, which a rollback runs, only warns."""
    sentence = f"{unknown(deployment)}: unknown to this version, is read by no member of group"
    for command in (("topics", "check"), ("check",)):
        done = await deployment.run(*command)
        assert done.returncode == 1, done.stdout
        assert sentence in done.stderr + done.stdout
        assert f"{WAITING} records not settled" in done.stderr + done.stdout
    made = await deployment.run("topics", "create")
    assert made.returncode == 0, made.stderr
    assert f"warning: {sentence}" in made.stderr


async def test_no_worker_starts_over_records_that_nobody_reads(deployment):
    """Neither role all nor role retry: it ends with 1 and says what to do; once they are settled it starts."""
    workers = [deployment.worker(), deployment.worker(role="retry")]
    for worker in workers:
        assert await worker.ended() == 1
        assert f"{unknown(deployment)}: unknown to this version" in worker.log
        assert "let a worker of it run until they are" in worker.log
    await settle(deployment)
    worker = await deployment.ready_worker()
    assert await worker.metric("notifier_unknown_retry_topics") == 1
    assert await worker.stop() == 0


async def test_a_worker_starts_beside_one_that_reads_it(deployment):
    """In the middle of a rollout or a rollback an older pod comes up, and says all the same that the topic is there."""
    async with newer_member(deployment) as newer:
        await eventually(lambda: asyncio.sleep(0, newer.assignment()), what="partitions")
        worker = await deployment.ready_worker()
        events = [payment_event(PROFILE, rng=deployment.rng)]
        await deployment.delivered(await deployment.send(events))
        await worker.said("unknown to this version")
        assert await worker.metric("notifier_unknown_retry_topics") == 1
        assert await worker.metric("notifier_stranded_records") == 0
        assert {tag.topic for tag in newer.assignment()} == {unknown(deployment)}
        assert await worker.stop() == 0


async def test_an_empty_one_keeps_nobody_from_starting(make_deployment):
    """The topics of a newer version are made before its first worker runs."""
    async with make_deployment() as deployment:
        await create_topic(deployment.bootstrap, unknown(deployment), 2, None)
        worker = await deployment.ready_worker()
        assert await worker.stop() == 0


async def test_it_is_seen_while_a_worker_runs(deployment, monkeypatch, caplog):
    """Who reads it and what is stranded there, at every look; said once in the log."""
    monkeypatch.setattr(unknown_tiers, "_LOOK_SECONDS", 0.1)
    for name, value in deployment.settings().items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    metrics = Metrics("0")

    async def shows(stranded):
        value = metrics.registry.get_sample_value("notifier_stranded_records")
        topics = metrics.registry.get_sample_value("notifier_unknown_retry_topics")
        return (value, topics) == (stranded, 1)

    looking = asyncio.create_task(unknown_tiers.watch_unknown_tiers(settings, metrics))
    try:
        await eventually(lambda: shows(WAITING), what="stranded records")
        async with newer_member(deployment):
            await eventually(lambda: shows(0), what="a reader")
        await eventually(lambda: shows(WAITING), what="stranded records again")
        await settle(deployment)
        await eventually(lambda: shows(0), what="none left")
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    lines = [line for line in caplog.records if "unknown to this version" in line.getMessage()]
    assert len(lines) == 1
