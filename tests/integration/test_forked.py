"""The processes that tests fork are the installed command: they say and do what it does."""

import asyncio
import subprocess

import pytest

from tests.support.notifier import NOTIFIER, environment, notifier

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("ladder",), ("no-such-command",), ("worker",), ("topics", "--help")],
    ids=" ".join,
)
async def test_forked_command_is_the_installed_one(arguments):
    """Output, errors and exit code are the same, with settings that it refuses too."""
    settings = {"NOTIFIER_BROKERS": "kafka://127.0.0.1:1", "COLUMNS": "100"}
    installed = await asyncio.to_thread(
        subprocess.run,
        [NOTIFIER, *arguments],
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    forked = await notifier(*arguments, settings=settings)

    assert installed.stdout + installed.stderr
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        installed.returncode,
        installed.stdout,
        installed.stderr,
    )
