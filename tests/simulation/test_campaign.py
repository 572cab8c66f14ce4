"""Many worlds: run beside each other they come to the same, and figures add up over several runs."""

import argparse
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

ROOT = Path(__file__).parents[2]
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
def figures(tmp_path, monkeypatch):
    """A folder for figures, and a campaign of which each world comes to the same."""

    def of_nothing(seeds, hear, _processes):
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

    monkeypatch.setattr(command, "FIGURES", tmp_path)
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
    assert command._run_many(asked()) == 0
    assert command._run_many(asked(worlds=2, go_on=True)) == 1
    assert "world 4 went wrong: one was lost" in capsys.readouterr().out
    found = kept_in(figures)
    assert found["code"] == kept.code()
    assert (found["seed"], found["worlds"], found["hours"], found["seconds"]) == (1, 5, 5.0, 5.0)
    assert (found["sums"], found["fired"]) == ({"payments": 10}, {"crash | signing": 5})
    assert found["failed"] == [4]


def test_worlds_of_other_code_are_not_added(figures, capsys):
    """Their figures would say of the code of today what was seen of another."""
    assert command._run_many(asked()) == 0
    kept.write(figures, kept_in(figures) | {"code": "other"})
    assert command._run_many(asked(go_on=True)) == 2
    assert "begin anew, without GO_ON" in capsys.readouterr().out
    assert kept_in(figures)["worlds"] == 3


def test_a_run_of_no_world_does_not_tell_of_the_last(figures, capsys):
    """What was found before, perhaps of other code, stays kept and is no result of this one."""
    assert command._run_many(asked()) == 0
    before = kept_in(figures)
    capsys.readouterr()
    assert command._run_many(asked(worlds=0)) == 1
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
