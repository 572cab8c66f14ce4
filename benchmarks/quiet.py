"""What a worker costs that has nothing to do: its start, until it is ready, and an idle while after that.

`python -m benchmarks start` and `python -m benchmarks idle`. With `--beside DIRECTORY` another checkout takes turns with
this one, on the same broker, with this one's Python and packages.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from benchmarks.machine import machine
from benchmarks.processes import cpu_seconds, peak_memory_mb
from benchmarks.results import DIRECTORY
from streams.notification.profiles import PROFILES
from streams.sandbox.broker import Broker
from streams.sandbox.client import create_topic
from streams.sandbox.guard import Guarded
from streams.sandbox.keys import make_keys, write_partners_file
from streams.sandbox.partner import notify_url
from streams.sandbox.ports import free_ports

START: Final = "start"
IDLE: Final = "idle"
QUIET: Final = (START, IDLE)
HERE: Final = Path(__file__).parents[1]

# As the command is, but of the checkout that PYTHONPATH names.
_NOTIFIER: Final = (sys.executable, "-c", "from streams.cli import main; main()")
_SOURCE: Final = "payment-final-state"
_PARTITIONS: Final = 12
_WAKE_UPS: Final = "voluntary_ctxt_switches:"
_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LOOK_EVERY_SECONDS: Final = 0.01
_SETTLED_SECONDS: Final = 12.0
"""From ready to the idle while: the first looks, and Faust's timers that begin late."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured once of one checkout.

    Attributes:
        seconds: from the start of the process until it was ready; of an idle worker the length of the while.
        cpu_seconds: in this time, user and system, all threads.
        wake_ups: in this time, how often a thread of it had waited and went on.
        broker_cpu_seconds: in this time, the broker's.
        memory_mb: the highest resident set so far, in MiB.
    """

    seconds: float
    cpu_seconds: float
    wake_ups: int
    broker_cpu_seconds: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """A broker without a record, with the notifier's topics, and how a worker is started beside it."""

    broker: Broker
    directory: Path
    environment: Mapping[str, str]

    @contextmanager
    def worker(self, checkout: Path) -> Iterator[tuple[Guarded, Figure]]:
        """Start a worker of a checkout; gives it once it is ready, and ends it in the end.

        Raises:
            RuntimeError: it ended, or was not ready in time.
        """
        (ports,) = free_ports(1)
        own = {"NOTIFIER_WEB_PORT": str(ports.clients), "PYTHONPATH": str(checkout)}
        log = self.directory / "worker.log"
        broker_before, begun = self._broker_cpu(), time.monotonic()
        with Guarded(
            [*_NOTIFIER, "worker"],
            output=log,
            environment=dict(self.environment) | own,
            directory=self.directory,
        ) as process:
            while not is_ready(ports.clients):
                if process.poll() is not None or time.monotonic() > begun + _READY_SECONDS:
                    tail = log.read_text("utf-8", "replace")[-2000:]
                    message = f"the worker of {checkout} was not ready within {_READY_SECONDS:g} s; its log ends:\n{tail}"
                    raise RuntimeError(message)
                time.sleep(_LOOK_EVERY_SECONDS)
            seconds = time.monotonic() - begun
            yield process, self._figure(process, seconds, Figure(0, 0, 0, broker_before, 0))
            process.send(signal.SIGTERM)
            process.wait(_STOP_SECONDS)

    def idle(self, checkout: Path, seconds: float) -> Figure:
        """Measure an idle worker for so long."""
        with self.worker(checkout) as (process, _):
            time.sleep(_SETTLED_SECONDS)
            before, begun = self._figure(process, 0, Figure(0, 0, 0, 0, 0)), time.monotonic()
            time.sleep(seconds)
            return self._figure(process, time.monotonic() - begun, before)

    def _figure(self, process: Guarded, seconds: float, before: Figure) -> Figure:
        return Figure(
            seconds,
            cpu_seconds([process.pid]) - before.cpu_seconds,
            _wake_ups(process.pid) - before.wake_ups,
            self._broker_cpu() - before.broker_cpu_seconds,
            peak_memory_mb(process.pid),
        )

    def _broker_cpu(self) -> float:
        return cpu_seconds([self.broker.pid or 0])


