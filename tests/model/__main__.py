"""Look at every state of the small worlds, the larger ones too: `make model`. Exit code 1: a rule is broken, or would be unnoticed."""

import sys
from time import process_time
from typing import Final

from tests.model.broken import BROKEN
from tests.model.explore import explore
from tests.model.settings import LARGE, SMALL

_SHOWN: Final = "--ways"
"""Prints the way to each broken step's fault besides."""


def main(arguments: list[str]) -> int:
    """Print what each world comes to, and by what each broken step was found."""
    status = 0
    for broken in BROKEN:
        found = explore(broken.setting, broken.rules)
        noticed = found.fault.endswith(broken.fault)
        status |= not noticed
        text = str(found) if _SHOWN in arguments or not noticed else found.fault
        print(f"[model] broken: {broken.what}: after {found.states:,} states: {text}", flush=True)  # noqa: T201  # for whoever runs `make model`
    for setting in SMALL + LARGE:
        began, result = process_time(), explore(setting)
        status |= bool(result.fault) or result.states < setting.least
        print(f"[model] {setting.name}: {result}, {process_time() - began:.0f} s", flush=True)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
