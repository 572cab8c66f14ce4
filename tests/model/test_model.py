"""Every state of a small world, and broken steps that must be found in it. `make model` looks at larger ones."""

import pytest

from tests.model.broken import BROKEN, Broken
from tests.model.explore import Graph, explore
from tests.model.settings import SMALL, Setting
from tests.model.state import State
from tests.model.world import World


@pytest.mark.parametrize("setting", SMALL, ids=lambda setting: setting.name)
def test_no_rule_is_broken_in_any_state(setting: Setting):
    """Nothing is lost, in two places or out of order unless a fault explains it, and every run ends with all settled."""
    result = explore(setting)
    assert not result.fault, str(result)
    assert result.states >= setting.least
    assert result.ends


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.what)
def test_a_broken_step_is_found(broken: Broken):
    """By the rule that it breaks: where the model finds nothing, there was something to find."""
    result = explore(broken.setting, broken.rules)
    assert result.fault.endswith(broken.fault), str(result)
    assert result.way


def test_what_breaks_a_rule_is_told_step_by_step():
    """By the shortest way, in words."""
    (past_a_gap,) = [broken for broken in BROKEN if broken.what == "commits past a gap"]
    assert str(explore(past_a_gap.setting, past_a_gap.rules)).splitlines()[1:] == [
        "   1. worker A: fetches p0@0",
        "   2. worker A: fetches p0@1",
        "   3. worker A: makes attempt 1 of payment-1 for p0@1: U",
        "   4. broker: stores the record on pn-retry-1s and the attempts record of p0@1",
        "   5. worker A: hears that what p0@1 led to is stored",
        "   6. worker A: commits p0 up to 2: accepted",
    ]


def test_steps_that_go_round_are_noticed():
    """A run that never ends settles nothing, though no state of it is wrong."""
    states: list[State] = [World(SMALL[0]).initial()._replace(generation=n) for n in range(4)]
    graph = Graph(states[0])
    graph.add(0, "on", states[1])
    graph.add(1, "on", states[2])
    graph.add(0, "a shorter way", states[2])
    assert not graph.goes_round()
    graph.add(2, "on", states[3])
    graph.add(3, "back", states[1])
    assert graph.goes_round()
