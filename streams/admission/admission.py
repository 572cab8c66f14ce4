"""The one scheduler of calls: a record that waits is granted a permit as soon as every limit allows it.

A destination is a partner and the origin (scheme, host, port, in their one spelling) of a notify URL: a platform has
one entry in the partners file and a thousand merchants' URLs. A record whose destination is not expected to have room
soon is denied and parked, so that a broken partner holds neither calls nor lanes that others need.

Limits, checked in `Admission.admit` for a record that comes, and again in `Admission._grant_next` for one that waited:
the destination's (cooling down, unresponsive, its rate, calls at once, half of them for retries) and the worker's (all
calls, retries, those of unresponsive, of untried and of slow destinations).
"""

import asyncio
from collections import deque
from collections.abc import Callable

from schemas.notify_url import known_origin
from streams.admission.destination import Destination
from streams.admission.limits import (
    COUNT_SECONDS,
    IDLE_SECONDS,
    LEAST_SHARE,
    PATIENCE_SECONDS,
    QUICK_SHARE,
    RATE_SLACK_SECONDS,
    RETRY_SHARE,
    SLOW_SHARE,
    UNRESPONSIVE_SHARE,
    UNTRIED_SHARE,
)
from streams.admission.queue import Denied, DestinationQueue, Permit, Waiter
from streams.admission.slow import SlowShare
from streams.admission.unanswered import UnansweredShare
from streams.notification.outcome import Answered, Blocked, Status
from streams.partners import Partner
from streams.webhook.https import AttemptResult


