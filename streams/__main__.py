"""The program `notifier`: what must be in force before anything else is imported, then the command."""

import os
import signal
import sys
from typing import Final

_UNTIL_SIGTERM: Final = (["worker"], ["console"])
"""Command lines that run until SIGTERM, which ends them with 0."""
_CTRL_C: Final = 130


def main() -> None:
    """Run the command. Ctrl-C ends it with 130, also while it is imported.

    A container's first process never gets a SIGTERM that it has no handler for: the kernel drops it. Until the event loop
    of a worker or the console has its own handler, nothing is under way, and the process may end at any point. Without
    raising, since an exception in the middle of an import may be caught by whatever stands around it.
    """
    if sys.argv[1:] in _UNTIL_SIGTERM:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        from streams.cli import main as run_command  # noqa: PLC0415  # the handler comes first
    except KeyboardInterrupt:
        sys.exit(_CTRL_C)
    run_command()


if __name__ == "__main__":
    main()
