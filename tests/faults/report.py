"""Write the table of docs/reliability.md from the figures of the last run: `python -m tests.faults.report`."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.faults.figures import MACHINE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "build" / "faults"
BEGIN, END = "<!-- figures of make test-faults -->", "<!-- end of figures -->"


def table(rows: list[dict[str, Any]], machine: dict[str, Any]) -> str:
    """Return the section: one row for each scenario, then where and when."""
    lines = [
        "| Scenario | What was done | Events | Events/s | Calls | Retries | Parks | Repeats | Lost |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row["scenario"],
            ", ".join(f"{what}: {much}" for what, much in row["done"].items()),
            f"{row['events']:,}",
            f"{row['rate']:.0f}",
            f"{row['calls']:,}",
            *(f"{row[name]:,}" if name in row else "" for name in ("retries", "parks")),
            _repeats(row),
            str(row["lost"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    lines += [
        "",
        f"{machine['date']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}, {packages}.",
        f"`FAULTS_SEED={machine['seed']} make test-faults`",
    ]
    return "\n".join(lines)


def _repeats(row: dict[str, Any]) -> str:
    explained = {why: count for why, count in row.get("repeats", {}).items() if count}
    if not explained:
        return "0" if "repeats" in row else ""
    return f"{sum(explained.values())}: " + ", ".join(f"{n} {why}" for why, n in explained.items())


def main() -> int:
    """Replace the section between the marks."""
    files = sorted(FIGURES.glob("*.scenario.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        sys.stderr.write(f"no figures in {FIGURES}: run make test-faults first\n")
        return 1
    rows = [json.loads(file.read_text("utf-8")) for file in files]
    machine = json.loads((FIGURES / MACHINE).read_text("utf-8"))
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows, machine)}\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
