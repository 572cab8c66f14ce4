"""Offsets move only over what is settled, read from the group itself while records are in flight."""

import asyncio

import pytest

from streams.clock import Clock
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.deployment import attempts_made
from tests.support.kafka import administration, offsets_of, producer
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PARTITIONS, EACH = 4, 50
HELD, MIDDLE = 0, 25
PROFILE = "mpp-to-alipay-plus"


async def _fill(deployment, partner):
    """Write 50 events to each partition; the first is held for 5 s, the one in the middle for 9 s."""
    scripts = {HELD: "slow:5", MIDDLE: "slow:9"}
    orders = {}
    async with producer(deployment.bootstrap) as client:
        pending = []
        for number in range(EACH):
            url = partner.notify_url(PROFILE, scripts.get(number, "S"))
            for partition in range(PARTITIONS):
                event = payment_event(PROFILE, rng=deployment.rng, notify_url=url)
                orders[deployment.source, partition, number] = order_id(event)
                pending.append(
                    await client.send(
                        deployment.source, encode(event), order_id(event).encode(), partition
                    )
                )
        for sent in await asyncio.gather(*pending):
            assert orders[sent.topic, sent.partition, sent.offset]
    return orders


async def test_commits_never_pass_a_record_in_flight(make_deployment, partner):
    """200 in flight, the first of each partition held 5 s: no commit before its record's end is written down."""
    clock = Clock()
    settings = {"ladder_scale": 0.001}
    async with make_deployment(partitions=PARTITIONS, settings=settings) as deployment:
        entries = deployment.partners
        entries["alipayplus"] |= {"attempt_timeout_seconds": 10, "max_in_flight": 400}
        deployment.write_partners(entries)
        worker = await deployment.ready_worker()
        seen: list[tuple[int, list[int]]] = []
        async with administration(deployment.bootstrap) as admin:
            orders = await _fill(deployment, partner)
            while not seen or seen[-1][1] != [EACH] * PARTITIONS:
                found = await offsets_of(admin, deployment.group)
                source = [found.get((deployment.source, part), 0) for part in range(PARTITIONS)]
                seen.append((clock.now_ms(), source))
                assert clock.now_ms() - seen[0][0] < TIMEOUT_SECONDS * 1000, source
                await asyncio.sleep(0.02)
        attempts = await deployment.delivered(orders.values())
        await deployment.all_committed()
        assert await worker.stop() == 0
        made = attempts_made(await deployment.attempts())
    settled: dict[str, int] = {}
    for record in attempts:  # what made the main lane let go of it: its first decision
        settled.setdefault(record["origin"], record["append_ms"])
    for read_at_ms, offsets in seen:
        for partition, offset in enumerate(offsets):
            for number in range(offset):
                origin = f"{deployment.source}/{partition}/{number}"
                assert settled[origin] <= read_at_ms, (origin, offsets)
    while_held = [
        sum(at_ms <= read_at_ms for at_ms in settled.values())
        for read_at_ms, offsets in seen
        if offsets == [HELD] * PARTITIONS
    ]
    assert max(while_held) >= PARTITIONS * (MIDDLE - 1)  # others were done, and waited for it
    # Of all partitions on a machine with time; on a busy one both of a partition may have ended before its next commit.
    assert any(MIDDLE in offsets for _, offsets in seen)
    assert {order: len(deployment.requests(order)) for order in orders.values()} == made
