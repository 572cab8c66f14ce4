"""Faults put into the worker on purpose: whether the worlds find them, and after how many.

Each is one mistake that a change could make: an offset off by one, an await left out, an order turned round, a check
forgotten, a timer early. `python -m tests.simulation --seeded` tries them all.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from streams.admission.admission import Admission
from streams.clock import Clock, due_at_ms
from streams.kafka import producer as producing
from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer import consumer as consuming
from streams.kafka.consumer.app import NotifierApp
from streams.kafka.consumer.commits import Commits
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit, ConcurrencyPermit
from streams.kafka.consumer.consumer import Consumer
from streams.kafka.consumer.deduplication import Deduplicator
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.consumer.standing import Standing
from streams.kafka.consumer.unused import WithoutTables
from streams.kafka.producer import RecordProducer
from streams.notification.decision import Delivered, RetryAfter, decide
from streams.notification.ladder import Ladder
from streams.notification.notification import Notification
from streams.webhook.https import WebhookClient
from streams.worker import deliver, settlement
from streams.worker.receive import Receiver
from streams.worker.settle import Settled, Settler
from tests.simulation.campaign import UNSCALED_EVERY, run
from tests.simulation.plan import draw

Seed = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a seeded fault: after how many worlds it was found, and what was said of it; 0 for never."""

    name: str
    worlds: int
    said: str


def _lane(patch: pytest.MonkeyPatch, name: str, made: Any) -> None:
    patch.setattr(Lane, name, made)


# --- lanes and offsets ------------------------------------------------------------------------------


def settled_when_begun(patch: pytest.MonkeyPatch) -> None:
    run_record = Lane._run

    async def too_early(self: Lane, slot: Any, permit: Any, begun: float) -> None:
        self._finish(slot)
        await run_record(self, slot, permit, begun)

    _lane(patch, "_run", too_early)


def _changed_progress(patch: pytest.MonkeyPatch, change: Callable[[Lane, CommittedState], CommittedState]) -> None:  # fmt: skip
    real: Any = vars(Lane)["progress"].fget

    def progress(self: Lane) -> CommittedState | None:
        found = real(self)
        return None if found is None else change(self, found)

    patch.setattr(Lane, "progress", property(progress))


def commit_past_a_record_in_flight(patch: pytest.MonkeyPatch) -> None:
    _changed_progress(patch, lambda lane, state: CommittedState(lane._next_offset or state.offset))


def commit_one_too_far(patch: pytest.MonkeyPatch) -> None:
    _changed_progress(
        patch,
        lambda lane, state: replace(state, offset=state.offset + 1) if lane._uncommitted else state,
    )


def finished_offsets_one_too_far(patch: pytest.MonkeyPatch) -> None:
    _changed_progress(
        patch,
        lambda _, state: replace(state, finished=frozenset(one + 1 for one in state.finished)),
    )


def finished_set_holds_what_is_in_flight(patch: pytest.MonkeyPatch) -> None:
    _changed_progress(
        patch,
        lambda lane, state: replace(
            state, finished=frozenset(slot.record.offset for slot in lane._uncommitted)
        ),
    )


def timer_half_a_second_early(patch: pytest.MonkeyPatch) -> None:
    real = Lane.__init__

    def init(self: Lane, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        now = self._now_ms
        self._now_ms = lambda: now() + 500

    patch.setattr(Lane, "__init__", init)


def draining_lane_goes_on(patch: pytest.MonkeyPatch) -> None:
    _lane(patch, "stop_starting", lambda _: None)


def crash_of_a_handler_is_a_success(patch: pytest.MonkeyPatch) -> None:
    real = RecordProducer.write

    async def sometimes(self: RecordProducer, *records: Any) -> Any:
        if len(records) == 2:
            raise ValueError
        return await real(self, *records)

    patch.setattr(RecordProducer, "write", sometimes)


def positions_pass_what_was_not_taken(patch: pytest.MonkeyPatch) -> None:
    def pass_to(self: Lane, position: int, _last_read: int | None) -> None:
        self._next_offset = max(self._next_offset or 0, position)
        self._uncommitted.clear()

    _lane(patch, "pass_to", pass_to)


def drain_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    real = Lanes.drain

    async def drain(self: Lanes, _seconds: float) -> int:
        return await real(self, 0.0)

    patch.setattr(Lanes, "drain", drain)


def records_of_any_generation_are_taken(patch: pytest.MonkeyPatch) -> None:
    def admit(self: Lanes, record: Any, _generation: int) -> None:
        self._lane((record.topic, record.partition)).admit(record)

    patch.setattr(Lanes, "admit", admit)
    patch.setattr(Consumer, "_is_current", lambda *_: True)


def lanes_outlive_their_generation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "close", lambda _: None)
    patch.setattr(Lanes, "drain", _nothing_late)


