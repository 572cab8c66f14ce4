"""The comparison of the locks with advisories in OSV's form."""

import json
import runpy
import subprocess
import sys

import pytest
import yaml
from packaging.version import Version


@pytest.fixture(scope="module")
def audit(root):
    """The script's functions."""
    return runpy.run_path(str(root / "requirements/audit.py"))


def advisory(**affected):
    """Return an advisory as the Python Packaging Advisory Database writes them."""
    package = {"ecosystem": "PyPI", "name": "AioHTTP", "purl": "pkg:pypi/aiohttp"}
    return {
        "id": "PYSEC-2099-1",
        "modified": "2099-01-02T03:04:05Z",
        "aliases": ["CVE-2099-1"],
        "affected": [{"package": package, **affected}],
    }


def span(*events, kind="ECOSYSTEM"):
    """Return a range."""
    return {"ranges": [{"type": kind, "events": [dict([event]) for event in events]}]}


@pytest.mark.parametrize(
    ("affected", "version", "expected"),
    [
        (span(("introduced", "0"), ("fixed", "3.9.2")), "3.9.1", True),
        (span(("introduced", "0"), ("fixed", "3.9.2")), "3.9.2", False),
        (span(("introduced", "0"), ("fixed", "3.9.2")), "3.10", False),
        (span(("introduced", "3.10.6"), ("fixed", "3.10.11")), "3.10.5", False),
        (span(("introduced", "3.10.6"), ("fixed", "3.10.11")), "3.10.6", True),
        (span(("introduced", "1"), ("last_affected", "2")), "2", True),
        (span(("introduced", "1"), ("last_affected", "2")), "2.1", False),
        (span(("fixed", "2"), ("introduced", "1"), ("introduced", "3")), "2.5", False),
        (span(("fixed", "2"), ("introduced", "1"), ("introduced", "3")), "4", True),
        (span(("introduced", "0"), kind="GIT"), "1", False),
        ({"versions": ["1.0", "1.1", "not a version"]}, "1.1.0", True),
        ({"versions": ["1.0"]}, "1.2", False),
    ],
)
def test_a_version_is_affected_as_osv_has_it(audit, affected, version, expected):
    """Ranges with and without an end, several of them, lists of versions; ranges of commits say nothing here."""
    assert audit["affects"](advisory(**affected), "aiohttp", Version(version)) is expected


def test_what_was_withdrawn_affects_nothing(audit):
    """And neither does what is about another package."""
    known = advisory(**span(("introduced", "0")))
    assert audit["affects"](known, "aiohttp", Version("1"))
    assert not audit["affects"](known, "aiokafka", Version("1"))
    assert not audit["affects"](
        known | {"withdrawn": "2099-02-01T00:00:00Z"}, "aiohttp", Version("1")
    )


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump])
def test_a_folder_of_advisories_is_compared_with_the_locks(root, tmp_path, write):
    """What is affected is named with its lock and its CVE; without a database nothing is called sound."""

    def run(folder):
        script = root / "requirements/audit.py"
        return subprocess.run(  # noqa: S603  # our own script
            [sys.executable, script, folder], capture_output=True, text=True, check=False
        )

    suffix = ".json" if write is json.dumps else ".yaml"
    assert run(tmp_path / "none").returncode == 2
    assert run(tmp_path).returncode == 2
    (tmp_path / f"one{suffix}").write_text(
        write(advisory(**span(("introduced", "0"), ("fixed", "1"))))
    )
    sound = run(tmp_path)
    assert (sound.returncode, "1 advisories about them" in sound.stdout) == (0, True)
    (tmp_path / f"two{suffix}").write_text(write(advisory(**span(("introduced", "0")))))
    affected = run(tmp_path)
    assert affected.returncode == 1
    assert "runtime.txt): PYSEC-2099-1, CVE-2099-1" in affected.stdout
