"""One broker and one receiver for all tests of the benchmark, and the desk of a peer."""

import pytest

from benchmarks.bench import bench
from benchmarks.go_peer import PeerUnavailableError, go_peer
from benchmarks.peers.common import VERIFY, Desk
from streams.sandbox.keys import make_keys


@pytest.fixture(scope="session")
def running_bench():
    """A broker and a receiver, for the whole run."""
    with bench() as running:
        yield running


@pytest.fixture
def built_go_peer():
    """The peer in Go, where it can be built."""
    try:
        go_peer()
    except PeerUnavailableError as error:
        pytest.skip(str(error))


needs_go = pytest.mark.usefixtures("built_go_peer")
"""Leaves a test out where there is no Go, or where it can't fetch its modules."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys of both sides."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def desk(keys, monkeypatch, request):
    """A peer's desk, whose duties a test names; else to verify is the only one."""
    variables = {
        **dict.fromkeys(("BROKERS", "TOPIC", "RETRY_TOPIC", "GROUP", "ATTEMPTS_TOPIC"), "x"),
        "KEYS": str(keys.ca.parent),
        "IN_FLIGHT": "1",
        "VERIFIES": "0",
        "DUTIES": getattr(request, "param", VERIFY),
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"BENCH_{name}", value)
    return Desk()
