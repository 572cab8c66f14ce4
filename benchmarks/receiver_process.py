"""The receiver as the harness holds it: a child process that is asked by lines of JSON."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.receiver import Manner

_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request.

    Attributes:
        order: its order id.
        at_ns: on the monotonic clock, which all processes of a machine share.
        answer: S, F or U.
    """

    order: str
    at_ns: int
    answer: str


@dataclass(frozen=True, slots=True)
class Receipts:
    """What came since `begin`.

    Attributes:
        all: in the order of their coming.
        wrongly_signed: how many requests had no signature or a wrong one; all are verified.
        body_bytes: the mean length of a body.
        bodies_sha256: of all bodies in their order, so that two runs over the same orders can be compared.
    """

    all: list[Receipt]
    wrongly_signed: int
    body_bytes: int
    bodies_sha256: str = ""


class ReceiverProcess:
    """A running receiver; it ends with this process.

    Args:
        directory: of the keys, and for its report.
    """

    def __init__(self, directory: Path) -> None:
        self._report = directory / "receipts.txt"
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", "benchmarks.receiver", "--directory", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="ascii",
            start_new_session=True,  # Ctrl-C at the terminal is for its parent to act on
        )
        ports = self._answer()
        self.url = f"https://127.0.0.1:{ports['port']}"
        self.plain_url = f"http://127.0.0.1:{ports['plain_port']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None and self._process.stdout is not None:
            self._process.stdin.close()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Its process id, for measuring."""
        return self._process.pid

    def begin(self, manner: Manner) -> None:
        """Forget what came so far, and answer in this manner."""
        self._ask({"begin": asdict(manner)})

    def count(self) -> int:
        """Return how many requests came since `begin`."""
        return int(self._ask({"count": True})["count"])

    def orders(self) -> int:
        """Return how many different orders they were about."""
        return int(self._ask({"count": True})["orders"])

    def receipts(self) -> Receipts:
        """Return what came since `begin`, every signature verified."""
        return self._receipts("report")

    def drain(self) -> Receipts:
        """Return what came since `begin` or the last time, every signature verified, and forget it."""
        return self._receipts("drain")

    def _receipts(self, command: str) -> Receipts:
        found = self._ask({command: str(self._report)})
        with self._report.open(encoding="ascii") as lines:
            parts = (line.split() for line in lines)
            receipts = [Receipt(order, int(at), answer) for order, at, answer in parts]
        return Receipts(
            receipts, found["wrongly_signed"], found["body_bytes"], found["bodies_sha256"]
        )

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101  # asked for above
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101  # asked for above
        line = self._process.stdout.readline()
        if not line:
            message = "the receiver's process ended; its own words are on standard error"
            raise RuntimeError(message)
        answer: dict[str, Any] = json.loads(line)
        return answer