async def _nothing_late(*_: Any) -> int:
    return 0


# --- commits, seeking, fetching ---------------------------------------------------------------------


def failed_commit_counts_as_made(patch: pytest.MonkeyPatch) -> None:
    real = Commits.__init__

    def init(self: Commits, settled: Any, commit: Any, on_error: Any) -> None:
        async def never_fails(states: Any) -> bool:
            try:
                await asyncio.wait_for(commit(states), 5)
            except Exception:  # noqa: BLE001  # the mistake
                on_error()
            return True

        real(self, settled, never_fails, on_error)

    patch.setattr(Commits, "__init__", init)


def commits_end_after_an_error(patch: pytest.MonkeyPatch) -> None:
    real = Commits.commit

    async def commit(self: Any) -> bool:
        if getattr(self, "failed", False):
            return False
        on_error = self._on_error

        def note() -> None:
            self.failed = True
            on_error()

        self._on_error = note
        return await real(self)

    patch.setattr(Commits, "commit", commit)


def revocation_without_a_commit(patch: pytest.MonkeyPatch) -> None:
    async def revoked(self: Any, revoked: Any) -> None:
        await self._ours.before_revoke()
        self._ours.lanes.close()
        self._commits.forget()
        await WithoutTables.on_partitions_revoked(self, revoked)

    patch.setattr(Consumer, "on_partitions_revoked", revoked)


def revocation_without_a_drain(patch: pytest.MonkeyPatch) -> None:
    async def at_once(self: NotifierApp) -> None:
        self.lanes.stop_starting()

    patch.setattr(NotifierApp, "before_revoke", at_once)


def stop_without_a_drain(patch: pytest.MonkeyPatch) -> None:
    async def at_once(self: NotifierApp) -> None:
        self.lanes.close()

    patch.setattr(NotifierApp, "_drain", at_once)


def without_an_offset_from_the_end(patch: pytest.MonkeyPatch) -> None:
    real = Standing.seek

    async def seek(self: Standing) -> Any:
        found = await real(self)
        bare = [partition for partition, offset in found.items() if offset is None]
        if bare:
            await self._consumer().seek_to_end(*bare)
        return found

    patch.setattr(Standing, "seek", seek)


def seek_one_too_far(patch: pytest.MonkeyPatch) -> None:
    real = Standing._committed

    async def committed(self: Standing, partitions: Any) -> Any:
        found = await real(self, partitions)
        return {tp: replace(state, offset=state.offset + 1) for tp, state in found.items()}

    patch.setattr(Standing, "_committed", committed)


def no_seek_to_what_is_committed(patch: pytest.MonkeyPatch) -> None:
    async def seek(self: Standing) -> Any:
        self._sought = True
        ours = self._consumer().assignment()
        await self._consumer().seek_to_end(*ours)
        return dict.fromkeys(ours, 0)

    patch.setattr(Standing, "seek", seek)


def first_record_of_a_fetch_is_dropped(patch: pytest.MonkeyPatch) -> None:
    real = Consumer._getmany

    async def getmany(self: Consumer, active: Any, timeout: float) -> Any:  # noqa: ASYNC109
        found = await real(self, active, timeout)
        return {tp: records[1:] or records for tp, records in found.items()}

    patch.setattr(Consumer, "_getmany", getmany)


def records_are_handed_over_backwards(patch: pytest.MonkeyPatch) -> None:
    def by_turns(fetched: Any, _most: int) -> Any:
        for partition, records in fetched.items():
            yield partition, records[::-1]

    patch.setattr(consuming, "_by_turns", by_turns)


# --- writing ----------------------------------------------------------------------------------------


def write_is_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    real = Settler.settle

    async def settle(self: Settler, decided: Any) -> Settled:
        task = asyncio.ensure_future(real(self, decided))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return Settled(decided, None)

    patch.setattr(Settler, "settle", settle)


def failed_write_counts_as_made(patch: pytest.MonkeyPatch) -> None:
    async def write(self: Any, *records: Any) -> Any:
        written: list[Any] = [producing.Written(-1)] * len(records)
        await self._try(records, list(range(len(records))), written)
        return written

    patch.setattr(RecordProducer, "write", write)


def only_the_first_record_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    real = RecordProducer._try

    async def tried(self: Any, records: Any, missing: Any, written: Any) -> Any:
        failed = await real(self, records, missing, written)
        for index in failed[1:]:
            written[index] = producing.Written(-1)
        return failed[:1]

    patch.setattr(RecordProducer, "_try", tried)


def producer_without_its_sequence_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RecordProducer, "_retire", lambda *_: None)


def retry_is_not_written(patch: pytest.MonkeyPatch) -> None:
    _settle_changed(patch, "retry", lambda made: replace(made, next=None))


