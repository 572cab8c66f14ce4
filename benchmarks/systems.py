"""The systems under test: how each is configured and started, as processes of its own."""

import os
import re
import signal
import sys
import sysconfig
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.go_peer import go_peer
from benchmarks.peers.common import DUTIES, RECORD
from benchmarks.processes import cpu_seconds, peak_memory_mb
from streams.kafka.topics import TopicNames, create_topics, topic_specs
from streams.notification.profiles import TIERS
from streams.sandbox.guard import Guarded
from streams.sandbox.keys import Keys

_SCRIPTS = Path(sysconfig.get_path("scripts"))
_BY_HAND = [sys.executable, "-m", "benchmarks.peers.aiokafka_aiohttp"]
WITH_DUTIES = "aiohttp-duties"
"""The peer written by hand for speed, with the notifier's duties."""
ONE_DUTY = {f"aiohttp-{duty}": duty for duty in DUTIES}
"""The same with one of them, by its name, to see what each costs."""
_DUTIES: Mapping[str, tuple[str, ...]] = {
    WITH_DUTIES: DUTIES,
    **{name: (duty,) for name, duty in ONE_DUTY.items()},
}
_PEERS: Mapping[str, list[str]] = {
    "aiokafka-httpx": [sys.executable, "-m", "benchmarks.peers.aiokafka_httpx"],
    "aiokafka-aiohttp": _BY_HAND,
    **dict.fromkeys(_DUTIES, _BY_HAND),
    "faust": [
        *(sys.executable, "-m", "faust", "--loop", "uvloop", "-A", "benchmarks.peers.faust_app"),
        *("worker", "--without-web", "--loglevel", "warn"),
    ],
}
NOTIFIER = "notifier"
GO = "go-franz"
NAMES = (NOTIFIER, *_PEERS, GO)
_SLOW_STARTS = {"aiokafka-httpx": 8.0}
"""More seconds of warm-up: while httpx' pool opens 256 connections it delivers next to nothing, and later three times
as much as before. Measured is what it does then."""
_NAME = re.compile(rf"({'|'.join(NAMES)})(?:-([1-9]))?")
_STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class System:
    """A program, and how many processes of it.

    Raises:
        ValueError: there is no such system.
    """

    name: str
    processes: int = 1

    @classmethod
    def parse(cls, text: str) -> "System":
        """Read `notifier-2`, or `faust` for one process."""
        found = _NAME.fullmatch(text)
        if found is None:
            message = f"there is no system {text!r}; expected one of {', '.join(NAMES)}, with -2 for two processes"
            raise ValueError(message)
        return cls(found[1], int(found[2] or 1))

    @property
    def more_warm_up_seconds(self) -> float:
        """How much longer than others it takes until it runs evenly."""
        return _SLOW_STARTS.get(self.name, 0.0)

    @property
    def duties(self) -> tuple[str, ...]:
        """What a peer does besides; the notifier does it anyway."""
        return _DUTIES.get(self.name, ())

    @property
    def keeps_refusals(self) -> bool:
        """Whether a refused notification is written down, as a dead letter or for a later attempt."""
        return self.name == NOTIFIER

    def command(self) -> list[str]:
        """Return what starts a process of it.

        Raises:
            PeerUnavailableError: it can't be built on this machine.
        """
        if self.name == GO:
            return [str(go_peer())]
        return _PEERS.get(self.name, [str(_SCRIPTS / "notifier"), "worker"])

    def __str__(self) -> str:
        return (
            self.name
            if self.name != NOTIFIER and self.processes == 1
            else f"{self.name}-{self.processes}"
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What a system is started on.

    Attributes:
        bootstrap: the brokers.
        topic: the source topic.
        name: unique among the runs of a broker; names the group and the topics of the run.
        keys: of both sides.
        partners_file: the notifier's.
        directory: for the run's files; the logs go to `logs` in it.
        in_flight: calls at once per process.
        partitions: of the notifier's own topics.
        verifies: whether peers verify answers; the notifier always does.
        settings: more of the notifier's settings, by their variables' names.
    """

    bootstrap: str
    topic: str
    name: str
    keys: Keys
    partners_file: Path
    directory: Path
    in_flight: int
    partitions: int = 12
    verifies: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> TopicNames:
        """The topics of a notifier."""
        return TopicNames(f"{self.name}-notification")

    @property
    def retry_topic(self) -> str:
        """Where a peer leaves what was not settled."""
        return f"{self.name}-retry"

    @property
    def attempts_topic(self) -> str:
        """Where a peer writes its attempts records, if that is its duty."""
        return f"{self.name}-attempts"

    def next_places(self, system: System) -> list[str]:
        """Return the topics where a notification stands that was not delivered."""
        if system.name != NOTIFIER:
            return [self.retry_topic]
        return [*(self.names.tier(wait) for wait in TIERS), self.names.dead_letter]

    def environment(self, system: System) -> dict[str, str]:
        """Return a process' whole configuration."""
        if system.name != NOTIFIER:
            return {
                "BENCH_BROKERS": self.bootstrap,
                "BENCH_TOPIC": self.topic,
                "BENCH_RETRY_TOPIC": self.retry_topic,
                "BENCH_GROUP": self.name,
                "BENCH_KEYS": str(self.keys.ca.parent),
                "BENCH_DIRECTORY": str(self.directory),
                "BENCH_IN_FLIGHT": str(self.in_flight),
                "BENCH_VERIFIES": str(int(self.verifies)),
                "BENCH_DUTIES": " ".join(system.duties),
                "BENCH_ATTEMPTS_TOPIC": self.attempts_topic,
            }
        return {
            "NOTIFIER_BROKERS": self.bootstrap,
            "NOTIFIER_SOURCE_TOPICS": self.topic,
            "NOTIFIER_TOPIC_PREFIX": self.names.prefix,
            "NOTIFIER_TOPIC_PARTITIONS": str(self.partitions),
            "NOTIFIER_GROUP_ID": self.name,
            "NOTIFIER_PARTNERS_FILE": str(self.partners_file),
            "NOTIFIER_EGRESS_ALLOW": "127.0.0.0/8",
            "NOTIFIER_MAX_IN_FLIGHT": str(self.in_flight),
            "NOTIFIER_WEB_PORT": "0",
            "NOTIFIER_WEB_BIND": "127.0.0.1",
            **self.settings,
        }

    async def create_topics(self, admin: AIOKafkaAdminClient, system: System) -> None:
        """Create what the system writes to."""
        if system.name == NOTIFIER:
            await create_topics(admin, topic_specs(self.names, TIERS, self.partitions, 1))
        else:
            attempts = [self.attempts_topic] if RECORD in system.duties else []
            await admin.create_topics(
                [NewTopic(name, self.partitions, 1) for name in (self.retry_topic, *attempts)]
            )

    async def delete_topics(self, admin: AIOKafkaAdminClient) -> None:
        """Delete them again, so that no run pays for those before it."""
        own = [name for name in await admin.list_topics() if name.startswith(f"{self.name}-")]
        await admin.delete_topics(own)


class Running:
    """A system's processes.

    Args:
        system: what to start.
        task: on what.
    """

    def __init__(self, system: System, task: Task) -> None:
        command = system.command()
        ours = {name: text for name, text in os.environ.items() if not name.startswith("NOTIFIER_")}
        self._logs = [
            task.directory / f"{task.name}-{number}.log" for number in range(system.processes)
        ]
        self.system = system
        with ExitStack() as starting:
            self._processes = [
                starting.enter_context(
                    Guarded(command, output=log, environment=ours | task.environment(system))
                )
                for log in self._logs
            ]
            self._stack = starting.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in self._processes]

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far."""
        self.must_run()
        return cpu_seconds(self.pids)

    def peak_memory_mb(self) -> float:
        """Return the highest memory of the largest process."""
        return max(map(peak_memory_mb, self.pids))

    def must_run(self) -> None:
        """Raise `RuntimeError` with the end of its log when a process has ended."""
        for process, log in zip(self._processes, self._logs, strict=True):
            if process.poll() is not None:
                how = f"by itself with {process.returncode}"
                raise self._ended(how, log)

    def must_have_ended_well(self) -> None:
        """Raise `RuntimeError` with the end of its log when a notifier that was stopped gave another exit code than 0."""
        for process, log in zip(self._processes, self._logs, strict=True):
            if self.system.name == NOTIFIER and process.returncode:
                how = f"after SIGTERM with {process.returncode}, expected 0"
                raise self._ended(how, log)

    def _ended(self, how: str, log: Path) -> RuntimeError:
        tail = log.read_text("utf-8", "replace")[-2000:]
        message = f"{self.system} ended {how}; its log ends:\n{tail}"
        return RuntimeError(message)

    def stop(self) -> list[int]:
        """End all with SIGTERM, at once, wait, and return their exit codes."""
        for process in self._processes:
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        return [process.wait(max(0.1, deadline - time.monotonic())) for process in self._processes]
