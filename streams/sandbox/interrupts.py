"""Signals that end a rehearsal, wherever in the program they arrive."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_AGAIN_AFTER_SECONDS = 0.05


@contextmanager
def no_interrupt_is_lost() -> Iterator[None]:
    """Send a signal again whose exception Python threw away: SIGINT for KeyboardInterrupt, SIGTERM for SystemExit.

    The exception of a signal handler rises wherever the main thread is just then; in a finalizer (`__del__`, a weak
    reference's callback) Python prints and forgets it, and the program would go on as if nobody had pressed a key.
    """
    before = sys.unraisablehook

    def send_again(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt | SystemExit):
            ended = isinstance(unraisable.exc_value, SystemExit)
            number = signal.SIGTERM if ended else signal.SIGINT
            again = threading.Timer(_AGAIN_AFTER_SECONDS, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
        else:
            before(unraisable)

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, and Ctrl-C its part even where a shell's background job ignores it."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        with no_interrupt_is_lost():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
