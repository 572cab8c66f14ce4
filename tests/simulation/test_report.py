"""The pages get the figures of the last worlds, and keep what stands around them."""

import json

import pytest

from tests.simulation import report
from tests.simulation.long_world import FILE

SUMS = {
    "payments": 3815,
    "calls": 9699,
    "copies": 5,
    "absorbed": 4,
    "forked": 1,
    "zombies": 2,
    "gone": 5,
    "dead_letters": 7,
    "repeats: in flight": 370,
    "repeats: settled in the last 250 ms": 31,
}
FIRED = {"crash | signing": 3, "crash | call under way": 4}
WORLDS = {
    "seed": 1,
    "worlds": 500,
    "seconds": 545.0,
    "hours": 878.4,
    "unscaled": 50,
    "failed": [],
    "sums": SUMS,
    "fired": FIRED,
}
DAY = {
    "seed": 1,
    "hours": 24.0,
    "lasted_hours": 41.3,
    "seconds": 150.0,
    "workers_started": 60,
    "sums": SUMS | {"payments": 1000},
    "fired": FIRED,
    "faults": [],
}


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """A folder for figures, and two pages with marks."""
    reliability, guarantees = tmp_path / "reliability.md", tmp_path / "guarantees.md"
    marks = [f"before\n{begin}\nold\n{end}\nafter\n" for begin, end in (report.WORLDS, report.LONG)]
    reliability.write_text("".join(marks))
    guarantees.write_text(marks[0])
    monkeypatch.setattr(report, "PAGE", reliability)
    monkeypatch.setattr(report, "GUARANTEES", guarantees)
    monkeypatch.setattr(report, "FIGURES", tmp_path)
    return reliability, guarantees


def test_the_figures_come_into_both_pages(pages, tmp_path):
    """In the words of each page's readers, many worlds beside the long one."""
    (tmp_path / "simulation.json").write_text(json.dumps(WORLDS))
    (tmp_path / FILE).write_text(json.dumps(DAY))
    assert report.main() == 0
    reliability, guarantees = (page.read_text() for page in pages)
    assert "old" not in (reliability + guarantees).splitlines()
    assert reliability.count("after\n") == 2
    assert "| Workers started | 60 |" in reliability
    assert "| Of each kind | crash 7, " in reliability
    assert "|  | 500 worlds | One long world |" in guarantees
    assert "| Payments, and attempts to tell of them | 3,815, 9,699 | 1,000, 9,699 |" in guarantees
    assert "| Attempts repeated after a fault | 401 | 401 |" in guarantees
    assert guarantees.endswith("after\n")


def test_what_went_wrong_is_not_passed_over(pages, tmp_path):
    """The row of what must not be counts the worlds in which it was."""
    (tmp_path / "simulation.json").write_text(json.dumps(WORLDS | {"failed": [7, 9]}))
    assert report.main() == 0
    (row,) = [line for line in pages[1].read_text().splitlines() if line.startswith("| Anything")]
    assert row.endswith("| 2 |")


def test_without_figures_the_pages_stay_as_they_are(pages, capsys):
    """And the command says what to do."""
    assert report.main() == 1
    assert "make simulate" in capsys.readouterr().err
    assert "old" in pages[1].read_text()
