"""Threads for look-ups, which nobody waits for when the process ends.

The system's resolver blocks a thread for as long as the name server says nothing: with three servers and five suffixes to
try two minutes and more. Nobody can call it off, and Python waits at its end for every thread of a `ThreadPoolExecutor`,
also after `shutdown(wait=False)` (CPython's issue 80961): a worker that has committed and left its groups would go on
until it is killed.
"""

import queue
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Task = tuple[Future[Any], Callable[[], Any]]


class LookupThreads(Executor):
    """An executor of daemon threads, begun as they are needed.

    Args:
        most: threads at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._begun = 0
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function in one of the threads; it waits for its turn where all are busy.

        Raises:
            RuntimeError: the threads were shut down.
            OSError: none is idle, and the system gives no further one (`pids.max`, `ulimit -u`, memory).
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                message = "no look-ups any more: the threads were shut down"
                raise RuntimeError(message)
            if not self._idle.acquire(blocking=False) and self._begun < self._most:
                self._begin()
            self._tasks.put((future, lambda: fn(*args, **kwargs)))
        return future

    def _begin(self) -> None:
        """Begin a thread. Its task comes only then: where there is no thread, nothing must be left behind."""
        name = f"lookup-{self._begun + 1}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # A look-up that may go well later; a RuntimeError would end the worker.
            message = "no further thread for a look-up can be started"
            raise socket.gaierror(socket.EAI_AGAIN, message) from error
        self._begun += 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's
        """Take no more look-ups, and forget those that have not begun. Those that are under way end by themselves."""
        del wait, cancel_futures
        with self._lock:
            self._closed = True
            while not self._tasks.empty():
                task = self._tasks.get()
                if task is not None:
                    task[0].cancel()
            for _ in range(self._begun):
                self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, call = task
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001  # the asker's to handle
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del task, future, call
            self._idle.release()
