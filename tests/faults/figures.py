"""The figures of a run: one file for each scenario, and one for the machine."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from streams.clock import Clock

MACHINE = "machine.json"


def machine() -> dict[str, Any]:
    """Return where and when this is, and with what."""
    packages = ("faust-streaming", "aiokafka", "httpx", "aiohttp", "uvloop", "cryptography")
    return {
        "date": f"{datetime.fromtimestamp(Clock().now_seconds(), UTC):%Y-%m-%d}",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def describe_machine(directory: Path, seed: str) -> None:
    """Note where and when a run is; what an earlier one left goes, so that figures of two runs never mix."""
    for old in directory.glob("*"):
        old.unlink()
    (directory / MACHINE).write_text(json.dumps(machine() | {"seed": seed}, indent=1), "utf-8")


def note(directory: Path, scenario: str, row: dict[str, Any]) -> None:
    """Note what a scenario came to."""
    (directory / f"{scenario}.scenario.json").write_text(json.dumps(row, indent=1), "utf-8")


def note_measure(directory: Path, name: str, row: dict[str, Any]) -> None:
    """Note what a measurement came to, and where; each stands alone, since they need not be made in one go."""
    text = json.dumps(row | {"machine": machine()}, indent=1)
    (directory / f"{name}.measure.json").write_text(text, "utf-8")


def replaced(page: str, begin: str, section: str, end: str) -> str:
    """Return a page with another section between two marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{section}\n{end}{after}"
