"""`notifier tail` against a real broker: what is written while it runs is printed, and what --since asks for."""

import asyncio
import os
import signal

import pytest

from schemas.attempt_record import AttemptRecord
from tests.support.kafka import producer
from tests.support.notifier import NOTIFIER, environment
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]


def record(order, partner="acme"):
    return AttemptRecord(
        v=1,
        kind="attempt",
        at_ms=1,
        order_id=order,
        partner_id=partner,
        attempt=1,
        result_status="U",
    ).to_bytes()


async def test_attempts_are_followed(make_deployment):
    """Old ones by --since, new ones as they come, only the partner's; Ctrl-C ends it with 130."""
    async with make_deployment() as deployment, producer(deployment.bootstrap) as client:
        topic = deployment.names.attempts
        await client.send_and_wait(topic, record("old"), b"old")
        process = await asyncio.create_subprocess_exec(
            str(NOTIFIER), "tail", "--since", "1h", "--partner", "acme", "--json",
            env=environment(deployment.settings()), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                assert b'"order_id":"old"' in await process.stdout.readline()
                await client.send_and_wait(topic, record("others", "other"), b"others")
                await client.send_and_wait(topic, record("new"), b"new")
                assert b'"order_id":"new"' in await process.stdout.readline()
                os.kill(process.pid, signal.SIGINT)
                assert await process.wait() == 130
        finally:
            if process.returncode is None:
                process.kill()
