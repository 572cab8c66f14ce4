"""The locks hold everything that pyproject.toml asks for, and nothing that only one machine can fetch."""

import csv
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def locked(path: Path) -> dict[str, str]:
    """Return each locked package and its version; fails on an entry that is not pinned and hashed."""
    pins: dict[str, str] = {}
    entries = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8")).splitlines()
    for entry in (line for line in entries if line and not line.lstrip().startswith("#")):
        text, *hashes = re.split(r"\s+(?=--)", entry)
        requirement = Requirement(text)
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), f"not pinned: {text}"
        assert hashes, f"no hash: {text}"
        assert all(HASH.fullmatch(option.strip()) for option in hashes), f"not a SHA-256: {text}"
        pins[canonicalize_name(requirement.name)] = str(requirement.specifier)[2:]
    return pins


def asked(root: Path, lock: str) -> list[Requirement]:
    """Return what a lock has to hold according to pyproject.toml."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    if lock == "mutants.txt":  # beside dev.txt, by itself
        return [Requirement(text) for text in pyproject["dependency-groups"]["mutants"]]
    texts = list(pyproject["project"]["dependencies"])
    if lock == "dev.txt":
        texts += pyproject["project"]["optional-dependencies"]["sandbox"]
        texts += pyproject["dependency-groups"]["dev"] + pyproject["build-system"]["requires"]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt", "mutants.txt"])
def test_lock_satisfies_pyproject(root: Path, lock: str):
    """Every dependency is locked, with hashes, at a version that pyproject.toml accepts."""
    pins = locked(root / "requirements" / lock)
    wanted = asked(root, lock)
    missing = [r.name for r in wanted if canonicalize_name(r.name) not in pins]
    assert missing == [], "run make lock"
    wrong = [r for r in wanted if pins[canonicalize_name(r.name)] not in r.specifier]
    assert wrong == [], "run make lock"


def test_the_two_locks_agree(root: Path):
    """What is tested is what is deployed: the same version of every package that the wheel needs."""
    dev = locked(root / "requirements" / "dev.txt")
    runtime = locked(root / "requirements" / "runtime.txt")
    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt", "mutants.txt"])
def test_lock_names_no_place_to_fetch_from(root: Path, lock: str):
    """A lock holds no address and no option but hashes: each machine uses the index it is set up with."""
    text = (root / "requirements" / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert set(re.findall(r"(?:^|\s)(-{1,2}[a-z][\w-]*)", re.sub(r"#.*", "", text))) == {"--hash"}


def test_every_package_of_the_image_has_its_use(root: Path):
    """The table behind docs/dependencies.md names each locked package at its version, with a date and what we use of it."""
    with (root / "requirements/packages.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {canonicalize_name(row["package"]): row["version"] for row in rows} == locked(
        root / "requirements/image.txt"
    )
    for row in rows:
        assert date.fromisoformat(row["released"]) <= date(2100, 1, 1)
        assert row["use"], row["package"]
