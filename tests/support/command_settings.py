"""Settings for commands that a test runs in its own process: none of the machine's, and the test keys in a folder."""

import os
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"


def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting of the notifier out of the environment, for this test."""
    for name in tuple(os.environ):
        if name.startswith("NOTIFIER_"):
            monkeypatch.delenv(name)


def copy_key(source: str, file: Path) -> None:
    """Copy a key of the test vectors (its name without the ending), readable by its owner only."""
    file.write_bytes((VECTORS / f"{source}.pem").read_bytes())
    file.chmod(0o600)
