"""Mistakes in commits, in seeking and in fetching."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest
from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.consumer.group_coordinator import GroupCoordinator

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer import consumer as consuming
from streams.kafka.consumer import member
from streams.kafka.consumer.app import NotifierApp
from streams.kafka.consumer.commits import Commits
from streams.kafka.consumer.consumer import Consumer
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.standing import Standing
from streams.kafka.consumer.unused import WithoutTables
from streams.kafka.patches import offset_fetch_errors
from tests.simulation.seeded.kind import Seed


def failed_commit_counts_as_made(patch: pytest.MonkeyPatch) -> None:
    real = Commits.__init__

    def init(self: Commits, settled: Any, commit: Any, changes: Any, *others: Any) -> None:
        async def never_fails(states: Any) -> Any:
            with suppress(Exception):
                await asyncio.wait_for(commit(states), 5)
            return states

        real(self, settled, never_fails, changes, *others)

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


def commit_not_made_waits_for_a_change(patch: pytest.MonkeyPatch) -> None:
    real = Commits.commit

    async def commit(self: Any) -> bool:
        done = await real(self)
        self._all_committed_at = self._changes()
        return done

    patch.setattr(Commits, "commit", commit)


def settled_records_are_no_change(patch: pytest.MonkeyPatch) -> None:
    finish = Lane._finish

    def uncounted(self: Any, slot: Any) -> None:
        told, self._on_progress = self._on_progress, lambda: None
        finish(self, slot)
        self._on_progress = told

    patch.setattr(Lane, "_finish", uncounted)


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
    def reset(consumer: Any, partitions: Any) -> None:
        consumer._fetcher.request_offset_reset(partitions, OffsetResetStrategy.LATEST)

    patch.setattr(member, "reset_to_beginning", reset)


def seek_one_too_far(patch: pytest.MonkeyPatch) -> None:
    real = Standing._committed

    async def committed(self: Standing, partitions: Any) -> Any:
        found = await real(self, partitions)
        return {tp: replace(state, offset=state.offset + 1) for tp, state in found.items()}

    patch.setattr(Standing, "_committed", committed)


def no_seek_to_what_is_committed(patch: pytest.MonkeyPatch) -> None:
    def seek(self: Standing, starts: Any) -> None:
        consumer = self._consumer()
        consumer._fetcher.request_offset_reset(list(starts.offsets), OffsetResetStrategy.LATEST)

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


def offsets_count_whatever_log_they_are_of(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CommittedState, "is_of_another", lambda *_: False)


def nothing_committed_where_the_coordinator_has_an_error(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GroupCoordinator, "_send_req", offset_fetch_errors._send_to_coordinator)


def offsets_are_committed_under_no_id(patch: pytest.MonkeyPatch) -> None:
    def note(self: Standing, _seen: Any) -> None:
        self._no_ids = True

    patch.setattr(Standing, "_note_whether_there_are_ids", note)


def no_new_positions_in_a_log_made_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Standing, "_rejoin", lambda _: None)


FAULTS: Final[tuple[Seed, ...]] = (
    failed_commit_counts_as_made,
    commits_end_after_an_error,
    commit_not_made_waits_for_a_change,
    settled_records_are_no_change,
    revocation_without_a_commit,
    revocation_without_a_drain,
    stop_without_a_drain,
    without_an_offset_from_the_end,
    seek_one_too_far,
    no_seek_to_what_is_committed,
    first_record_of_a_fetch_is_dropped,
    records_are_handed_over_backwards,
    offsets_count_whatever_log_they_are_of,
    offsets_are_committed_under_no_id,
    no_new_positions_in_a_log_made_again,
    nothing_committed_where_the_coordinator_has_an_error,
)
