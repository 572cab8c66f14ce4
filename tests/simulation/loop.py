"""An event loop whose time is virtual and whose order is drawn from a seed.

Several processes share it. Each keeps the order that asyncio promises (callbacks run in the order in which they were
scheduled: its own queues, locks and wake-ups rest on that). What nothing promises is drawn: which process runs next and
how far, how late a timer fires, how long each message travels. A process can be stopped for a while, and it can die
between any two callbacks: from then on none of its callbacks runs, its `finally` blocks included.
"""

import asyncio
import gc
import heapq
import sys
import warnings
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from random import Random  # noqa: TID251  # seeded
from typing import Any, Final, cast

_TURN_SECONDS: Final = 20e-6
"""What a turn of a process takes at least: time goes on where nothing waits."""
_LATEST_SECONDS: Final = 0.002
"""How late a timer may fire in a process that has nothing else to do."""
_LEAST_CANCELLED: Final = 200


class Process:
    """Something that runs by itself: a worker, the brokers, the partners.

    Attributes:
        name: for the trace.
        alive: whether it still runs.
        stopped_until: when it goes on, seconds of the loop; 0 where it is not stopped.
        clock_off_ns: how far its wall clock is off.
        callbacks: how many of its callbacks have run.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped_until = 0.0
        self.clock_off_ns = 0
        self.callbacks = 0
        self.queue: deque[asyncio.Handle] = deque()
        self.on_callback: tuple[int, Callable[[], None]] | None = None

    def after_callbacks(self, count: int, do: Callable[[], None]) -> None:
        """Do something when so many more of its callbacks have run: between two of them, at any await."""
        self.on_callback = (self.callbacks + count, do)

    def context(self) -> Context:
        """Return a context in which everything belongs to this process."""
        context = copy_context()
        context.run(_process.set, self)
        return context


_process: ContextVar[Process] = ContextVar("process")


def current_process() -> Process | None:
    """Return the process that runs now."""
    return _process.get(None)


class Stuck(Exception):  # noqa: N818  # what the world is
    """Nothing is due and nothing can happen."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not hang on its address."""

    number: int

    def __hash__(self) -> int:
        return self.number


class _Future(asyncio.Future[Any]):
    """A future whose place in a set does not hang on its address."""

    number: int

    def __hash__(self) -> int:
        return self.number


