"""What the worker logs, as part of a world's trace."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def logs_to(say: Callable[[str], None] | None) -> Iterator[None]:
    """Let what is logged become part of the trace; where nobody reads that, let nothing be logged: it takes time."""
    root = logging.getLogger()
    before = root.manager.disable, root.level, root.handlers[:]
    logging.disable(logging.CRITICAL if say is None else logging.NOTSET)
    root.setLevel(logging.INFO)
    root.handlers = [] if say is None else [_Told(say)]
    try:
        yield
    finally:
        root.manager.disable, level, root.handlers = before
        root.setLevel(level)


class _Told(logging.Handler):
    """Puts what the worker logs into the trace."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        ours = record.name.startswith("streams.") and "[^" not in str(record.msg)
        if not ours and record.levelno < logging.WARNING:
            return
        self._say(f"    {record.name}: {record.getMessage()[:300]}")
