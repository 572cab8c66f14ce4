"""Results made by hand."""

from dataclasses import replace

from benchmarks.figures import Figures
from benchmarks.results import Results, Run

FIGURES = Figures("notifier-2", 4.0, 400, 100.0, 0.6, 0.9, 0.1, 0.2, 90.0, 500, 0, 0, 0, 0, 420)
MACHINE = {
    "date": "2026-11-29",
    "system": "Linux",
    "processor": "X",
    "wide": False,
    "cores": 2,
    "python": "3.11.7",
    "build": "PGO, LTO",
    "packages": {"httpx": "0.28.1"},
    "commit": "abc1234567",
}


def results(scenario, *runs, **settings):
    """Make results of runs given as (system, point, changes of the figures); a system's first is of round 1, and so on."""
    made = Results(
        scenario,
        {"rounds": 1, "seconds": 4.0, **settings},
        on=dict(MACHINE),
        signature_ms=[0.3, 0.2, 0.4],
    )
    made.receiver_per_second, made.receiver_ms = [9000.0], [0.05]
    for system, point, changes in runs:
        number = len(made.of(system, point)) + 1
        made.runs.append(Run(number, replace(FIGURES, system=system, **changes), point))
    return made
