"""The drawing of a record's way in the architecture page shows what the code does."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
DRAWING = re.search(r"```mermaid\n(flowchart.*?)```", PAGE, re.DOTALL)
assert DRAWING is not None
NODES = {
    node: (names, ROOT / "streams" / path)
    for node, names, path in re.findall(r'(\w+)\["([^"<]*)<br>([\w/.]+)"\]', DRAWING[1])
}
ARROWS = re.findall(r"(\w+)(?:\[[^\]]*\])? (?:-->|-\. \w+ \.->) (\w+)", DRAWING[1])


def _tree(node):
    return ast.parse(NODES[node][1].read_text("utf-8"))


@pytest.mark.parametrize("node", NODES)
def test_each_name_is_defined_where_it_is_drawn(node):
    """A class or a function of that name; what is said in words has none."""
    defined = {
        item.name
        for item in _tree(node).body
        if isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    names = NODES[node][0].split(", ")
    assert " " in NODES[node][0].replace(", ", "") or set(names) <= defined


@pytest.mark.parametrize(("above", "below"), ARROWS)
def test_each_arrow_is_an_import(above, below):
    """Directly, or over the handler that a lane is given: `streams/worker/topology.py` brings these two together."""
    above_file = NODES[above][1]
    if (above, below) == ("lane", "handle"):
        above_file = ROOT / "streams" / "worker" / "topology.py"
    module = ".".join(NODES[below][1].relative_to(ROOT).with_suffix("").parts)
    imported = {
        item.module
        for item in ast.walk(ast.parse(above_file.read_text("utf-8")))
        if isinstance(item, ast.ImportFrom)
    }
    assert module in imported


def test_the_whole_way_is_drawn():
    """Every step of the handler, and nothing that nobody reaches."""
    steps = {"receive", "deliver", "settle", "observe"}
    assert {below for above, below in ARROWS if above == "handle"} == steps
    assert {node for arrow in ARROWS for node in arrow} == set(NODES)
