"""Finds the records with one key without decoding others: the newest part of each partition first.

A topic's records are decoded at some 65,000 a second of CPU; here a batch is checked, decompressed and searched for the
key as a record has it (its length, then its bytes), and only a batch that holds it is decoded.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from aiokafka import TopicPartition

from streams.kafka.format.key_filter import KeyFilter
from streams.kafka.format.raw import RawRecord
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.raw_fetch import RawAnswer, answer_at, decode
from streams.kafka.reader.reader import (
    OnProgress,
    ReadProgress,
    RecordReader,
    Span,
)

_FIRST_STEP: Final = 4_096  # offsets
_NEXT_STEP: Final = 8  # times the last
_AT_ONCE: Final = 4  # partitions; each holds an answer of up to 4 MiB


class KeySearch:
    """A search for the records with a key, one step after the other, each further back.

    Args:
        reader: of the brokers. Between two steps it may be used for other reads.
        spans: where to look.
        key: the records'.
        on_progress: told how far it is.

    Attributes:
        left: what was not looked at yet.
    """

    def __init__(
        self,
        reader: RecordReader,
        spans: Iterable[Span],
        key: bytes,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.left = [span for span in spans if span.length]
        self._reader = reader
        self._key = key
        self._filter = KeyFilter(key)
        self._on_progress = on_progress
        self._of = self._not_done = sum(span.length for span in self.left)
        self._step = _FIRST_STEP
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def passed(self) -> int:
        """How many records were looked at."""
        return self._filter.passed

    @property
    def oldest_ms(self) -> Mapping[str, int]:
        """By topic, the time of the oldest batch that was looked at, milliseconds since the epoch."""
        return self._filter.oldest_ms

    async def step(self) -> list[RawRecord]:
        """Look through the newest part of what is left, and return the records with the key there.

        Raises:
            ReadFailed: the brokers stopped answering, or where a batch that can't be read ends can't be told.
        """
        parts = [replace(span, start=max(span.start, span.end - self._step)) for span in self.left]
        await self._reader.partitions(*{part.topic for part in parts})  # learns of their leaders
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._look_through(part)) for part in parts]
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from several
        self.left = [
            replace(span, end=part.start)
            for span, part in zip(self.left, parts, strict=True)
            if part.start > span.start
        ]
        self._step *= _NEXT_STEP
        return [record for task in tasks for record in task.result()]

    async def begin_at(self, since_ms: int) -> bool:
        """Look at nothing that was written before a time (milliseconds since the epoch); return whether there is such."""
        if not self.left:
            return False
        first = await self._reader._first_since(  # noqa: SLF001  # the same package
            {TopicPartition(span.topic, span.partition): since_ms for span in self.left}
        )
        found, older = [], False
        for span in self.left:
            at = first[TopicPartition(span.topic, span.partition)]
            start = span.end if at is None else min(max(span.start, at.offset), span.end)
            older = older or start > span.start
            self._pass(start - span.start)
            if start < span.end:
                found.append(replace(span, start=start))
        self.left = found
        return older

    def _pass(self, offsets: int) -> None:
        self._not_done -= offsets
        if self._on_progress is not None and offsets:
            self._on_progress(ReadProgress(self._of - self._not_done, self._of))

    async def _look_through(self, part: Span) -> list[RawRecord]:
        tp, at = TopicPartition(part.topic, part.partition), part.start
        found: list[RawRecord] = []
        async with self._slots:
            while (
                at < part.end
                and (answer := await answer_at(self._reader, tp, at, part.end)) is not None
            ):
                records, behind = self._matching(tp, answer)
                found += [record for record in records if at <= record.offset < part.end]
                behind = min(behind, part.end)
                self._pass(behind - at)
                at = behind
        self._pass(part.end - at)
        return found

    def _matching(self, tp: TopicPartition, answer: RawAnswer) -> tuple[list[RawRecord], int]:
        """Return the records with the key, and the offset behind the last batch that came whole."""
        kept, behind = self._filter.batches(tp.topic, answer.records)
        behind = max(behind, answer.offset)
        if kept:
            decoded = decode(tp, replace(answer, records=kept), lambda r: r.key == self._key)
            return decoded.records, decoded.behind if decoded.left_out else behind
        if behind == answer.offset:
            message = f"{tp.topic} {tp.partition}: at offset {behind} comes no whole batch"
            raise ReadFailed(message)
        return [], behind
