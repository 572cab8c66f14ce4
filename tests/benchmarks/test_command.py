"""The command that measures: what it does where something goes wrong, with scenarios that measure nothing."""

import asyncio
import json
import sys
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks.progress import Progress
from benchmarks.results import Results
from benchmarks.run import _said
from benchmarks.scenarios import begin_round
from tests.benchmarks.by_hand import results


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    """Where results are kept; whoever runs the tests may have measured before."""
    monkeypatch.setattr("benchmarks.results.DIRECTORY", tmp_path)
    monkeypatch.setattr(command, "ended_by_signals", nullcontext)
    return tmp_path


@contextmanager
def no_bench():
    """Stand in for a broker and a receiver."""
    yield None


def run(monkeypatch, *arguments):
    """Run the command with these arguments and return its exit code."""
    monkeypatch.setattr(command, "bench", no_bench)
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    return command.main()


def measures(monkeypatch, broken):
    """Have each scenario measure one run, but for one that breaks off with an error that nobody expects."""

    async def measure(_bench, scenario, *_):
        if scenario.name == broken:
            json.loads("")
        return results(scenario.name, ("notifier-2", None, {}))

    async def measure_open(_bench, scenario, *_):
        return results(scenario.name, ("notifier-2", 100.0, {}))

    monkeypatch.setattr(command, "measure", measure)
    monkeypatch.setattr(command, "measure_open", measure_open)
    monkeypatch.setattr("benchmarks.report.table", lambda _: [])


def test_a_scenario_that_breaks_off_is_a_failure_and_the_others_are_measured(
    monkeypatch, capsys, directory
):
    """Whatever the error is: the command was not used wrongly, and what is left of the session is kept."""
    measures(monkeypatch, "mixed")
    results("mixed", ("faust", None, {})).save()
    assert run(monkeypatch, "all") == 1
    assert "mixed: JSONDecodeError: Expecting value" in capsys.readouterr().err
    kept = {file.stem: Results.load(file.stem) for file in directory.iterdir()}
    assert len(kept) == 6
    assert [name for name, found in kept.items() if found.failures] == ["mixed"]
    assert not kept["mixed"].runs  # those of an earlier session


def test_a_scenario_that_breaks_off_keeps_its_rounds(monkeypatch):
    """Those that it had made before."""
    before = results("mixed", ("faust", None, {}))
    before.on = Results("this machine", {}).on
    before.save()
    measures(monkeypatch, "mixed")
    assert run(monkeypatch, "mixed", "--continue") == 1
    kept = Results.load("mixed")
    assert (len(kept.runs), len(kept.failures)) == (1, 1)


def test_a_slip_in_the_arguments_is_wrong_use(monkeypatch, capsys):
    """Before anything is started."""
    assert run(monkeypatch, "all", "--systems", "notifer-1") == 2
    assert "there is no system 'notifer-1'" in capsys.readouterr().err


async def test_without_the_receivers_own_limit_the_round_is_made(capsys):
    """The sender that finds it may die; that is a failure, and the systems are measured."""

    async def receiver_limit():
        return float("")

    here: Any = SimpleNamespace(signature_ms=lambda: 0.3, receiver_limit=receiver_limit)
    found = Results("mixed", {})
    await begin_round(here, found, 1, Progress(0))
    (failure,) = found.failures
    assert failure.startswith("mixed, round 1, the receiver's limit: ValueError")
    assert found.rounds == 1
    assert "a signature takes 0.300 ms" in capsys.readouterr().out


async def test_a_generator_that_ended_is_said_to_have_ended():
    """Instead of a complaint about JSON."""
    generator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "", stdout=asyncio.subprocess.PIPE
    )
    with pytest.raises(RuntimeError, match="the generator ended"):
        await _said(generator)
    await generator.wait()
