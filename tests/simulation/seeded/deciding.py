"""Mistakes in decisions and in times, and in how many records are handled at once."""

import asyncio
import time
from dataclasses import replace
from typing import Any, Final

import pytest

from streams.clock import Clock, due_at_ms
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit, ConcurrencyPermit
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.membership import Membership
from streams.notification.decision import (
    DeadLetter,
    DeadLetterReason,
    Delivered,
    RetryAfter,
    decide,
)
from streams.notification.ladder import Ladder
from streams.notification.notification import Notification
from streams.webhook.https import WebhookClient
from streams.worker import deliver, settlement
from streams.worker.handle import RecordHandler
from tests.simulation.seeded.kind import Seed


def wait_of_the_step_before(patch: pytest.MonkeyPatch) -> None:
    real = Ladder.wait_after
    # The judge asks the same ladder: only the decision is wrong.
    patch.setattr(
        deliver,
        "decide",
        lambda outcome, attempt, profile: (
            RetryAfter(real(profile.ladder, attempt - 1) or made.wait)
            if isinstance(made := decide(outcome, attempt, profile), RetryAfter) and attempt > 1
            else made
        ),
    )


def wait_of_the_step_after(patch: pytest.MonkeyPatch) -> None:
    real = Ladder.wait_after
    patch.setattr(Ladder, "wait_after", lambda self, attempt: real(self, attempt + (attempt > 1)))


def given_up_one_attempt_too_soon(patch: pytest.MonkeyPatch) -> None:
    real = Ladder.wait_after
    patch.setattr(
        Ladder,
        "wait_after",
        lambda self, attempt: real(self, attempt + (attempt == len(self.waits))),
    )


def unknown_answer_counts_as_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        deliver,
        "decide",
        lambda outcome, attempt, profile: (
            DeadLetter(DeadLetterReason.REJECTED, "refused")
            if isinstance(made := decide(outcome, attempt, profile), RetryAfter) and attempt > 2
            else made
        ),
    )


def timer_is_late(patch: pytest.MonkeyPatch) -> None:
    real = Lane._on_timer

    def on_timer(self: Any) -> None:
        asyncio.get_running_loop().call_later(3.0, real, self)

    patch.setattr(Lane, "_on_timer", on_timer)


def lease_never_runs_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Membership, "is_held", lambda _: True)


def replays_are_passed_over(patch: pytest.MonkeyPatch) -> None:
    real = RecordHandler.replay

    async def replay(self: Any, record: Any, lane: Any) -> None:
        if record.offset % 2:
            await real(self, record, lane)

    patch.setattr(RecordHandler, "replay", replay)


def unknown_answer_counts_as_delivered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        deliver,
        "decide",
        lambda outcome, attempt, profile: (
            Delivered() if attempt > 2 else decide(outcome, attempt, profile)
        ),
    )


def due_time_a_quarter_of_a_second_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deliver, "due_at_ms", lambda ended, seconds: due_at_ms(ended - 250, seconds))


def due_time_is_rounded_to_minutes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        deliver, "due_at_ms", lambda ended, seconds: due_at_ms(ended, seconds) // 60_000 * 60_000
    )


def attempt_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    real = Notification.after_attempt

    def after(self: Notification, **what: Any) -> Notification:
        made = real(self, **what)
        return replace(made, attempt=self.attempt) if self.attempt == 2 else made

    patch.setattr(Notification, "after_attempt", after)


def park_counts_as_an_attempt(patch: pytest.MonkeyPatch) -> None:
    real = settlement.Settlements.of_notification

    def of(self: Any, received: Any, trigger: Any, decision: Any, *args: Any) -> Any:
        if isinstance(decision, settlement.Park):
            received = replace(received, attempt=received.attempt + 1)
        return real(self, received, trigger, decision, *args)

    patch.setattr(settlement.Settlements, "of_notification", of)


def body_changes_from_attempt_to_attempt(patch: pytest.MonkeyPatch) -> None:
    real = WebhookClient.call

    async def call(self: Any, partner: Any, url: str, body: bytes, **more: Any) -> Any:
        return await real(self, partner, url, body + b" " * (int(time.monotonic()) % 2), **more)

    patch.setattr(WebhookClient, "call", call)


def clock_follows_the_machines(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Clock, "now_ms", lambda _: time.time_ns() // 1_000_000)
    patch.setattr(Clock, "now_seconds", lambda _: time.time_ns() / 1e9)


def signature_is_made_once_for_all(patch: pytest.MonkeyPatch) -> None:
    kept: dict[bytes, bytes] = {}
    real = WebhookClient._sign

    async def sign(self: Any, key: Any, signed: bytes) -> str:
        body = signed[-40:]
        return await real(self, key, kept.setdefault(body, signed))

    patch.setattr(WebhookClient, "_sign", sign)


def attempt_has_no_end(patch: pytest.MonkeyPatch) -> None:
    async def exchange(self: Any, partner: Any, exchange: Any, headers: Any, body: bytes) -> None:
        await self._client(partner).post(exchange, headers, body)

    patch.setattr(WebhookClient, "_exchange", exchange)


def place_is_never_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConcurrencyPermit, "give_back", lambda _: None)


def nobody_in_line_is_called(patch: pytest.MonkeyPatch) -> None:
    def count(self: Any, taken: int, fresh: int) -> None:
        self._taken += taken
        self._fresh += fresh

    patch.setattr(ConcurrencyLimit, "_count", count)


FAULTS: Final[tuple[Seed, ...]] = (
    wait_of_the_step_before,
    wait_of_the_step_after,
    given_up_one_attempt_too_soon,
    unknown_answer_counts_as_refused,
    timer_is_late,
    lease_never_runs_out,
    replays_are_passed_over,
    unknown_answer_counts_as_delivered,
    due_time_a_quarter_of_a_second_early,
    due_time_is_rounded_to_minutes,
    attempt_is_not_counted,
    park_counts_as_an_attempt,
    body_changes_from_attempt_to_attempt,
    clock_follows_the_machines,
    signature_is_made_once_for_all,
    attempt_has_no_end,
    place_is_never_given_back,
    nobody_in_line_is_called,
)
