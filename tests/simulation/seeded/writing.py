"""Mistakes in writing."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from streams.kafka import producer as producing
from streams.kafka.batching import BatchingProducer
from streams.kafka.producer import RecordProducer
from streams.worker.settle import Settled, Settler
from tests.simulation.seeded.kind import Seed


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
        await self._try(records, list(range(len(records))), set(), written)
        return written

    patch.setattr(RecordProducer, "write", write)


def only_the_first_record_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    real = RecordProducer._try

    async def tried(self: Any, records: Any, missing: Any, alone: Any, written: Any) -> Any:
        failed = await real(self, records, missing, alone, written)
        for index in list(failed)[1:]:
            written[index] = producing.Written(-1)
            del failed[index]
        return failed

    patch.setattr(RecordProducer, "_try", tried)


def producer_without_its_sequence_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RecordProducer, "_retire", lambda *_: None)


def batches_of_partitions_that_are_gone_are_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BatchingProducer, "_look", lambda _: None)


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


FAULTS: Final[tuple[Seed, ...]] = (
    write_is_not_waited_for,
    failed_write_counts_as_made,
    only_the_first_record_is_tried_again,
    producer_without_its_sequence_is_kept,
    batches_of_partitions_that_are_gone_are_kept,
    retry_is_not_written,
    dead_letter_is_not_written,
    park_is_not_written,
    attempts_record_is_not_written,
)
