"""What tests with real parts share: one broker and one partner for all, an installation of its own for each."""

import os
import signal
import sys
from contextlib import asynccontextmanager, nullcontext

import pytest
from hypothesis import settings

from streams.kafka.patches import patch_clients
from streams.sandbox.broker import Broker
from streams.sandbox.keys import make_keys
from streams.sandbox.partner_process import PartnerProcess
from tests.support.accepting import close_what_comes_too_late
from tests.support.deployment import Deployment
from tests.support.measured import counts, uncounted
from tests.support.order import Scheduler, arrange
from tests.support.shared_broker import directory_of_run, shared_broker

# A shell that runs the tests in the background makes Ctrl-C ignored, for every child too; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

close_what_comes_too_late()

# An example that takes long tells of the machine, and not of the code.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

_UNIT = ("tests/unit/", "tests/property/", "tests/agents/")
_STARTS = ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")
_alone: list[str] = []


def _refuse_processes(event, _arguments):
    if _alone and event in _STARTS:
        message = f"{_alone[0]} is a unit test and starts a process ({event}): mark it e2e"
        raise AssertionError(message)


sys.addaudithook(_refuse_processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Let no unit test start a process: `make test-unit` is quick, and needs nothing but Python. Count what shall count."""
    if item.nodeid.startswith(_UNIT) and not item.get_closest_marker("e2e"):
        _alone[:] = [item.nodeid]
    counting = nullcontext() if counts(item.nodeid) else uncounted()
    try:
        with counting:
            return (yield)
    finally:
        _alone.clear()


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Count what the import of modules runs in one process of pytest: each of them imports and collects the same."""
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    with nullcontext() if first else uncounted():
        return (yield)


def pytest_collection_modifyitems(items):
    """Begin with the rules, and then with what takes longest."""
    arrange(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Take four processes of pytest a core, since most of a run is waiting; each may hold a broker of 400 MB."""
    return min(4 * (os.cpu_count() or 1), 8)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out the tests as `tests.support.order` says."""
    return Scheduler(config, log)


@pytest.fixture(scope="session", autouse=True)
def patched_libraries():
    """aiokafka as every program of ours has it; workers that tests start patch it themselves."""
    patch_clients()


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A real Kafka, for the whole run: not to be stopped."""
    with shared_broker(directory_of_run(tmp_path_factory)) as running:
        yield running


@pytest.fixture
def own_broker(tmp_path):
    """A real Kafka that a test may break."""
    with Broker(tmp_path) as running:
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
def make_deployment(request, partner, keys, tmp_path_factory):
    """Make an installation with clean topics and groups; ends its workers and drops its topics afterwards."""

    @asynccontextmanager
    async def make(*, broker=None, topics=True, source=None, **options):
        directory = tmp_path_factory.mktemp("deployment")
        on = broker or request.getfixturevalue("broker")
        deployment = Deployment(on, partner, keys, directory, **options)
        try:
            if topics:
                await deployment.create_topics(source)
            yield deployment
            assert not deployment.unwanted, "\n\n".join(deployment.unwanted)
        finally:
            deployment.kill_workers()
            await deployment.delete_topics()

    return make
