"""A long world in short: everything that goes wrong is spread over its time, and it comes to its end all the same."""

from tests.simulation.long_world import draw_long, keep, long_section, run_long
from tests.simulation.plan import KINDS, PLACES
from tests.simulation.worker import in_the_world

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
    with in_the_world():
        judgement, figures = run_long(0.25, 3)
    assert judgement.faults == ()
    assert judgement.payments == figures["sums"]["payments"] > 0
    assert judgement.calls >= judgement.payments
    assert len(figures["fired"]) > 10
    assert figures["workers_started"] >= 2
    keep(figures, tmp_path)
    assert (tmp_path / "long.json").exists()
    text = long_section(figures)
    assert "| Went wrong | 0 |" in text
    assert "`make simulate HOURS=0.25 SEED=3`" in text
