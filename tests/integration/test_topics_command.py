"""`notifier topics create` and `check`, and the check at every start, on a real broker."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.clock import Clock
from streams.sandbox.payments import payment_event
from tests.support.kafka import add_partitions, administration
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

DAY = 86_400
LABELS = [
    "1s",
    "3s",
    "30s",
    "1m",
    "2m",
    "5m",
    "10m",
    "15m",
    "30m",
    "1h",
    "2h",
    "3h",
    "4h",
    "6h",
    "15h",
]
SECONDS = [1, 3, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 54000]
WAITS = dict(zip(LABELS, SECONDS, strict=True))
"""The contract's tiers, written out once more on purpose: label and seconds."""

OURS = (
    "cleanup.policy",
    "message.timestamp.type",
    "retention.bytes",
    "retention.ms",
    "unclean.leader.election.enable",
)


def _least_retention_ms(prefix):
    tiers = {f"{prefix}-retry-{label}": (wait + 7 * DAY) * 1000 for label, wait in WAITS.items()}
    others = {f"{prefix}-replay": 7 * DAY * 1000, f"{prefix}-attempts": 30 * DAY * 1000}
    return tiers | others | {f"{prefix}-dead-letter": None}


async def _configs(admin, names):
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for response in await admin.describe_configs(wanted)
        for _, _, _, name, entries in response.resources
    }


async def _alter(admin, name, **config):
    """Change some of a topic's settings; the request sets all others back, so those of ours go with it."""
    before = (await _configs(admin, [name]))[name]
    wanted = {key: before[key] for key in OURS} | {
        key.replace("_", "."): value for key, value in config.items()
    }
    response = await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs=wanted)]
    )
    assert [code for found in response for code, *_ in found.resources] == [0]


async def test_creates_every_topic_with_every_property(make_deployment):
    """18 topics as the contract has them; made once, a second run finds nothing to do."""
    async with make_deployment(topics=False, partitions=3) as deployment:
        least = _least_retention_ms(deployment.names.prefix)
        created = await deployment.run("topics", "create")
        assert created.returncode == 0, created.stderr
        assert {f"created {name}" for name in least} <= set(created.stdout.splitlines())
        async with administration(deployment.bootstrap) as admin:
            topics = {topic["topic"]: topic for topic in await admin.describe_topics(list(least))}
            configs = await _configs(admin, least)
        for name, retention_ms in least.items():
            config = configs[name]
            assert [len(part["replicas"]) for part in topics[name]["partitions"]] == [1, 1, 1]
            assert (config["cleanup.policy"], config["retention.bytes"]) == ("delete", "-1")
            assert (config["unclean.leader.election.enable"], config["min.insync.replicas"]) == (
                "false",
                "1",
            )
            kept = int(config["retention.ms"])
            assert kept == -1 if retention_ms is None else kept >= retention_ms, name
            assert config["message.timestamp.type"] == "LogAppendTime"
            assert config["max.message.bytes"] == "1048588"
        again = await deployment.run("topics", "create", "--json")
        assert again.returncode == 0
        assert json.loads(again.stdout)["created"] == []


async def test_history_and_a_missing_source_topic(make_deployment):
    """Without its source topic nothing starts; records that stand in it already are announced."""
    async with make_deployment() as deployment:
        missing = f"{deployment.source}-nobody-made"
        for command in (["topics", "check"], ["worker"], ["check"]):
            refused = await deployment.run(*command, source_topics=missing)
            assert refused.returncode == 1, command
            assert missing in refused.stderr
            assert "NOTIFIER_SOURCE_TOPICS" in refused.stderr
        await deployment.send([payment_event("mpp-to-ant", rng=deployment.rng) for _ in range(3)])
        checked = await deployment.run("topics", "check")
        assert checked.returncode == 0, checked.stderr
        assert "3 records" in checked.stdout + checked.stderr
        assert "NOTIFIER_START_FROM" in checked.stdout + checked.stderr


