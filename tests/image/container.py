"""The image built with buildah and run with runc: no daemon, no registry.

The base image is a stand-in, a Debian made by debootstrap, since a registry may be out of reach.
"""

import json
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.sandbox.kafka_jars import cache_directory

TOOLS = ("buildah", "debootstrap", "runc")
UID = 10001
_BASE = "localhost/python:stand-in"
_IMAGE = "localhost/payment-notifier:test"
_CERTIFICATES = "/etc/ssl/certs"


def lacking() -> str:
    """Return why an image can't be built here, or nothing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if platform.system() != "Linux":
        return "containers need Linux"
    if missing:
        return f"no {', '.join(missing)}: apt-get install --no-install-recommends {' '.join(TOOLS)}"
    return "" if os.geteuid() == 0 else "runc and debootstrap need root"


def _run(*command: str | Path, timeout_seconds: float = 300) -> str:
    done = subprocess.run(  # noqa: S603  # commands of this file
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def stand_in() -> Path:
    """Return a Debian with Python in the user's cache, making it at the first call."""
    whole = cache_directory() / "image-test" / "debian"
    if not whole.exists():
        whole.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=whole.parent, prefix="making-"))
        packages = "ca-certificates,python3,python3-venv,python3-pip"
        _run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", part)
        part.rename(whole)
    return whole


class Image:
    """The project's image, in a store of its own.

    Args:
        root: the folder with the Dockerfile.
        directory: where the store goes.

    Attributes:
        config: what the image says of itself: user, entry point, labels.
    """

    def __init__(self, root: Path, directory: Path) -> None:
        self._store = (
            *("--root", directory / "store", "--runroot", directory / "run"),
            *("--storage-driver", "vfs"),
        )
        base = self._buildah("from", "scratch").strip()
        self._buildah("add", "--quiet", base, stand_in(), "/")
        self._buildah("commit", "--quiet", "--rm", base, _BASE)
        # The machine's way to a package index. It stays in this image's environment; a real build needs none of it.
        pip = [f"--env={name}" for name in sorted(os.environ) if name.startswith("PIP_")]
        self._recipe = (
            *("bud", "--isolation", "chroot", "--network", "host", "--quiet", "--no-cache", *pip),
            *("--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"),
            *("--build-arg", f"PYTHON_IMAGE={_BASE}", "--build-arg", "VERSION=9.9.9"),
            *("--build-arg", "SOURCE_DATE_EPOCH=1767225600", "--timestamp", "1767225600"),
        )
        self._root = root
        self.rootfs = self.build(_IMAGE)
        self.config: dict[str, Any] = json.loads(self._buildah("inspect", _IMAGE))["OCIv1"]

    def build(self, tag: str, *arguments: str) -> Path:
        """Build the recipe, nothing taken from an earlier build, and return the root of what it holds."""
        self._buildah(*self._recipe, *arguments, "--tag", tag, self._root)
        container = self._buildah("from", tag).strip()
        return Path(self._buildah("mount", container).strip())

    def _buildah(self, *arguments: str | Path) -> str:
        command, *rest = arguments
        return _run("buildah", *self._store, command, *rest)


@dataclass(frozen=True)
class Start:
    """How a process of the image is started.

    Attributes:
        arguments: of the entry point; the image's own unless given.
        settings: more environment.
        mounts: folders of this machine that it sees, read-only, at the same path.
        user: uid and gid instead of the image's own, as OpenShift chooses them.
        rootfs: another build's root instead of the image's.
    """

    arguments: Sequence[str] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Path] = ()
    user: str = ""
    rootfs: Path | None = None


class Container:
    """One process in a container of the image: its user, a read-only root, no capabilities, the machine's network.

    Args:
        image: what runs.
        directory: a folder for the bundle.
        start: how.
    """

    def __init__(self, image: Image, directory: Path, start: Start) -> None:
        self._name = f"payment-notifier-{directory.name}-{os.getpid()}"
        self._log = (directory / "log").open("w+", encoding="utf-8")
        bundle = directory / "bundle"
        bundle.mkdir()
        config = image.config["config"]
        _run("runc", "spec", "--bundle", bundle)
        spec = json.loads((bundle / "config.json").read_text("utf-8"))
        uid, gid = map(int, (start.user or config["User"]).split(":"))
        nothing: list[str] = []
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": uid, "gid": gid},
            "args": [
                *config["Entrypoint"],
                *(config["Cmd"] if start.arguments is None else start.arguments),
            ],
            "env": config["Env"] + [f"{name}={text}" for name, text in start.settings.items()],
            "cwd": config["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": dict.fromkeys(spec["process"]["capabilities"], nothing),
        }
        spec["root"] = {"path": str(start.rootfs or image.rootfs), "readonly": True}
        spec["linux"]["namespaces"] = [
            space for space in spec["linux"]["namespaces"] if space["type"] != "network"
        ]
        spec["linux"].pop("resources", None)
        spec["mounts"].append(
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}  # noqa: S108  # as the chart mounts it
        )
        spec["mounts"] += [
            {
                "destination": str(path),
                "type": "bind",
                "source": str(path),
                "options": ["bind", "ro"],
            }
            for path in start.mounts
        ]
        (bundle / "config.json").write_text(json.dumps(spec), "utf-8")
        self._process = subprocess.Popen(  # noqa: S603  # runc
            ["runc", "run", "--bundle", str(bundle), self._name],  # noqa: S607  # found by `lacking`
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def log(self) -> str:
        """Everything it has said so far."""
        return Path(self._log.name).read_text("utf-8")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def status(self) -> dict[str, str]:
        """Return what the kernel says of its first process."""
        pid = json.loads(_run("runc", "state", self._name))["pid"]
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        return dict(line.split(":\t", 1) for line in lines)

    def terminate(self) -> None:
        """Send SIGTERM to its first process, as the kubelet does."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_seconds: float = 60) -> int:
        """Wait for its end, and return its exit code."""
        return self._process.wait(timeout_seconds)

    def close(self) -> None:
        """End it, however it is."""
        if self.alive:
            _run("runc", "kill", self._name, "KILL")
            self._process.wait(30)
        self._log.close()
