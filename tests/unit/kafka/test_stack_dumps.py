"""Signals that tell where a worker stands, and nothing of what it works on."""

import asyncio
from types import SimpleNamespace

import pytest
from mode.worker import Worker

from streams.kafka.patches import stack_dumps


@pytest.fixture(autouse=True)
def patched(monkeypatch):
    for name in ("_on_sigusr1", "_on_sigusr2"):
        monkeypatch.setattr(Worker, name, getattr(Worker, name))
    stack_dumps.apply()


async def test_stacks_are_logged_without_values(caplog):
    """Of each task what it waits for: an operator may be asked for that, and a log keeps it."""

    async def deliver(_body):
        await asyncio.sleep(60)

    task = asyncio.create_task(deliver("CANARY-body"), name="delivers")
    await asyncio.sleep(0)
    Worker._on_sigusr1(SimpleNamespace())  # type: ignore[arg-type]  # it needs nothing of one
    task.cancel()
    said = caplog.text
    assert "task delivers" in said
    assert "in deliver" in said
    assert "thread MainThread" in said
    assert "CANARY" not in said
    assert "SIGUSR1" in said


def test_no_debugger_is_started(caplog):
    """It would wait for somebody at a terminal, and the worker with it."""
    Worker._on_sigusr2(SimpleNamespace())  # type: ignore[arg-type]
    assert "SIGUSR2 is ignored" in caplog.text
