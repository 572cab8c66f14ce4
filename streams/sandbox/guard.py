"""A child process that cannot outlive its parent, however the parent dies.

Between parent and child stands a guard, a second small process in a session of its own (so Ctrl-C at the terminal
reaches neither). The guard kills the child when the parent is gone: closed pipe, or another parent process id.
Linux' PR_SET_PDEATHSIG alone won't do from here: it fires when the *thread* that started the child ends. From the
guard, which has one thread, it is used too, for the case that the guard itself is killed.

This file is run as a script as well, without the package: standard library only.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_SECONDS = 0.5
"""How often the guard looks at its parent's process id, for a pipe that a fork of the parent holds open."""

_SENT = "sent"
"""What the guard answers when a signal was sent."""


class Guarded:
    """A running child behind its guard.

    Args:
        argv: the command.
        output: the file that takes its standard output and error; appended to.
        environment: its whole environment, or None for ours.
        directory: its working directory.
        remove: directories that the guard deletes when the parent died without stopping the child.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        output: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        remove: Sequence[Path] = (),
    ) -> None:
        removals = [argument for path in remove for argument in ("--remove", str(path.absolute()))]
        with output.open("ab") as sink:
            self._guard = subprocess.Popen(  # noqa: S603  # the caller's own command
                [sys.executable, "-I", "-S", __file__, *removals, "--", *map(str, argv)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                env=environment,
                cwd=directory,
                start_new_session=True,
            )
        self.returncode: int | None = None
        line = self._answer()
        if not line.startswith("pid "):
            self._guard.wait()
            self._close_pipes()
            message = f"could not start {argv[0]}: {line or 'the guard ended'}"
            raise OSError(message)
        self.pid = int(line.removeprefix("pid "))
        """The child's process id, for measuring; signals go through `send`, which can't hit a reused id."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.poll() is None:
            self.send(signal.SIGKILL)
            self.wait(timeout_seconds=30)

    def send(self, number: signal.Signals) -> None:
        """Send the child a signal; nothing happens when it has ended.

        Returns when the signal was sent, for SIGSTOP when every thread of the child stands still.
        """
        if self.poll() is not None:
            return
        assert self._guard.stdin is not None  # noqa: S101  # asked for above
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(f"{int(number)}\n".encode())
            self._guard.stdin.flush()
        line = self._answer()
        if line != _SENT:
            self._ended(line)

    def poll(self) -> int | None:
        """Return the child's exit code (minus the signal that ended it), or None while it runs."""
        if self.returncode is None and self._guard.poll() is not None:
            self._ended()
        return self.returncode

    def wait(self, timeout_seconds: float) -> int:
        """Wait for the child to end and return its exit code (minus the signal that ended it).

        Raises:
            TimeoutError: it is still running.
        """
        if self.returncode is None:
            try:
                self._guard.wait(timeout_seconds)
            except subprocess.TimeoutExpired as exc:
                message = f"process {self.pid} is still running after {timeout_seconds:g} s"
                raise TimeoutError(message) from exc
            self._ended()
        assert self.returncode is not None  # noqa: S101  # set by _ended
        return self.returncode

    def _ended(self, line: str = "") -> None:
        self._guard.wait()
        # answers to an interrupted `send` may stand before it
        codes = [line for line in (line, *iter(self._answer, "")) if line.startswith("exit ")]
        # none: the guard was killed, and the kernel killed the child with it
        self.returncode = int(codes[0].removeprefix("exit ")) if codes else -signal.SIGKILL
        self._close_pipes()

    def _answer(self) -> str:
        assert self._guard.stdout is not None  # noqa: S101  # asked for above
        return self._guard.stdout.readline().decode(errors="replace").strip()

    def _close_pipes(self) -> None:
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _die_with_the_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


def _send(child: "subprocess.Popen[bytes]", number: int) -> None:
    child.send_signal(number)
    if number == signal.SIGSTOP and child.returncode is None:
        # the kernel stops one thread after the other, and says so when the last one stands
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def _watch(child: "subprocess.Popen[bytes]", parent: int) -> bool:
    """Pass signals on until the child ends (True) or the parent is gone (False)."""
    ended_read, ended_write = os.pipe()
    os.set_blocking(ended_write, False)
    signal.set_wakeup_fd(ended_write, warn_on_full_buffer=False)
    commands = sys.stdin.fileno()
    while child.poll() is None:
        ready, _, _ = select.select([commands, ended_read], [], [], _LOOK_EVERY_SECONDS)
        if ended_read in ready:
            os.read(ended_read, 4096)
        if commands in ready:
            orders = os.read(commands, 4096)
            if not orders:
                return False
            for order in orders.split():
                _send(child, int(order))
                _tell(_SENT)
        if os.getppid() != parent:
            return False
    return True


def _main(arguments: list[str]) -> int:
    cut = arguments.index("--")
    removals, argv = arguments[1:cut:2], arguments[cut + 1 :]
    parent = os.getppid()
    # A handler, so that the wake-up pipe hears of it.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        child = subprocess.Popen(  # noqa: S603  # the command line that our own parent gave
            argv,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            preexec_fn=_die_with_the_guard,  # noqa: PLW1509  # one thread, so a fork is safe
        )
    except OSError as exc:
        _tell(f"error {exc}")
        return 1
    _tell(f"pid {child.pid}")
    if not _watch(child, parent):
        child.kill()
        child.wait()
        for path in removals:
            shutil.rmtree(path, ignore_errors=True)
    _tell(f"exit {child.returncode}")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
