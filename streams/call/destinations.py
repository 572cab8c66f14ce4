"""Who may call now: limits for each destination, and shares of the worker.

A destination is a partner and the origin (scheme, host, port, in their one spelling) of a notify URL: a platform has one entry in the
partners file and a thousand merchants' URLs. A record whose destination has no room soon is told so and is parked,
so that a broken partner holds neither calls nor lanes that others need.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.notify_url import origin_of
from streams.call.destination import Destination
from streams.call.https import Call
from streams.notification.outcome import Blocked
from streams.partners import Partner

PATIENCE_SECONDS = 1.0
"""How long a record may wait in its lane for room, before it is parked."""

SILENT_SHARE = 4
"""Destinations that have not answered lately share at most one in so many of the worker's calls."""

UNPROVEN_SHARE = 2
"""Destinations that have never answered share at most one in so many, until they turn out to be silent."""

RETRY_SHARE = 2
"""Retries share at most one in so many, so that a backlog of them does not delay new payments."""

IDLE_SECONDS = 60.0
_PATIENCE_ROUNDS = 10
_COUNT_SECONDS = 0.05  # who falls silent is seen within that
_LEAST_SHARE = 1e-3  # for a record still in flight when the last partition has gone


@dataclass(frozen=True, slots=True)
class NoRoom:
    """The destination can't take the notification now.

    Attributes:
        why: in one token: `closed`, `silent`, `rate-limit`, `in-flight`, `share`.
        expected_at: when there may be room, in seconds of the worker's clock.
        climbs: whether each further park of the record should wait longer, because nobody knows when.
    """

    why: str
    expected_at: float
    climbs: bool


_Line = deque[asyncio.Future[bool]]


@dataclass(slots=True)
class _Known:
    """A destination, and who waits for it: first attempts and retries, in a line each, called by turns."""

    state: Destination
    first_attempts: bool
    lines: tuple[_Line, _Line] = field(default_factory=lambda: (deque(), deque()))
    retries: int = 0
    _retry_is_next: bool = False

    def has_room(self, *, retry: bool) -> bool:
        """Tell whether one more call is within the limit; where first attempts are made too, retries have half of it."""
        full = retry and self.first_attempts and self.retries >= self.state.most_retries
        return self.state.has_room() and not full

    def ahead(self, *, retry: bool) -> int:
        """Return how many would be called before one more."""
        own, other = len(self.lines[retry]), len(self.lines[not retry])
        return own + min(own + 1, other)

    def start(self, now: float, *, retry: bool) -> None:
        """Note that a call is admitted."""
        self.state.start(now)
        self.retries += retry

    def next_line(self, *, shut: bool) -> int | None:
        """Return whose turn it is, 0 for first attempts and 1 for retries, or None where nobody can go."""
        for retry in (self._retry_is_next, not self._retry_is_next):
            line = self.lines[retry]
            while line and line[0].done():
                line.popleft()
            if line and (shut or self.has_room(retry=retry)):
                self._retry_is_next = not retry
                return int(retry)
        return None


