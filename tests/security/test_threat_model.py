"""docs/security.md says what is so: the tests it names exist, its table of rights is the code's."""

import ast
import re
from pathlib import Path

import pytest

from streams.kafka.admin.rights import RIGHTS, rights_of
from streams.kafka.topics import TopicNames
from streams.notification.profiles import TIERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
STRIDE = {
    "Spoofing",
    "Tampering",
    "Repudiation",
    "Information disclosure",
    "Denial of service",
    "Elevation of privilege",
}


def table(heading):
    """Return the rows of the first table under a heading, as lists of cells."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def threats():
    return [row for row in table("Threats")[2:] if len(row) == 4]


def functions_of(path):
    """Return the tests that a file has; none where there is no such file."""
    if not path.is_file():
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in tree.body if isinstance(node, kinds)}


def test_every_kind_of_threat_has_its_rows():
    """All six letters of STRIDE are there, and nothing else."""
    assert {row[0] for row in threats()} == STRIDE
    assert len(threats()) > 20


@pytest.mark.parametrize("row", threats(), ids=lambda row: row[1][:50])
def test_the_tests_that_a_threat_names_exist(row):
    """Each threat names one at least; each has a body that asserts something and is not skipped."""
    named = re.findall(r"`(tests/[\w/.-]+\.py)::(\w+)`", row[3])
    assert named
    assert row[3].count("`") == 2 * len(named)
    for path, name in named:
        found = functions_of(ROOT / path).get(name)
        assert found is not None, f"{path}::{name}"
        assert name.startswith("test_")
        source = ast.unparse(found)
        # a test may leave its assertions to a helper, or only run what must not raise
        assert re.search(r"assert |raises\(|\b_?check|try_one|_refusal", source), name
        assert "skip" not in source, name


def test_the_table_of_rights_is_the_codes():
    """What an administrator copies from the page is what a start asks for."""
    head, _, *rows = table("Rights at the brokers")
    places = [cell.strip("`") for cell in head[1:]]
    written = {
        row[0].strip("`"): {
            place: tuple(cell.split(", "))
            for place, cell in zip(places, row[1:], strict=True)
            if cell != "-"
        }
        for row in rows
    }
    assert written == {role: dict(rights) for role, rights in RIGHTS.items()}


def test_role_all_needs_what_main_and_retry_need():
    """And nothing more; READ and WRITE bring DESCRIBE with them."""
    names = TopicNames("pn")

    def needs(role):
        rights = set(rights_of(role, names, TIERS, ["source"], "group"))
        strong = {right.name for right in rights if right.operation in {"READ", "WRITE"}}
        return {r for r in rights if not (r.operation == "DESCRIBE" and r.name in strong)}

    def joined(first, second):
        both = first | second
        strong = {right.name for right in both if right.operation in {"READ", "WRITE"}}
        return {r for r in both if not (r.operation == "DESCRIBE" and r.name in strong)}

    assert needs("all") == joined(needs("main"), needs("retry"))


def test_nobody_but_a_worker_writes_tiers_and_dead_letters():
    """The contract's rule, as rights; and nobody at all writes a source topic."""
    for role, rights in RIGHTS.items():
        worker = role in {"main", "retry", "all"}
        assert ("WRITE" in rights.get("tiers", ())) == worker
        assert ("WRITE" in rights.get("dead-letter", ())) == worker
        assert "WRITE" not in rights.get("source", ())


@pytest.mark.parametrize(
    "row",
    table("What is lenient in an answer, and why that is safe")[2:],
    ids=lambda row: row[0][:50],
)
def test_the_tests_behind_each_leniency_exist(row):
    """What is let pass is shown to be harmless, by tests that are there."""
    named = re.findall(r"`(tests/[\w/.-]+\.py)::(\w+)`", row[2])
    assert named
    for path, name in named:
        assert name in functions_of(ROOT / path), f"{path}::{name}"
