"""A loop whose time jumps to the next timer instead of passing, so that waits are exact and take no time.

Chosen over tiny time-outs: the limits are about seconds, and a machine that is busy must not decide a test.
"""

import asyncio
import functools
import selectors


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self):
        super().__init__()
        self.seconds = 1000.0

    def select(self, timeout=None):
        if timeout is None:
            message = "nothing is due and nothing can happen: the test would wait for ever"
            raise RuntimeError(message)
        self.seconds += timeout
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """Runs everything that can run, then moves its clock to the next timer."""

    def __init__(self):
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.seconds


def in_virtual_time(test):
    """Run an asynchronous test on a loop whose clock nobody waits for."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
