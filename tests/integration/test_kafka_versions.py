"""The main flow against the versions of Kafka that the rehearsal kit has: the broker's usual one is what all other tests use.

`KAFKA_VERSIONS="4.1.2 4.2.2"` names others; `streams.sandbox.kafka_jars.versions()` are known.
"""

import json
import os

import pytest

from streams.sandbox.broker import Broker
from streams.sandbox.client import create_topic
from streams.sandbox.payments import order_id, payment_event
from tests.support.deployment import Deployment
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-alipay-plus"
VERSIONS = os.environ.get("KAFKA_VERSIONS", "3.9.2 4.0.2 4.4.0").split()
SCRIPTS = {"willing": "S", "slow": "U,http:503,S", "refusing": "F:RISK_REJECT,S"}


async def _run(deployment, *arguments):
    done = await deployment.run(*arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_main_flow(version, partner, keys, tmp_path):
    """Topics are made and checked, events delivered, retried, dead-lettered and put back, and every question is answered."""
    with Broker(tmp_path, version=version) as broker:
        deployment = Deployment(broker, partner, keys, tmp_path, settings={"ladder_scale": 0.1})
        try:
            for name, script in SCRIPTS.items():
                deployment.add_partner(name, PROFILE, script)
            await create_topic(deployment.bootstrap, deployment.source, deployment.partitions)
            assert len((await _run(deployment, "topics", "create"))["created"]) == 18
            await _run(deployment, "topics", "check")
            await _run(deployment, "check")
            worker = await deployment.ready_worker()
            orders = {}
            for name in SCRIPTS:
                event = payment_event(PROFILE, rng=deployment.rng, partner_id=name)
                (orders[name],) = await deployment.send([event])
                assert order_id(event) == orders[name]
            await deployment.delivered([orders["willing"], orders["slow"]])
            await deployment.dead_letters(1)
            for name, (state, attempts) in {
                "willing": ("delivered", 1),
                "slow": ("delivered", 3),
                "refusing": ("rejected", 1),
            }.items():
                (life,) = (await _run(deployment, "why", orders[name]))["notifications"]
                assert (life["state"], life["attempts"]) == (state, attempts)
            open_ones = ("undelivered", "--partner", "refusing", "--since", "1h")
            assert (await _run(deployment, *open_ones))["count"] == 1
            replay = ("dead-letters", "replay", orders["refusing"], "--execute", "--why", "mended")
            assert (await _run(deployment, *replay, "--yes"))["put_back"] == 1
            await deployment.delivered([orders["refusing"]])
            await deployment.all_committed()

            async def nothing_pending():
                return await worker.metric("notifier_pending_notifications") == 0

            await eventually(nothing_pending, what="nothing to be pending", every_seconds=0.5)
            assert (await _run(deployment, *open_ones))["count"] == 0
            assert await worker.stop() == 0
            assert deployment.unwanted == []
        finally:
            deployment.kill_workers()