def dead_letter_is_not_written(patch: pytest.MonkeyPatch) -> None:
    _settle_changed(patch, "dead-letter", lambda made: replace(made, next=None))


def park_is_not_written(patch: pytest.MonkeyPatch) -> None:
    _settle_changed(patch, "parked", lambda made: replace(made, next=None))


def _settle_changed(patch: pytest.MonkeyPatch, kind: str, change: Callable[[Any], Any]) -> None:
    real = Settler.settle

    async def settle(self: Settler, decided: Any) -> Settled:
        return await real(self, change(decided) if decided.kind == kind else decided)

    patch.setattr(Settler, "settle", settle)


def attempts_record_is_not_written(patch: pytest.MonkeyPatch) -> None:
    real = RecordProducer.write

    async def write(self: RecordProducer, *records: Any) -> Any:
        kept = [record for record in records if not record.topic.endswith("-attempts")]
        if kept:
            await real(self, *kept)
        return [producing.Written(-1)] * len(records)

    patch.setattr(RecordProducer, "write", write)


# --- deduplication ----------------------------------------------------------------------------------


def lane_forgets_what_it_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deduplicator, "get", lambda *_: None)


def identity_without_the_attempt(patch: pytest.MonkeyPatch) -> None:
    _identity(patch, lambda n: (n.notification_id,))


def identity_with_the_parks(patch: pytest.MonkeyPatch) -> None:
    _identity(patch, lambda n: (n.notification_id, n.replays, n.attempt, n.parks))


def _identity(patch: pytest.MonkeyPatch, of: Callable[[Any], Any]) -> None:
    real = Receiver.read_record

    def read(self: Receiver, *args: Any, **options: Any) -> Any:
        found = real(self, *args, **options)
        if isinstance(found.content, Notification):
            key = repr(of(found.content)).encode()
            return replace(found, identities=((key, b""),))
        return found

    patch.setattr(Receiver, "read_record", read)


# --- decisions and times ----------------------------------------------------------------------------


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


# --- admission and concurrency ----------------------------------------------------------------------


def permit_is_never_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Admission, "give_back", lambda *_: None)


def place_is_never_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConcurrencyPermit, "give_back", lambda _: None)


def nobody_in_line_is_called(patch: pytest.MonkeyPatch) -> None:
    def count(self: Any, taken: int, fresh: int) -> None:
        self._taken += taken
        self._fresh += fresh

    patch.setattr(ConcurrencyLimit, "_count", count)


SEEDED: Final[tuple[Seed, ...]] = (
    settled_when_begun, commit_past_a_record_in_flight, commit_one_too_far,
    finished_offsets_one_too_far, finished_set_holds_what_is_in_flight, timer_half_a_second_early,
    draining_lane_goes_on, crash_of_a_handler_is_a_success, positions_pass_what_was_not_taken,
    drain_does_not_wait, records_of_any_generation_are_taken, lanes_outlive_their_generation,
    failed_commit_counts_as_made, commits_end_after_an_error, revocation_without_a_commit,
    revocation_without_a_drain, stop_without_a_drain, without_an_offset_from_the_end,
    seek_one_too_far, no_seek_to_what_is_committed, first_record_of_a_fetch_is_dropped,
    records_are_handed_over_backwards, write_is_not_waited_for, failed_write_counts_as_made,
    only_the_first_record_is_tried_again, producer_without_its_sequence_is_kept,
    retry_is_not_written, dead_letter_is_not_written, park_is_not_written,
    attempts_record_is_not_written, lane_forgets_what_it_settled, identity_without_the_attempt,
    identity_with_the_parks, wait_of_the_step_before, unknown_answer_counts_as_delivered,
    due_time_a_quarter_of_a_second_early, due_time_is_rounded_to_minutes, attempt_is_not_counted,
    park_counts_as_an_attempt, body_changes_from_attempt_to_attempt, clock_follows_the_machines,
    signature_is_made_once_for_all, attempt_has_no_end, permit_is_never_given_back,
    place_is_never_given_back, nobody_in_line_is_called,
)  # fmt: skip
"""All of them."""


def try_one(seed: Seed, first: int, most: int) -> Tried:
    """Put one fault in, run worlds until one goes wrong, and take it out again."""
    name = seed.__name__.replace("_", " ")
    with pytest.MonkeyPatch.context() as patch:
        seed(patch)
        for number in range(most):
            # Undirected: nobody knows where a mistake is made.
            plan = draw(first + number, unscaled=(first + number) % UNSCALED_EVERY == 0)
            judgement, world = run(plan, most_callbacks=150_000)
            del world
            for broken in ("AttributeError", "TypeError", "NameError"):
                assert broken not in str(judgement.faults), f"{name}: {judgement.faults[0]}"
            if judgement.faults:
                return Tried(name, number + 1, judgement.faults[0][:160])
    return Tried(name, 0, "")
