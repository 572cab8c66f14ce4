"""The repository as it is tracked."""

import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import TIMEOUT_SECONDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """Return each tracked or soon tracked file, relative to the top folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(  # noqa: S603  # a constant
        command, cwd=ROOT, check=True, capture_output=True, timeout=TIMEOUT_SECONDS
    )
    names = listed.stdout.decode().split("\0")
    return sorted({name for name in names if name and (ROOT / name).is_file()})
