"""The figures of a run: one file for each scenario, and one for the machine."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import benchmarks.machine
from benchmarks.machine import UNKNOWN, commit_of
from streams.clock import Clock

ROOT = Path(__file__).parents[2]
MACHINE = "machine.json"
SCENARIO, MEASURE = ".scenario.json", ".measure.json"


def commit() -> str:
    """Return the commit of this code as the benchmarks write it, since one page tells of both; empty where git can't say."""
    found = benchmarks.machine.commit(ROOT, "tests")
    return "" if found == UNKNOWN else found


def is_another(machine: dict[str, Any], now: str) -> bool:
    """Tell whether figures are of another commit than this one; also where it is not known of which they are."""
    return bool(now) and _clean(commit_of(machine)) != _clean(now)


def _clean(commit: str) -> str:
    return commit.partition("-dirty")[0]


def when(machine: dict[str, Any]) -> str:
    """Return the day, the commit and the Python."""
    return f"{benchmarks.machine.when(machine)}, Python {machine['python']}"


def where(machine: dict[str, Any]) -> str:
    """Return the same with all else that is known of the machine."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return f"{when(machine)}, {machine['cores']} cores, {machine['system']}, {packages}."


def machine() -> dict[str, Any]:
    """Return where and when this is, and with what."""
    packages = ("faust-streaming", "aiokafka", "httpx", "aiohttp", "uvloop", "cryptography")
    return {
        "date": f"{datetime.fromtimestamp(Clock().now_seconds(), UTC):%Y-%m-%d}",
        "commit": commit(),
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
    (directory / f"{scenario}{SCENARIO}").write_text(json.dumps(row, indent=1), "utf-8")


def forget_measure(directory: Path, name: str) -> None:
    """Delete what a measurement came to before, so that one that fails leaves nothing that looks like its own."""
    (directory / f"{name}{MEASURE}").unlink(missing_ok=True)


def note_measure(directory: Path, name: str, row: dict[str, Any]) -> None:
    """Note what a measurement came to, and where; each stands alone, since they need not be made in one go."""
    text = json.dumps(row | {"machine": machine()}, indent=1)
    (directory / f"{name}{MEASURE}").write_text(text, "utf-8")


def replaced(page: str, begin: str, section: str, end: str) -> str:
    """Return a page with another section between two marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{section}\n{end}{after}"
