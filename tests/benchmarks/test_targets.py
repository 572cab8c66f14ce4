"""What was asked for beside what was found, from results made by hand."""

import json
from dataclasses import asdict, replace

import pytest

from benchmarks.figures import Latency
from benchmarks.quiet import Figure
from benchmarks.quiet_table import quiet_machines, quiet_table
from benchmarks.targets import targets
from tests.benchmarks.by_hand import MACHINE, results


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Whoever runs the tests may have measured before."""
    for name in ("DIRECTORY", "MEASURES"):
        monkeypatch.setattr(f"benchmarks.targets.{name}", tmp_path)
    return tmp_path


def cells(found, asked):
    """Return what stands beside a target."""
    rows = [row.split(" | ") for row in targets(found) if row.startswith(f"| {asked}")]
    return [" | ".join(row[1:]).removesuffix(" |") for row in rows]


def test_what_was_not_measured_is_said_to_be_so():
    """Every target stands in the table, whatever was run."""
    rows = list(targets({}))[2:]
    assert len(rows) == 19
    assert all(row.endswith("| not measured | |") for row in rows)
    with_one = list(targets({"throughput": results("throughput", ("notifier-1", None, {}))}))[2:]
    assert [row.split(" | ")[0] for row in with_one] == [row.split(" | ")[0] for row in rows]
    assert (
        sum("not measured" not in row for row in with_one) == 3
    )  # signature, memory, nothing lost


@pytest.mark.parametrize(
    ("runs", "failures", "said"),
    [
        ([{}], 0, "so it was, in 1 run"),
        ([{"lost": 3}], 1, "faust: 3 lost; runs that came to nothing: 1, **missed**"),
        ([{}], 1, "so it was, in 1 run; runs that came to nothing: 1, **missed**"),
        ([], 15, "runs that came to nothing: 15, **missed**"),
        ([{"settled": 0}], 0, "faust: nothing settled, **missed**"),
    ],
)
def test_nothing_lost_is_said_only_where_something_was_delivered(runs, failures, said):
    """Not of no run, not beside runs that failed, and not of a system that committed nothing."""
    found = results("mixed", *(("faust", None, changes) for changes in runs))
    found.failures = ["mixed, round 1: x"] * failures
    assert cells({"mixed": found}, "nothing lost") == [f"{said} | 2026-11-29, commit abc1234567"]


def test_figures_of_several_commits_are_marked():
    """Each row says of which it is, and the table that they are several."""
    new = results("throughput", ("notifier-1", None, {"peak_memory_mb": 80.0}))
    old = results("mixed", ("notifier-2", None, {"peak_memory_mb": 90.0}))
    assert "not of one commit" not in "".join(targets({"throughput": new, "mixed": old}))
    old.on |= {"commit": "old", "date": "2026-11-28"}
    found = {"throughput": new, "mixed": old}
    assert cells(found, "at most 110 MiB") == ["90 MiB (mixed) | 2026-11-28, commit old"]
    *_, last = targets(found)
    assert last == (
        "These figures are not of one commit: 2026-11-28, commit old; 2026-11-29, commit abc1234567."
    )


def test_half_of_the_maximum_is_the_rate_that_the_plan_names():
    """Also where the first round failed at a lower one, so that its rate comes first."""
    plan = [
        ["notifier-2", 540.0],
        ["notifier-2", 1070.0],
        ["notifier-2", 1610.0],
        ["go-franz", 1070.0],
    ]
    latencies = {1070.0: 42.0, 1610.0: 900.0, 540.0: 20.0}
    runs = [
        ("notifier-2", rate, {"latency": Latency(1.0, p99, p99, 0.0)})
        for rate, p99 in latencies.items()
    ]
    found = {"open-loop": results("open-loop", *runs, plan=plan)}
    assert cells(found, "open loop") == ["42.0 ms | 2026-11-29, commit abc1234567"]
    found = {"open-loop": results("open-loop", *runs[1:], plan=plan)}
    assert cells(found, "open loop") == ["not measured |"]
    assert cells({"open-loop": results("open-loop")}, "open loop") == ["not measured |"]


def test_isolation_is_read_from_the_measurements(directory):
    """Where `make measure` has measured a thousand destinations, its ratio stands in the table."""
    found = json.dumps({"found": {"ratio": 2.5}, "machine": {"date": "2026-11-30"}})
    (directory / "hang-1000.measure.json").write_text(found)
    assert cells({}, "300 of 1,000") == ["2.50 times, **missed** | 2026-11-30, commit unknown"]


def test_start_and_idle_are_read_from_their_own_files(directory):
    """The medians of this checkout, not of one that took turns with it."""
    one = Figure(10.0, 0.2, 450, 0.1, 90.0)
    other = [replace(one, seconds=9.0, cpu_seconds=9.0)]
    starts = [replace(one, seconds=seconds, cpu_seconds=0.8) for seconds in (1.2, 2.5, 1.4)]
    for name, ours in (("start", starts), ("idle", [one])):
        figures = {"here": list(map(asdict, ours)), "other": list(map(asdict, other))}
        document = {"on": MACHINE, "figures": figures}
        (directory / f"{name}.json").write_text(json.dumps(document))
    when = "2026-11-29, commit abc1234567"
    assert cells({}, "start to ready") == [f"1.40 s, 0.80 s of CPU | {when}"]
    assert cells({}, "an idle worker") == [f"0.0200 cores, **missed** | {when}"]
    assert quiet_table(directory)[2:] == [
        "| from the start to ready, s | 1.40 (1.20 to 2.50) |",
        "| CPU in that time, s | 0.80 (0.80 to 0.80) |",
        "| idle, cores | 0.0200 (0.0200 to 0.0200) |",
        "| idle, the broker's cores | 0.0100 (0.0100 to 0.0100) |",
        "| idle, wake-ups a second | 45 (45 to 45) |",
        "| memory, MiB | 90 (90 to 90) |",
    ]
    assert quiet_machines(directory) == [MACHINE]
    assert quiet_table(directory / "none") == []
    assert quiet_machines(directory / "none") == []
