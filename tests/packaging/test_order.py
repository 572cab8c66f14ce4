"""The order in which the tests run in several processes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CONFTEST = """
import sys
sys.path.insert(0, {root!r})
import pytest
from tests.support.order import Scheduler, arrange

def pytest_collection_modifyitems(items):
    arrange(items)

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Scheduler(config, log)
"""
FILES = {
    "tests/helm/test_values.py": 9,
    "tests/integration/test_delivery.py": 2,
    "tests/integration/test_kafka_sessions.py": 1,
    "tests/docs/test_links.py": 5,
    "tests/unit/notification/test_body.py": 1,
}


def test_rules_come_first_and_then_the_longest(tmp_path):
    """However few tests a file has: its place in the order counts, and not how many others it holds."""
    (tmp_path / "conftest.py").write_text(CONFTEST.format(root=str(ROOT)))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name, tests in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"def test_{number}(): pass\n" for number in range(tests)))
    command = [sys.executable, "-m", "pytest", "-v", "-n", "1", "-p", "no:cacheprovider"]
    done = subprocess.run(  # noqa: S603  # our own interpreter
        [*command, "--import-mode=importlib", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.findall(r"PASSED (\S+)::", done.stdout)
    assert list(dict.fromkeys(ran)) == [
        "tests/unit/notification/test_body.py",
        "tests/integration/test_kafka_sessions.py",
        "tests/helm/test_values.py",
        "tests/integration/test_delivery.py",
        "tests/docs/test_links.py",
    ]
