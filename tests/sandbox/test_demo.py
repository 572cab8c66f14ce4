"""The demo runs the main job to its end, keeps running when asked to, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from streams.notification.profiles import PROFILES
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]


@pytest.fixture
def temporary(tmp_path):
    """The place for temporary files, with a blank in its name."""
    place = tmp_path / "a place"
    place.mkdir()
    return place


@contextmanager
def _demo(temporary, *arguments):
    """Run the demo without a terminal, with the fewest payments that show something and the shortest waits."""
    process = subprocess.Popen(  # noqa: S603  # our own interpreter
        [
            sys.executable,
            *("-m", "streams.sandbox.demo_main", "--payments", "12", "--scale", "0.00005"),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONFAULTHANDLER": "1"},
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:  # only a failed test: show where every thread stands
                process.send_signal(signal.SIGABRT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            process.kill()


def _until(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    pytest.fail(f"ended before it said {text!r}: {lines}")


def _descendants(root):
    """Return the whole tree below a process: identity (id and start time) and command line."""
    children: dict[int, list[int]] = {}
    named = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            parent, started = int(stat[1]), stat[19]
            children.setdefault(parent, []).append(int(entry.name))
            named[int(entry.name)] = (int(entry.name), started)
    found, pending = {}, [root]
    while pending:
        for pid in children.get(pending.pop(), ()):
            pending.append(pid)
            command = (Path("/proc") / str(pid) / "cmdline").read_bytes()
            found[named[pid]] = command.replace(b"\0", b" ").decode()
    return found


def _stat(pid):
    """Return the fields after the command's name, the state first; nothing of a process that is gone."""
    try:
        text = (Path("/proc") / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(") ")[2].split()


def _alive(found):
    return {
        command
        for (pid, started), command in found.items()
        if (stat := _stat(pid)) and stat[19] == started and stat[0] != "Z"
    }


def _rests(temporary):
    """Return what is left of the demo; JARs and their cache are kept elsewhere."""
    return list(temporary.iterdir())


def test_accounts_for_every_event(temporary):
    """Twelve payments and seven invalid events: all in their places, exit code 0, progress in plain lines, no file left."""
    with _demo(temporary) as process:
        text = process.stdout.read()
        assert process.wait(TIMEOUT_SECONDS) == 0, text
    assert "19 events in" in text
    assert f"All 19 events of {len(PROFILES)} profiles are accounted for" in text
    assert re.search(r"all profiles +│ dead letter: invalid-event +│ +6 │ +0 │", text)
    assert re.search(r"all profiles +│ all places +│ +19 │", text)
    assert re.search(r"an early attempt +│ +0 │", text)
    assert "\x1b" not in text
    assert _rests(temporary) == []


def test_ends_with_one_when_the_time_is_over(temporary):
    """Events that still wait are told as such, with what to do, and the exit code is 1."""
    with _demo(temporary, "--scale", "1", "--time-limit", "4") as process:
        text = process.stdout.read()
        assert process.wait(TIMEOUT_SECONDS) == 1, text
    assert "waiting on payment-notification-retry-" in text
    assert "--time-limit" in text
    assert re.search(r"in no place +│ +0 │", text)
    assert _rests(temporary) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_keeps_running_until_ctrl_c(temporary):
    """With --keep worker, partner and console answer at the printed addresses; Ctrl-C to the process alone ends all with 130."""
    with _demo(temporary, "--keep") as process:
        text = _until(process, "partners.yaml, keys")
        address = dict(re.findall(r"^  (metrics|health|console) +(\S+)$", text, re.MULTILINE))
        with httpx.Client(trust_env=False) as client:
            assert "notifier_" in client.get(address["metrics"]).text
            assert client.get(address["health"]).json()["ok"] is True
            assert "Access token" in client.get(f"{address['console']}/login").text
        found = _descendants(process.pid)
        for part in ("kafka.Kafka", "partner_process", "from streams.cli import main"):
            assert any(part in command for command in found.values()), part
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 130
        assert _alive(found) == set()
    assert _rests(temporary) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("moment", ["starting a partner", "payments become final"])
def test_ctrl_c_at_the_terminal_leaves_nothing(temporary, moment):
    """Ctrl-C goes to the whole group; in the set-up and at work it ends everything with 130."""
    with _demo(temporary, "--scale", "1") as process:
        _until(process, moment)
        found = _descendants(process.pid)
        assert any("kafka.Kafka" in command for command in found.values())
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 130
        assert _alive(found) == set()
        assert "nothing is left running" in process.stdout.read()
    assert _rests(temporary) == []
