"""One broker for all tests of the rehearsal kit that can share it."""

import pytest

from streams.sandbox.broker import Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A running broker, in a directory whose name would upset a careless command line."""
    with Broker(tmp_path_factory.mktemp("a, b: c 'd")) as running:
        yield running
