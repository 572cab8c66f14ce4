"""The state of one destination, and how many calls it gets. Pure: the time comes in as an argument.

Three rules, all in seconds of the worker's clock:

- In flight: additive increase, multiplicative decrease, below the partner's `max_in_flight`. An answer raises the
  limit, a call that ends without one, or takes much longer than usual, halves it.
- Unresponsive: calls are under way or have failed, and nothing was answered lately. Then one probe a second goes out,
  within `max_in_flight`, and nothing else, until an answer comes.
- Rate: each call takes a slot, a step after the one before (GCRA). A record is told its slot ahead: it waits for a near
  one, is promised one that it can come back for, and asks again later where even that is too far away.
"""

from dataclasses import dataclass, field
from math import ceil

from streams.admission.limits import (
    FIRST_LIMIT,
    LATELY_SECONDS,
    PATIENCE_SECONDS,
    PROBE_SECONDS,
    RATE_SLACK_SECONDS,
    RETRY_SHARE,
    SLOW_SECONDS,
    SLOW_TIMES,
    SMOOTHING,
)
from streams.admission.promises import Promises


@dataclass(slots=True)
class Destination:
    """A partner and the origin of a notify URL.

    Attributes:
        ceiling: the partner's `max_in_flight`, this worker's share of it.
        rate_per_second: the partner's `rate_limit_per_second`, this worker's share of it; None for no limit.
        limit: calls at once now.
        in_flight: calls admitted and not yet ended.
        last_used: when it was last asked for.
    """

    ceiling: int
    rate_per_second: float | None
    limit: float = FIRST_LIMIT
    in_flight: int = 0
    last_used: float = 0.0
    _threshold: float = float("inf")
    _decreased_at: float = 0.0
    _answered_at: float | None = None
    _first_called_at: float | None = None
    _busy_since: float = 0.0
    _failed: bool = False
    _usual_seconds: float = 0.0
    _next_probe: float = 0.0
    _cooling_down_until: float = 0.0
    _last_slot: float = float("-inf")
    _reserved: int = 0
    _promises: Promises = field(default_factory=Promises)
    _after_rest: Promises = field(default_factory=Promises)

    @property
    def has_answered(self) -> bool:
        """Whether an answer ever came from it."""
        return self._answered_at is not None

    @property
    def usual_seconds(self) -> float:
        """How long its answers usually take; 0 where none ever came."""
        return self._usual_seconds

    @property
    def is_slow(self) -> bool:
        """Whether its answers usually take longer than a record's patience."""
        return self._usual_seconds > PATIENCE_SECONDS

    def answered_since(self, then: float) -> bool:
        """Tell whether an answer came from it after this moment."""
        return self._answered_at is not None and self._answered_at > then

    def is_unresponsive(self, now: float) -> bool:
        """Tell whether it was called and has not answered lately."""
        patience = max(LATELY_SECONDS, 2 * self._usual_seconds)
        if self._answered_at is not None and now - self._answered_at <= patience:
            return False
        return self._failed or (self.in_flight > 0 and now - self._busy_since > patience)

    def unresponsive_for(self, now: float) -> float:
        """Return for how many seconds no answer has come; 0 for one that was never called."""
        since = self._first_called_at if self._answered_at is None else self._answered_at
        return 0.0 if since is None else now - since

    def cooling_down_until(self, now: float) -> float | None:
        """Return until when it is cooling down (Retry-After), or None."""
        return self._cooling_down_until if now < self._cooling_down_until else None

    def promise_after_rest(self, now: float) -> float:
        """Return when to come back to one that is cooling down: after it, one record after the other at its usual pace.

        All at once they would be called at once, and where one of these calls is answered with another rest all others
        would have come in vain.
        """
        step = self._usual_seconds / self._allowed
        if self.rate_per_second:
            step = max(step, 1 / self.rate_per_second)
        return self._after_rest.make(now, self._cooling_down_until, step)

    def may_be_probed(self, now: float) -> bool:
        """Tell whether it is unresponsive and a call whose probe was reserved is within `max_in_flight`."""
        return self.in_flight < self.ceiling and self.is_unresponsive(now)

    def next_probe(self, now: float) -> float | None:
        """Return when an unresponsive destination may be probed next, or None where it may be now."""
        if now < self._next_probe:
            return self._next_probe
        return now + PROBE_SECONDS if self.in_flight >= self.ceiling else None

    @property
    def _allowed(self) -> float:
        return max(1.0, min(self.limit, self.ceiling))

    def has_room(self) -> bool:
        """Tell whether one more call is within the limit."""
        return self.in_flight < int(self._allowed)

    @property
    def most_retries(self) -> int:
        """How many of its calls may be retries: half, so that a backlog of them leaves room for new payments."""
        return ceil(self._allowed / RETRY_SHARE)

    def seconds_for(self, waiting: int) -> float:
        """Return how long a queue of so many will take, as far as that can be told.

        0 while the limit still doubles with each answer time, when it is shorter than any estimate.
        """
        allowed = self._allowed
        if allowed < min(self._threshold, self.ceiling):
            return 0.0
        return waiting * self._usual_seconds / allowed

    def change_rate(self, rate_per_second: float | None) -> None:
        """Let another rate count from the next call on.

        What was promised at the old one is forgotten: who comes back for it asks again, and finds its slot if nobody
        has taken it. Kept, promises of a slower time would leave most of a faster one unused.
        """
        self.rate_per_second = rate_per_second
        self._promises.forget()

    def slot_after(self, now: float, waiting: int) -> float:
        """Return when the rate allows a call for which so many others come first."""
        if self.rate_per_second is None:
            return now
        step = 1 / self.rate_per_second
        return max(now, self._last_slot + step) + waiting * step

    def seconds_to_slot(self, now: float) -> float:
        """Return for how long the rate holds the next call back, less its slack; 0 where it may go out now."""
        if self.rate_per_second is None:
            return 0.0
        return max(0.0, self._last_slot + 1 / self.rate_per_second - RATE_SLACK_SECONDS - now)

    def rate_is_in_use(self, now: float) -> bool:
        """Tell whether the last call's step of the rate, or what was promised, is not over yet: forgotten, it would not count."""
        return self.slot_after(now, 0) > now or self._promises.last_ahead(now)

    def reserve_slot(self, now: float, patience: float) -> tuple[float, bool]:
        """Ask for a slot of the rate limit.

        Returns:
            When the slot is, and whether it is taken, until `release_slot`. One further away than `patience` is not:
            the record is promised one, and asks again when it comes back for it.
        """
        slot = self.slot_after(now, self._reserved)
        if slot - now > patience:
            return self.promise_slot(now), False
        self._reserved += 1
        return slot, True

    def release_slot(self) -> None:
        """Note that a slot that was taken is waited for no longer: its call was made, or will not be."""
        self._reserved -= 1

    def promise_slot(self, now: float) -> float:
        """Return when to come back for a slot."""
        step = 1 / self.rate_per_second if self.rate_per_second else 0.0
        return self._promises.make(now, self.slot_after(now, self._reserved), step)

    def reserve_probe(self, now: float) -> None:
        """Reserve the next probe: no other is sent within `PROBE_SECONDS`."""
        self._next_probe = now + PROBE_SECONDS

    def start(self, now: float) -> None:
        """Note that a call goes out: an answer may be expected from now on."""
        if self.is_unresponsive(now):
            self.reserve_probe(now)
        if self.in_flight == 0:
            self._busy_since = now
        if self._first_called_at is None:
            self._first_called_at = now
        self._last_slot = self.slot_after(now, 0)
        self.in_flight += 1

    def cancel(self) -> None:
        """Note that a call was not made after all, which says nothing about the destination."""
        self.in_flight -= 1

    def end(
        self,
        now: float,
        *,
        seconds: float,
        answered: bool,
        slow: bool,
        cool_down_seconds: float | None,
    ) -> None:
        """Note how a call ended.

        Args:
            now: the present.
            seconds: how long it took.
            answered: whether an HTTP answer came, whatever it said.
            slow: whether it says that there is too much traffic.
            cool_down_seconds: how long the destination asks not to be called, or None.
        """
        allowed = self._allowed
        # Much slower than usual is a sign of too much traffic; slow as ever is not.
        slow = slow or bool(
            self._usual_seconds and seconds > max(SLOW_SECONDS, SLOW_TIMES * self._usual_seconds)
        )
        was_at_limit = self.in_flight >= allowed / 2
        self.in_flight -= 1
        if cool_down_seconds is not None:
            self._cooling_down_until = max(self._cooling_down_until, now + cool_down_seconds)
        if answered:
            was_unresponsive = self.is_unresponsive(now)
            self._answered_at = self._busy_since = now
            self._failed = False
            self._usual_seconds += (seconds - self._usual_seconds) * (
                SMOOTHING if self._usual_seconds else 1
            )
            if was_unresponsive:  # one more call; those that still hang must not keep it out
                self.limit = float(min(self.ceiling, self.in_flight + 1))
        else:
            self._failed = True
        if slow or not answered:
            # Once for all calls that were under way together: they tell the same thing.
            if now - seconds >= self._decreased_at:
                self._decreased_at = now
                self.limit = self._threshold = max(1.0, allowed / 2)
        elif was_at_limit:
            self.limit = min(
                self.ceiling, self.limit + (1.0 if self.limit < self._threshold else 1 / self.limit)
            )
