"""Change the rules a little, again and again, and see whether the tests notice: `make mutants`.

mutmut makes the mutants and runs the tests, as `[tool.mutmut]` of pyproject.toml says. One that no test notices must be
explained in `explained.toml`. Exit code 1: one is not explained, or an explanation is of none that there is.
"""

import subprocess
import sys

from tests.mutants.survivors import compare, explained, survivor_of


def _mutmut(*arguments: str) -> str:
    run = subprocess.run(  # noqa: S603  # our own arguments
        [sys.executable, "-m", "mutmut", *arguments], capture_output=True, check=False, text=True
    )
    return run.stdout


def main() -> int:
    """Run mutmut, and print what it found that is not explained."""
    finished = subprocess.run(
        [sys.executable, "-m", "mutmut", "run"], check=False
    )  # our own arguments
    lines = [line.strip().rpartition(": ") for line in _mutmut("results").splitlines()]
    unnoticed = [(name, status) for name, _, status in lines if name and status != "timeout"]
    survivors = [survivor_of(name, status, _mutmut("show", name)) for name, status in unnoticed]
    faults = compare(survivors, explained())
    for fault in faults:
        print(f"[mutants] {fault}")  # noqa: T201  # for whoever runs `make mutants`
    print(f"[mutants] {len(survivors)} that no test notices, {len(faults)} faults")  # noqa: T201
    return 1 if faults or finished.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
