"""Whom a worker calls, how many at once, and how soon after the call before: what the limits of the partners file allow.

How many records it has in hand is looked at as well.

Each call is looked at from its begin to its end, whatever the worker itself counts. Limits that workers share out among
themselves are looked at as if this one had the whole. A worker that stood still may do at once what came due meanwhile.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streams.notification.outcome import Blocked
from streams.partners import Partner
from streams.webhook.https import AttemptResult
from tests.simulation.loop import Process
from tests.simulation.plan import REST_SECONDS

_TURNS_SECONDS: Final = 0.05
"""Within this a call begins that was permitted, and is told what another's answer was."""
_SLACK_SECONDS: Final = 0.1
"""How much sooner than a step of the rate a call may come, besides (docs/partners-file.md)."""
_RECORDS_PER_CALL: Final = 2
_FORGOTTEN_AFTER: Final = 60.0
_PROBES_APART: Final = 1.0
_LATELY: Final = 1.0


@dataclass(slots=True)
class _Met:
    """What a worker has met at one partner.

    Attributes:
        begun_at: when its last call began.
        unresponsive: whether nothing had answered lately by then.
        answered_at: when it answered last, or None.
        longest: seconds that an answer took at most.
        failed: whether a call has ended without an answer since.
        asked_at: when it asked for a rest.
        rests_until: until when.
    """

    begun_at: float = float("-inf")
    unresponsive: bool = False
    answered_at: float | None = None
    longest: float = 0.0
    failed: bool = False
    asked_at: float = float("-inf")
    rests_until: float = float("-inf")

    def has_not_answered(self, now: float) -> bool:
        """Tell whether it has not, as long as that may be told whichever its usual answer time is."""
        lately = max(_LATELY, 2 * self.longest)
        return self.failed and (self.answered_at is None or now - self.answered_at > lately)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that has begun.

    Attributes:
        process: whose.
        partner_id: to whom.
        begun_at: when, seconds.
        retry: whether an attempt was made before.
        probe: whether nothing had answered lately.
    """

    process: Process
    partner_id: str
    begun_at: float
    retry: bool
    probe: bool


@dataclass(slots=True)
class CallLimits:
    """Looks at the calls of all workers.

    Attributes:
        most: calls at once of a worker.
        now: returns the world's time, seconds.
        wrong: told what must not be.
    """

    most: int
    now: Callable[[], float]
    wrong: Callable[[str], None]
    _calls: Counter[Process | tuple[Process, str]] = field(default_factory=Counter)
    _retries: Counter[Process] = field(default_factory=Counter)
    _probes: Counter[Process] = field(default_factory=Counter)
    _records: Counter[object] = field(default_factory=Counter)
    _met: dict[tuple[Process, str], _Met] = field(default_factory=dict)

    def records(self, group: object, by: int) -> None:
        """Note that the handling of a record begins or ends.

        Args:
            group: what stands for its group in one worker.
            by: 1 or -1.
        """
        self._records[group] += by
        if self._records[group] > (most := _RECORDS_PER_CALL * self.most):
            self.wrong(f"{self._records[group]} records of a group at once, where {most} may be")

    def begin(self, process: Process, partner: Partner, *, retry: bool, paused: bool) -> Call:
        """Note that a call begins.

        Args:
            process: the worker's.
            partner: the entry with which it is made.
            retry: whether an attempt was made before.
            paused: whether the partner was paused, as far as the worker had read, when the attempt was begun.
        """
        now, key = self.now(), (process, partner.partner_id)
        met = self._met.get(key)
        if met is None or now - met.begun_at > _FORGOTTEN_AFTER:
            met = self._met[key] = _Met()
        call = Call(process, partner.partner_id, now, retry, met.has_not_answered(now))
        self._count(call, 1)
        if paused:
            self._say(call, "which is paused")
        self._look_at_numbers(call, partner)
        if now > process.stopped_until + _TURNS_SECONDS:
            self._look_at_times(call, met, partner)
        met.begun_at, met.unresponsive = now, call.probe
        return call

    def end(self, call: Call, result: AttemptResult | None) -> None:
        """Note that a call has ended, and how; None where it was broken off."""
        self._count(call, -1)
        met, now = self._met[call.process, call.partner_id], self.now()
        if result is None or isinstance(result.outcome, Blocked):
            return
        if result.http_status is None:
            met.failed = True
            return
        met.answered_at, met.failed = now, False
        met.longest = max(met.longest, now - call.begun_at)
        if result.http_status == 503:
            met.asked_at, met.rests_until = now, now + REST_SECONDS

    def _count(self, call: Call, by: int) -> None:
        self._calls[call.process] += by
        self._calls[call.process, call.partner_id] += by
        self._retries[call.process] += by * call.retry
        self._probes[call.process] += by * call.probe

    def _look_at_numbers(self, call: Call, partner: Partner) -> None:
        for calls, most, whose in (
            (self._calls[call.process], self.most, "its calls"),
            (self._retries[call.process], max(1, self.most // 2), "its retries"),
            (self._probes[call.process], max(1, self.most // 4), "its probes"),
            (self._calls[call.process, call.partner_id], partner.max_in_flight, "the partner's"),
        ):
            if calls > most:
                self._say(call, f"with {calls} at once, where {whose} may be {most}")

    def _look_at_times(self, call: Call, met: _Met, partner: Partner) -> None:
        if met.asked_at + _TURNS_SECONDS < call.begun_at < met.rests_until:
            self._say(call, f"{met.rests_until - call.begun_at:.3f} s before its rest is over")
        if met.begun_at <= call.process.stopped_until + _TURNS_SECONDS:
            return
        apart = call.begun_at - met.begun_at
        rate = partner.rate_limit_per_second
        if rate and apart < 1 / rate - _SLACK_SECONDS - _TURNS_SECONDS:
            self._say(call, f"{apart:.3f} s after the last call, where {rate:g} may come a second")
        if met.unresponsive and call.probe and apart < _PROBES_APART - _TURNS_SECONDS:
            self._say(call, f"{apart:.3f} s after the last call, where nothing answers")

    def _say(self, call: Call, what: str) -> None:
        self.wrong(f"a call beyond limits: {call.process.name} calls {call.partner_id} {what}")
