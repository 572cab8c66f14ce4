"""The list of parts that is made with the wheel."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sbom(tmp_path_factory):
    """The command that `make sbom` runs, with its output elsewhere."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nsbom:")[2]
    words = (
        recipe.partition("-m cyclonedx_py ")[2].partition("\n\n")[0].replace("\\\n", " ").split()
    )
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    words[words.index("-o") + 1] = str(path)
    command = [sys.executable, "-W", "ignore::UserWarning", "-m", "cyclonedx_py", *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603  # our own
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_lists_every_locked_package_with_version_and_hash(sbom):
    """No more and no less than what `pip install` takes with the wheel."""
    lock = (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", lock, re.MULTILINE))
    assert len(locked) > 20
    listed = {part["name"]: part["version"] for part in sbom["components"]}
    assert listed == locked
    for part in sbom["components"]:
        hashes = [item for found in part["externalReferences"] for item in found.get("hashes", [])]
        assert hashes, part["name"]
        assert {item["alg"] for item in hashes} == {"SHA-256"}


def test_it_is_of_this_package(sbom):
    """It names what it is the list of, in the form that scanners read."""
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["name"] == "payment-notifier"
