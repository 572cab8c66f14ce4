"""Importing our packages changes nothing in a library; what the patches say that they replace is all that they replace."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = ("aiokafka", "aiohttp", "faust", "httpx", "mode")

# Runs in a process of its own, with the names of the libraries' modules that our packages load.
LOOK = """
import importlib, inspect, pkgutil, sys
from importlib.util import find_spec

LIBRARIES = {libraries!r}

def load():
    import schemas, streams
    for package in (streams, schemas):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)

def theirs():
    return sorted(name for name in sys.modules if name.split(".")[0] in LIBRARIES)

def state(classes):
    # What every name of the libraries stands for, and every member of their classes.
    found = {{}}
    for name in theirs():
        for key, value in vars(sys.modules[name]).items():
            found[f"{{name}}.{{key}}"] = value
            if inspect.isclass(value) and value.__module__ == name:
                classes.setdefault(f"{{name}}.{{key}}", value)
    for name, theirs_ in classes.items():
        found |= {{f"{{name}}.{{member}}": value for member, value in vars(theirs_).items()}}
    return found

def changes(before, after):
    return sorted(
        name for name in before.keys() | after.keys()
        if before.get(name) is not after.get(name) and not name.rpartition(".")[2].startswith("__")
    )

classes = {{}}
"""


def run(code):
    """Run it after `LOOK`; return what it printed."""
    program = LOOK.format(libraries=LIBRARIES) + code
    done = subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def loaded():
    """Every module of a library that our packages load."""
    return run("load(); print(*theirs())")


@pytest.mark.e2e
def test_importing_changes_nothing(loaded):
    """Every module of ours, in a process that has the libraries' modules already."""
    changed = run(
        f"for name in {loaded!r}: importlib.import_module(name)\n"
        "import faust; faust.App, faust.Worker  # which it makes at their first use\n"
        "before = state(classes); load(); print(*changes(before, state(classes)))"
    )
    assert changed == []


@pytest.mark.e2e
def test_patches_replace_what_they_say_and_nothing_more():
    """And a second call of them replaces nothing."""
    told, changed, again = (
        set(line.split(","))
        for line in run(
            "load()\n"
            "from streams.kafka import patches\n"
            "before = state(classes); patches.patch_workers(); first = state(classes); patches.patch_workers()\n"
            "told = [n for p in (*patches._EVERY_PROGRAM, *patches._WORKERS) for n in p.REPLACES]\n"
            "print(','.join(told)); print(','.join(changes(before, first))); print(','.join(['-', *changes(first, state(classes))]))"
        )
    )
    assert changed == told
    assert again == {"-"}
