"""Many worlds: run beside each other they come to the same, and figures add up over several runs."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import __main__ as command
from tests.simulation import kept
from tests.simulation.campaign import UNSCALED_EVERY, Campaign, plan_of, run_all
from tests.simulation.plan import directed, draw
from tests.simulation.seeded_faults import SEEDED, Tried

ROOT = Path(__file__).parents[2]
ON = {"date": "2026-12-01"}
NOTHING = {
    "worlds": 0, "seconds": 0.0, "hours": 0.0, "unscaled": 0, "callbacks": 0, "failed": [], "sums": {}, "fired": {},
}  # fmt: skip
_RUN = """
import sys
from pathlib import Path
from tests.simulation import campaign as campaigns
from tests.simulation import kept
from tests.simulation.campaign import run_all
from tests.simulation.worker import in_the_world
campaigns._AT_ONCE = 3
with in_the_world():
    campaign = run_all(range(1, 11), lambda *_: None, int(sys.argv[1]))
kept.write(Path(sys.argv[2]), kept.figures_of(campaign, 1, "code"))
ours = [module for name, module in sys.modules.items() if name.startswith(("streams.", "schemas.", "tests."))]
print(*(module.__file__ for module in ours if module is not kept and module.__file__), sep="\\n")
"""


def test_worlds_in_two_processes_are_those_of_one(tmp_path):
    """A world is its seed's, whatever runs beside it and before it: else one that went wrong could not be played again.

    And what they have loaded is what the digest of their code is of.
    """
    found, loaded = [], []
    for processes in (1, 2):
        directory = tmp_path / str(processes)
        told = subprocess.run(  # noqa: S603  # in processes of their own: what it replaces, it replaces for the whole process
            [sys.executable, "-c", _RUN, str(processes), str(directory)], capture_output=True, text=True,
            check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "0"}, timeout=600,
        )  # fmt: skip
        loaded += [Path(line) for line in told.stdout.splitlines()]
        found.append(kept_in(directory) | {"seconds": 0})
    assert found[0] == found[1]
    assert found[0]["worlds"] == 10
    assert found[0]["sums"]["calls"] > 40
    assert loaded
    assert set(loaded) <= kept.modules()


@pytest.fixture
def of_nothing():
    """Make a campaign of which each world comes to the same, but for the fourth, which goes wrong."""

    def run_them(seeds, hear, _processes):
        campaign = Campaign()
        for seed in seeds:
            part = Campaign(worlds=1, world_seconds=3600.0, seconds=1.0)
            part.sums.update({"payments": 2})
            part.fired[("crash", "signing")] += 1
            if seed == 4:
                part.wrong[seed] = ("one was lost",)
            campaign.add(part)
            campaign.seconds += 1.0
            hear(part, campaign)
        return campaign

    return run_them


@pytest.fixture
def figures(of_nothing, tmp_path, monkeypatch):
    """A folder for figures, and a campaign without worlds."""
    monkeypatch.setattr(command, "FIGURES", tmp_path)
    monkeypatch.setattr(command, "PUBLISHED", tmp_path / "published")
    monkeypatch.setattr(command, "run_all", of_nothing)
    return tmp_path


def kept_in(directory):
    """Return the figures that are kept there, which must be."""
    found = kept.read(directory)
    assert found is not None
    return found


def asked(**members):
    return argparse.Namespace(
        **({"seed": 1, "worlds": 3, "go_on": False, "processes": 2} | members)
    )


def test_a_run_that_goes_on_adds_to_the_last(figures, capsys):
    """So a hundred thousand worlds can be run in several nights; one that went wrong stays in the figures."""
    assert command._run_many(asked(), ON) == 0
    assert command._run_many(asked(worlds=2, go_on=True), ON) == 1
    assert "world 4 went wrong: one was lost" in capsys.readouterr().out
    found = kept_in(figures)
    assert found["code"] == kept.code()
    assert (found["seed"], found["worlds"], found["hours"], found["seconds"]) == (1, 5, 5.0, 5.0)
    assert (found["sums"], found["fired"]) == ({"payments": 10}, {"crash | signing": 5})
    assert found["failed"] == [4]
    assert found["on"] == [ON]


def test_a_run_that_goes_on_another_day_says_both(figures):
    """One that was begun by code that noted no day says the second only."""
    kept.write(figures, {"code": kept.code(), "seed": 1} | NOTHING)
    for day in ("2026-12-01", "2026-12-02", "2026-12-02"):
        assert command._run_many(asked(worlds=1, go_on=True), {"date": day}) == 0
    assert kept_in(figures)["on"] == [{"date": "2026-12-01"}, {"date": "2026-12-02"}]


def test_a_run_that_was_ended_is_no_success(figures, of_nothing, monkeypatch, capsys):
    """Neither before the first world nor behind it; what was run is kept, and what went wrong counts for more."""
    for worlds, first, code in ((0, 1, 130), (2, 1, 130), (2, 4, 1)):
        monkeypatch.setattr(
            command,
            "run_all",
            lambda seeds, *rest, most=worlds: of_nothing(list(seeds)[:most], *rest),
        )
        assert command._run_many(asked(seed=first), ON) == code
        assert f"ended after {worlds} of 3 worlds" in capsys.readouterr().out
    assert kept_in(figures)["worlds"] == 2


def test_a_run_that_begins_anew_keeps_nothing_of_the_last(figures, monkeypatch):
    """It may be broken off before its first world has ended."""
    assert command._run_many(asked(), ON) == 0

    def broken_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_all", broken_off)
    with pytest.raises(KeyboardInterrupt):
        command._run_many(asked(), ON)
    assert kept.read(figures) is None


def test_seeded_faults_are_kept_when_all_were_tried(figures, monkeypatch):
    """A table of some of them would look like one of all; of those of before nothing is left meanwhile."""
    file = figures / "seeded.json"
    file.write_text("of before")

    def tried(seed, _first, most):
        assert not file.exists()
        return Tried(seed.__name__, most - 1, "in no place: a")

    monkeypatch.setattr(command, "try_one", tried)
    assert command._try_seeded(7, 40, ON) == 0
    found = json.loads(file.read_text())
    assert (found["seed"], found["most"], found["on"]) == (7, 40, [ON])
    assert found["code"] == kept.code(kept.SEEDED_FAULTS)
    assert len(found["tried"]) == len(SEEDED)
    assert found["tried"][0]["worlds"] == 39


def test_the_code_of_the_long_world_and_of_the_seeded_faults_is_more_than_that_of_worlds():
    """What runs in them besides may change alone."""
    assert len({kept.code(), kept.code(kept.LONG_WORLD), kept.code(kept.SEEDED_FAULTS)}) == 3
    more = kept.modules(kept.SEEDED_FAULTS) - kept.modules()
    assert {"seeded_faults.py", "lanes.py", "writing.py"} <= {path.name for path in more}


def test_worlds_of_other_code_are_not_added(figures, capsys):
    """Their figures would say of the code of today what was seen of another."""
    assert command._run_many(asked(), ON) == 0
    kept.write(figures, kept_in(figures) | {"code": "other"})
    assert command._run_many(asked(go_on=True), ON) == 2
    assert "begin anew, without GO_ON" in capsys.readouterr().out
    assert kept_in(figures)["worlds"] == 3


def test_a_run_goes_on_behind_the_published_worlds_where_they_are_more(figures, tmp_path):
    """So another clone goes on, also one whose own worlds are few or of other code; published ones of other code don't hinder."""
    published = {"code": kept.code(), "seed": 1, "on": [ON]} | NOTHING | {"worlds": 3}
    kept.write(tmp_path / "published", published)
    for own in (None, {"worlds": 2}, {"worlds": 9, "code": "other"}):
        if own is not None:
            kept.write(figures, published | own)
        assert command._run_many(asked(worlds=2, go_on=True), ON) == 1  # of world 4
        assert kept_in(figures)["worlds"] == 5
    kept.write(tmp_path / "published", published | {"code": "other", "worlds": 90})
    assert command._run_many(asked(worlds=1, go_on=True), ON) == 1
    assert kept_in(figures)["worlds"] == 6
    assert (kept.read(tmp_path / "published") or {})["worlds"] == 90


