"""Write the tables of docs/reliability.md from the figures of the last worlds: `python -m tests.simulation.report`."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.faults.figures import replaced
from tests.simulation.long_world import FILE, long_section
from tests.simulation.plan import KINDS, PLACES

ROOT = Path(__file__).parents[2]
PAGE, FIGURES = ROOT / "docs" / "reliability.md", ROOT / "build" / "simulation"
WORLDS = ("<!-- figures of make simulate -->", "<!-- end of worlds -->")
LONG = ("<!-- figures of the long world -->", "<!-- end of the long world -->")
SEEDED = ("<!-- figures of seeded faults -->", "<!-- end of seeded faults -->")


def worlds_section(figures: dict[str, Any]) -> str:
    """Return what many worlds came to, and what was tried where."""
    sums, fired = figures["sums"], figures["fired"]
    minute = 60 * figures["worlds"] / figures["seconds"]
    repeats = {
        name.removeprefix("repeats: "): count
        for name, count in sums.items()
        if name.startswith("repeats")
    }
    rows = {
        "Worlds": f"{figures['worlds']:,}, of which {figures['unscaled']:,} with unscaled ladders",
        "Went wrong": f"{len(figures['failed']):,}",
        "Time in the worlds": f"{figures['hours']:,.0f} hours",
        "Worlds a minute": f"{minute:,.0f}",
        "Payments": f"{sums['payments']:,}",
        "Calls": f"{sums['calls']:,}",
        "Faults done": f"{sum(fired.values()):,}, in {len(fired)} of {len(KINDS) * len(PLACES)} cells",
        "Repeated attempts": ", ".join(
            f"{count:,} {why}" for why, count in repeats.items() if count
        )
        or "0",
        "Second copies of a record": f"{sums['copies']:,}, of which {sums['absorbed']:,} were absorbed",
        "Forked ladders": f"{sums['forked']:,}",
        "Attempts out of the group": f"{sums['zombies']:,}",
        "Dead letters": f"{sums['dead_letters']:,}",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]
    lines += [f"| | {' | '.join(PLACES)} |", "|---|" + "---|" * len(PLACES)]
    for kind in KINDS:
        cells = (str(fired.get(f"{kind} | {place}", "")) for place in PLACES)
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(
        [*lines, "", f"`make simulate WORLDS={figures['worlds']} SEED={figures['seed']}`"]
    )


def seeded_section(figures: list[dict[str, Any]]) -> str:
    """Return after how many worlds each seeded fault was found."""
    lines = ["| Mistake | Worlds until found | What was said |", "|---|---|---|"]
    for one in figures:
        said = one["said"].split(": ")[0].replace("|", "/")
        worlds = one["worlds"] or f"not in {one['of']}"
        lines.append(f"| {one['name']} | {worlds} | {said} |")
    return "\n".join(lines)


def main() -> int:
    """Replace the sections between the marks."""
    page, found = PAGE.read_text("utf-8"), False
    for name, marks, section in (
        ("simulation.json", WORLDS, worlds_section),
        (FILE, LONG, long_section),
        ("seeded.json", SEEDED, seeded_section),
    ):
        file = FIGURES / name
        if file.exists():
            found = True
            page = replaced(page, marks[0], section(json.loads(file.read_text("utf-8"))), marks[1])
    if not found:
        sys.stderr.write("no figures of worlds: run make simulate first\n")
        return 1
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
