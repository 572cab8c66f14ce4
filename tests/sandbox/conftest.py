"""One broker for all tests of the rehearsal kit that can share it."""

from contextlib import ExitStack

import pytest

from streams.sandbox.broker import Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A running broker: in a directory that would upset a careless command line, on a machine with a Java set up badly."""
    badly = {
        "JAVA_TOOL_OPTIONS": "-Xmx1m",
        "JDK_JAVA_OPTIONS": "-Xmx1m",
        "CLASSPATH": "/nowhere",
        "JAVA_HOME": "/nowhere",
        "KAFKA_HEAP_OPTS": "-Xmx1m",
    }
    with ExitStack() as stack:
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # not for longer: other tests of this process start Java, too
            for name, value in badly.items():
                patch.setenv(name, value)
            running = stack.enter_context(Broker(tmp_path_factory.mktemp("a, b: c 'd")))
        yield running
