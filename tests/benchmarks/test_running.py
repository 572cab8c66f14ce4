"""A system's processes, with a shell in their place."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.systems import Running, System, Task
from tests.support.waiting import eventually


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Start a system whose process says something and ends with a code on SIGTERM."""
    made = []

    def start(name, code):
        script = (
            f"trap 'echo my last words; exit {code}' TERM; echo up; while :; do sleep 0.05; done"
        )
        monkeypatch.setattr(System, "command", lambda _: ["/bin/sh", "-c", script])
        keys: Any = SimpleNamespace(ca=tmp_path / "ca.pem")
        task = Task("", "final", "run-1", keys, tmp_path / "partners.yaml", tmp_path, 1)
        made.append(Running(System(name), task))
        return made[-1]

    yield start
    for one in made:
        one.__exit__()


async def stopped(running, log):
    """Stop it once it runs, and return its exit codes."""

    async def is_up():
        return "up" in log.read_text()

    await eventually(is_up)
    return running.stop()


@pytest.mark.parametrize(("name", "code"), [("notifier", 0), ("faust", 3)])
async def test_a_system_that_ends_well_is_no_failure(running, tmp_path, name, code):
    """Nor is another program that ends with a code of its own."""
    one = running(name, code)
    assert await stopped(one, tmp_path / "run-1-0.log") == [code]
    one.must_have_ended_well()


async def test_a_notifier_that_ends_with_another_code_than_0_is_a_failure(running, tmp_path):
    """A run whose worker crashed when it was stopped does not pass for one in which nothing was lost."""
    one = running("notifier", 3)
    assert await stopped(one, tmp_path / "run-1-0.log") == [3]
    with pytest.raises(RuntimeError, match=r"with 3, expected 0; its log ends:\nup\nmy last words"):
        one.must_have_ended_well()
