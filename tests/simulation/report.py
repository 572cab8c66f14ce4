"""Write the figures of the last worlds into docs/reliability.md, docs/guarantees.md and docs/figures: `python -m tests.simulation.report`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.figures import replaced, where
from tests.simulation import kept, seeded_faults
from tests.simulation.long_world import FILE, long_section
from tests.simulation.plan import KINDS, PLACES

ROOT = Path(__file__).parents[2]
PAGE, GUARANTEES = ROOT / "docs" / "reliability.md", ROOT / "docs" / "guarantees.md"
FIGURES, PUBLISHED = kept.FIGURES, kept.PUBLISHED
_WORLDS_FILE, _SEEDED_FILE = kept.FILE, seeded_faults.FILE
_RUN_WITH = {
    _WORLDS_FILE: "make simulate",
    FILE: "make simulate HOURS=24",
    _SEEDED_FILE: ".venv/bin/python -m tests.simulation --seeded 600",
}
WORLDS = ("<!-- figures of make simulate -->", "<!-- end of worlds -->")
LONG = ("<!-- figures of the long world -->", "<!-- end of the long world -->")
SEEDED = ("<!-- figures of seeded faults -->", "<!-- end of seeded faults -->")


def worlds_section(figures: dict[str, Any]) -> str:
    """Return what many worlds came to, and what was tried where."""
    sums, fired = figures["sums"], figures["fired"]
    repeats = {
        name.removeprefix("repeats: "): count
        for name, count in sums.items()
        if name.startswith("repeats")
    }
    rows = {
        "Worlds": f"{figures['worlds']:,}, of which {figures['unscaled']:,} with unscaled ladders",
        "Went wrong": f"{len(figures['failed']):,}",
        "Time in the worlds": f"{figures['hours']:,.0f} hours",
        "Worlds a minute": f"{kept.a_minute(figures):,.0f}",
        "Payments": f"{sums['payments']:,}",
        "Calls": f"{sums['calls']:,}",
        "Faults done": f"{sum(fired.values()):,}, in {len(fired)} of {len(KINDS) * len(PLACES)} cells",
        "Repeated attempts": ", ".join(
            f"{count:,} {why}" for why, count in repeats.items() if count
        )
        or "0",
        "Second copies of a record": f"{sums['copies']:,}, of which {sums['absorbed']:,} were absorbed",
        "Forked ladders": f"{sums['forked']:,}",
        "Events written once more": f"{sums['again']:,}, of which {sums['recognised']:,} were recognised",
        "Attempts out of the group": f"{sums['zombies']:,}",
        "Notifications gone with a topic": f"{sums['gone']:,}",
        "Dead letters": f"{sums['dead_letters']:,}",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]
    command = f"`make simulate WORLDS={figures['worlds']} SEED={figures['seed']}`"
    return "\n".join([*lines, cells(fired), "", command])


def cells(fired: Mapping[str, int]) -> str:
    """Return what went wrong where and how often, as a table of Markdown."""
    lines = [f"| | {' | '.join(PLACES)} |", "|---|" + "---|" * len(PLACES)]
    for kind in KINDS:
        row = (str(fired.get(f"{kind} | {place}", "")) for place in PLACES)
        lines.append(f"| {kind} | {' | '.join(row)} |")
    return "\n".join(lines)


def seeded_section(figures: dict[str, Any]) -> str:
    """Return after how many worlds each seeded fault was found."""
    lines = ["| Mistake | Worlds until found | What was said |", "|---|---|---|"]
    for one in figures["tried"]:
        said = one["said"].split(": ")[0].replace("|", "/")
        worlds = one["worlds"] or f"not in {figures['most']}"
        lines.append(f"| {one['name']} | {worlds} | {said} |")
    command = f"`.venv/bin/python -m tests.simulation --seeded {figures['most']} --seed {figures['seed']}`"
    return "\n".join([*lines, "", command])


def origin(figures: dict[str, Any]) -> str:
    """Return of which code figures are, and where and when they were made."""
    places = [where(one) for one in figures.get("on", [])] or ["Where and when was not noted."]
    return "\n".join([*places, f"Code {figures['code']} (`tests/simulation/kept.py`)."])


def guarantees_section(worlds: dict[str, Any] | None, day: dict[str, Any] | None) -> str:
    """Return what many worlds and the long one came to, in the words of whoever relies on the promises.

    Args:
        worlds: figures of many worlds; None where none are kept.
        day: figures of the long world; the same.
    """
    columns = []
    if worlds is not None:
        waits = f"{worlds['unscaled']:,} of them with the waits of production"
        columns.append(
            _promises(
                f"{worlds['worlds']:,} worlds",
                f"{worlds['hours']:,.0f} hours; {waits}",
                len(worlds["failed"]),
                worlds,
            )
        )
    if day is not None:
        about = f"{day['hours']:g} hours of payments and faults, {day['lasted_hours']:g} until all had ended"
        columns.append(_promises("One long world", about, int(bool(day["faults"])), day))
    rows = zip(*columns, strict=True)
    head, *others = [
        f"| {names[0][0]} | {' | '.join(value for _, value in names)} |" for names in rows
    ]
    return "\n".join([head, "|---|" + "---|" * len(columns), *others])


def _promises(
    title: str, lasted: str, wrong: int, figures: dict[str, Any]
) -> list[tuple[str, str]]:
    sums = figures["sums"]
    repeats = sum(count for name, count in sums.items() if name.startswith("repeats"))
    return [
        ("", title),
        ("Time that passed in them", lasted),
        ("Payments, and attempts to tell of them", f"{sums['payments']:,}, {sums['calls']:,}"),
        ("Faults that were made", f"{sum(figures['fired'].values()):,}"),
        (
            "Worlds in which anything was lost, early, wrongly signed, out of order, not as it was the first time, beyond a limit, or without an end",
            f"{wrong:,}",
        ),
        ("Attempts repeated after a fault", f"{repeats:,}"),
        ("Notifications with a second ladder", f"{sums['forked']:,}"),
        (
            "Events that payment core wrote once more, and those of them told again",
            f"{sums['again']:,}, {sums['again'] - sums['recognised']:,}",
        ),
        ("Attempts by a worker that was cut off and did not know it yet", f"{sums['zombies']:,}"),
        ("Gone with a topic that somebody deleted before they were settled", f"{sums['gone']:,}"),
    ]


def main() -> int:
    """Replace the sections between the marks; 1 where there are no figures, or some of other code."""
    found = {
        name: json.loads(file.read_text("utf-8"))
        for name in _RUN_WITH
        if (file := FIGURES / name).exists()
    }
    if not found:
        sys.stderr.write("no figures of worlds: run make simulate first\n")
        return 1
    refused = _of_other_code(found)
    good = {name: figures for name, figures in found.items() if name not in refused}
    page = PAGE.read_text("utf-8")
    for name, marks, section in (
        (_WORLDS_FILE, WORLDS, worlds_section),
        (FILE, LONG, long_section),
        (_SEEDED_FILE, SEEDED, seeded_section),
    ):
        if name in good:
            text = f"{section(good[name])}\n{origin(good[name])}"
            page = replaced(page, marks[0], text, marks[1])
    PAGE.write_text(page, "utf-8")
    if _WORLDS_FILE in good:
        kept.write(PUBLISHED, good[_WORLDS_FILE])
    # One table of both: with one of them refused it would lose a column.
    both = {_WORLDS_FILE, FILE}
    if both & good.keys() and not both & refused:
        promises = guarantees_section(good.get(_WORLDS_FILE), good.get(FILE))
        page = replaced(GUARANTEES.read_text("utf-8"), WORLDS[0], promises, WORLDS[1])
        GUARANTEES.write_text(page, "utf-8")
    return 1 if refused else 0


def _of_other_code(found: Mapping[str, Any]) -> set[str]:
    """Return the names of the figures that are of other code than today's, having said so."""
    today = {
        _WORLDS_FILE: kept.code(),
        FILE: kept.code(kept.LONG_WORLD),
        _SEEDED_FILE: kept.code(kept.SEEDED_FAULTS),
    }
    refused = set()
    for name, figures in found.items():
        # Those of before had a list, or no code at all.
        code = figures.get("code") if isinstance(figures, dict) else None
        if code != today[name]:
            refused.add(name)
            sys.stderr.write(
                f"{name} is of code {code or 'that was not noted'} and this is {today[name]}: the pages keep what they say;"
                f" run {_RUN_WITH[name]} again\n"
            )
    return refused


if __name__ == "__main__":
    sys.exit(main())
