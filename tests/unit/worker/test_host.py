"""What the applications tell of their groups, as probes and the log show it."""

from types import SimpleNamespace
from typing import Any

from streams.telemetry.health import Health
from streams.telemetry.metrics import Metrics
from streams.worker.host import WorkerHost
from tests.unit.kit import ManualClock


def test_a_group_that_refuses_the_worker_is_named_until_it_takes_it(caplog):
    """At once in the probe, once a minute in the log, and no more once partitions have come."""
    clock = ManualClock()
    admission: Any = SimpleNamespace(share=0.0)
    host = WorkerHost(admission, Metrics("0"), Health(frozenset({"g"})), clock)
    for _ in range(20):
        host.on_refused("g", "the group is full")
        clock.ms += 2_000
    assert host.health.not_ready(clock.now_seconds()) == [
        "group g: not joined yet",
        "group g: the group is full",
    ]
    assert host.health.not_live() == []
    assert [record.getMessage() for record in caplog.records] == ["group g: the group is full"]
    host.on_assigned("g", 1, 1)
    assert host.health.not_ready(clock.now_seconds()) == []
