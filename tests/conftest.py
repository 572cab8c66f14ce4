"""What tests with real parts share: one broker and one partner for all, an installation of its own for each."""

import signal
from contextlib import asynccontextmanager

import pytest

from streams.kafka.patches import patch_clients
from streams.sandbox.broker import Broker
from streams.sandbox.keys import make_keys
from streams.sandbox.partner_process import PartnerProcess
from tests.support.deployment import Deployment

# A shell that runs the tests in the background makes Ctrl-C ignored, for every child too; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def patched_libraries():
    """aiokafka as every program of ours has it; workers that tests start patch it themselves."""
    patch_clients()


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A real Kafka, for the whole run."""
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Keys and certificates of both sides."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def partner(keys):
    """A partner in a process of its own; answers by the script in each URL."""
    with PartnerProcess(keys) as running:
        yield running


@pytest.fixture(scope="session")
def make_deployment(broker, partner, keys, tmp_path_factory):
    """Make an installation with clean topics and groups; ends its workers and drops its topics afterwards."""

    @asynccontextmanager
    async def make(*, topics=True, source=None, **options):
        directory = tmp_path_factory.mktemp("deployment")
        deployment = Deployment(broker, partner, keys, directory, **options)
        try:
            if topics:
                await deployment.create_topics(source)
            yield deployment
            assert deployment.unwanted == []
        finally:
            deployment.kill_workers()
            await deployment.delete_topics()

    return make
