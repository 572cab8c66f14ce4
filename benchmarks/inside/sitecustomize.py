"""Runs at the start of a worker whose endurance is measured, and counts what nobody can see from outside.

`COUNTS_INTO` names a file. A thread of its own writes into it, once a second, how many tasks of the event loop have not
ended and how many blocks of memory the interpreter holds for objects.
"""

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

_EVERY_SECONDS = 1.0


def _write_counts(loop: asyncio.AbstractEventLoop, file: Path) -> None:
    new = file.with_suffix(".new")
    while not loop.is_closed():
        counts = len(asyncio.all_tasks(loop)), sys.getallocatedblocks()
        new.write_text(" ".join(map(str, counts)), "ascii")
        new.replace(file)  # in one step: whoever reads it never sees half a number
        time.sleep(_EVERY_SECONDS)


def _count_into(file: Path) -> None:
    set_event_loop = asyncio.set_event_loop

    def set_and_count(loop: asyncio.AbstractEventLoop | None) -> None:
        set_event_loop(loop)
        if loop is not None and threading.current_thread() is threading.main_thread():
            asyncio.set_event_loop = set_event_loop
            threading.Thread(target=_write_counts, args=(loop, file), daemon=True).start()

    asyncio.set_event_loop = set_and_count


if "COUNTS_INTO" in os.environ:
    _count_into(Path(os.environ["COUNTS_INTO"]))
