"""The pages get the figures of the last worlds, and keep what stands around them."""

import json
from pathlib import Path

import pytest

from tests.simulation import kept, report
from tests.simulation.long_world import FILE
from tests.support.figures import ON

SUMS = {
    "payments": 3815,
    "calls": 9699,
    "copies": 5,
    "absorbed": 4,
    "forked": 1,
    "zombies": 2,
    "again": 60,
    "recognised": 58,
    "gone": 5,
    "dead_letters": 7,
    "repeats: in flight": 370,
    "repeats: settled in the last 250 ms": 31,
}
FIRED = {"crash | signing": 3, "crash | call under way": 4}
WORLDS = {
    "code": "now",
    "on": [ON, ON | {"date": "2026-12-02"}],
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
    "code": "now with long_world.py",
    "on": [ON],
    "seed": 1,
    "hours": 24.0,
    "lasted_hours": 41.3,
    "seconds": 150.0,
    "workers_started": 60,
    "sums": SUMS | {"payments": 1000},
    "fired": FIRED,
    "faults": [],
}


TRIED = {
    "code": "now with seeded_faults.py",
    "seed": 3,
    "most": 600,
    "tried": [
        {"name": "commit one too far", "worlds": 2, "said": "in no place: payments/0/2"},
        {"name": "retry is not written", "worlds": 0, "said": ""},
    ],
}


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """A folder for figures, and two pages with marks."""
    reliability, guarantees = tmp_path / "reliability.md", tmp_path / "guarantees.md"
    marks = [
        f"before\n{begin}\nold\n{end}\nafter\n"
        for begin, end in (report.WORLDS, report.LONG, report.SEEDED)
    ]
    reliability.write_text("".join(marks))
    guarantees.write_text(marks[0])
    monkeypatch.setattr(report, "PAGE", reliability)
    monkeypatch.setattr(report, "GUARANTEES", guarantees)
    monkeypatch.setattr(report, "FIGURES", tmp_path)
    monkeypatch.setattr(report, "PUBLISHED", tmp_path / "figures")
    monkeypatch.setattr(
        kept, "code", lambda *also: " with ".join(["now", *(Path(file).name for file in also)])
    )
    return reliability, guarantees


def test_the_figures_come_into_both_pages(pages, tmp_path):
    """In the words of each page's readers, many worlds beside the long one."""
    (tmp_path / "simulation.json").write_text(json.dumps(WORLDS))
    (tmp_path / FILE).write_text(json.dumps(DAY))
    (tmp_path / "seeded.json").write_text(json.dumps(TRIED))
    assert report.main() == 0
    reliability, guarantees = (page.read_text() for page in pages)
    assert "old" not in (reliability + guarantees).splitlines()
    assert reliability.count("after\n") == 3
    for day in ("2026-12-01", "2026-12-02"):
        assert (
            f"{day}, commit abc1234, Python 3.11.7, 2 cores, Linux, aiokafka 0.14.0.\n"
            in reliability
        )
    assert "\nCode now (" in reliability
    assert "| retry is not written | not in 600 |  |" in reliability
    assert "\n`.venv/bin/python -m tests.simulation --seeded 600 --seed 3`\n" in reliability
    assert "| Workers started | 60 |" in reliability
    assert "| Of each kind | crash 7, " in reliability
    assert "|  | 500 worlds | One long world |" in guarantees
    assert "| Payments, and attempts to tell of them | 3,815, 9,699 | 1,000, 9,699 |" in guarantees
    assert "| Attempts repeated after a fault | 401 | 401 |" in guarantees
    assert guarantees.endswith("after\n")
    assert kept.read(tmp_path / "figures") == WORLDS


def test_what_went_wrong_is_not_passed_over(pages, tmp_path):
    """The row of what must not be counts the worlds in which it was."""
    (tmp_path / "simulation.json").write_text(json.dumps(WORLDS | {"failed": [7, 9]}))
    assert report.main() == 0
    assert wrong_worlds(pages[1]) == "| 2 |"
    (tmp_path / FILE).write_text(json.dumps(DAY | {"faults": ["one", "another", "a third"]}))
    assert report.main() == 0
    assert wrong_worlds(pages[1]) == "| 2 | 1 |"


def wrong_worlds(page):
    """Return the cells that say in how many worlds something was that must not be."""
    rows = [line for line in page.read_text().splitlines() if line.startswith("| Worlds in which")]
    (row,) = rows
    return row[row.index("| ", 2) :]


@pytest.mark.parametrize(
    ("file", "of_before"),
    [
        ("simulation.json", WORLDS | {"code": "then"}),
        (FILE, {name: value for name, value in DAY.items() if name != "code"}),
        ("seeded.json", TRIED["tried"]),
    ],
)
def test_figures_of_other_code_are_refused(pages, tmp_path, capsys, file, of_before):
    """Theirs would be taken for those of today; the others are written, and the one table of both only as a whole."""
    good = {"simulation.json": WORLDS, FILE: DAY, "seeded.json": TRIED}
    for name, figures in (good | {file: of_before}).items():
        (tmp_path / name).write_text(json.dumps(figures))
    assert report.main() == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{file} is of code ")
    assert "the pages keep what they say; run" in said
    assert (tmp_path / "figures").exists() == (file != "simulation.json")
    assert pages[0].read_text().count("\nold\n") == 1
    assert pages[1].read_text().count("\nold\n") == (file != "seeded.json")


def test_worlds_whose_day_was_not_noted_say_so(pages, tmp_path):
    """As a long count leaves them that was begun before days were noted."""
    figures = {name: value for name, value in WORLDS.items() if name != "on"}
    (tmp_path / "simulation.json").write_text(json.dumps(figures))
    assert report.main() == 0
    assert "Where and when was not noted." in pages[0].read_text()


def test_without_figures_the_pages_stay_as_they_are(pages, capsys):
    """And the command says what to do."""
    assert report.main() == 1
    assert "make simulate" in capsys.readouterr().err
    assert "old" in pages[1].read_text()
