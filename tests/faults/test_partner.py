"""The partner refuses, hangs, drops, answers garbage and answers slowly, under load."""

import asyncio

import pytest

from tests.faults.wire import Wire

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(900)]

SECONDS_EACH = 4.0


async def test_the_partner_fails_in_every_way(rehearse, broker):
    """Five ways of failing, one after the other, under open connections: nothing lost, nothing repeated or early."""
    async with rehearse("partner fails", broker, wire=True) as rehearsal:
        workers = await rehearsal.begin({}, {})
        for mode in Wire.MODES[1:]:
            rehearsal.say(f"{mode} for {SECONDS_EACH:g} s")
            await rehearsal.wire.behave(mode)
            await asyncio.sleep(SECONDS_EACH)
            await rehearsal.wire.behave("well")
            await rehearsal.delivering(100)
        rehearsal.counts |= dict.fromkeys(Wire.MODES[1:], f"{SECONDS_EACH:g} s")
        await rehearsal.end(*workers)