class WorldLoop(base_events.BaseEventLoop):
    """Runs processes in virtual time.

    Args:
        seed: of all that is drawn.
        start_seconds: the first moment.
    """

    _timer_cancelled_count: int

    def __init__(self, seed: str, start_seconds: float = 1000.0) -> None:
        super().__init__()
        self.rng = Random(seed)  # noqa: S311  # no secret
        self.now = start_seconds
        self.callbacks = 0
        self.may_skip: Callable[[], float | None] | None = None
        self.connect: Any = None
        self._outside = Process("world")
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, Any]] = []
        self._stopped_until = 0.0
        self._numbers = 0
        self._over = False
        self._kept: list[asyncio.Task[Any]] = []
        self._prune_at = 4000
        self.set_task_factory(self._make_task)

    # --- what asyncio's base class asks for -------------------------------------------------------

    def time(self) -> float:
        return self.now

    def _process_events(self, _events: Any) -> None:
        """Have none."""

    def _write_to_self(self) -> None:
        """Need none: there are no threads."""

    def create_future(self) -> _Future:
        future = _Future(loop=self)
        self._numbers += 1
        future.number = self._numbers
        return future

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> _Task:
        # The number comes first: a task announces itself to a set while it is made.
        task = _Task.__new__(_Task)
        self._numbers += 1
        task.number = self._numbers
        task.__init__(coroutine, loop=loop, **options)  # type: ignore[misc]  # in two steps
        # One that nobody refers to any more would be ended by Python, with all its `finally` blocks, whoever it was of.
        self._kept.append(task)
        if len(self._kept) > self._prune_at:
            self._kept = [task for task in self._kept if not task.done()]
            self._prune_at = 2 * len(self._kept) + 4000
        return task

    def _call_soon(self, callback: Any, args: Any, context: Context | None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]  # asyncio says it more exactly
        self, callback: Any, *args: Any, context: Any = None
    ) -> Any:
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]  # the same
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> Any:
        late = self.rng.random() * _LATEST_SECONDS
        return self.exactly_at(max(when, self.now) + late, callback, *args, context=context)

    def exactly_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        """Call at a moment, not a bit later: for what is no timer of a process."""
        timer: Any = asyncio.TimerHandle(when, callback, args, self, context)
        timer._scheduled = True
        self._numbers += 1
        # Numbered, so that timers are never compared, which would be done in Python, and ties keep their order.
        heapq.heappush(self._timers, (when, self._numbers, timer))
        return timer

    async def create_connection(  # type: ignore[override]  # what the world's processes ask for
        self, factory: Any, host: Any = None, port: Any = None, *, sock: Any = None, **_: Any
    ) -> Any:
        """Connect over the world's network."""
        return await self.connect(factory, sock.address if sock is not None else (host, port))

    def run_in_executor(self, _executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # the same
        """Run a function at once; its result comes a while later, as a thread's would."""
        done = self.create_future()
        try:
            result, error = func(*args), None
        except BaseException as raised:  # noqa: BLE001  # whatever it is, it goes to whoever waits
            result, error = None, raised

        def end() -> None:
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)

        self.call_later(self.rng.random() * 0.01, end)
        return done

    # --- time and order ---------------------------------------------------------------------------

    def _enqueue(self, handle: asyncio.Handle) -> None:
        if self._over:
            return
        process = handle._context.get(_process, self._outside)  # type: ignore[attr-defined]  # has it
        if process.alive:
            if not process.queue:
                self._runnable.append(process)
            process.queue.append(handle)

    def _run_once(self) -> None:
        while not (runnable := self._able()):
            self._advance()
        process = (
            runnable[0] if len(runnable) == 1 else runnable[int(self.rng.random() * len(runnable))]
        )
        # One turn, as asyncio takes it: what is ready now, and not what that makes ready.
        self.now += _TURN_SECONDS * (1 + self.rng.random())
        queue = process.queue
        for _ in range(len(queue)):
            if not queue:
                break
            handle = queue.popleft()
            if handle._cancelled:
                continue
            self.callbacks += 1
            process.callbacks += 1
            handle._run()
            if process.on_callback is not None and process.callbacks >= process.on_callback[0]:
                _, do = process.on_callback
                process.on_callback = None
                do()
        if not queue and process in self._runnable:
            self._runnable.remove(process)

    def _able(self) -> list[Process]:
        """Return the processes that can run now."""
        timers = self._timers
        if timers and (timers[0][0] <= self.now or timers[0][2]._cancelled):
            self._due()
        if self._stopped_until > self.now:
            return [process for process in self._runnable if process.stopped_until <= self.now]
        return self._runnable

    def _due(self) -> None:
        timers = self._timers
        while timers and (timers[0][0] <= self.now or timers[0][2]._cancelled):
            timer = heapq.heappop(timers)[2]
            timer._scheduled = False
            if timer._cancelled:
                self._timer_cancelled_count = max(0, self._timer_cancelled_count - 1)
            else:
                self._enqueue(timer)
        if self._timer_cancelled_count > max(_LEAST_CANCELLED, len(timers) // 2):
            self._keep(lambda timer: not timer._cancelled)
            self._timer_cancelled_count = 0

    def _keep(self, which: Callable[[Any], bool]) -> None:
        """Leave out the other timers."""
        self._timers = [entry for entry in self._timers if which(entry[2])]
        heapq.heapify(self._timers)

    def _advance(self) -> None:
        moments = [process.stopped_until for process in self._runnable]
        if self._timers:
            moments.append(self._timers[0][0])
        if not moments:
            message = "nothing is due and nothing can happen"
            raise Stuck(message)
        if self.may_skip is not None and (until := self.may_skip()) is not None:
            self._skip(until)
            return
        self.now = max(self.now, min(moments))

    def _skip(self, until: float) -> None:
        """Move to a later moment with all timers that are only about the present, so that hours without events pass at once."""
        by = until - self.now
        for _, _, timer in self._timers:
            if not is_of_a_record(timer):
                timer._when += by
        self._timers = [(timer._when, number, timer) for _, number, timer in self._timers]
        heapq.heapify(self._timers)
        self.now = until

    def first_of_a_record(self) -> float | None:
        """Return when the first timer ends that a record waits for, or None."""
        whens = (
            when
            for when, _, timer in self._timers
            if not timer._cancelled and is_of_a_record(timer)
        )
        return min(whens, default=None)

    def stop_process(self, process: Process, until: float) -> None:
        """Let a process stand still until a moment."""
        process.stopped_until = until
        self._stopped_until = max(self._stopped_until, until)

    def kill(self, process: Process) -> None:
        """Let a process end here: nothing of it runs any more."""
        process.alive = False
        process.queue.clear()
        if process in self._runnable:
            self._runnable.remove(process)
        self._keep(lambda timer: timer._context.get(_process, self._outside) is not process)

    def end(self) -> None:
        """Let go of everything; inside `without_last_words`.

        What has begun is closed here, and not when the last reference goes: a log record with a traceback may keep one
        until another test, which Python would then tell of a coroutine that was never awaited.
        """
        self._timers.clear()
        self._outside.alive = False
        self._over = True
        for task in self._kept:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # has it
            if not task.done():
                with suppress(BaseException):  # whatever its `finally` blocks meet
                    cast(Coroutine[Any, Any, Any], task.get_coro()).close()

    def __del__(self) -> None:
        """Have nothing to close."""


@contextmanager
def without_last_words() -> Iterator[None]:
    """Let what is left of worlds be taken apart without a word: it is cut off in the midst of everything, as processes are.

    What something outside still holds at the end, be it a local variable, goes later.
    """
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.disable()
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
            while gc.collect():  # a coroutine that is closed may keep others for one time more
                pass
    finally:
        gc.enable()
        sys.unraisablehook = before


def is_of_a_record(timer: asyncio.TimerHandle) -> bool:
    """Tell whether a record waits for its due time behind this timer."""
    callback = timer._callback  # type: ignore[attr-defined]  # has it
    return getattr(callback, "__name__", "") in {"_on_timer", "of_the_plan"}
