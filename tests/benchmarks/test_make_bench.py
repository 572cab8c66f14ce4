"""What `make bench` does when a part of it fails, with a program in place of Python that tells how it was called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import TIMEOUT_SECONDS

MAKEFILE = Path(__file__).parents[2] / "Makefile"
MAKE = shutil.which("make") or ""
PYTHON = """#!/bin/sh
[ "$2" = benchmarks ] || exit 0
shift 2
echo "$*" >> told
[ "$1" != PART ] || exit CODE
"""

pytestmark = pytest.mark.skipif(not MAKE, reason="no make")


@pytest.mark.parametrize(
    ("part", "code", "parts"),
    [
        ("none", 0, 4),
        ("all", 1, 4),  # something was lost: the page says so
        ("all", 2, 1),
        ("all", 130, 1),
        ("start", 130, 2),
        ("report", 1, 4),
    ],
)
def test_the_rest_is_done_after_a_fault_and_not_after_ctrl_c(tmp_path, part, code, parts):
    """Nor where the arguments are wrong; a fault makes the whole fail."""
    shutil.copy(MAKEFILE, tmp_path)
    python = tmp_path / "python"
    python.write_text(PYTHON.replace("PART", part).replace("CODE", str(code)))
    python.chmod(0o755)
    arguments = ["--old-file", ".venv/.installed", "bench", "PY=./python", "BENCH_ARGS=--rounds 1"]
    done = subprocess.run(  # noqa: S603  # constants
        [MAKE, *arguments],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ["all --rounds 1", "start", "idle --rounds 3", "report"][:parts]
    assert bool(done.returncode) == bool(code)
    assert (f"Error {code}" in done.stderr) == bool(code)
