"""A release has one number: in the package, the chart, the changelog, the documentation, and above what records say."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.version import Version


@pytest.fixture
def version(root: Path) -> Version:
    """The version that pyproject.toml names."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return Version(tomllib.loads(text)["project"]["version"])


@pytest.fixture
def changelog(root: Path) -> dict[str, str]:
    """What stands under each heading of the changelog, newest first."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## \[(.+?)\].*$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))


def test_chart_and_documentation_have_the_programs_version(root: Path, version: Version):
    """The image that the chart installs, and the one that the page tells to build, are of this version."""
    chart = yaml.safe_load((root / "helm/payment-notifier/Chart.yaml").read_text(encoding="utf-8"))
    assert Version(chart["appVersion"]) == version
    page = (root / "docs/kubernetes.md").read_text(encoding="utf-8")
    assert re.findall(r"/payment-notifier:([\w.]+)", page) == [str(version)]


def test_changelog_names_the_version(version: Version, changelog: dict[str, str]):
    """What is not released yet stands first, then what is, newest first; this version is released, or the one that comes next."""
    first, *released = changelog
    assert first == "Unreleased"
    numbers = [Version(name) for name in released]
    assert numbers == sorted(numbers, reverse=True)
    if changelog["Unreleased"]:
        assert all(number <= version for number in numbers)
    else:
        assert numbers[0] == version


def test_no_records_are_of_a_later_version_than_the_program(root: Path, version: Version):
    """A program that writes records in a later form has a later number: in `/metrics`, `User-Agent` and image."""
    folders = (root / "tests/vectors/records").iterdir()
    newest = max(Version(path.name) for path in folders if path.name != "next")
    assert newest <= version
