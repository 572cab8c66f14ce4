"""Two versions of the notifier as wheels: this commit's, and a newer one that is made from it."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

from tests.support.waiting import TIMEOUT_SECONDS

PROFILE = "mpp-to-mars"
"""The newer version's own profile: as `mpp-to-alipay-plus`, but for its ladder."""

WAIT = "45s"
"""The newer version's own wait."""

HEADER = ("notifier-rollout", b"blue")
"""The newer version's own header, on every record that it writes."""

_SOURCES = ("streams", "schemas", "pyproject.toml", "README.md", "LICENSE")
_NEW_PROFILE = f'''"""A profile of a newer version."""

from dataclasses import replace

from streams.notification.ladder import Ladder
from streams.notification.profiles import mpp_to_alipay_plus

_KNOWN = mpp_to_alipay_plus.PROFILE
PROFILE = replace(
    _KNOWN,
    name="{PROFILE}",
    title="Mars",
    ladder=Ladder.of("{WAIT} 1s {WAIT}"),
    sample=replace(_KNOWN.sample, partner="mars", path="/mars/notifyPayment"),
)
'''
_CHANGES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "pyproject.toml": (('\nversion = "', '\nversion = "9.'),),
    "streams/notification/profiles/__init__.py": (
        ("    mpp_to_ant,\n)", "    mpp_to_ant,\n    mpp_to_mars,\n)"),
        ("    mpp_to_ant.PROFILE,\n", "    mpp_to_ant.PROFILE,\n    mpp_to_mars.PROFILE,\n"),
        ('"1s 3s 30s 1m', f'"1s 3s 30s {WAIT} 1m'),
    ),
    "streams/kafka/format/records.py": (
        ('    "format",\n', f'    "format",\n    "{HEADER[0]}",\n'),
        (
            '        ("format", FORMAT),\n',
            f'        ("format", FORMAT),\n        ("{HEADER[0]}", "{HEADER[1].decode()}"),\n',
        ),
    ),
}
"""What the newer version has more: by file, each text and what stands there instead."""


def build_newer(root: Path, folder: Path) -> Path:
    """Make the newer version from the sources in a folder, and return its wheel."""
    sources = folder / "sources"
    sources.mkdir()
    for name in _SOURCES:
        if (root / name).is_dir():
            shutil.copytree(
                root / name, sources / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(root / name, sources / name)
    (sources / "streams/notification/profiles/mpp_to_mars.py").write_text(_NEW_PROFILE, "utf-8")
    for name, changes in _CHANGES.items():
        text = (sources / name).read_text("utf-8")
        for before, after in changes:
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, after)
        (sources / name).write_text(text, "utf-8")
    return build_wheel(sources, folder / "dist")


def build_wheel(sources: Path, out: Path) -> Path:
    """Build a wheel from sources, without a network, and return it."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=sources)
    (wheel,) = out.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into an environment of its own, over the packages of this one; return its folder of commands."""
    venv.create(folder, with_pip=False, symlinks=True)
    commands = folder / "bin"
    pip = (sys.executable, "-m", "pip", "--python", commands / "python", "install")
    _run(*pip, "--quiet", "--no-index", "--no-deps", wheel, cwd=folder)
    # Only now: pip would take this environment's editable install for the one to replace.
    (own,) = folder.glob("lib/python*/site-packages")
    theirs = [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    (own / "packages.pth").write_text("\n".join([*theirs, ""]), "utf-8")
    return commands


def _run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(  # noqa: S603  # commands of this file only
        [str(part) for part in command],
        cwd=cwd,
        env={name: text for name, text in os.environ.items() if name != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
