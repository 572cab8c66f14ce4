"""In what order the tests run, and which of them run in one process: `make test` runs them in several (pytest-xdist).

The rules and the wire models come first, so that a failing rule is seen at once. What takes longest comes next, so that no
long test is the last one; it mostly waits, and everything else runs meanwhile.

The tests of a file run in one process, one after the other: they may share what the file's fixtures made. Where each test
has an installation of its own, it may run in any process, so that a file of many long tests does not hold up the run.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

FIRST = ("tests/unit/notification/", "tests/unit/schemas/", "tests/property/test_rules.py")
"""What is broken first, and read first."""

LONGEST = (
    "tests/integration/test_kafka_sessions",
    "tests/integration/test_no_leaks",
    "tests/integration/test_added_partitions",
    "tests/integration/test_kafka_versions",
    "tests/integration/test_two_versions",
    "tests/integration/test_schema_registry",
    "tests/console/test_accessibility",
    "tests/integration/test_start_before_kafka",
    "tests/integration/test_follower_fetching",
    "tests/integration/test_unreadable",
    "tests/compatibility/",
    "tests/integration/test_dead_letters",
    "tests/integration/test_endings",
    "tests/integration/test_send_test",
    "tests/integration/test_log_lines",
    "tests/integration/test_broker_outage",
    "tests/integration/test_commits",
    "tests/helm/",
    "tests/integration/test_",
    "tests/sandbox/",
    "tests/benchmarks/",
    "tests/console/",
    "tests/monitoring/",
    "tests/packaging/",
)
"""Beginnings of the names of tests that take long, the longest first."""

SHARED = {
    "tests/integration/test_kafka_security.py": "the secure broker",
    "tests/integration/test_no_leaks.py": "the secure broker",
    "tests/sandbox/test_broker.py": "the broker of the rehearsal kit",
    "tests/sandbox/test_demo_parts.py": "the broker of the rehearsal kit",
    "tests/sandbox/test_ledger_evidence.py": "the broker of the rehearsal kit",
    "tests/helm/": "the rendered chart",
}
"""Beginnings of the names of files that share what takes long to start or to make."""

TOGETHER = (
    "webhook/",
    "test_kafka_sessions.py",
    "test_cluster.py",
    "test_follower_fetching.py",
    "test_schema_registry.py",
    "test_token_server.py",
)
"""What is not cut into single tests among the integration tests: the tests of a file share what it starts."""


def group_of(nodeid: str) -> str:
    """Return the name that a test shares with those that run in the same process."""
    path, _, _ = nodeid.partition("::")
    inside = path.removeprefix("tests/integration/")
    shared = next((name for begin, name in SHARED.items() if path.startswith(begin)), None)
    if shared is not None:
        return shared
    return path if inside == path or inside.startswith(TOGETHER) else nodeid


def arrange(items: list[pytest.Item]) -> None:
    """Put tests into the order in which they run; those of a group follow each other."""
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group_of(item.nodeid), []).append(item)
    items[:] = [
        item
        for group in sorted(groups.values(), key=lambda group: min(map(_rank, group)))
        for item in group
    ]


def _rank(item: pytest.Item) -> int:
    if item.nodeid.startswith(FIRST):
        return 0
    found = (place for place, name in enumerate(LONGEST, 1) if item.nodeid.startswith(name))
    return next(found, len(LONGEST) + 1)


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives each process of pytest one group after the other, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _reschedule(self, node: Any) -> None:
        """Give a process another group when one test is left, and not at two as xdist does.

        Each may take minutes, while another process has nothing to do. With one left it knows which fixtures to keep.
        """
        if self._pending_of(self.assigned_work[node]) <= 1 or not self.workqueue:
            super()._reschedule(node)

    def schedule(self) -> None:
        """Hand out the first groups: two tests at least to each process, or word that no more will come.

        They stay in their order: xdist would begin with the groups of most tests, and end with the longest tests.
        """
        self.config.option.loadscopereorder = False
        super().schedule()
        for node in self.nodes:
            while self.workqueue and self._pending_of(self.assigned_work[node]) <= 1:
                self._assign_work_unit(node)
        if not self.workqueue:
            for node in self.nodes:
                node.shutdown()

    def remove_node(self, node: Any) -> str | None:
        """Forget a process that ended; where it crashed, return the test that did it, and give its others to others.

        xdist would run that test again, until no process is left.
        """
        groups: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
        pending = [(group, name) for group in groups.values() for name in group if not group[name]]
        if not pending:
            return None
        group, crashed = pending[0]
        group[crashed] = True
        self.workqueue.update(
            {scope: group for scope, group in groups.items() if not all(group.values())}
        )
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed
