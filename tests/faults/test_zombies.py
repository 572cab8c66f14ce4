"""A worker that runs and does nothing fails its liveness probe; one that could do nothing, or has nothing to do, does not."""

import asyncio

import pytest

from tests.faults.zombies import HARMS

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(1200)]


async def test_a_worker_that_does_nothing_is_not_live(zombies):
    """Out of its group, without its coordination or its fetches, not polling, holding a record: each is told."""
    said = await asyncio.wrap_future(zombies)
    for harm, symptom in HARMS.items():
        assert symptom in said[harm], harm
        assert "while the broker answers" in said[harm]
