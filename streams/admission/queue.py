"""The records that wait to call one destination. The worker's limits are those of `streams.admission.admission`."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from streams.admission.destination import Destination
from streams.admission.limits import IDLE_SECONDS, PATIENCE_ROUNDS
from streams.admission.promises import Promises


@dataclass(frozen=True, slots=True)
class Denied:
    """The destination can't take the notification now.

    Attributes:
        reason: in one token: `closed`, `silent`, `slow`, `rate-limit`, `in-flight`, `share`.
        expected_at: when there may be room, in seconds of the worker's clock.
        escalate: whether each further park of the record should wait longer, because nobody knows when.
    """

    reason: str
    expected_at: float
    escalate: bool


@dataclass(eq=False, slots=True)
class Permit:
    """The right to make one call; to be given back.

    Attributes:
        queue: the destination's.
        retry: whether the call is a retry.
        probe: whether the destination was unresponsive when it was given.
    """

    queue: "DestinationQueue"
    retry: bool
    probe: bool


@dataclass(eq=False, slots=True)
class Waiter:
    """A record that waits for its permit.

    Attributes:
        permit: what it waits for; None where it gets none.
        probe: whether it is the one call that an unresponsive destination gets.
        since: when its patience began.
        rounds: how often its patience may begin anew.
        timer: of its patience.
    """

    permit: asyncio.Future[Permit | None]
    probe: bool
    since: float
    rounds: int = PATIENCE_ROUNDS
    timer: asyncio.TimerHandle = field(init=False)

    def end(self) -> None:
        """End its waiting without a permit."""
        if not self.permit.done():
            self.permit.set_result(None)

    def granted(self) -> Permit | None:
        """Return the permit that it was granted, also where it has not run since."""
        done = self.permit.done() and not self.permit.cancelled()
        return self.permit.result() if done else None


@dataclass(eq=False, slots=True)
class SlowPartner:
    """A partner that has slow destinations.

    Attributes:
        destinations: how many of them are slow.
        calls: under way to those; of them retries.
        promises: made to first attempts, to retries: whom a flood keeps waiting are the partner's own.
    """

    destinations: int = 0
    calls: list[int] = field(default_factory=lambda: [0, 0])
    promises: tuple[Promises, Promises] = field(default_factory=lambda: (Promises(), Promises()))

    def is_promised(self, now: float) -> bool:
        """Tell whether somebody is still to come back."""
        return any(promises.last_ahead(now) for promises in self.promises)


@dataclass(eq=False, slots=True)
class DestinationQueue:
    """A destination and the records that wait for it: first attempts and retries, in a queue each, served by turns.

    Attributes:
        state: what is known of the destination.
        first_attempts: whether first attempts are made here too.
        partner_id: whose it is.
        queues: the waiters: first attempts, retries.
        retries: calls under way that are retries.
        listed: whether its first attempts, its retries are listed as waiting for the worker's limits alone.
        slow: its partner among those that have slow destinations, while it is one; else None.
        unanswered: its calls as they were counted while it has not answered lately: all, while untried, retries.
        slot_timer: until its rate allows the next call to one of them; None where nobody waits for that.
    """

    state: Destination
    first_attempts: bool
    partner_id: str
    queues: tuple[deque[Waiter], deque[Waiter]] = field(default_factory=lambda: (deque(), deque()))
    retries: int = 0
    listed: list[bool] = field(default_factory=lambda: [False, False])
    slow: SlowPartner | None = None
    unanswered: tuple[int, int, int] = (0, 0, 0)
    slot_timer: asyncio.TimerHandle | None = None
    _retry_is_next: bool = False

    def has_room(self, *, retry: bool) -> bool:
        """Tell whether one more call is within the limit; where first attempts are made too, retries have half of it."""
        full = retry and self.first_attempts and self.retries >= self.state.most_retries
        return self.state.has_room() and not full

    def waits(self, *, retry: bool) -> bool:
        """Tell whether a first attempt, or a retry, waits."""
        queue = self.queues[retry]
        while queue and queue[0].permit.done():
            queue.popleft()
        return bool(queue)

    def ahead(self, *, retry: bool) -> int:
        """Return how many waiters would be called before a new one."""
        own, other = len(self.queues[retry]), len(self.queues[not retry])
        return own + min(own + 1, other)

    def is_ready(self, now: float, *, retry: bool) -> bool:
        """Tell whether a first attempt, or a retry, waits and the destination's own limits let it go."""
        return (
            self.waits(retry=retry)
            and not self.state.seconds_to_slot(now)
            and (self.has_room(retry=retry) or self.state.may_be_probed(now))
        )

    def next_waiter(self, now: float, *, retries_allowed: bool) -> tuple[Waiter, bool] | None:
        """Take out the waiter whose turn it is, and whether it is a retry; None where none is ready."""
        for retry in (self._retry_is_next, not self._retry_is_next):
            if (retries_allowed or not retry) and self.is_ready(now, retry=retry):
                self._retry_is_next = not retry
                return self.queues[retry].popleft(), retry
        return None

    def is_idle(self, now: float) -> bool:
        """Tell whether it can be forgotten."""
        state = self.state
        return (
            now - state.last_used > IDLE_SECONDS
            and not state.in_flight
            and not any(self.queues)
            and state.cooling_down_until(now) is None
            and not state.rate_is_in_use(now)
            and not (self.slow is not None and self.slow.is_promised(now))
        )

    def forget_slot_timer(self) -> None:
        """Wait for no slot: another rate has other ones."""
        if self.slot_timer is not None:
            self.slot_timer.cancel()
            self.slot_timer = None

    def send_away(self, *, probes: bool) -> None:
        """End the waiting of all of them, or of all but the probes."""
        for queue in self.queues:
            waiters = [waiter for waiter in queue if not waiter.permit.done()]
            queue.clear()
            for waiter in waiters:
                if probes or not waiter.probe:
                    waiter.permit.set_result(None)
                else:
                    queue.append(waiter)
