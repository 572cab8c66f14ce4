"""At SIGUSR1 a worker logs where its threads and tasks stand, without the values of variables; SIGUSR2 is ignored.

Upstream: none filed known.

Why: mode prints all local variables besides: records, bodies, partners' entries. At SIGUSR2 it starts a debugger, in which
a worker without a terminal stands still, and its records with it.

Remove when: mode leaves the variables out, and starts no debugger at a signal.
"""

import asyncio
import logging
import sys
import threading
import traceback
from io import StringIO
from typing import Any, Final

from mode.worker import Worker

REPLACES: Final = ("mode.worker.Worker._on_sigusr1", "mode.worker.Worker._on_sigusr2")

log = logging.getLogger(__name__)


def stacks() -> str:
    """Return the stack of each thread, and of each task of the running loop."""
    text = StringIO()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for number, frame in sys._current_frames().items():  # noqa: SLF001  # documented, for debuggers
        print(f"thread {names.get(number, number)}", file=text)
        traceback.print_stack(frame, file=text)
    for task in asyncio.all_tasks():
        print(f"task {task.get_name()}", file=text)
        task.print_stack(file=text)
    return text.getvalue()


def _on_sigusr1(_worker: Any) -> None:  # noqa: ANN401  # mode's own
    log.warning("SIGUSR1: where every thread and task stands:\n%s", stacks())


def _on_sigusr2(_worker: Any) -> None:  # noqa: ANN401  # mode's own
    log.warning("SIGUSR2 is ignored: the debugger that mode would start would stop this worker")


def apply() -> None:
    """Put both in force, for every worker of this process. Calling it again does no harm."""
    for replacement in (_on_sigusr1, _on_sigusr2):
        setattr(Worker, replacement.__name__, replacement)