class Admission:
    """Gives permits to call. One for a worker, used from one event loop.

    Args:
        max_in_flight: calls at once of this worker.
        now_seconds: the worker's clock.
        first_attempts: whether first attempts of new payments are made here too, for which retries leave room.
    """

    def __init__(
        self, max_in_flight: int, now_seconds: Callable[[], float], *, first_attempts: bool = True
    ) -> None:
        self._now = now_seconds
        self._first_attempts = first_attempts
        self._destinations: dict[tuple[str, str], DestinationQueue] = {}
        self._called: set[DestinationQueue] = set()
        self._max_in_flight = max_in_flight
        self._max_retries = max(1, max_in_flight // RETRY_SHARE)
        self._slow = SlowShare(
            max(1, max_in_flight // SLOW_SHARE), max(1, self._max_retries // SLOW_SHARE)
        )
        # Of all but quick ones: their calls, and those of them that are retries.
        self._max_not_quick = tuple(
            most - most // QUICK_SHARE for most in (max_in_flight, self._max_retries)
        )
        self._unanswered = UnansweredShare(
            max(1, max_in_flight // UNTRIED_SHARE),
            max(1, max_in_flight // UNRESPONSIVE_SHARE),
            *self._max_not_quick,
        )
        self._retries = 0
        # Destinations with room of their own, whose first attempts or retries wait for the worker's.
        self._blocked: tuple[deque[DestinationQueue], ...] = (deque(), deque())
        # Slow ones among them that wait for their share, of which they have less than their part.
        self._blocked_by_slow: tuple[deque[DestinationQueue], ...] = (deque(), deque())
        self._retry_is_next = False
        self._counted_at = self._swept_at = now_seconds()
        self.share = 1.0
        """Which part of the deployment's limits is this worker's."""
        self.in_flight = 0

    def __len__(self) -> int:
        """Return how many destinations are remembered."""
        return len(self._destinations)

    def unresponsive_destinations(self) -> int:
        """Return how many destinations do not answer now."""
        now = self._now()
        return sum(queue.state.is_unresponsive(now) for queue in self._destinations.values())

    async def admit(self, partner: Partner, url: str, *, retry: bool) -> Permit | Denied:
        """Return a permit, waiting for it shortly, or why there is none and when there may be room.

        Args:
            partner: the partner to call.
            url: the notify URL, whose form was checked.
            retry: whether it comes from a tier.
        """
        now = self._now()
        queue = self._look_up(partner, url, now)
        state = queue.state
        if now - self._counted_at >= COUNT_SECONDS:
            self._count(now)
        if (denied := self._denied(queue, now, retry=retry)) is not None:
            return denied
        slot, taken = state.reserve_slot(now, PATIENCE_SECONDS)
        if not taken:
            return Denied("rate-limit", slot, escalate=False)
        try:
            if slot > now:
                await asyncio.sleep(slot - now)
                now = self._now()
                if (denied := self._denied(queue, now, retry=retry)) is not None:
                    return denied
            probe = state.is_unresponsive(now)
            room = probe or (not queue.waits(retry=retry) and queue.has_room(retry=retry))
            room = room and self._has_room(retry=retry) and not state.seconds_to_slot(now)
            if room and not self._slow_must_wait(queue, now, retry=retry):
                return self._grant(queue, now, retry=retry)
            return await self._wait(queue, now, retry=retry, probe=probe)
        finally:
            state.release_slot()

    def give_back(self, permit: Permit, result: AttemptResult | None) -> None:
        """Take a permit back and grant what has become free. The result updates the destination; None: no call was made."""
        queue, state, now = permit.queue, permit.queue.state, self._now()
        self.in_flight -= 1
        self._retries -= permit.retry
        queue.retries -= permit.retry
        self._slow.note_call(queue, now, -1, retry=permit.retry)
        if permit.probe:
            self._unanswered.note_probe(queue, -1)
        if result is None or isinstance(result.outcome, Blocked):
            state.cancel()
        else:
            # Less our own part: signing, and as much again for the way back. In an overloaded worker signing takes long,
            # and it must not take its own slowness for the partner's.
            seconds = (
                result.ended_at_ms - result.started_at_ms
            ) / 1000 - 2 * result.signing_seconds
            state.end(
                now,
                seconds=max(seconds, 0.0),
                answered=result.http_status is not None,
                slow=result.slow_down,
                cool_down_seconds=_rest_asked_for(result),
            )
        self._slow.note_answer(queue)
        self._unanswered.note(queue, now)
        if not state.in_flight:
            self._called.discard(queue)
        self._send_away(queue, now)
        self._list(queue, now)
        self._grant_next(now)

    def _denied(
        self, queue: DestinationQueue, now: float, *, retry: bool, has_waited: bool = False
    ) -> Denied | None:
        """Return why no call goes there now. An unresponsive destination whose probe is due gets that one call.

        A slow one that has less than its part of the slow ones' calls may wait for the next of them.
        """
        state = queue.state
        if state.cooling_down_until(now) is not None:
            return Denied("closed", state.promise_after_rest(now), escalate=False)
        if state.is_unresponsive(now):
            probe = state.next_probe(now)
            if probe is not None or self._share_is_full(queue, now, retry=retry):
                # What has been unresponsive for long will stay so for some time: a record that came back every second
                # would cost as much as a call.
                later = now + state.unresponsive_for(now) / 2
                expected_at = max(probe or now + PATIENCE_SECONDS, later)
                if probe is None and self._is_below_part(queue, now, retry=retry):
                    return Denied("share", now + PATIENCE_SECONDS, escalate=False)
                return Denied("silent", expected_at, escalate=True)
        elif self._share_is_full(queue, now, retry=retry):
            if not state.has_answered:
                escalate = not self._is_below_part(queue, now, retry=retry)
                return Denied("share", now + PATIENCE_SECONDS, escalate=escalate)
            if has_waited or not self._slow.may_wait(queue, len(queue.queues[retry]), retry=retry):
                return self._slow.denied(queue, now, retry=retry, has_waited=has_waited)
        return None

    def _share_is_full(self, queue: DestinationQueue, now: float, *, retry: bool) -> bool:
        """Tell whether destinations like this one, unresponsive, untried or slow, have all calls that they may."""
        probe = queue.state.is_unresponsive(now)
        if probe or not queue.state.has_answered:
            return self._unanswered.is_full(queue, self._slow.calls, probe=probe, retry=retry)
        return self._slow_must_wait(queue, now, retry=retry)

    def _is_below_part(self, queue: DestinationQueue, now: float, *, retry: bool) -> bool:
        """Tell whether others have what an unresponsive or untried destination does not get."""
        probe = queue.state.is_unresponsive(now)
        return self._unanswered.is_below_part(queue, self._slow.calls, probe=probe, retry=retry)

    def _slow_must_wait(self, queue: DestinationQueue, now: float, *, retry: bool) -> bool:
        """Tell whether a destination is slow, and those have all calls that they may."""
        slow = queue.state.is_slow and not queue.state.is_unresponsive(now)
        return slow and self._slow_are_full(now, retry=retry)

    def _slow_are_full(self, now: float, *, retry: bool) -> bool:
        full = self._slow.is_full(retry=retry) or self._rest_is_for_quick_ones(retry=retry)
        if full and now - self._counted_at >= COUNT_SECONDS:
            self._count(now)
            full = self._slow.is_full(retry=retry) or self._rest_is_for_quick_ones(retry=retry)
        return full

    def _rest_is_for_quick_ones(self, *, retry: bool) -> bool:
        most, most_retries = self._max_not_quick
        slow, unanswered = self._slow.calls, self._unanswered.all
        return unanswered.calls + slow[0] >= most or (
            retry and unanswered.retries + slow[1] >= most_retries
        )

    def _has_room(self, *, retry: bool) -> bool:
        return self.in_flight < self._max_in_flight and not (
            retry and self._retries >= self._max_retries
        )

    async def _wait(
        self, queue: DestinationQueue, now: float, *, retry: bool, probe: bool
    ) -> Permit | Denied:
        """Wait in the destination's queue until a permit is granted, patience runs out or the queue is sent away."""
        state = queue.state
        if probe:
            state.reserve_probe(now)
        elif not queue.has_room(retry=retry):
            needed = state.seconds_for(queue.ahead(retry=retry) + 1)
            if needed > PATIENCE_SECONDS:
                # In a queue too long it would only take concurrency from others.
                return Denied("in-flight", now + needed, escalate=True)
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop.create_future(), probe, now)
        queue.queues[retry].append(waiter)
        self._list(queue, now)

        def patience_ends() -> None:
            if self._gives_up(queue, waiter, retry=retry):
                waiter.end()
            else:
                waiter.timer = loop.call_later(PATIENCE_SECONDS, patience_ends)
                # Room may have come without a call's end, by counting anew.
                self._grant_next(self._now())

        waiter.timer = loop.call_later(PATIENCE_SECONDS, patience_ends)
        try:
            permit = await waiter.permit
        except asyncio.CancelledError:
            if (permit := waiter.granted()) is not None:
                self.give_back(permit, None)
            raise
        finally:
            waiter.timer.cancel()
            queue.waits(retry=retry)  # drops it, where it was the first
        return permit or self._sent_away(queue, retry=retry)

    def _sent_away(self, queue: DestinationQueue, *, retry: bool) -> Denied:
        """Return why a record that waited got no permit."""
        state, now = queue.state, self._now()
        if (denied := self._denied(queue, now, retry=retry, has_waited=True)) is not None:
            return denied
        if state.seconds_to_slot(now):
            return Denied("rate-limit", state.promise_slot(now), escalate=False)
        return Denied("in-flight", now + PATIENCE_SECONDS, escalate=True)

    def _gives_up(self, queue: DestinationQueue, waiter: Waiter, *, retry: bool) -> bool:
        """Tell whether its patience is over; it is not while the worker, and not the destination, is what is slow."""
        state, now = queue.state, self._now()
        moves, waiter.since = state.answered_since(waiter.since), now
        waiter.rounds -= 1
        if state.cooling_down_until(now) is not None or (
            state.is_unresponsive(now) and not waiter.probe
        ):
            return True
        if state.slot_after(now, queue.ahead(retry=retry) - 1) - now > 2 * PATIENCE_SECONDS:
            return True  # the rate is another than when it came; its slot was to be within its patience
        if not waiter.probe and self._slow_must_wait(queue, now, retry=retry):
            return True
        if waiter.probe or queue.has_room(retry=retry):  # it waits for the worker alone
            return False
        short = state.seconds_for(queue.ahead(retry=retry)) <= PATIENCE_SECONDS / 2
        return waiter.rounds <= 0 or not moves or not short

    def _grant(self, queue: DestinationQueue, now: float, *, retry: bool) -> Permit:
        """Count a call as made; at once, so that no other record is admitted in between."""
        state = queue.state
        self._called.add(queue)
        if probe := state.is_unresponsive(now):
            self._unanswered.note_probe(queue, 1)
            queue.send_away(probes=True)  # another probe that waits would follow this one at once
        self._slow.note_call(queue, now, 1, retry=retry)
        state.start(now)
        queue.retries += retry
        self._retries += retry
        self.in_flight += 1
        self._unanswered.note(queue, now)
        return Permit(queue, retry, probe)

    def _grant_next(self, now: float) -> None:
        """Grant permits as far as every limit allows, by turns: between destinations, and between first attempts and retries."""
        while (turn := self._next_blocked(now)) is not None:
            queue, retry = turn
            self._send_away(queue, now)
            if queue.waits(retry=retry) and self._slow_must_wait(queue, now, retry=retry):
                self._hold_back(queue, retry=retry)
            else:
                allowed = self._retries < self._max_retries
                allowed = allowed and not self._slow_must_wait(queue, now, retry=True)
                if (waiting := queue.next_waiter(now, retries_allowed=allowed)) is not None:
                    waiter, retry = waiting
                    full = self._share_is_full(queue, now, retry=retry)
                    permit = None if full else self._grant(queue, now, retry=retry)
                    waiter.permit.set_result(permit)
            self._list(queue, now)

    def _hold_back(self, queue: DestinationQueue, *, retry: bool) -> None:
        """Let a slow destination wait for the next call of the slow ones, or send away who would have more than its part."""
        if self._slow.may_wait(queue, 0, retry=retry):
            queue.listed[retry] = True
            self._blocked_by_slow[retry].append(queue)
        else:
            queue.queues[retry].popleft().permit.set_result(None)

    def _next_blocked(self, now: float) -> tuple[DestinationQueue, bool] | None:
        """Take out the destination whose turn it is, of those that the worker's limits allow a call; and if it is a retry's."""
        for retry in (self._retry_is_next, not self._retry_is_next):
            if not self._has_room(retry=retry):
                continue
            waiting = self._blocked_by_slow[retry]
            if not waiting or self._slow_are_full(now, retry=retry):
                waiting = self._blocked[retry]
            if waiting:
                self._retry_is_next = not retry
                queue = waiting.popleft()
                queue.listed[retry] = False
                return queue, retry
        return None

    def _list(self, queue: DestinationQueue, now: float) -> None:
        """List a destination whose waiters need nothing but the worker's limits, or do so when its rate allows a call."""
        for retry in (False, True):
            if not queue.listed[retry] and queue.is_ready(now, retry=retry):
                queue.listed[retry] = True
                self._blocked[retry].append(queue)
        seconds = queue.state.seconds_to_slot(now)
        if seconds and queue.slot_timer is None and any(queue.queues):

            def slot_comes() -> None:
                queue.slot_timer = None
                self._list(queue, self._now())
                self._grant_next(self._now())

            # Half of the slack is for a timer that is late: none of the rate is lost by it.
            queue.slot_timer = asyncio.get_running_loop().call_later(
                seconds + RATE_SLACK_SECONDS / 2, slot_comes
            )

    @staticmethod
    def _send_away(queue: DestinationQueue, now: float) -> None:
        """End the waiting for a destination that asked for a rest or became unresponsive; its probe still waits."""
        is_cooling_down = queue.state.cooling_down_until(now) is not None
        if is_cooling_down or queue.state.is_unresponsive(now):
            queue.send_away(probes=is_cooling_down)

    def _look_up(self, partner: Partner, url: str, now: float) -> DestinationQueue:
        share = max(self.share, LEAST_SHARE)
        ceiling = max(1, int(partner.max_in_flight * share))
        rate = partner.rate_limit_per_second and partner.rate_limit_per_second * share
        self._sweep(now)
        # A URL that can't be read shares the empty origin: the egress rules will refuse it.
        key = (partner.partner_id, known_origin(url) or "")
        queue = self._destinations.get(key)
        if queue is None:
            state = Destination(ceiling, rate)
            queue = self._destinations[key] = DestinationQueue(
                state, self._first_attempts, partner.partner_id
            )
        state = queue.state
        state.ceiling, state.last_used = ceiling, now
        if rate != state.rate_per_second:
            state.change_rate(rate)
            queue.forget_slot_timer()  # of a slower rate it would come long after the slot
            self._list(queue, now)
        return queue

    def _count(self, now: float) -> None:
        """Count the calls of unresponsive, of untried and of slow destinations."""
        self._counted_at = now
        self._slow.calls = slow = [0, 0]
        for queue in self._called:
            self._unanswered.note(queue, now)
            state = queue.state
            if state.is_slow and not state.is_unresponsive(now):
                slow[0] += state.in_flight
                slow[1] += queue.retries

    def _sweep(self, now: float) -> None:
        """Forget destinations that were not asked for lately: ten thousand seen once leave nothing behind."""
        if now - self._swept_at < IDLE_SECONDS / 4:
            return
        self._swept_at = now
        idle = [key for key, queue in self._destinations.items() if queue.is_idle(now)]
        for key in idle:
            self._slow.forget(self._destinations.pop(key))


def _rest_asked_for(result: AttemptResult) -> float | None:
    """Return for how long a destination asks not to be called, or None.

    Beside an S or an F that counts it means nothing: those say what became of one notification, and it is not made again.
    """
    is_final = isinstance(result.outcome, Answered) and result.outcome.status is not Status.UNKNOWN
    return None if is_final and not result.slow_down else result.retry_after_seconds
