"""Write the tables of docs/reliability.md and docs/guarantees.md from the figures of the last runs: `python -m tests.faults.report`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.faults.figures import (
    MACHINE,
    MEASURE,
    ROOT,
    SCENARIO,
    commit,
    is_another,
    replaced,
    when,
    where,
)
from tests.faults.judge import COMMIT_MS
from tests.faults.measure import MEASURES as KNOWN

PAGE, GUARANTEES = ROOT / "docs" / "reliability.md", ROOT / "docs" / "guarantees.md"
FIGURES, MEASURES = ROOT / "build" / "faults", ROOT / "build" / "measures"
BEGIN, END = "<!-- figures of make test-faults -->", "<!-- end of figures -->"
BEGIN_CLUSTER, END_CLUSTER = "<!-- figures of the cluster -->", "<!-- end of the cluster -->"
BEGIN_MEASURES, END_MEASURES = "<!-- figures of make measure -->", "<!-- end of measures -->"

CLUSTER = "cluster: "
"""What the names of the cluster's scenarios begin with."""

_ORDINARY: Final = "ordinary Faust app"
SCENARIOS: Final = (
    "broker frozen",
    "broker killed",
    "broker's disk full",
    "clock stepped",
    "every produce fails",
    "more workers than partitions",
    _ORDINARY,
    "partner fails",
    "roles changed",
    "worker ended",
    "worker frozen",
    "worker killed",
    "workers join and leave",
    "cluster: each broker frozen",
    "cluster: each broker killed",
    "cluster: leaders moved",
    "cluster: quotas",
    "cluster: rolling restart",
)
"""All that a whole run plays."""


_P99: Final = "p99 of the others {ratio} times"
_UNHARMED: Final = f"{_P99}, {{healthy events parked}} of their events moved aside"
_OF_PROMISES: Final = {
    "hang": ("3 of 10 partners hang", _UNHARMED),
    "hang-shared": ("3 of 10 servers of one partner hang", _UNHARMED),
    "hang-1000": ("300 of 1,000 servers of one partner hang", _UNHARMED),
    "flood": ("a partner floods", _P99),
    "lateness": (
        "retries fall due",
        (
            "{retries/s:g} a second, {waiting behind them:,} waiting behind them: {early} early;"
            " late by {p50, p99, most, ms} ms (p50, p99, most)"
        ),
    ),
}
"""What the promises' page shows of which measurement, in the words of its figures."""


