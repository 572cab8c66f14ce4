"""A guarded child can be signalled and waited for, and ends with its parent."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.sandbox.guard import Guarded
from tests.support.waiting import TIMEOUT_SECONDS

SLEEPER = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]


def _first_line(process):
    return process.stdout.readline()


@pytest.fixture
def output(tmp_path):
    """The file that takes the child's output."""
    return tmp_path / "output.log"


@pytest.mark.parametrize("code", [0, 1, 130])
def test_gives_the_exit_code_and_keeps_the_output(output, code):
    """Exit code and output are the child's own, from both of its streams."""
    argv = [
        sys.executable,
        "-c",
        f"import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit({code})",
    ]
    with Guarded(argv, output=output) as child:
        assert child.wait(TIMEOUT_SECONDS) == code
        assert child.poll() == child.wait(0) == code
    assert output.read_text() == "out\nerr\n"


def test_passes_signals_on(output):
    """A signal reaches the child, and its end by a signal is told with a minus; later signals do nothing."""
    with Guarded(SLEEPER, output=output) as child:
        assert child.poll() is None
        with pytest.raises(TimeoutError, match=f"process {child.pid} is still running"):
            child.wait(0.01)
        child.send(signal.SIGTERM)
        assert child.wait(TIMEOUT_SECONDS) == -signal.SIGTERM
        child.send(signal.SIGTERM)


def test_a_stopped_child_stands_still(output):
    """SIGSTOP has stopped every thread when the call returns, also one sent twice; SIGCONT lets them go on."""
    busy = "import threading\nfor _ in range(8): threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"
    with Guarded([sys.executable, "-c", busy], output=output) as child:
        for _ in range(20):
            for _ in range(2):
                child.send(signal.SIGSTOP)
                tasks = Path(f"/proc/{child.pid}/task").iterdir()
                assert {
                    (task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks
                } == {"T"}
            child.send(signal.SIGCONT)
        child.send(signal.SIGSTOP)
        child.send(signal.SIGKILL)
        assert child.wait(TIMEOUT_SECONDS) == -signal.SIGKILL


def test_leaving_the_block_kills(output):
    """A child still running at the end of the block is killed."""
    with Guarded(SLEEPER, output=output) as child:
        pass
    assert child.returncode == -signal.SIGKILL


def test_takes_environment_and_directory(output, tmp_path):
    """The child sees exactly the given environment and directory."""
    argv = [
        sys.executable,
        "-c",
        "import os; print(os.getcwd(), os.environ.get('HOME'), os.environ['MINE'])",
    ]
    with Guarded(argv, output=output, environment={"MINE": "1"}, directory=tmp_path) as child:
        assert child.wait(TIMEOUT_SECONDS) == 0
    assert output.read_text() == f"{tmp_path} None 1\n"


def test_a_command_that_cannot_start_is_an_error(output):
    """What does not exist can't be started, and the message names it."""
    with pytest.raises(OSError, match=r"could not start /no/such/program: .*No such file"):
        Guarded(["/no/such/program"], output=output)


def test_a_fork_of_the_parent_keeps_nothing_alive(output, tmp_path):
    """When the parent dies, the child ends and its directory goes, though a fork of the parent holds the pipe open."""
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    code = (
        "import os, pathlib, signal, sys\n"
        "from streams.sandbox.guard import Guarded\n"
        f"child = Guarded({SLEEPER!r}, output=pathlib.Path(sys.argv[1]), remove=[pathlib.Path(sys.argv[2])])\n"
        "fork = os.fork()\n"
        "if not fork:\n"
        "    signal.pause()\n"
        "print(child.pid, child._guard.pid, fork, flush=True)\n"
        "signal.pause()\n"
    )
    parent = subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code, str(output), str(doomed)], stdout=subprocess.PIPE
    )  # our own interpreter
    with parent:
        child, guard, fork = (int(pid) for pid in _first_line(parent).split())
        handles = [os.pidfd_open(child), os.pidfd_open(guard)]
        parent.kill()
        parent.wait(TIMEOUT_SECONDS)
        try:
            for handle in handles:
                assert select.select([handle], [], [], 30)[0], "a process is still running"
                os.close(handle)
        finally:
            os.kill(fork, signal.SIGKILL)
    assert not doomed.exists()
