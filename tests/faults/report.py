"""Write the tables of docs/reliability.md from the figures of the last runs: `python -m tests.faults.report`."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.faults.figures import MACHINE, replaced
from tests.faults.judge import COMMIT_MS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FIGURES, MEASURES = ROOT / "build" / "faults", ROOT / "build" / "measures"
BEGIN, END = "<!-- figures of make test-faults -->", "<!-- end of figures -->"
BEGIN_CLUSTER, END_CLUSTER = "<!-- figures of the cluster -->", "<!-- end of the cluster -->"
BEGIN_MEASURES, END_MEASURES = "<!-- figures of make measure -->", "<!-- end of measures -->"

CLUSTER = "cluster: "
"""What the names of the cluster's scenarios begin with."""


def table(rows: list[dict[str, Any]], machine: dict[str, Any]) -> str:
    """Return the section of the scenarios: one row for each, then where and when."""
    lines = [
        "| Scenario | What was done | Events | Events/s | Calls | Retries | Parks | Repeats | Lost |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row["scenario"].removeprefix(CLUSTER),
            ", ".join(f"{what}: {much}" for what, much in row["done"].items()),
            f"{row['events']:,}",
            f"{row['rate']:.0f}",
            f"{row['calls']:,}",
            *(f"{row[name]:,}" if name in row else "" for name in ("retries", "parks")),
            _repeats(row),
            str(row["lost"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", _where(machine), f"`FAULTS_SEED={machine['seed']} make test-faults`"]
    return "\n".join(lines)


def measures_table(rows: list[dict[str, Any]]) -> str:
    """Return the section of the measurements: what was asked, what was found, and whether that holds."""
    lines = ["| Measurement | Asked | Found | Holds |", "|---|---|---|---|"]
    for row in rows:
        found = "; ".join(f"{what}: {_number(much)}" for what, much in row["found"].items())
        holds = "yes" if row["holds"] else "**no**"
        lines.append(f"| `{row['name']}` | {row['asked']} | {found} | {holds} |")
    places = dict.fromkeys(_where(row["machine"]) for row in rows)
    return "\n".join([*lines, "", *places, "`make measure`"])


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _where(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return f"{machine['date']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}, {packages}."


def _repeats(row: dict[str, Any]) -> str:
    explained = {why: count for why, count in row.get("repeats", {}).items() if count}
    if not explained:
        return "0" if "repeats" in row else ""
    words = ", ".join(f"{count} {why}" for why, count in explained.items())
    late = row.get("latest_commit_ms", 0)
    slowest = f" (after {late} ms at most)" if late > COMMIT_MS else ""
    forks = f"; {row['forks']} more by a second ladder" if row.get("forks") else ""
    return f"{sum(explained.values())}: {words}{slowest}{forks}"


def main() -> int:
    """Replace the sections between the marks."""
    scenarios = sorted(FIGURES.glob("*.scenario.json"), key=lambda file: file.stat().st_mtime)
    measures = sorted(MEASURES.glob("*.measure.json"))
    if not scenarios and not measures:
        sys.stderr.write("no figures: run make test-faults or make measure first\n")
        return 1
    page = PAGE.read_text("utf-8")
    if scenarios:
        machine = json.loads((FIGURES / MACHINE).read_text("utf-8"))
        of_one: list[dict[str, Any]] = []
        of_cluster: list[dict[str, Any]] = []
        for file in scenarios:
            row = json.loads(file.read_text("utf-8"))
            is_cluster = row["scenario"].startswith(CLUSTER)
            (of_cluster if is_cluster else of_one).append(row)
        if of_one:
            page = replaced(page, BEGIN, table(of_one, machine), END)
        if of_cluster:
            page = replaced(page, BEGIN_CLUSTER, table(of_cluster, machine), END_CLUSTER)
    if measures:
        rows = [
            json.loads(file.read_text("utf-8")) | {"name": file.name.removesuffix(".measure.json")}
            for file in measures
        ]
        page = replaced(page, BEGIN_MEASURES, measures_table(rows), END_MEASURES)
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
