"""What is kept of a session, and what another one makes of it."""

import math

import pytest

from benchmarks.figures import Latency
from benchmarks.results import Results
from tests.benchmarks.by_hand import results

SETTINGS = {"rounds": 5, "seconds": 4.0, "systems": ("notifier-2",)}


@pytest.fixture
def before(tmp_path, monkeypatch):
    """Three rounds that an earlier session left, of this commit on this machine."""
    monkeypatch.setattr("benchmarks.results.DIRECTORY", tmp_path)
    found = results("mixed", ("notifier-2", None, {}))
    found.settings = SETTINGS
    found.on = Results("this machine", {}).on | {"date": "2026-01-01"}
    found.save()
    return found


@pytest.mark.usefixtures("before")
def test_a_session_goes_on_where_an_earlier_one_ended(capsys):
    """Rounds that were measured alike are kept, without a word."""
    assert Results.begun("mixed", SETTINGS, goes_on=True, say=print).rounds == 3
    assert Results.begun("other", SETTINGS, goes_on=True, say=print).rounds == 0
    assert not capsys.readouterr().out


@pytest.mark.parametrize("other", ["commit", "processor", "seconds"])
def test_a_session_does_not_go_on_with_what_was_measured_otherwise(before, other, capsys):
    """At another commit, on another machine or for another time: all begins anew, and that is said."""
    settings = SETTINGS | {"seconds": 5.0} if other == "seconds" else SETTINGS
    before.on[other] = "another"
    before.save()
    assert Results.begun("mixed", settings, goes_on=True, say=print).rounds == 0
    assert "mixed: begun anew" in capsys.readouterr().out


@pytest.mark.usefixtures("before")
def test_a_session_that_begins_leaves_no_figures_of_an_earlier_one():
    """Else those would be published where it comes to none."""
    assert Results.begun("mixed", SETTINGS, goes_on=False, say=print).rounds == 0
    with pytest.raises(FileNotFoundError):
        Results.load("mixed")


def test_results_survive_a_file(tmp_path):
    """Also a latency that has no end, since what it belongs to never came."""
    latency = Latency(8.0, math.inf, math.inf, 1.0, 60)
    found = results("open-loop", ("notifier-2", 500.0, {"latency": latency}))
    found.save(tmp_path)
    assert Results.load("open-loop", tmp_path) == found
