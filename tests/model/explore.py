"""Every state that can be reached, breadth first, so that what breaks a rule is shown by its shortest way."""

from array import array
from collections import deque
from dataclasses import dataclass

from tests.model.rules import OURS, Rules
from tests.model.settings import Setting
from tests.model.state import State
from tests.model.world import World


@dataclass(frozen=True, slots=True)
class Result:
    """What was found.

    Attributes:
        states: how many were reached.
        steps: between them.
        ends: states in which nothing happens any more, but for faults.
        fault: the rule that was broken, or nothing.
        way: the steps that lead there from the beginning.
    """

    states: int
    steps: int
    ends: int
    fault: str = ""
    way: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it for people."""
        if not self.fault:
            return (
                f"{self.states:,} states, {self.steps:,} steps, {self.ends:,} ends: no rule broken"
            )
        numbered = "\n".join(f"  {number:2}. {step}" for number, step in enumerate(self.way, 1))
        return f"{self.fault}; found after {self.states:,} states, by these steps:\n{numbered}"


class Graph:
    """The states found so far, by number, and the steps between them."""

    def __init__(self, first: State) -> None:
        self.numbers = {first: 0}
        self._states = [first]
        self._came: list[tuple[int, str]] = [(0, "")]
        self._from = array("L")
        self._to = array("L")

    def add(self, before: int, text: str, after: State) -> bool:
        """Add a step. Returns whether the state after it is new."""
        number = self.numbers.setdefault(after, len(self._states))
        self._from.append(before)
        self._to.append(number)
        if number < len(self._states):
            return False
        self._states.append(after)
        self._came.append((before, text))
        return True

    def result(self, ends: int, fault: str = "", at: State | None = None) -> Result:
        """Return what was found."""
        way, number = [], 0 if at is None else self.numbers[at]
        while number:
            number, text = self._came[number]
            way.append(text)
        return Result(len(self._states), len(self._to), ends, fault, tuple(reversed(way)))

    def goes_round(self) -> bool:
        """Tell whether some steps lead back to where they began: then a run need not end."""
        coming = array("L", bytes(array("L").itemsize * len(self._states)))
        after: list[list[int]] = [[] for _ in self._states]
        for before, number in zip(self._from, self._to, strict=True):
            after[before].append(number)
            coming[number] += 1
        ready, passed = [0] if not coming[0] else [], 0
        while ready:
            passed += 1
            for number in after[ready.pop()]:
                coming[number] -= 1
                if not coming[number]:
                    ready.append(number)
        return passed < len(self._states)


def explore(setting: Setting, rules: Rules = OURS) -> Result:
    """Look at every state, until one breaks a rule.

    Args:
        setting: how large the world is.
        rules: its steps; the product's own unless they are broken.
    """
    world = World(setting, rules)
    first = world.initial()
    graph, queue, ends = Graph(first), deque([first]), 0
    while queue:
        state = queue.popleft()
        number, goes_on = graph.numbers[state], False
        for text, after in world.steps(state):
            # A fault need not come: where nothing else happens any more is an end.
            goes_on = goes_on or (after.faults, after.hitches) == (state.faults, state.hitches)
            if graph.add(number, text, after):
                if after.ledger.fault:
                    return graph.result(ends, after.ledger.fault, after)
                queue.append(after)
        if not goes_on:
            ends += 1
            if fault := world.judge.at_the_end(state):
                return graph.result(ends, fault, state)
    if graph.goes_round():
        return graph.result(ends, "a run may go round for ever")
    return graph.result(ends)
