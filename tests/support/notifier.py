"""The command `notifier` as a child process: run to its end, or a worker to be watched and ended."""

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.forked import ForkedProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

NOTIFIER = Path(sysconfig.get_path("scripts")) / "notifier"
STOP_SECONDS = 15.0
"""How long a worker may take from SIGTERM to its end: the contract's, for the tests whose subject it is."""

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients without TLS: each would read all CA certificates, which takes longer than to ask."""

_AFTER_UNWANTED = 60  # a traceback of asyncio and aiokafka
_UNWANTED = re.compile(r"Traceback|CRITICAL|never (retrieved|awaited)|was destroyed")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return a child's environment: ours without any setting of the notifier, and these."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("NOTIFIER_")}
    return ours | dict(settings)


async def notifier(
    *arguments: str, settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return await asyncio.to_thread(_run, arguments, environment(settings))


def _run(arguments: tuple[str, ...], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        process = ForkedProcess(arguments, env, (said.fileno(), errors.fileno()))
        try:
            code = process.wait(TIMEOUT_SECONDS)
        finally:
            process.kill()
        said.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, said.read(), errors.read())


class WorkerProcess:
    """`notifier worker` as a child process. Its web port is of its own choice.

    Args:
        settings: its whole configuration, as environment variables.
        command: another one that says where it listens and when it is ready, with its options.
        program: the installed script `NOTIFIER`, that of another installation, or another program; None for a process that
            is forked from one that has imported the command.
    """

    def __init__(
        self, settings: Mapping[str, str], command: str = "worker", program: Path | None = None
    ) -> None:
        own = {"NOTIFIER_WEB_PORT": "0", "NOTIFIER_WEB_BIND": "127.0.0.1"}
        self._lines: list[str] = []
        self._changed = threading.Condition()
        reading, writing = os.pipe()
        self._output = os.fdopen(reading)
        env = environment(own | dict(settings))
        self._process: subprocess.Popen[bytes] | ForkedProcess
        if program is None:
            self._process = ForkedProcess(command.split(), env, (writing, writing))
        else:
            self._process = subprocess.Popen(  # noqa: S603  # our own command
                [str(program), *command.split()],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
            )
        os.close(writing)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """Everything it has said so far."""
        with self._changed:
            return "".join(self._lines)

    @property
    def unwanted(self) -> list[str]:
        """Lines of the log that no worker should write, whatever happens to it, each with what stands around it."""
        lines = self.log.splitlines()
        return [
            "\n".join(lines[max(0, number - 2) : number + _AFTER_UNWANTED])
            for number, line in enumerate(lines)
            if _UNWANTED.search(line)
        ]

    @property
    def pid(self) -> int:
        """The process, for measuring."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP: it runs no more, and its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was."""
        self._process.send_signal(signal.SIGCONT)

    async def said(self, pattern: str, timeout_seconds: float = TIMEOUT_SECONDS) -> re.Match[str]:
        """Wait until it says something, and return the match."""
        return await asyncio.to_thread(self._said, re.compile(pattern), timeout_seconds)

    async def listening(self, timeout_seconds: float = TIMEOUT_SECONDS) -> Self:
        """Wait until its web port can be asked."""
        heard = await self.said(r"listening on \S+?:([0-9]+) ", timeout_seconds)
        self.url = f"http://127.0.0.1:{heard[1]}"
        return self

    async def ready(self, timeout_seconds: float = TIMEOUT_SECONDS) -> Self:
        """Wait until it answers 200 at `/health/ready`."""
        deadline = time.monotonic() + timeout_seconds
        await self.listening(timeout_seconds)
        try:
            await eventually(
                self._is_ready, deadline - time.monotonic(), what="/health/ready", every_seconds=0.1
            )
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log}") from error  # noqa: EM102, TRY003  # a test's own words
        return self

    async def get(self, path: str) -> httpx.Response:
        """Ask its web port."""
        async with httpx.AsyncClient(
            trust_env=False, timeout=TIMEOUT_SECONDS, verify=_TRUSTS_NOBODY
        ) as client:
            return await client.get(self.url + path)

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        families = text_string_to_metric_families((await self.get("/metrics")).text)
        samples = (sample for family in families for sample in family.samples)
        return sum(
            sample.value
            for sample in samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def stop(self, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
        """Ask it to end with SIGTERM, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await self.ended(timeout_seconds)

    async def interrupt(self, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
        """Press Ctrl-C, and return its exit code."""
        self._process.send_signal(signal.SIGINT)
        return await self.ended(timeout_seconds)

    async def ended(self, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
        """Wait for its end, and return its exit code."""
        try:
            code = await asyncio.to_thread(self._process.wait, timeout_seconds)
        except subprocess.TimeoutExpired:
            message = f"the worker still runs after {timeout_seconds:g} s\n{self.log}"
            raise TimeoutError(message) from None
        self._reader.join()
        return code

    def kill(self) -> None:
        """End it at once with SIGKILL; nothing happens when it has ended."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    async def _is_ready(self) -> bool:
        if not self.alive:
            message = f"the worker ended with {self._process.returncode}\n{self.log}"
            raise AssertionError(message)
        return (await self.get("/health/ready")).is_success

    def _read(self) -> None:
        with self._output as output:
            for line in output:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._lines.append("")
            self._changed.notify_all()

    def _said(self, pattern: re.Pattern[str], timeout_seconds: float) -> re.Match[str]:
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while (match := pattern.search("".join(self._lines))) is None:
                left = deadline - time.monotonic()
                if left <= 0 or (not self.alive and not self._reader.is_alive()):
                    message = f"the worker did not say {pattern.pattern!r}\n{''.join(self._lines)}"
                    raise TimeoutError(message)
                self._changed.wait(min(left, 1.0))
        return match
