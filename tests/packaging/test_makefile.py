"""The Makefile's way to .venv, whatever the user's shell has set, with programs in place of Pythons that tell how they were called."""

import os
import shutil
import subprocess

import pytest

from tests.support.waiting import TIMEOUT_SECONDS

MAKE = shutil.which("make") or ""
PYTHON = """#!/bin/sh
echo "$*; path $PYTHONPATH, pip $PIP_USER $PIP_TARGET $PIP_PREFIX" >> told
case "$*" in
  "-m venv --clear .venv") rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"version_info[:2]"*) echo "VERSION" ;;
esac
"""

pytestmark = pytest.mark.skipif(not MAKE, reason="no make")


@pytest.fixture
def python(tmp_path):
    """Make a Python of a version, in a folder with a blank in its name."""

    def make(version):
        path = tmp_path / f"python {version}" / "python3"
        path.parent.mkdir()
        path.write_text(PYTHON.replace("VERSION", version))
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def folder(root, tmp_path):
    """The Makefile, and as much of the project as `make setup` needs."""
    path = tmp_path / "the project"
    path.joinpath("requirements").mkdir(parents=True)
    path.joinpath("requirements/dev.txt").write_text("one==1\n")
    path.joinpath("pyproject.toml").touch()
    shutil.copy(root / "Makefile", path)
    return path


def run(folder, *arguments, **environment):
    """Run make as from a shell that has nothing set but this."""
    return subprocess.run(  # noqa: S603  # constants
        [MAKE, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PWD": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


def told(folder, what):
    """Return the calls of a Python in which this stands."""
    return [line for line in (folder / "told").read_text().splitlines() if what in line]


def test_another_name_of_the_folder_makes_nothing_anew(folder, python, tmp_path):
    """By a symbolic link and from elsewhere .venv is the same, and stays."""
    run(folder, "setup", f"PYTHON={python('3.12')}")
    link = tmp_path / "link"
    link.symlink_to(folder)
    for done in (run(link, "setup"), run(tmp_path, "-C", str(link), "setup"), run(folder, "setup")):
        assert (done.returncode, done.stderr) == (0, "")
    assert len(told(folder, "venv --clear")) == 1
    assert len(told(folder, "pip install")) == 2


def test_a_moved_folder_makes_it_anew(folder, python):
    """The programs in .venv hold its path."""
    named = f"PYTHON={python('3.12')}"
    run(folder, "setup", named)
    moved = folder.rename(folder.with_name("elsewhere"))
    run(moved, "setup", named)
    assert len(told(moved, "venv --clear")) == 2


def test_the_user_s_settings_of_pip_and_python_don_t_reach_it(folder, python):
    """Nothing is installed elsewhere, or left out because it stands elsewhere; a recipe may set its own path."""
    settings = dict.fromkeys(["PYTHONPATH", "PIP_TARGET", "PIP_PREFIX"], "/elsewhere")
    done = run(folder, "mutants", f"PYTHON={python('3.12')}", PIP_USER="1", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    for what in ("pip install", "venv --clear"):
        assert all(line.endswith("; path , pip 0  ") for line in told(folder, what))
    assert told(folder, f"-m tests.mutants; path {folder}/.venv/mutants, pip 0  ")


def test_every_python_that_was_looked_for_is_named(folder, tmp_path):
    """Where none is there."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat"):
        (tools / name).symlink_to(shutil.which(name))
    done = run(folder, "setup", PATH=str(tools))
    assert done.returncode != 0
    assert (
        "Looked for python3.14 python3.13 python3.12 python3.11 python3 python: none is a Python"
        in done.stderr
    )


def test_another_python_makes_it_anew(folder, python):
    """One of another version than .venv's, and only that; a Python that isn't there leaves .venv as it is."""
    first, second = python("3.12"), python("3.13")
    for named, times in (
        ([f"PYTHON={first}"], 1),
        ([f"PYTHON={first}"], 1),
        ([f"PYTHON={second}"], 2),
        ([], 2),
    ):
        assert run(folder, "setup", *named).returncode == 0
        assert len(told(folder, "venv --clear")) == times, named
    done = run(folder, "setup", "PYTHON=no such python")
    assert done.returncode != 0
    assert "Looked for no such python: none is a Python" in done.stderr
    assert run(folder, "setup").returncode == 0
    assert len(told(folder, "venv --clear")) == 2
