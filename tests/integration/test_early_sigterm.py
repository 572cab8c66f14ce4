"""SIGTERM in the first moments of the program, also as a container's first process, to which the kernel is deaf then."""

import os
import signal
import subprocess
import sys
from functools import cache

import pytest

from tests.support.command_settings import VECTORS, copy_key
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.e2e

LOST = 77
"""How the program below ends when it outlives the signal."""

PROGRAM = f"""
import os, signal, sys
from importlib.metadata import entry_points

moment, *sys.argv[1:] = sys.argv[1:]
(script,) = entry_points(group="console_scripts", name="notifier")
run = script.load()

def told_to_end(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):  # a handler of Python's runs before the first of them
        pass
    os._exit({LOST})

class AtImport:
    def find_spec(self, name, *_):
        if name == moment:
            told_to_end()

assert moment not in sys.modules, "it would not be imported again"
if moment == "handlers of the event loop":
    import mode
    mode.Worker.install_signal_handlers = told_to_end
sys.meta_path.insert(0, AtImport())
run()
"""
"""Runs the installed script's function with the arguments behind the first, which names the moment of the signal."""

FIRST_PROCESS = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
"""Makes a command the first process of a container of its own."""


@cache
def _can_be_first():
    try:
        done = subprocess.run([*FIRST_PROCESS, "true"], capture_output=True, check=False)  # noqa: S603  # a constant
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture(params=[True, False], ids=["first", "ordinary"])
def first(request):
    """Whether the program is a container's first process."""
    if request.param and not _can_be_first():
        pytest.skip("this machine makes no namespace for processes")
    return request.param


@pytest.fixture
def ended(first, tmp_path):
    """Return how the program ends, and what it says, when it gets SIGTERM at a moment."""
    copy_key("sender_private_pkcs8", tmp_path / "key.pem")
    partners = tmp_path / "partners.yaml"
    partners.write_text(
        f"""
        partners:
          one:
            profiles: [mpp-to-ant]
            client_id: C
            private_key_file: key.pem
            peer_public_key_files: {{1: {VECTORS / "receiver_public_spki.pem"}}}
        """
    )
    tokens = tmp_path / "tokens.yaml"
    tokens.touch(0o600)
    tokens.write_text("tokens: []\n")
    settings = {
        "NOTIFIER_PARTNERS_FILE": str(partners),
        "NOTIFIER_CONSOLE_TOKENS_FILE": str(tokens),
        "NOTIFIER_BROKERS": "127.0.0.1:1",
        "NOTIFIER_WEB_PORT": "0",
        "NOTIFIER_WEB_BIND": "127.0.0.1",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFIER_")}

    def run(moment, *arguments):
        done = subprocess.run(  # noqa: S603  # our own interpreter
            [*(FIRST_PROCESS if first else ()), sys.executable, "-c", PROGRAM, moment, *arguments],
            env=others | settings,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    "moment",
    [
        "typer",
        "streams.operator.commands.worker",
        "streams.settings",
        "faust",
        "streams.worker.wiring",
        "handlers of the event loop",
    ],
)
def test_a_worker_that_has_not_begun_ends(ended, moment):
    """Whatever it was importing or making, with 0 as later, and without a word of a failure."""
    assert ended(moment, "worker") == (0, "")


@pytest.mark.parametrize(
    "moment", ["typer", "streams.operator.commands.console", "streams.operator.console.app"]
)
def test_a_console_that_has_not_begun_ends(ended, moment):
    """It is a container's first process as well."""
    assert ended(moment, "console") == (0, "")


@pytest.mark.parametrize("arguments", [["why", "ORDER"], ["console", "token", "NAME"]])
def test_other_commands_end_by_the_signal_itself(ended, first, arguments):
    """What waits for them sees that they were told to end, not that they are done; as a first process they go on."""
    assert ended("typer", *arguments) == (LOST if first else -signal.SIGTERM, "")
