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
    """What is not released yet stands first, then this version, then those before it. Nothing was released before 0.1.0's heading."""
    first, *released = changelog
    assert first == "Unreleased"
    numbers = [Version(name) for name in released]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[:1] in ([], [version])
    assert numbers or changelog["Unreleased"]


def test_records_are_not_of_a_version_that_was_passed_over(
    root: Path, version: Version, changelog: dict[str, str]
):
    """Records of a later form wait for the next release, and it gets their number: a release below it fails here."""
    folders = (root / "tests/vectors/records").iterdir()
    newest = max(Version(path.name) for path in folders if path.name != "next")
    if not changelog["Unreleased"]:
        assert newest <= version
