"""The command `notifier` in processes of its own, as an operator runs it. None outlives this process."""

import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx

from streams.sandbox.guard import Guarded

# -P: nothing is imported from the folder where the user stands
_COMMAND = (sys.executable, "-P", "-c", "from streams.cli import main; main()")
_COMMAND_SECONDS = 60.0
_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 0.1
_TAIL_LINES = 25


class NotifierError(Exception):
    """A command failed or the worker ended; the message ends with its last lines."""


def settings(**values: str) -> dict[str, str]:
    """Return an environment with these settings (`brokers=...` is NOTIFIER_BROKERS) and none of the machine's."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFIER_")}
    return rest | {f"NOTIFIER_{name.upper()}": value for name, value in values.items()}


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_command(arguments: list[str], environment: Mapping[str, str], output: Path) -> None:
    """Run `notifier` with these arguments to its end.

    Raises:
        NotifierError: it did not end with 0 within a minute.
    """
    with Guarded([*_COMMAND, *arguments], output=output, environment=environment) as command:
        try:
            code = command.wait(_COMMAND_SECONDS)
        except TimeoutError as error:
            message = f"notifier {' '.join(arguments)}: {error}\n{_tail(output)}"
            raise NotifierError(message) from error
    if code:
        message = f"notifier {' '.join(arguments)} ended with {code}\n{_tail(output)}"
        raise NotifierError(message)


class Worker:
    """`notifier worker`, or another command that runs until it is told to stop and says when it is ready.

    Args:
        environment: its whole environment.
        output: the file that takes its log.
        port: its web port, as the environment says.
        command: which one.
    """

    def __init__(
        self, environment: Mapping[str, str], output: Path, port: int, command: str = "worker"
    ) -> None:
        self._output = output
        self._name = f"notifier {command}"
        self._process = Guarded([*_COMMAND, command], output=output, environment=environment)
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it where it still runs."""
        with self._process:
            pass

    @property
    def pid(self) -> int:
        """The process that runs `notifier worker`."""
        return self._process.pid

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        return _tail(self._output)

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            NotifierError: it has ended.
        """
        if (code := self._process.poll()) is not None:
            message = f"{self._name} ended with {code}\n{_tail(self._output)}"
            raise NotifierError(message)

    def wait_until_ready(self) -> None:
        """Return when it consumes.

        Raises:
            NotifierError: it ended, or was not ready within a minute.
        """
        deadline = time.monotonic() + _READY_SECONDS
        seen = "no answer"
        with httpx.Client(trust_env=False, timeout=2) as client:
            while time.monotonic() < deadline:
                self.check()
                with suppress(httpx.TransportError):
                    answer = client.get(f"{self.url}/health/ready")
                    if answer.status_code == httpx.codes.OK:
                        return
                    seen = answer.text
                time.sleep(_LOOK_EVERY_SECONDS)
        message = (
            f"{self._name} was not ready within {_READY_SECONDS:g} s: {seen}\n{_tail(self._output)}"
        )
        raise NotifierError(message)

    def stop(self) -> None:
        """End it in order with SIGTERM.

        Raises:
            NotifierError: it did not end with 0.
        """
        self._process.send(signal.SIGTERM)
        try:
            code = self._process.wait(_STOP_SECONDS)
        except TimeoutError as error:
            message = f"{self._name}: {error}, expected an end after SIGTERM\n{_tail(self._output)}"
            raise NotifierError(message) from error
        if code:
            message = (
                f"{self._name} ended with {code} after SIGTERM, expected 0\n{_tail(self._output)}"
            )
            raise NotifierError(message)


def _tail(output: Path) -> str:
    lines = output.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(lines) or "(it wrote nothing)"
