"""The page gets the figures of whole runs only, and says of each when it was measured and with what code."""

import ast
import json
from pathlib import Path

import pytest

from benchmarks.machine import commit, of_several_commits
from tests.faults import figures, report
from tests.faults.measure import MEASURES
from tests.faults.test_ordinary_app import NAME
from tests.support.figures import ON

ROW = {
    "events": 5593,
    "rate": 210.0,
    "done": {"SIGTERM": 10, "SIGKILL": 20},
    "calls": 6258,
    "repeats": {},
    "latest_commit_ms": 0,
    "forks": 0,
    "parks": 0,
    "retries": 665,
    "lost": 0,
    "faults": 0,
}
FOUND = {"asked": "little", "found": {"ratio": 1.02}, "holds": True}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page with marks, and folders for the figures of a whole run."""
    page = tmp_path / "reliability.md"
    marks = [
        (report.BEGIN, report.END),
        (report.BEGIN_CLUSTER, report.END_CLUSTER),
        (report.BEGIN_MEASURES, report.END_MEASURES),
    ]
    page.write_text("".join(f"before\n{begin}\nold\n{end}\nafter\n" for begin, end in marks))
    for name in ("FIGURES", "MEASURES"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(report, name, tmp_path / name)
    monkeypatch.setattr(report, "PAGE", page)
    promises = tmp_path / "guarantees.md"
    promises.write_text(
        "".join(f"{begin}\nold\n{end}\n" for begin, end in marks if begin != report.BEGIN_CLUSTER)
    )
    monkeypatch.setattr(report, "GUARANTEES", promises)
    monkeypatch.setattr(report, "commit", lambda: "abc1234-dirty")
    (report.FIGURES / figures.MACHINE).write_text(json.dumps(ON | {"seed": "7"}))
    for name in report.SCENARIOS:
        figures.note(report.FIGURES, name, ROW | {"scenario": name, "passed": True})
    return page


def measured(name, found=FOUND["found"], **machine):
    """Leave the figures of a measurement."""
    shown = {"healthy events parked": 0, "retries/s": 9, "waiting behind them": 9, "early": 0}
    lateness = {"p50, p99, most, ms": "0, 0, 0"}
    text = json.dumps(FOUND | {"found": shown | lateness | found, "machine": ON | machine})
    (report.MEASURES / f"{name}.measure.json").write_text(text)


def lines_with(page, what):
    """Return the lines of the page in which this stands."""
    return [line for line in page.read_text().splitlines() if what in line]


def test_every_scenario_is_expected():
    """One that is missing is noticed only where the report knows of it."""
    files = Path(report.__file__).parent.glob("test_*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_bytes())))
    played = [
        ast.literal_eval(node.args[0])
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "rehearse"
    ]
    played.append(NAME)
    assert sorted(played) == sorted(report.SCENARIOS)


def test_a_whole_run_comes_onto_the_page(page):
    """A row for each scenario, the cluster's by themselves, with date, commit and machine."""
    assert report.main() == 0
    assert len(lines_with(page, "SIGTERM: 10, SIGKILL: 20")) == len(report.SCENARIOS)
    assert lines_with(page, "| quotas |")
    assert lines_with(page, "2026-12-01, commit abc1234, Python 3.11.7, 2 cores, Linux")
    assert not lines_with(page, "another commit")
    assert len(lines_with(page, "after")) == 3


def test_the_promises_page_has_the_sums(page):  # noqa: ARG001  # the figures of a whole run
    """The ordinary application is no scenario of the notifier; only what was measured has a row."""
    repeats = {"repeats": {"in flight": 3, "settled in the last 250 ms": 4}}
    killed = ROW | repeats | {"scenario": "worker killed", "passed": True}
    figures.note(report.FIGURES, "worker killed", killed)
    ordinary = ROW | {"scenario": NAME, "passed": True, "lost": 8}
    figures.note(report.FIGURES, NAME, ordinary)
    measured("hang", found={"ratio": 1.04, "healthy events parked": 0})
    late = {"retries/s": 500.0, "waiting behind them": 200000, "early": 0}
    measured("lateness", found=late | {"p50, p99, most, ms": "1, 2, 25"})
    assert report.main() == 0
    promises = report.GUARANTEES
    assert not lines_with(promises, "old")
    assert lines_with(promises, "| Scenarios | 12 | 5 |")
    assert lines_with(promises, f"| Events | {12 * 5593:,} | {5 * 5593:,} |")
    assert lines_with(promises, "| Attempts repeated after a fault | 7 | 0 |")
    assert lines_with(promises, "Of these repeats 7 are of 20 kills of a worker")
    assert lines_with(promises, "lost 8 of 5,593 events.")
    (hang,) = lines_with(promises, "| 3 of 10 partners hang |")
    assert "| p99 of the others 1.04 times, 0 of their events moved aside | 2026-12-01" in hang
    (lateness,) = lines_with(promises, "| retries fall due |")
    assert "| 500 a second, 200,000 waiting behind them: 0 early; late by 1, 2, 25 ms" in lateness
    assert not lines_with(promises, "floods")


