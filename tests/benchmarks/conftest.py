"""One broker and one receiver for all tests of the benchmark."""

import pytest

from benchmarks.bench import bench
from benchmarks.go_peer import PeerUnavailableError, go_peer


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