def test_a_run_of_no_world_does_not_tell_of_the_last(figures, capsys):
    """What was found before, perhaps of other code, stays kept and is no result of this one."""
    assert command._run_many(asked(), ON) == 0
    before = kept_in(figures)
    capsys.readouterr()
    assert command._run_many(asked(worlds=0), ON) == 1
    assert capsys.readouterr().out == "[simulate] no world was run\n"
    assert kept_in(figures) == before


def test_some_worlds_have_more_that_goes_wrong_beside_what_the_others_have():
    """The last faults of the worker showed where two or three things met."""
    for seed in (1, 5, 15, 20):
        as_others = directed(draw(seed, unscaled=seed % UNSCALED_EVERY == 0)).faults
        faults = plan_of(seed).faults
        assert faults[: len(as_others)] == as_others
        more = [fault.kind for fault in faults[len(as_others) :]]
        again = more.count("topic made again")
        assert {
            1: not more,
            5: 5 <= len(more) <= 8,
            15: 1 <= again <= 3 and again <= len(more) <= again + 2,
            20: not more,
        }[seed]


def test_signals_are_left_as_they_were():
    """While worlds run, Ctrl-C ends the run and not the world; afterwards it is nobody's."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    seeds = command._until_ctrl_c(1, 3)
    assert next(seeds) == 1
    signal.raise_signal(signal.SIGINT)
    assert list(seeds) == []
    assert [signal.getsignal(number) for number in numbers] == before


def test_an_empty_run_says_so():
    """No world is no campaign."""
    assert run_all([], lambda *_: None).worlds == 0
