"""Ctrl-C ends a coroutine whatever it and its libraries do with their cancellation."""

import asyncio
import signal

import pytest

from streams import interruptible
from streams.interruptible import run_until_interrupted


@pytest.mark.parametrize("left_behind", [False, True])
def test_work_that_catches_its_cancellation_is_cancelled_again(left_behind, monkeypatch):
    """A library that takes the first cancellation for its own time-out does not keep the program running."""
    monkeypatch.setattr(interruptible, "_CANCEL_AGAIN_AFTER_SECONDS", 0.05)
    caught: list[str] = []

    async def library():
        while len(caught) < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                caught.append("cancelled")

    async def work():
        task = asyncio.ensure_future(library())
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGINT)
        await (asyncio.sleep(60) if left_behind else task)

    with pytest.raises(KeyboardInterrupt):
        run_until_interrupted(work())
    assert caught == ["cancelled"] * 2


def test_work_that_is_not_interrupted_gives_its_result():
    """Its value comes back, and its error rises."""

    async def work(error=None):
        await asyncio.sleep(0)
        if error:
            raise error
        return 7

    assert run_until_interrupted(work()) == 7
    with pytest.raises(ValueError, match="eight"):
        run_until_interrupted(work(ValueError("eight")))
