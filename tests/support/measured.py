"""Which tests count for the coverage that `make test` asks for.

Counting branches doubles the processor time of Python: before 3.12 the interpreter stops at each instruction to ask whether
a line begins. What a test proves does not depend on it. So no test counts that is about something else than the code of a
part, or that runs a whole worker on other brokers, versions and faults than the tests that count.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

UNCOUNTED = (
    "tests/benchmarks/",
    "tests/compatibility/",
    "tests/docs/",
    "tests/fuzz/",
    "tests/helm/",
    "tests/integration/test_added_partitions.py",
    "tests/integration/test_bad_input.py",
    "tests/integration/test_broker_outage.py",
    "tests/integration/test_cluster.py",
    "tests/integration/test_commits.py",
    "tests/integration/test_compression.py",
    "tests/integration/test_endings.py",
    "tests/integration/test_follower_fetching.py",
    "tests/integration/test_kafka_sessions.py",
    "tests/integration/test_kafka_versions.py",
    "tests/integration/test_log_lines.py",
    "tests/integration/test_mapped_events.py",
    "tests/integration/test_no_leaks.py",
    "tests/integration/test_partner_servers.py",
    "tests/integration/test_start_before_kafka.py",
    "tests/integration/test_start_on_a_cluster.py",
    "tests/integration/test_two_versions.py",
    "tests/integration/test_unreadable.py",
    "tests/model/",
    "tests/monitoring/",
    "tests/mutants/",
    "tests/packaging/",
    "tests/sandbox/test_broker.py",
    "tests/sandbox/test_cluster.py",
    "tests/sandbox/test_demo.py::test_ctrl_c_at_the_terminal_leaves_nothing",
    "tests/sandbox/test_demo.py::test_ends_with_one_when_the_time_is_over",
    "tests/sandbox/test_demo.py::test_keeps_running_until_ctrl_c",
    "tests/sandbox/test_java_cache.py",
    "tests/simulation/",
)
"""Beginnings of the names of tests that don't count."""

_CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""The variable by which Coverage.py counts in the processes that a test starts (`patch = subprocess`)."""


@contextmanager
def uncounted() -> Iterator[None]:
    """Count nothing inside, neither in this process nor in those that are started."""
    trace, of_threads = sys.gettrace(), threading.gettrace()
    of_children = os.environ.pop(_CHILDREN, None)
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        threading.settrace(of_threads)
        sys.settrace(trace)
        if of_children is not None:
            os.environ[_CHILDREN] = of_children
