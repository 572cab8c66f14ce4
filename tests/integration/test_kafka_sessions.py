"""Sessions of 20 s at a real broker: renewed under load by every mechanism, with tokens of a real token server too."""

import asyncio
import re
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

from streams.kafka.connection import connection_of
from streams.kafka.patches.sasl_sessions import OurConnection
from streams.sandbox.payments import payment_event
from tests.support.guarded import SESSION_SECONDS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-ant"
LIFE_SECONDS = 20
LOAD_SECONDS = 65
RATE = 8


@pytest.fixture
def short_lived(tokens):
    """The token server, whose tokens live for 20 s."""
    tokens.life_seconds = LIFE_SECONDS
    yield tokens
    tokens.life_seconds, tokens.more, tokens.refuses = 300, {}, None


async def _ask(connection, seconds):
    """Ask on one connection again and again, and return how often it was cut."""
    admin = AIOKafkaAdminClient(**connection.options("session"))
    await admin.start()
    ends = asyncio.get_running_loop().time() + seconds
    cut = 0
    try:
        while asyncio.get_running_loop().time() < ends:
            try:
                await asyncio.gather(*(admin.list_consumer_groups() for _ in range(3)))
            except KafkaConnectionError:
                cut += 1
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
    return cut


async def test_a_session_of_any_mechanism_is_renewed(make_guarded, short_lived, monkeypatch):
    """Requests at once on one connection over two sessions: none is cut; aiokafka's own connections are, each time."""
    async with make_guarded(topics=False) as guarded:
        plain = connection_of(guarded.settings("all"))
        ways = [
            plain,
            replace(plain, sasl_mechanism="SCRAM-SHA-256"),
            replace(plain, sasl_mechanism="SCRAM-SHA-512"),
            connection_of(guarded.read(guarded.access_by_token("all", short_lived))),
        ]
        seconds = SESSION_SECONDS * 2 + 5
        ours = asyncio.gather(*(_ask(way, seconds) for way in ways))
        assert await ours == [0, 0, 0, 0]
        way = ways[0]
        monkeypatch.setattr(OurConnection, "_authenticate", AIOKafkaConnection.send)
        assert await _ask(way, SESSION_SECONDS + 5) > 0


@pytest.mark.parametrize("way", ["password", "token"])
async def test_nothing_happens_to_a_worker_whose_sessions_end(make_guarded, short_lived, way):
    """Three sessions under load: all told, no retry early, no failed write or commit, always ready, nothing to warn of."""
    async with make_guarded(partitions=2, settings={"ladder_scale": 0.02}) as guarded:
        deployment = guarded.deployment
        await guarded.grant("main", "retry")
        deployment.add_partner("slow", PROFILE, "U,S")
        access = {
            role: guarded.access(role)
            if way == "password"
            else guarded.access_by_token(role, short_lived)
            for role in ("main", "retry")
        }
        workers = [
            await deployment.ready_worker(role=role, **access[role]) for role in ("main", "retry")
        ]
        events = [
            payment_event(PROFILE, rng=deployment.rng, partner_id=partner_id)
            for _ in range(LOAD_SECONDS * RATE // 2)
            for partner_id in (None, "slow")
        ]
        sending = asyncio.create_task(deployment.send(events, RATE))
        while not sending.done():
            for worker in workers:
                assert (await worker.get("/health/ready")).is_success
            await asyncio.sleep(1)
        attempts = await deployment.delivered(await sending)
        retries = [
            item
            for item in attempts
            if item["kind"] == "attempt" and item.get("trigger") != "event"
        ]
        assert len(retries) >= len(events) // 2
        assert all(item["started_at_ms"] >= item["due_at_ms"] for item in retries)
        for worker in workers:
            assert await worker.metric("notifier_produce_errors_total") == 0
            assert await worker.metric("notifier_commit_errors_total") == 0
            assert await worker.metric("notifier_rebalances_total") <= 1
            kafka = r"^.*(?:WARNING|ERROR) (?:aiokafka|streams\.kafka).*$"
            assert re.findall(kafka, worker.log, re.MULTILINE) == []
            kind = "password" if way == "password" else "token"
            assert await worker.metric("notifier_kafka_credentials_current", kind=kind) == 1
        await deployment.all_committed()
        assert await deployment.dead_letters() == []
        assert [await worker.stop() for worker in workers] == [0, 0]


async def test_a_token_server_that_is_away_for_a_while(make_guarded, short_lived):
    """Longer than the token lives: the worker lives and waits, says so, and tells everything when it is back."""
    async with make_guarded(settings={"ladder_scale": 0.02}) as guarded:
        deployment = guarded.deployment
        await guarded.grant("all")
        worker = await deployment.ready_worker(**guarded.access_by_token("all", short_lived))
        before = await deployment.send(payment_event(PROFILE, rng=deployment.rng) for _ in range(5))
        await deployment.delivered(before)
        short_lived.refuses = (503, {"error": "temporarily_unavailable"})

        async def shown():
            return await worker.metric("notifier_kafka_credentials_current", kind="token") == 0

        await eventually(shown, what="the metric of the token")
        await worker.said("gives no token: 503 temporarily_unavailable; trying again in")
        during = await deployment.send(payment_event(PROFILE, rng=deployment.rng) for _ in range(5))
        await asyncio.sleep(LIFE_SECONDS + 5)  # how long the outage lasts
        assert (await worker.get("/health/live")).is_success
        short_lived.refuses = None
        await deployment.delivered(during)
        await deployment.all_committed()
        assert await deployment.dead_letters() == []
        assert await worker.stop() == 0
