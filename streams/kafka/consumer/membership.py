"""Whether a member of a group still knows that its partitions are its own.

A worker that was paused, or whose brokers did not answer, for longer than the session time-out may have lost its
partitions without knowing it: another member may be reading them from their last commit. What it began, sent or wrote
now would be done twice, since its commit would be refused. So nothing is begun, sent or written until the coordinator has
answered. (The Java client's `poll` returns nothing in this state, for the same reason.)
"""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final, Protocol

log = logging.getLogger(__name__)

PUT_OFF_SECONDS: Final = 60.0
"""From one "not now" of the coordinator to the next, at most: a rebalance waits so long for the slowest member."""


class Lease(Protocol):
    """A hold on partitions that may have run out."""

    def is_held(self) -> bool:
        """Tell whether no other member can have the partitions yet."""

    async def hold(self) -> bool:
        """Return when the partitions are certainly held: True at once, False after a wait for the coordinator.

        Raises:
            asyncio.CancelledError: they were lost meanwhile.
        """


class Membership:
    """The lease of one member on all of its partitions: from each answered heartbeat it runs for the session time-out.

    Args:
        session_seconds: after so long without a heartbeat the coordinator gives the partitions to others.
        now: seconds of a clock that goes on while the process is paused.
        on_regained: called when the coordinator confirms the member after its lease had run out.
    """

    def __init__(
        self, session_seconds: float, now: Callable[[], float], on_regained: Callable[[], None]
    ) -> None:
        self._session_seconds = session_seconds
        self._now = now
        self._on_regained = on_regained
        self._confirmed_at = now()
        self._put_off_at = -math.inf
        self._ran_out = False
        self._waiting: set[asyncio.Future[None]] = set()

    def is_held(self) -> bool:
        """Tell whether no other member can have the partitions yet."""
        silent_seconds = self.silent_seconds()
        if silent_seconds < self._session_seconds:
            return True
        if not self._ran_out:
            self._ran_out = True
            log.warning(
                "no heartbeat of the last %.0f s was answered, expected one within %.0f s: other workers may have these"
                " partitions, so nothing is begun until the group's coordinator answers",
                silent_seconds,
                self._session_seconds,
            )
        return False

    def silent_seconds(self) -> float:
        """Return for how long the coordinator has confirmed nothing."""
        return self._now() - self._confirmed_at

    async def hold(self) -> bool:
        """Return when the partitions are certainly held: True at once, False after a wait for the coordinator.

        Raises:
            asyncio.CancelledError: they were lost meanwhile.
        """
        if self.is_held():
            return True
        regained = asyncio.get_running_loop().create_future()
        self._waiting.add(regained)
        try:
            await regained
        finally:
            self._waiting.discard(regained)
        return False

    def confirm(self, sent_at: float) -> None:
        """Take in that the coordinator knew the member.

        Args:
            sent_at: when the request was sent that it answered, by the same clock: the answer may have come late.
        """
        self._confirmed_at = max(self._confirmed_at, sent_at)
        if self._ran_out and self.is_held():
            self._ran_out = False
            log.info("the group's coordinator answers again")
            for regained in self._waiting:
                if not regained.done():
                    regained.set_result(None)
            self._on_regained()

    def put_off(self) -> None:
        """Take in that the coordinator answered, and does not take the member into its group now."""
        self._put_off_at = self._now()

    def is_put_off(self) -> bool:
        """Tell whether the coordinator has said so within the last minute: then no other member could join either."""
        return self._now() - self._put_off_at < PUT_OFF_SECONDS

    def lose(self) -> None:
        """Take in that the partitions go: whoever waits for the coordinator's answer is cancelled."""
        for regained in self._waiting:
            regained.cancel()
