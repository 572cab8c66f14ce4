"""What the applications of a process share: what its start sets for the whole process."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from streams.clock import Clock
from streams.telemetry.health import Health
from streams.telemetry.web import WebPort
from streams.webhook.egress import Guard
from streams.webhook.https import WebhookClient
from streams.worker.services import SharedServices
from tests.unit.kit import MemoryBroker, MemoryRecordProducer


@pytest.fixture
def collector():
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
async def test_records_in_flight_are_not_looked_at_for_garbage_again_and_again():
    """At the interpreter's own period that takes a twentieth of a record's cost; what is there at the start stays."""
    clock = Clock()

    async def nothing():
        pass

    with ThreadPoolExecutor(1) as threads:
        services = SharedServices(
            web=WebPort(CollectorRegistry(), Health(), clock.now_seconds, lambda: None),
            web_address=("127.0.0.1", 0),
            before_start=nothing,
            producer=MemoryRecordProducer(MemoryBroker()),
            caller=WebhookClient(
                clock=clock,
                guard=Guard(),
                signing_threads=threads,
                lookup_threads=threads,
                user_agent="test",
            ),
            loops=[nothing],
            tracing=None,
            threads=[threads],
        )
        await services.start()
        try:
            assert gc.get_threshold()[0] == 10_000
            assert gc.isenabled()
            assert gc.get_freeze_count() > 0
        finally:
            await services.stop()