def is_ready(port: int) -> bool:
    """Tell whether the worker with this web port is ready."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004  # OK
    except (HTTPError, URLError, OSError):
        return False


@contextmanager
def _quiet() -> Iterator[Quiet]:
    with TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        keys = make_keys(directory)
        urls = {profile: notify_url("https://127.0.0.1:9", profile) for profile in PROFILES}
        file = write_partners_file(directory, urls, keys)
        with Broker(directory, properties={"group.initial.rebalance.delay.ms": "0"}) as broker:
            inherited = {
                name: text
                for name, text in os.environ.items()
                # bytecode is kept, as the image has it
                if not name.startswith(("NOTIFIER_", "PYTHONDONTWRITE"))
            }
            environment = inherited | {
                "NOTIFIER_BROKERS": broker.bootstrap,
                "NOTIFIER_PARTNERS_FILE": str(file),
                "NOTIFIER_EGRESS_ALLOW": "127.0.0.0/8",
                "NOTIFIER_WEB_BIND": "127.0.0.1",
            }
            asyncio.run(create_topic(broker.bootstrap, _SOURCE, _PARTITIONS))
            subprocess.run([*_NOTIFIER, "topics", "create"], env=environment, check=True)  # noqa: S603  # our own command
            quiet = Quiet(broker, directory, environment)
            with quiet.worker(HERE):  # the cluster's first group makes the topic for them
                pass
            yield quiet


def _wake_ups(pid: int) -> int:
    """Return how often a thread of a process has waited for something and gone on."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = status.read_text("ascii", "replace").splitlines()
        count += sum(int(line.split()[1]) for line in lines if line.startswith(_WAKE_UPS))
    return count


def measure_quiet(
    what: str, rounds: int, seconds: float, beside: Sequence[Path], say: Callable[[str], None]
) -> Path:
    """Measure each checkout once a round, in turn. Returns the file with all figures.

    Args:
        what: `start` or `idle`.
        rounds: how many.
        seconds: of an idle while.
        beside: other checkouts.
        say: told about each figure, and the medians.

    Raises:
        RuntimeError: a worker did not start.
    """
    figures: dict[str, list[Figure]] = {str(checkout): [] for checkout in (HERE, *beside)}
    file = DIRECTORY / f"{what}.json"
    file.unlink(missing_ok=True)  # of an earlier measure, which this one may not come to replace
    on = machine()
    with _quiet() as quiet:
        for number in range(1, rounds + 1):
            for checkout, of_checkout in figures.items():
                if what == START:
                    with quiet.worker(Path(checkout)) as (_, figure):
                        of_checkout.append(figure)
                else:
                    of_checkout.append(quiet.idle(Path(checkout), seconds))
                say(f"{what}, round {number}: {_line(what, of_checkout[-1:])}  {checkout}")
    for checkout, of_checkout in figures.items():
        say(f"{what}, medians: {_line(what, of_checkout)}  {checkout}")
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    document = {
        "on": on,
        "figures": {
            checkout: list(map(asdict, of_checkout)) for checkout, of_checkout in figures.items()
        },
    }
    file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return file


def _line(what: str, figures: Sequence[Figure]) -> str:
    def middle(value: Callable[[Figure], float]) -> float:
        return median(map(value, figures))

    memory = f"{middle(lambda figure: figure.memory_mb):4.0f} MiB"
    if what == START:
        return (
            f"ready after {middle(lambda figure: figure.seconds):.2f} s"
            f" and {middle(lambda figure: figure.cpu_seconds):.2f} s of CPU, {memory}"
        )
    return (
        f"{middle(lambda figure: figure.cpu_seconds / figure.seconds):.4f} cores"
        f" and {middle(lambda figure: figure.wake_ups / figure.seconds):5.1f} wake-ups a second,"
        f" the broker's {middle(lambda figure: figure.broker_cpu_seconds / figure.seconds):.4f} cores, {memory}"
    )
