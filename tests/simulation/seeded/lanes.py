"""Mistakes in lanes and in what they say may be committed."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

import pytest
from faust.types import TP

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer.concurrency_limit import ConcurrencyLimit
from streams.kafka.consumer.consumer import Consumer
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.lanes import Lanes
from streams.kafka.producer import RecordProducer
from tests.simulation.seeded.kind import Seed


def _lane(patch: pytest.MonkeyPatch, name: str, made: Any) -> None:
    patch.setattr(Lane, name, made)


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


def records_wait_over_a_rebalance_and_are_taken(patch: pytest.MonkeyPatch) -> None:
    """A queue between fetch and lanes, and nobody asks of which generation its records are."""
    lanes_admit = Lanes.admit

    async def hand_over(self: Consumer, fetched: Any) -> None:
        waiting = [self._to_message(TP(*tp), records) for tp, records in fetched.items()]
        await asyncio.sleep(0.4)
        for message in waiting:
            for record in cast(Any, message.value):
                lanes_admit(self._ours.lanes, record, self._ours.lanes.generation or 0)

    patch.setattr(Consumer, "_hand_over", hand_over)


def lanes_outlive_their_generation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "close", lambda _: None)
    patch.setattr(Lanes, "drain", _nothing_late)


async def _nothing_late(*_: Any) -> int:
    return 0


def full_lane_stays_paused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lane, "_maybe_resume", lambda _: None)


def full_lane_drops_what_comes(patch: pytest.MonkeyPatch) -> None:
    real = Lane.admit

    def admit(self: Lane, record: Any) -> None:
        if not self._paused:
            real(self, record)

    patch.setattr(Lane, "admit", admit)


def group_takes_one_record_more(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConcurrencyLimit, "_has_room", lambda self: self._taken <= self._most)


FAULTS: Final[tuple[Seed, ...]] = (
    settled_when_begun,
    commit_past_a_record_in_flight,
    commit_one_too_far,
    finished_offsets_one_too_far,
    finished_set_holds_what_is_in_flight,
    timer_half_a_second_early,
    draining_lane_goes_on,
    crash_of_a_handler_is_a_success,
    positions_pass_what_was_not_taken,
    drain_does_not_wait,
    records_wait_over_a_rebalance_and_are_taken,
    lanes_outlive_their_generation,
    full_lane_stays_paused,
    full_lane_drops_what_comes,
    group_takes_one_record_more,
)
