"""Look-ups of one partner's host names: bounded, shared, and remembered for while a name server hangs.

The system's resolver blocks a thread for as long as the name server says nothing, half a minute or more, and nobody can
call it off. So each partner has few of the threads that all share, one for a host at most, and what waits for its turn
waits here and not in front of the threads, where it would hold up the others.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final

Lookup = Callable[[str], Sequence[str]]
"""Find the addresses of a host. Blocks; raises OSError when there are none."""

AT_ONCE: Final = 4
"""Threads that one partner's look-ups may hold: a thousand new hosts at 20 ms each take 5 s, and 15 partners whose name
servers hang leave four of `streams.worker.wiring`'s 64 threads to the others."""
_TURN_SECONDS: Final = (
    5.0  # an attempt's own time-out ends it earlier, aiohttp does not hand that on
)
PATIENCE_SECONDS: Final = 1.0
"""How long a look-up has where addresses are remembered: an ordinary one takes some 10 ms, one that is sent twice 5 s."""
_REMEMBERED_SECONDS: Final = 900.0
_KNOWN_HOSTS: Final = 4096


class Lookups:
    """One partner's look-ups.

    A change of its entry forgets neither addresses nor threads that hang, and its going none that hang. What is found is
    checked by whoever asks.

    Args:
        lookup: finds addresses.
        threads: where it runs, shared with the others. Not the loop's own: a name server that hangs would take them all.
    """

    def __init__(self, lookup: Lookup, threads: Executor) -> None:
        self._lookup = lookup
        self._threads = threads
        self._room = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[str, asyncio.Future[Sequence[str]]] = {}
        self._known: dict[str, tuple[float, Sequence[str]]] = {}  # when, and what was found

    def forget(self) -> None:
        """Forget the addresses: the partner is gone."""
        self._known.clear()

    async def addresses(
        self, host: str, patience_seconds: float = PATIENCE_SECONDS
    ) -> Sequence[str]:
        """Return a host's addresses: those of a look-up, or where that hangs the last ones, if they are not too old.

        Args:
            host: its name.
            patience_seconds: how long the look-up has before the last ones are taken.

        Raises:
            OSError: there are none, or the look-up failed, or found no thread.
        """
        known = self._remembered(host)
        if known is None:
            return await self._look_up(host)
        patience = asyncio.timeout(patience_seconds)
        try:
            async with patience:
                return await self._look_up(host)
        except TimeoutError:
            return known
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:  # the name server says that there is no such host
                raise
            return known

    def _remembered(self, host: str) -> Sequence[str] | None:
        at, addresses = self._known.get(host, (float("-inf"), None))
        fresh = asyncio.get_running_loop().time() - at <= _REMEMBERED_SECONDS
        return addresses if fresh else None

    async def _look_up(self, host: str) -> Sequence[str]:
        """Return the addresses of a look-up; one that is under way for this host serves all callers."""
        if host not in self._under_way:
            try:
                async with asyncio.timeout(_TURN_SECONDS):
                    await self._room.acquire()
            except TimeoutError as error:
                message = "as many look-ups of this partner's hosts hang as there may be at once"
                raise socket.gaierror(socket.EAI_AGAIN, message) from error
            if host in self._under_way:  # begun meanwhile by another
                self._room.release()
            else:
                self._begin(host)
        # A call that stops waiting leaves the look-up to the others.
        return await asyncio.shield(self._under_way[host])

    def _begin(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._threads, self._lookup, host)
        except BaseException:
            self._room.release()
            raise

        def end(done: asyncio.Future[Sequence[str]]) -> None:
            del self._under_way[host]
            self._room.release()
            if done.cancelled() or done.exception() is not None:
                return
            if len(self._known) >= _KNOWN_HOSTS:
                del self._known[next(iter(self._known))]
            self._known[host] = (loop.time(), done.result())

        self._under_way[host] = running
        running.add_done_callback(end)
