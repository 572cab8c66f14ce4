"""The command `notifier` in processes forked from one that has imported it.

Half of what a command takes is imports, and the tests start some 450 of them. What runs is the installed command's own entry point, in
a process with its own arguments, environment, output, signals and end. Tests of the start itself, and of what is set for the
interpreter, start the installed script instead (`tests.support.notifier`, `program`).
"""

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, NoReturn

_COVERAGE = "COVERAGE_PROCESS_CONFIG"
_MOST_BYTES = 1 << 20
_POLL_SECONDS = 0.02
_LOST = "the process that forks `notifier` has ended"


class ForkedProcess:
    """A `notifier` that runs; it has of `subprocess.Popen` what tests use.

    Args:
        arguments: behind `notifier`.
        env: its whole environment.
        output: descriptors for its standard output and its errors; the caller closes its own copies.
    """

    def __init__(
        self, arguments: Sequence[str], env: Mapping[str, str], output: tuple[int, int]
    ) -> None:
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._status, theirs = os.pipe()
        request = json.dumps([list(arguments), dict(env), str(Path.cwd())]).encode()
        with Path(os.devnull).open("rb") as nothing:
            _server().ask(request, [nothing.fileno(), *output, theirs])
        os.close(theirs)
        self.pid = int(self._next_word())

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        with self._lock, selectors.DefaultSelector() as waiting:
            if self.returncode is None:
                waiting.register(self._status, selectors.EVENT_READ)
                if waiting.select(0):
                    self.returncode = int(self._next_word())
                    os.close(self._status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                command = "notifier"
                raise subprocess.TimeoutExpired(command, timeout or 0.0)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing happens where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _next_word(self) -> bytes:
        word = b""
        while not word.endswith(b"\n"):
            got = os.read(self._status, 1)
            if not got:
                raise RuntimeError(_LOST)
            word += got
        return word


class _Server:
    """The process that forks; it ends with the process of the tests."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {name: text for name, text in os.environ.items() if name != _COVERAGE}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # this module
                [sys.executable, __file__, str(theirs.fileno())],
                env=env,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def ask(self, request: bytes, descriptors: Sequence[int]) -> None:
        socket.send_fds(self._socket, [request], list(descriptors))


@cache
def _server() -> _Server:
    return _Server()


def _serve(number: int) -> None:
    """Fork whatever is asked for. Returns in each child; ends this process when nobody can ask any more."""
    asked = socket.socket(fileno=number)
    waiting = selectors.DefaultSelector()
    waiting.register(asked, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is not asked:
                _tell_end(waiting, key)
                continue
            request, descriptors, _, _ = socket.recv_fds(asked, _MOST_BYTES, 4)
            if not request:
                sys.exit()
            child = os.fork()
            if not child:
                waiting.close()
                asked.close()
                os.close(descriptors[3])
                arguments, env, directory = json.loads(request)
                _become(arguments, env, directory, descriptors[:3])
                return
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            os.write(descriptors[3], b"%d\n" % child)
            waiting.register(os.pidfd_open(child), selectors.EVENT_READ, (child, descriptors[3]))


def _tell_end(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    child, status = key.data
    _, code = os.waitpid(child, 0)
    waiting.unregister(key.fileobj)
    os.close(key.fd)
    with suppress(BrokenPipeError):  # whoever asked has ended
        os.write(status, b"%d\n" % os.waitstatus_to_exitcode(code))
    os.close(status)


def _become(
    arguments: list[str], env: dict[str, str], directory: str, descriptors: list[int]
) -> None:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(directory)
    # What the parent's was stays open as sys.__stdout__. Whether it can be sought, which its codec depends on, is asked once.
    sys.stdout = open(  # noqa: SIM115  # a descriptor; for as long as the process lives
        1, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False
    )
    sys.argv = ["notifier", *arguments]
    if _COVERAGE in env:
        import_module("coverage").process_startup(force=True)


def _import_everything() -> Any:
    """Import all of the notifier, as its commands do when they are called, and return the entry point."""
    import_module("streams.webhook.quick_import").leave_out_httpx_command()
    package = import_module("streams")
    for module in walk_packages(package.__path__, "streams."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    return import_module("streams.cli").main


def _run_and_exit(run: Callable[[], None]) -> NoReturn:
    """End as the interpreter does, but for taking apart all that was imported, which takes longer than most commands."""
    code: object = 0
    try:
        run()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  # as the interpreter ends
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201  # as the interpreter does
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    run = _import_everything()
    if threading.active_count() > 1:
        sys.exit("an import has started a thread; no process can be forked beside it")
    gc.freeze()
    _serve(int(sys.argv[1]))
    _run_and_exit(run)
