"""One broker and one receiver for all tests of the benchmark."""

import pytest

from benchmarks.bench import bench


@pytest.fixture(scope="session")
def running_bench():
    """A broker and a receiver, for the whole run."""
    with bench() as running:
        yield running
