"""What the scenarios `start` and `idle` found of this checkout, for people."""

import json
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.quiet import IDLE, QUIET, START


def quiet_figures(directory: Path, what: str) -> list[dict[str, Any]]:
    """Return the figures of this checkout, which is the first of those that took turns; none where it was not measured."""
    figures: dict[str, list[dict[str, Any]]] = _document(directory, what).get("figures", {})
    return next(iter(figures.values()), [])


def quiet_machine(directory: Path, what: str) -> dict[str, Any] | None:
    """Return on what `start` or `idle` was measured."""
    return _document(directory, what).get("on")


def quiet_machines(directory: Path) -> list[dict[str, Any]]:
    """Return on what both were measured: one machine, where that was at one commit on one day."""
    found: list[dict[str, Any]] = []
    for what in QUIET:
        if (on := quiet_machine(directory, what)) and on not in found:
            found.append(on)
    return found


def _document(directory: Path, what: str) -> dict[str, Any]:
    file = directory / f"{what}.json"
    document: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return document


def quiet_table(directory: Path) -> list[str]:
    """Return a table in Markdown: medians, with lowest and highest in parentheses; [] where neither was run."""
    starts, idles = (quiet_figures(directory, what) for what in (START, IDLE))
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
    rows.append(("memory, MiB", _middle([one["memory_mb"] for one in idles or starts], 0)))
    return ["| | |", "| --- | --- |", *(f"| {what} | {found} |" for what, found in rows)]


def _middle(values: list[float], places: int) -> str:
    low, high = min(values), max(values)
    return f"{median(values):,.{places}f} ({low:,.{places}f} to {high:,.{places}f})"