def test_a_scenario_that_failed_is_no_row(page, capsys):
    """Its figures were noted before anything was asserted; the page stays as it is, and it is named."""
    figures.note(report.FIGURES, "worker ended", ROW | {"passed": False})
    assert report.main() == 1
    assert "scenarios that failed: worker ended." in capsys.readouterr().err
    assert len(lines_with(page, "old")) == 3


def test_a_run_of_some_scenarios_is_not_the_whole_suite(page, capsys):
    """As `-k killed` leaves it, or one that failed before it had figures."""
    (report.FIGURES / "worker ended.scenario.json").unlink()
    figures.note(report.FIGURES, "new", ROW | {"passed": True})
    assert report.main() == 1
    said = capsys.readouterr().err
    assert (
        "scenarios that left no figures: worker ended; scenarios that are not known: new." in said
    )
    assert len(lines_with(page, "old")) == 3


def test_figures_of_another_commit_are_marked(page, monkeypatch):
    """Of all scenarios together, and of each measurement: those may be of several days."""
    monkeypatch.setattr(report, "commit", lambda: "def5678")
    measured("hang", commit="def5678-dirty")
    measured("flood", date="2026-11-29")
    measured("backlog", commit=None)
    assert report.main() == 0
    assert len(lines_with(page, "**Written at another commit, def5678.**")) == 2
    (hang,) = lines_with(page, "| `hang` |")
    assert hang.endswith("| 2026-12-01, commit def5678-dirty, Python 3.11.7 |")
    (flood,) = lines_with(page, "| `flood` |")
    assert flood.endswith(
        "| 2026-11-29, commit abc1234, Python 3.11.7; **written at another commit, def5678** |"
    )
    (backlog,) = lines_with(page, "| `backlog` |")
    assert "commit unknown" in backlog
    assert "another commit" in backlog


def test_without_git_nothing_is_marked(page, monkeypatch):
    """Where nobody knows the commit of today."""
    monkeypatch.setattr(report, "commit", lambda: "")
    assert report.main() == 0
    assert not lines_with(page, "another commit")


def test_measurements_stand_in_their_order_and_what_is_missing_is_named(page):
    """By the names of files `hang` would stand below `hang-1000`."""
    for name in list(MEASURES)[:-1]:
        measured(name)
    assert report.main() == 0
    rows = [line.split("`")[1] for line in lines_with(page, "| little |")]
    assert rows == list(MEASURES)[:-1]
    assert lines_with(page, f"Not measured: `{list(MEASURES)[-1]}`.")


def test_without_figures_the_page_stays_as_it_is(page, capsys):
    """And the command says what to do."""
    for file in report.FIGURES.iterdir():
        file.unlink()
    assert report.main() == 1
    assert "run make test-faults or make measure first" in capsys.readouterr().err
    assert len(lines_with(page, "old")) == 3


def test_measurements_and_benchmarks_of_one_commit_are_told_alike():
    """The benchmark's page has figures of both, and marks those of several commits."""
    assert figures.commit().partition("-")[0] == commit().partition("-")[0]
    assert of_several_commits([ON | {"commit": ""}, ON | {"commit": None}]) == ""


def test_the_commit_is_none_without_git(monkeypatch):
    """A release that was unpacked has figures all the same."""
    monkeypatch.setenv("PATH", "")
    assert figures.commit() == ""
    assert figures.machine()["commit"] == ""
