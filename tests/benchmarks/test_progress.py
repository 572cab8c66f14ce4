"""What is said of how far a session is."""

from benchmarks.__main__ import runs_of
from benchmarks.open_loops import OPEN_SCENARIOS
from benchmarks.progress import Progress, expected
from benchmarks.report import PAGE
from benchmarks.scenarios import SCENARIOS, Options


def test_each_run_says_how_many_there_are_still(capsys):
    """And the whole is said at the begin, so that nobody wonders whether it hangs."""
    progress = Progress(110)
    progress.ran("first")
    progress.say("between")
    begin, first, between = capsys.readouterr().out.splitlines()
    assert begin == "110 runs, about 20 min"
    assert first.startswith("first  [1 of 110, about ")
    assert first.endswith(" left]")
    assert between == "between"


def test_more_runs_than_planned_leave_none(capsys):
    """A run more than was counted is said like the last one."""
    progress = Progress(1)
    progress.ran("first")
    progress.ran("second")
    assert "[2 of 1, about 0 s left]" in capsys.readouterr().out


def test_the_page_says_how_many_runs_there_are():
    """What `make bench` makes of every scenario, with five rounds and with three."""
    for rounds in (5, 3):
        names = (*SCENARIOS, *OPEN_SCENARIOS)
        runs = sum(runs_of(name, Options(rounds=rounds)) for name in names)
        assert expected(runs) in PAGE.read_text()
