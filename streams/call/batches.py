"""Short jobs in threads, several with one hop.

A hop to a thread and back costs more of the event loop's time than an RSA verification. So the jobs of one turn of the
loop, and those that come while the threads are busy, go together.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

T = TypeVar("T")

_LARGEST: Final = (
    16  # signatures of 0.3 ms: no job waits for more than a few milliseconds of others
)


class Batches:
    """Runs jobs in threads in the order in which they come. Used from one event loop.

    Args:
        threads: where they run; the giver's to shut down.
        at_once: how many batches may be under way, best the number of threads.
    """

    def __init__(self, threads: Executor, at_once: int) -> None:
        self._threads = threads
        self._at_once = at_once
        self._under_way = 0
        self._sending = False
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []

    async def run(self, job: Callable[[], T]) -> T:
        """Run a job in a thread and return, or raise, what it does."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        self._waiting.append((job, result))
        if not self._sending and self._under_way < self._at_once:
            self._sending = True
            loop.call_soon(self._send, loop)
        return await result

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sending = False
        while self._waiting and self._under_way < self._at_once:
            size = min(_LARGEST, -(-len(self._waiting) // (self._at_once - self._under_way)))
            batch, self._waiting = self._waiting[:size], self._waiting[size:]
            self._under_way += 1
            self._threads.submit(self._work, loop, batch)

    def _work(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[Callable[[], Any], asyncio.Future[Any]]],
    ) -> None:
        outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None]] = []
        for job, result in batch:
            try:
                outcomes.append((result, job(), None))
            except Exception as error:  # noqa: BLE001  # raised where the job was asked for
                outcomes.append((result, None, error))
        loop.call_soon_threadsafe(self._done, loop, outcomes)

    def _done(
        self,
        loop: asyncio.AbstractEventLoop,
        outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None]],
    ) -> None:
        self._under_way -= 1
        self._send(loop)
        for result, value, error in outcomes:
            if result.done():  # whoever asked has gone
                continue
            if error is None:
                result.set_result(value)
            else:
                result.set_exception(error)
