"""A run of scenarios that is ended ends what it has started."""

import subprocess
import sys

from tests.faults.figures import ROOT

_SCENARIO = """
import asyncio
import os
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults


async def test_a_scenario():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)
    finally:
        Path(__file__).with_name("ended").touch()
"""


def test_sigterm_ends_a_scenario_in_order(tmp_path):
    """Its workers would else live on with their parent gone."""
    scenario = tmp_path / "test_scenario.py"
    scenario.write_text(_SCENARIO)
    options = ["-c", "pyproject.toml", "-p", "no:cacheprovider", "-p", "tests.faults.conftest"]
    run = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-m", "pytest", "-q", *options, str(scenario)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 2, run.stdout + run.stderr
    assert (tmp_path / "ended").exists()