@dataclass(slots=True)
class _Place:
    """One record's place in a destination's line."""

    known: _Known
    retry: bool
    turn: asyncio.Future[bool]
    now: Callable[[], float]
    rounds: int = _PATIENCE_ROUNDS
    since: float = field(init=False)
    timer: asyncio.TimerHandle = field(init=False)

    def wait(self) -> None:
        """Wait for as long as patience lasts."""
        self.since = self.now()
        self.timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._patience_ends)

    def _patience_ends(self) -> None:
        """Give up; but stay in a line that should be short, where the worker is what is slow, and not the destination."""
        state, line = self.known.state, self.known.lines[self.retry]
        self.rounds -= 1
        moves = state.answered_since(self.since)
        ahead = self.known.ahead(retry=self.retry)
        if self.rounds > 0 and moves and state.seconds_for(ahead) <= PATIENCE_SECONDS / 2:
            self.wait()
        elif not self.turn.done():
            self.turn.set_result(False)
        while line and line[0].done():
            line.popleft()


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to make one call; to be given back."""

    key: tuple[str, str]
    retry: bool


class Destinations:
    """Admits calls. One for a worker, used from one event loop.

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
        self._known: dict[tuple[str, str], _Known] = {}
        self._busy: set[tuple[str, str]] = set()
        self._worker = asyncio.Semaphore(max_in_flight)
        self._retries = asyncio.Semaphore(max(1, max_in_flight // RETRY_SHARE))
        self._most_silent = max(1, max_in_flight // SILENT_SHARE)
        self._most_unproven = max(1, max_in_flight // UNPROVEN_SHARE)
        self._most_unanswered = max(1, self._most_unproven + max_in_flight // SILENT_SHARE)
        self._silent = self._unproven = 0
        self._counted_at = self._swept_at = now_seconds()
        self.share = 1.0
        """Which part of the deployment's limits is this worker's."""
        self.in_flight = 0

    def __len__(self) -> int:
        """Return how many destinations are remembered."""
        return len(self._known)

    def silent_destinations(self) -> int:
        """Return how many destinations do not answer now."""
        now = self._now()
        return sum(known.state.is_silent(now) for known in self._known.values())

    async def admit(self, partner: Partner, url: str, *, retry: bool) -> Ticket | NoRoom:
        """Wait shortly for room; return the right to call, or when there may be room.

        Args:
            partner: whom to call.
            url: the notify URL, whose form was checked.
            retry: whether it comes from a tier.
        """
        key = (partner.partner_id, _server(url))
        known = self._look_up(key, partner, self._now())
        refusal = await self._wait_for_destination(key, known, retry=retry)
        if refusal is not None:
            return refusal
        ticket = Ticket(key, retry)
        self._started(key, known.state)
        try:
            if retry:
                await self._retries.acquire()
            try:
                await self._worker.acquire()
            except BaseException:
                if retry:
                    self._retries.release()
                raise
        except BaseException:
            known.state.cancel(sent=False)
            self._freed(ticket, known)
            raise
        known.state.send(self._now())
        self.in_flight += 1
        return ticket

    def give_back(self, ticket: Ticket, call: Call | None) -> None:
        """Take a ticket back. The call tells the destination's state; None where none was made."""
        self._worker.release()
        if ticket.retry:
            self._retries.release()
        self.in_flight -= 1
        known = self._known[ticket.key]
        if call is None or isinstance(call.outcome, Blocked):
            known.state.cancel(sent=True)
        else:
            # Less what is ours: signing, and as much again for the way back. A worker out of breath is told by the time
            # it takes to sign, and must not take its own slowness for the partner's.
            seconds = (call.ended_at_ms - call.started_at_ms) / 1000 - 2 * call.signing_seconds
            known.state.end(
                self._now(),
                seconds=max(seconds, 0.0),
                answered=call.http_status is not None,
                slow=call.slow_down,
                closed_for=call.retry_after_seconds if call.slow_down else None,
            )
        self._freed(ticket, known)

    async def _wait_for_destination(
        self, key: tuple[str, str], known: _Known, *, retry: bool
    ) -> NoRoom | None:
        """Take one of the destination's calls, or return why there is none to be had soon."""
        state, now = known.state, self._now()
        if now - self._counted_at >= _COUNT_SECONDS:
            self._count(now)
        if (refusal := self._refusal(state, now)) is not None:
            return refusal
        silent = state.is_silent(now)
        if not silent and not state.has_answered and not self._may_try_another(now):
            return NoRoom("share", now + PATIENCE_SECONDS, climbs=True)
        slot, taken = state.reserve_slot(now, PATIENCE_SECONDS)
        if not taken:
            return NoRoom("rate-limit", slot, climbs=False)
        if slot > now:
            await asyncio.sleep(slot - now)
            now = self._now()
            if (refusal := self._refusal(state, now)) is not None:
                return refusal
            silent = state.is_silent(now)
        if not silent and (known.lines[retry] or not known.has_room(retry=retry)):
            return await self._queue(key, known, retry=retry)
        known.start(now, retry=retry)
        return None

    def _refusal(self, state: Destination, now: float) -> NoRoom | None:
        """Return why nothing at all goes there now. A silent destination whose probe is due gets that one call."""
        if (closed := state.closed_until(now)) is not None:
            return NoRoom("closed", closed, climbs=False)
        if state.is_silent(now):
            probe = state.next_probe(now)
            if probe is not None or self._silent >= self._most_silent:
                # What has been silent for long will be so for some time: a record that looked again every second would
                # cost as much as a call.
                later = now + state.silent_for(now) / 2
                return NoRoom("silent", max(probe or now + PATIENCE_SECONDS, later), climbs=True)
        return None

    def _may_try_another(self, now: float) -> bool:
        """Tell whether unproven destinations have room. Many may have answered since they were counted."""
        if self._unproven_are_full():
            self._count(now)
        return not self._unproven_are_full()

    def _unproven_are_full(self) -> bool:
        return (
            self._unproven >= self._most_unproven
            or self._unproven + self._silent >= self._most_unanswered
        )

    async def _queue(self, key: tuple[str, str], known: _Known, *, retry: bool) -> NoRoom | None:
        """Wait in line for one of the destination's calls, until patience runs out or there are none any more."""
        needed = known.state.seconds_for(known.ahead(retry=retry) + 1)
        if needed > PATIENCE_SECONDS:  # a place in a line too long is a place that others need
            return NoRoom("in-flight", self._now() + needed, climbs=True)
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        known.lines[retry].append(turn)
        place = _Place(known, retry, turn, self._now)
        place.wait()
        try:
            taken = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                known.state.cancel(sent=False)
                self._freed(Ticket(key, retry), known)
            raise
        finally:
            place.timer.cancel()
        if taken:
            return None
        now = self._now()
        in_flight = NoRoom("in-flight", now + PATIENCE_SECONDS, climbs=True)
        return self._refusal(known.state, now) or in_flight

    def _hand_on(self, known: _Known) -> None:
        """Give room that came free to those who wait; send them away where the destination closed or fell silent."""
        state, now = known.state, self._now()
        shut = state.closed_until(now) is not None or state.is_silent(now)
        while (line := known.next_line(shut=shut)) is not None:
            turn = known.lines[line].popleft()
            if not shut:
                # Counted here, so that nobody can slip in between.
                known.start(now, retry=bool(line))
            turn.set_result(not shut)

    def _started(self, key: tuple[str, str], state: Destination) -> None:
        self._busy.add(key)
        if state.is_silent(self._now()):
            self._silent += 1
        elif not state.has_answered:
            self._unproven += 1

    def _freed(self, ticket: Ticket, known: _Known) -> None:
        known.retries -= ticket.retry
        self._hand_on(known)
        if not known.state.in_flight:
            self._busy.discard(ticket.key)

    def _look_up(self, key: tuple[str, str], partner: Partner, now: float) -> _Known:
        share = max(self.share, _LEAST_SHARE)
        ceiling = max(1, int(partner.max_in_flight * share))
        rate = partner.rate_limit_per_second and partner.rate_limit_per_second * share
        self._sweep(now)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(Destination(ceiling, rate), self._first_attempts)
        state = known.state
        state.ceiling, state.rate_per_second, state.last_used = ceiling, rate, now
        return known

    def _count(self, now: float) -> None:
        """Count the calls of silent and of unproven destinations."""
        self._counted_at = now
        self._silent = self._unproven = 0
        for key in self._busy:
            state = self._known[key].state
            if state.is_silent(now):
                self._silent += state.in_flight
            elif not state.has_answered:
                self._unproven += state.in_flight

    def _sweep(self, now: float) -> None:
        """Forget destinations that nobody asked for lately: ten thousand seen once leave nothing behind."""
        if now - self._swept_at < IDLE_SECONDS / 4:
            return
        self._swept_at = now
        idle = [
            key
            for key, known in self._known.items()
            if now - known.state.last_used > IDLE_SECONDS
            and not known.state.in_flight
            and not any(known.lines)
        ]
        for key in idle:
            if self._known[key].state.closed_until(now) is None:
                del self._known[key]


def _server(url: str) -> str:
    try:
        return origin_of(url)
    except ValueError:
        return ""  # the egress rules will refuse it; nothing is learned of any server
