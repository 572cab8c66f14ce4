"""A long world in short: everything that goes wrong is spread over its time, and it comes to its end all the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.long_world import FILE, draw_long, long_section
from tests.simulation.plan import KINDS, PLACES

ROOT = Path(__file__).parents[2]
_RUN = """
import sys
from pathlib import Path
from tests.simulation.long_world import keep, run_long
from tests.simulation.worker import in_the_world
with in_the_world():
    judgement, figures = run_long(0.25, 3)
    keep(figures, Path(sys.argv[1]))
sys.exit(len(judgement.faults))
"""
_CELLS = {(kind, place) for kind in KINDS for place in PLACES}


def test_every_kind_of_fault_is_due_once_at_every_place():
    """Evenly over the hours, in an order that another seed changes."""
    plan, due = draw_long(24, 1)
    assert len(due) == len(_CELLS)
    assert {(one.fault.kind, one.fault.place) for one in due} == _CELLS
    assert [one.at for one in due] == sorted(one.at for one in due)
    assert due[0].at == 0
    assert 23.5 * 3600 < due[-1].at < 24 * 3600
    assert max(payment.at for payment in plan.payments) < 24 * 3600
    assert plan.scale == 1
    assert draw_long(24, 1) == (plan, due)
    assert [one.fault for one in draw_long(24, 2)[1]] != [one.fault for one in due]


def test_a_long_world_ends_whole_and_its_figures_are_kept(tmp_path):
    """A quarter of an hour of it: payments told, faults done, and a table for the page."""
    # In a process of its own: what hundreds of killed workers leave behind is not this one's to take apart.
    run = subprocess.run(  # noqa: S603  # our own module
        [sys.executable, "-c", _RUN, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads((tmp_path / FILE).read_text())
    sums = figures["sums"]
    assert figures["faults"] == []
    assert sums["calls"] >= sums["payments"] > 0
    assert len(figures["fired"]) > 10
    assert figures["workers_started"] >= 2
    text = long_section(figures)
    assert "| Went wrong | 0 |" in text
    assert "`make simulate HOURS=0.25 SEED=3`" in text
