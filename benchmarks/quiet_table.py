"""What the scenarios `start` and `idle` found of this checkout, for people."""

import json
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.quiet import IDLE, QUIET, START


def quiet_figures(file: Path) -> list[dict[str, Any]]:
    """Return the figures of this checkout, which is the first of those that took turns; none without the file."""
    if not file.exists():
        return []
    figures: dict[str, list[dict[str, Any]]] = json.loads(file.read_text("utf-8"))["figures"]
    return next(iter(figures.values()))


def quiet_machines(directory: Path) -> list[dict[str, Any]]:
    """Return on what they were measured: one machine, where both were measured on it on one day."""
    found: list[dict[str, Any]] = []
    for what in QUIET:
        file = directory / f"{what}.json"
        if file.exists() and (on := json.loads(file.read_text("utf-8"))["on"]) not in found:
            found.append(on)
    return found


def quiet_table(directory: Path) -> list[str]:
    """Return a table in Markdown: medians, with lowest and highest in parentheses; [] where neither was run."""
    starts, idles = (quiet_figures(directory / f"{what}.json") for what in (START, IDLE))
    rows = []
    if starts:
        rows += [
            ("from the start to ready, s", _middle([one["seconds"] for one in starts], 2)),
            ("CPU in that time, s", _middle([one["cpu_seconds"] for one in starts], 2)),
        ]
    if idles:
        rows += [
            ("idle, cores", _middle([one["cpu_seconds"] / one["seconds"] for one in idles], 4)),
            (
                "idle, the broker's cores",
                _middle([one["broker_cpu_seconds"] / one["seconds"] for one in idles], 4),
            ),
            (
                "idle, wake-ups a second",
                _middle([one["wake_ups"] / one["seconds"] for one in idles], 0),
            ),
        ]
    if not rows:
        return []
    rows.append(("memory, MB", _middle([one["memory_mb"] for one in idles or starts], 0)))
    return ["| | |", "| --- | --- |", *(f"| {what} | {found} |" for what, found in rows)]


def _middle(values: list[float], places: int) -> str:
    low, high = min(values), max(values)
    return f"{median(values):,.{places}f} ({low:,.{places}f} to {high:,.{places}f})"