def refused(rows: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return why these can't stand on the page as one run of the whole suite; a sentence each, none where they can."""
    failed = [name for name, row in rows.items() if not row.get("passed")]
    missing = [name for name in SCENARIOS if name not in rows]
    unknown = [name for name in rows if name not in SCENARIOS]
    sentences = {"failed": failed, "left no figures": missing, "are not known": unknown}
    return [
        f"scenarios that {what}: {', '.join(names)}" for what, names in sentences.items() if names
    ]


def table(rows: list[dict[str, Any]], machine: dict[str, Any], now: str) -> str:
    """Return the section of the scenarios: one row for each, then where and when.

    Args:
        rows: of one run.
        machine: where that was.
        now: the commit at which the page is written.
    """
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
    lines += ["", where(machine)]
    if is_another(machine, now):
        lines.append(f"**Written at another commit, {now}.**")
    lines.append(f"`FAULTS_SEED={machine['seed']} make test-faults`")
    return "\n".join(lines)


def measures_table(rows: Mapping[str, dict[str, Any]], now: str) -> str:
    """Return the section of the measurements: what was asked, what was found, whether that holds, and when it was.

    Args:
        rows: by name; each may be of another run.
        now: the commit at which the page is written.
    """
    lines = ["| Measurement | Asked | Found | Holds | Measured |", "|---|---|---|---|---|"]
    known = [name for name in KNOWN if name in rows]
    for name in known:
        row = rows[name]
        found = "; ".join(f"{what}: {_number(much)}" for what, much in row["found"].items())
        holds = "yes" if row["holds"] else "**no**"
        other = f"; **written at another commit, {now}**" if is_another(row["machine"], now) else ""
        measured = when(row["machine"]) + other
        lines.append(f"| `{name}` | {row['asked']} | {found} | {holds} | {measured} |")
    missing = [f"`{name}`" for name in KNOWN if name not in rows]
    if missing:
        lines += ["", f"Not measured: {', '.join(missing)}."]
    places = dict.fromkeys(where(rows[name]["machine"]) for name in known)
    return "\n".join([*lines, "", *places, "`make measure`"])


def promises_of_scenarios(rows: Mapping[str, dict[str, Any]], machine: dict[str, Any]) -> str:
    """Return what whole runs came to together, in the words of whoever relies on the promises.

    Args:
        rows: of all scenarios, by name.
        machine: where that was.
    """
    ordinary = rows[_ORDINARY]
    notifiers = [row for name, row in rows.items() if name != _ORDINARY]
    columns = [
        [row for row in notifiers if row["scenario"].startswith(CLUSTER) is of_cluster]
        for of_cluster in (False, True)
    ]
    killed = rows["worker killed"]
    lines = ["|  | One broker | A cluster of three |", "|---|---|---|"]
    for what, of_column in {
        "Scenarios": len,
        "Events": lambda column: sum(row["events"] for row in column),
        "Events that are in no place afterwards": lambda column: sum(row["lost"] for row in column),
        "Attempts repeated after a fault": lambda column: sum(map(_repeated, column)),
    }.items():
        cells = (f"{of_column(column):,}" for column in columns)
        lines.append(f"| {what} | {' | '.join(cells)} |")
    of_kills = (
        f"Of these repeats {_repeated(killed):,} are of {killed['done']['SIGKILL']} kills of a worker, each while it worked off"
        " the backlog of the kill before."
    )
    of_ordinary = (
        f"An ordinary application on the same library, killed under the same load, lost {ordinary['lost']:,} of"
        f" {ordinary['events']:,} events."
    )
    lines += ["", of_kills, of_ordinary, "", f"{when(machine)}."]
    return "\n".join(lines)


def promises_of_measures(rows: Mapping[str, dict[str, Any]]) -> str:
    """Return what measurements say of the promises; those that were not made are left out.

    Args:
        rows: by name.
    """
    lines = ["| What happens | What was measured | When |", "|---|---|---|"]
    for name, (what, found) in _OF_PROMISES.items():
        if name in rows:
            row = rows[name]
            said = found.format_map(row["found"])
            lines.append(f"| {what} | {said} | {when(row['machine'])} |")
    return "\n".join(lines)


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _repeated(row: dict[str, Any]) -> int:
    return sum(row.get("repeats", {}).values())


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
    """Replace the sections between the marks; 1 where there are no figures, or some that can't stand on the page."""
    scenarios, measures = _rows(FIGURES, SCENARIO), _rows(MEASURES, MEASURE)
    if not scenarios and not measures:
        sys.stderr.write("no figures: run make test-faults or make measure first\n")
        return 1
    page, promises = PAGE.read_text("utf-8"), GUARANTEES.read_text("utf-8")
    now, status = commit(), 0
    if scenarios and (why := refused(scenarios)):
        sys.stderr.write(
            f"the figures of make test-faults are not written: {'; '.join(why)}. Run the whole suite\n"
        )
        status = 1
    elif scenarios:
        machine = json.loads((FIGURES / MACHINE).read_text("utf-8"))
        for of_cluster, begin, end in (
            (False, BEGIN, END),
            (True, BEGIN_CLUSTER, END_CLUSTER),
        ):
            names = [name for name in SCENARIOS if name.startswith(CLUSTER) is of_cluster]
            section = table([scenarios[name] for name in names], machine, now)
            page = replaced(page, begin, section, end)
        promises = replaced(promises, BEGIN, promises_of_scenarios(scenarios, machine), END)
    if measures:
        page = replaced(page, BEGIN_MEASURES, measures_table(measures, now), END_MEASURES)
        promises = replaced(promises, BEGIN_MEASURES, promises_of_measures(measures), END_MEASURES)
    PAGE.write_text(page, "utf-8")
    GUARANTEES.write_text(promises, "utf-8")
    return status


def _rows(directory: Path, ending: str) -> dict[str, dict[str, Any]]:
    return {
        file.name.removesuffix(ending): json.loads(file.read_text("utf-8"))
        for file in sorted(directory.glob(f"*{ending}"))
    }


if __name__ == "__main__":
    sys.exit(main())
