"""A signal ends a rehearsal, also one that Python would have thrown away."""

import signal
import subprocess
import sys
import time

import pytest

from streams.sandbox.interrupts import ended_by_signals, no_interrupt_is_lost
from tests.support.waiting import TIMEOUT_SECONDS


class Finalized:
    """Is interrupted in its finalizer, where Python forgets what was raised."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


class Exited:
    """Is ended in its finalizer."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def test_an_interrupt_in_a_finalizer_comes_again():
    """It is forgotten there and rises again a moment later."""
    with pytest.raises(KeyboardInterrupt), ended_by_signals():  # noqa: PT012  # both statements belong to the moment
        Finalized()
        time.sleep(30)


def test_an_exit_in_a_finalizer_comes_again():
    """SIGTERM ends `notifier sandbox` by an exit of its own kind, which is forgotten just the same."""

    def end(*_):
        raise SystemExit(7)

    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(SystemExit, match="7"), no_interrupt_is_lost():  # noqa: PT012  # both belong to the moment
            Exited()
            time.sleep(30)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_any_other_forgotten_error_is_told_as_before(capsys):
    """Only interrupts are kept from standard error."""

    class Faulty:
        def __del__(self):
            raise ValueError

    before, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__
    try:
        with no_interrupt_is_lost():
            Faulty()
    finally:
        sys.unraisablehook = before
    assert "ValueError" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_ending_signal_interrupts(number):
    """Whichever comes first ends the program as Ctrl-C does; the handlers from before come back."""
    ours = signal.signal(number, signal.SIG_DFL)  # under nohup SIGHUP is ignored
    try:
        with pytest.raises(KeyboardInterrupt), ended_by_signals():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, ours)


def test_sighup_under_nohup_stays_ignored():
    """Who starts a rehearsal with nohup wants it to outlive the terminal."""
    script = (
        "import signal\n"
        "from streams.sandbox.interrupts import ended_by_signals\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with ended_by_signals():\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=TIMEOUT_SECONDS)  # noqa: S603  # our own interpreter
