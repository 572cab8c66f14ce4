"""The figures of the worlds that were run, in `build/simulation`: a run that goes on adds to those of the same code.

Those on the pages stand in `docs/figures` too, so that a count goes on in another clone or on another machine.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.simulation.campaign import Campaign

ROOT: Final = Path(__file__).parents[2]
FIGURES: Final = ROOT / "build" / "simulation"
PUBLISHED: Final = ROOT / "docs" / "figures"
FILE: Final = "simulation.json"
_FIRST: Final = "tests/simulation/campaign.py"
_PACKAGES: Final = "requirements/runtime.txt"
LONG_WORLD: Final = "tests/simulation/long_world.py"
SEEDED_FAULTS: Final = "tests/simulation/seeded_faults.py"


def code(*also: str) -> str:
    """Return a digest of what runs in the worlds and of what judges them, with the versions of the packages.

    Args:
        also: files that run in them besides, with all that these import.
    """
    digest = hashlib.sha256()
    for path in sorted({*modules(*also), ROOT / _PACKAGES}):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def modules(*also: str) -> set[Path]:
    """Return the files of this project that a campaign imports, and those that they import, also where a function does it."""
    found: set[Path] = set()
    left = [ROOT / first for first in (_FIRST, *also)]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += _imports_of(path)
    return found


def _imports_of(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            # Each package on the way runs its __init__, and the last name may be one of a module's.
            places = [ROOT.joinpath(*parts[: length + 1]) for length in range(len(parts))]
            files = [
                file
                for place in places
                for file in (place.with_suffix(".py"), place / "__init__.py")
            ]
            yield from (file for file in files if file.is_file())


def read(directory: Path) -> dict[str, Any] | None:
    """Return the figures that are kept there, or None."""
    file = directory / FILE
    if not file.exists():
        return None
    figures: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return figures


def last_of(code: str, *directories: Path) -> dict[str, Any] | None:
    """Return the figures with most worlds of this code; where there are none, those of other code; None where no figures are."""
    found = [figures for directory in directories if (figures := read(directory)) is not None]
    return max(found, key=lambda one: (one["code"] == code, one["worlds"]), default=None)


def figures_of(campaign: Campaign, seed: int, of_code: str) -> dict[str, Any]:
    """Return the figures of worlds whose first has this seed."""
    return {
        "code": of_code,
        "seed": seed,
        "worlds": campaign.worlds,
        "seconds": round(campaign.seconds, 1),
        "hours": round(campaign.world_seconds / 3600, 1),
        "unscaled": campaign.unscaled,
        "callbacks": campaign.callbacks,
        "sums": dict(campaign.sums),
        "failed": sorted(campaign.wrong),
        "fired": {f"{kind} | {place}": count for (kind, place), count in campaign.fired.items()},
    }


def a_minute(figures: dict[str, Any]) -> float:
    """Return how many worlds were run in a minute."""
    return float(60 * figures["worlds"] / figures["seconds"])


def together(before: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of both, where the seeds of the second follow those of the first; of the second alone after None."""
    if before is None:
        return new
    added = {
        name: {key: before[name].get(key, 0) + new[name].get(key, 0) for key in before[name] | new[name]}
        for name in ("sums", "fired")
    }  # fmt: skip
    added |= {
        name: before[name] + new[name]
        for name in ("worlds", "seconds", "hours", "unscaled", "callbacks", "failed")
    }
    # Where and when: a count that goes on for days has several, and one that was begun by older code has none.
    on = [one for one in new.get("on", []) if one not in before.get("on", [])]
    return new | added | {"seed": before["seed"], "on": before.get("on", []) + on}


def forget(directory: Path, file: str = FILE) -> None:
    """Delete figures, so that a run that comes to nothing leaves none that look like its own."""
    (directory / file).unlink(missing_ok=True)


def write(directory: Path, figures: dict[str, Any]) -> None:
    """Keep the figures."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / FILE).write_text(json.dumps(figures, indent=1), "utf-8")
