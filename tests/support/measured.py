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
    "tests/console/",
    "tests/docs/",
    "tests/fuzz/",
    "tests/helm/",
    "tests/integration/test_",
    "tests/integration/webhook/test_answers_on_the_wire.py",
    "tests/integration/webhook/test_receivers.py",
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
    "tests/unit/admission/test_isolation.py",
    "tests/unit/telemetry/test_metrics.py::test_ten_thousand_payments_to_a_thousand_destinations_stay_within_the_bound",
)
"""Beginnings of the names of tests that don't count, but for those below."""

COUNTED = (
    "tests/integration/test_conformance.py",
    "tests/integration/test_dead_letters.py",
    "tests/integration/test_delivery.py",
    "tests/integration/test_kafka_security.py",
    "tests/integration/test_replay.py",
    "tests/integration/test_send_test.py",
    "tests/integration/test_tail.py",
    "tests/integration/test_topics_command.py",
    "tests/integration/test_verify.py",
    "tests/integration/test_why.py",
)
"""Whole workers and commands on a real broker, once each: what they run is run by no test in memory."""


def counts(nodeid: str) -> bool:
    """Tell whether a test counts."""
    return nodeid.startswith(COUNTED) or not nodeid.startswith(UNCOUNTED)


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
