"""What counts for the coverage, and what does not."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.measured import COUNTED, UNCOUNTED
from tests.support.waiting import TIMEOUT_SECONDS

ROOT = Path(__file__).resolve().parents[2]

PART = """
def before():
    return 1

def inside():
    return 2

def inside_a_thread():
    return 3

def inside_a_process():
    return 4

def after():
    return 5

def after_in_a_thread():
    return 6

def after_in_a_process():
    return 7
"""
MAIN = """
import subprocess
import sys
import threading

import part

sys.path.append({root!r})
from tests.support.measured import uncounted

def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()

def in_a_process(name):
    subprocess.run([sys.executable, "-c", f"import part; part.{{name}}()"], check=True)

part.before()
with uncounted():
    part.inside()
    in_a_thread(part.inside_a_thread)
    in_a_process("inside_a_process")
part.after()
in_a_thread(part.after_in_a_thread)
in_a_process("after_in_a_process")
"""
SETTINGS = """
[run]
branch = true
parallel = true
include = part.py
patch = subprocess
"""


def test_what_stands_inside_does_not_count_and_what_follows_does(tmp_path):
    """Neither a call, nor a thread, nor a process that is started inside counts; all of them count afterwards."""
    (tmp_path / "part.py").write_text(PART)
    (tmp_path / "main.py").write_text(MAIN.format(root=str(ROOT)))
    (tmp_path / ".coveragerc").write_text(SETTINGS)
    for step in (["run", "main.py"], ["combine", "-q"], ["json", "-q", "-o", "counted.json"]):
        done = subprocess.run(  # noqa: S603  # our own interpreter
            [sys.executable, "-m", "coverage", *step],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
    functions = json.loads((tmp_path / "counted.json").read_text())["files"]["part.py"]["functions"]
    counted = {name for name, lines in functions.items() if name and lines["executed_lines"]}
    assert counted == {"before", "after", "after_in_a_thread", "after_in_a_process"}


def test_each_beginning_names_tests():
    """No folder, file or test is listed that was renamed or deleted."""
    for name in (*UNCOUNTED, *COUNTED):
        path, _, test = name.partition("::")
        assert list(ROOT.glob(f"{path.rstrip('/')}*")), name
        assert not test or f"def {test}(" in (ROOT / path).read_text(), name