async def test_every_difference_is_named_and_nothing_starts(make_deployment):
    """Partitions, retention, clean-up, time stamps: `topics check`, `check` and `worker` name each and end with 1."""
    async with make_deployment() as deployment:
        prefix = deployment.names.prefix
        async with administration(deployment.bootstrap) as admin:
            await add_partitions(admin, {f"{prefix}-retry-5m": 3})
            await _alter(admin, f"{prefix}-retry-1h", retention_ms=str(7 * DAY * 1000))
            await _alter(admin, f"{prefix}-retry-3s", cleanup_policy="compact")
            await _alter(admin, f"{prefix}-retry-2h", retention_bytes="1000000")
            await _alter(admin, f"{prefix}-attempts", message_timestamp_type="CreateTime")
            await _alter(admin, f"{prefix}-dead-letter", retention_ms=str(365 * DAY * 1000))
            await _alter(admin, f"{prefix}-replay", unclean_leader_election_enable="true")
            await admin.delete_topics([f"{prefix}-retry-15h"])

            async def gone():
                return f"{prefix}-retry-15h" not in await admin.list_topics()

            await eventually(gone, what="the end of a topic")
        expected = {
            f"{prefix}-retry-5m": "partitions",
            f"{prefix}-retry-1h": "retention.ms",
            f"{prefix}-retry-3s": "cleanup.policy",
            f"{prefix}-retry-2h": "retention.bytes",
            f"{prefix}-attempts": "message.timestamp.type",
            f"{prefix}-dead-letter": "retention.ms",
            f"{prefix}-replay": "unclean.leader.election.enable",
            f"{prefix}-retry-15h": "does not exist",
        }
        for command in (["topics", "check"], ["check"], ["worker"]):
            refused = await deployment.run(*command)
            assert refused.returncode == 1, command
            said = [line for line in refused.stderr.splitlines() if f"{prefix}-" in line]
            for topic, what in expected.items():
                assert [line for line in said if f"{topic}:" in line and what in line], topic
            assert len(said) == len(expected), said


async def test_topics_that_take_too_little_are_warned_about_and_a_worker_starts(make_deployment):
    """Every command says it once, for all topics, and ends with 0; a worker logs it and works."""
    async with make_deployment() as deployment:
        prefix = deployment.names.prefix
        tier, letters = f"{prefix}-retry-30s", f"{prefix}-dead-letter"
        async with administration(deployment.bootstrap) as admin:
            await _alter(admin, tier, max_message_bytes="1000012")
            await _alter(admin, letters, max_message_bytes="1000012")
        small = f"max.message.bytes is 1000012 on {tier}, {letters}; expected at least 1000061: "
        for command in (["topics", "create"], ["topics", "check"], ["check"]):
            checked = await deployment.run(*command)
            assert checked.returncode == 0, checked.stderr
            assert checked.stderr.count("max.message.bytes is ") == 1, command
            assert f"warning: {small}" in checked.stderr, command
        answer = json.loads((await deployment.run("topics", "check", "--json")).stdout)
        assert answer["ok"]
        assert [text for text in answer["warnings"] if text.startswith(small)]
        worker = await deployment.ready_worker()
        await deployment.send([payment_event("mpp-to-ant", rng=deployment.rng)])
        await deployment.all_committed()
        assert await worker.stop() == 0
        assert worker.log.count(small) == 1


async def test_a_broker_that_is_not_there(make_deployment):
    """A wrong address ends a command with 1 and the setting's name; only a worker waits."""
    async with make_deployment(topics=False) as deployment:
        for command in (["topics", "create"], ["topics", "check"], ["check"]):
            refused = await deployment.run(*command, brokers="127.0.0.1:9")
            assert refused.returncode == 1, command
            assert "NOTIFIER_BROKERS" in refused.stderr
            assert "Traceback" not in refused.stderr


async def test_where_a_new_group_begins(make_deployment):
    """`latest` skips what was there and loses nothing over a restart, a time begins at it, `earliest` reads it all."""
    clock = Clock()
    async with make_deployment(settings={"role": "main"}) as deployment:

        async def send():
            events = [payment_event("mpp-to-ant", rng=deployment.rng) for _ in range(4)]
            return await deployment.send(events)

        async def run(wanted, **settings):
            worker = await deployment.ready_worker(**settings)
            await asyncio.to_thread(
                deployment.partner.wait_for,
                lambda _: all(len(deployment.requests(order)) >= wanted[order] for order in wanted),
            )
            assert await worker.stop() == 0
            assert {order: len(deployment.requests(order)) for order in wanted} == wanted

        before = await send()
        between = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        after = await send()
        nothing = dict.fromkeys([*before, *after], 0)
        latest = {"start_from": "latest", "group_id": f"{deployment.group}-latest"}
        await run(nothing, **latest)
        new = await send()
        await run(nothing | dict.fromkeys(new, 1), **latest)
        timed = {"start_from": between.isoformat(), "group_id": f"{deployment.group}-timed"}
        await run(nothing | dict.fromkeys(after, 1) | dict.fromkeys(new, 2), **timed)
        all_of_it = dict.fromkeys(before, 1) | dict.fromkeys(after, 2) | dict.fromkeys(new, 3)
        await run(all_of_it, group_id=f"{deployment.group}-earliest")
