"""The worker's admission with calls that end as the test says."""

import asyncio

from streams.admission.admission import Admission
from streams.admission.queue import Denied, Permit
from streams.admission.unanswered import UnansweredCalls
from streams.notification.intake import PartnerTerms
from streams.notification.outcome import (
    Answered,
    Blocked,
    Failure,
    NoResult,
    Outcome,
    RequestLeft,
    Status,
)
from streams.notification.profiles import PROFILES
from streams.partners import Partner
from streams.webhook.https import AttemptResult


def partner(partner_id="shop", *, most=64, rate=None, timeout_seconds=5.0) -> Partner:
    """Return an entry of the partners file; only its limits matter here."""
    return Partner(
        partner_id=partner_id,
        terms=PartnerTerms(frozenset(PROFILES), {}, hold_unmapped=False, notify_url=None),
        client_id="CLIENT",
        signing_keys=(),
        peer_keys={},
        require_signed_response=None,
        allowed_hosts=None,
        max_in_flight=most,
        rate_limit_per_second=rate,
        request_time_format="iso8601",
        attempt_timeout_seconds=timeout_seconds,
        paused=False,
        tls=None,
        fingerprint="1",
    )


def ended(
    outcome: Outcome, seconds=0.05, *, retry_after=None, slow_down=False, signing=0.001
) -> AttemptResult:
    """Return a call that took so long."""
    return AttemptResult(
        outcome=outcome,
        http_status=200 if isinstance(outcome, Answered) else None,
        request_left=RequestLeft.YES,
        started_at_ms=0,
        ended_at_ms=round(seconds * 1000),
        retry_after_seconds=retry_after,
        url_origin="https://shop.example.com",
        signing_seconds=signing,
        slow_down=slow_down,
    )


def answered(seconds=0.05, **how) -> AttemptResult:
    return ended(Answered(Status.SUCCESS, "SUCCESS"), seconds, **how)


def refused(seconds=0.001) -> AttemptResult:
    return ended(NoResult(Failure.CONNECT_ERROR), seconds)


def timed_out(seconds=5.0) -> AttemptResult:
    return ended(NoResult(Failure.READ_TIMEOUT), seconds)


def blocked() -> AttemptResult:
    return ended(Blocked("private address"), 0.0)


class Desk:
    """A worker's destinations on the loop's own clock."""

    def __init__(self, most=512) -> None:
        self.loop = asyncio.get_running_loop()
        self.admission = Admission(most, self.loop.time)
        self.partner = partner()

    @property
    def now(self) -> float:
        return self.loop.time()

    def state(self, url: str, who: Partner | None = None):
        """Return what is known of a destination."""
        return self.admission._destinations[(who or self.partner).partner_id, url.lower()].state

    async def ask(self, url="https://a.example.com", *, who=None, retry=False) -> Permit | Denied:
        """Ask for one call."""
        return await self.admission.admit(who or self.partner, url, retry=retry)

    async def take(self, url="https://a.example.com", *, calls=1, **how) -> list[Permit]:
        """Ask for calls, all of which must be had at once."""
        began, permits = self.now, []
        for _ in range(calls):
            permit = await self.ask(url, **how)
            assert isinstance(permit, Permit), permit
            permits.append(permit)
        assert self.now == began
        return permits

    async def refusal(self, url="https://a.example.com", **how) -> tuple[str, float, float]:
        """Ask for a call that is not to be had; return why, after how long, and how far away room is."""
        began = self.now
        denied = await self.ask(url, **how)
        assert isinstance(denied, Denied), denied
        return denied.reason, self.now - began, denied.expected_at - self.now

    def give_back(self, permits, call=None) -> None:
        for permit in permits:
            self.admission.give_back(permit, call)

    def line_up(self, url="https://a.example.com", calls=1, **how):
        """Ask for calls beside the test, in this order."""
        return [asyncio.create_task(self.ask(url, **how)) for _ in range(calls)]

    async def fill(self, url="https://a.example.com", **how) -> list[Permit]:
        """Take every call that a destination gets now."""
        permits = []
        while (
            url not in {key[1] for key in self.admission._destinations}
            or self.state(url, how.get("who")).has_room()
        ):
            permits += await self.take(url, **how)
        return permits

    async def prove(self, url="https://a.example.com", **how) -> None:
        """Let a destination answer once."""
        self.give_back(await self.take(url, **how), answered())

    def is_clean(self) -> bool:
        """Tell whether nothing is held any more: every call of the worker can be had again."""
        held = self.admission
        return (
            held.in_flight == 0
            and not any(queue.state.in_flight for queue in held._destinations.values())
            and not any(any(queue.queues) for queue in held._destinations.values())
            and not held._called
            and held._retries == 0
            and held._unanswered.all == UnansweredCalls()
            and not held._unanswered._partners
        )
