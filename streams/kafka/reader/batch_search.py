"""Finds the records with a key, or with a text in them, without decoding others: the newest part of each partition first.

A topic's records are decoded at some 65,000 a second of CPU; here a batch is checked, decompressed and searched for the
bytes, and only a batch that holds them is decoded.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from aiokafka import TopicPartition

from streams.kafka.format.batch_filter import BatchFilter, key_in_record
from streams.kafka.format.raw import RawRecord
from streams.kafka.reader.raw_fetch import RawAnswer, answer_at, decode
from streams.kafka.reader.reader import (
    OnProgress,
    ReadProgress,
    RecordReader,
    Span,
)

_FIRST_STEP: Final = 4_096  # offsets
_NEXT_STEP: Final = 8  # times the last
_MOST: Final = 1_000  # records with a text: nobody looks at more
_AT_ONCE: Final = 4  # partitions; each holds an answer of up to 4 MiB


class BatchSearch:
    """A search for records, one step after the other, each further back.

    Args:
        reader: of the brokers. Between two steps it may be used for other reads.
        spans: where to look.
        wanted: bytes of which one at least stands in every record that is looked for.
        is_wanted: tells of a record of aiokafka's, in which they may stand, whether it is looked for.
        on_progress: told how far it is.
        most: so many are enough; None to find all.

    Attributes:
        left: what was not looked at yet.
    """

    def __init__(  # noqa: PLR0913  # what, where, how much of it, how it is shown
        self,
        reader: RecordReader,
        spans: Iterable[Span],
        wanted: Iterable[bytes],
        is_wanted: Callable[[Any], bool],
        on_progress: OnProgress | None = None,
        *,
        most: int | None = None,
    ) -> None:
        self.left = [span for span in spans if span.length]
        self._reader = reader
        self._is_wanted = is_wanted
        self._filter = BatchFilter(*wanted)
        self._on_progress = on_progress
        self._of = self._not_done = sum(span.length for span in self.left)
        self._step = _FIRST_STEP
        self._most = most
        self._found = 0
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def passed(self) -> int:
        """How many records were looked at."""
        return self._filter.passed

    @property
    def has_enough(self) -> bool:
        """Whether as many were found as are wanted at most; then not all was looked at."""
        return self._most is not None and self._found >= self._most

    @property
    def oldest_ms(self) -> Mapping[str, int]:
        """By topic, the time of the oldest batch that was looked at, milliseconds since the epoch."""
        return self._filter.oldest_ms

    async def step(self) -> list[RawRecord]:
        """Look through the newest part of what is left, and return the records there that are looked for.

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
                and not self.has_enough
                and (answer := await answer_at(self._reader, tp, at, part.end)) is not None
            ):
                records, behind = self._matching(tp, answer, part.end)
                found += [record for record in records if at <= record.offset < part.end]
                self._found += len(records)
                behind = min(behind, part.end)
                self._pass(behind - at)
                at = behind
        self._pass(part.end - at)
        return found

    def _matching(
        self, tp: TopicPartition, answer: RawAnswer, end: int
    ) -> tuple[list[RawRecord], int]:
        """Return the records that are looked for, and the offset behind the last batch that came whole."""
        kept, behind = self._filter.batches(tp.topic, answer.records)
        behind = max(behind, answer.offset)
        if not kept and behind > answer.offset:
            return [], behind
        decoded = decode(tp, replace(answer, records=kept), self._is_wanted)
        if decoded.left_out is None:
            return decoded.records, max(behind, decoded.behind)
        if decoded.left_out.start < end:
            self._reader.left_out.append(decoded.left_out)
        return decoded.records, decoded.behind


def key_search(
    reader: RecordReader,
    spans: Iterable[Span],
    key: bytes,
    on_progress: OnProgress | None = None,
) -> BatchSearch:
    """Return a search for the records with a key."""
    return BatchSearch(reader, spans, [key_in_record(key)], lambda r: r.key == key, on_progress)


def text_search(
    reader: RecordReader,
    spans: Iterable[Span],
    text: str,
    on_progress: OnProgress | None = None,
) -> BatchSearch:
    """Return a search for the records that have a text as a whole: as key, as a header's value, as a string of their JSON.

    In values that are no JSON it may stand anywhere. The search ends when it has found a thousand.
    """
    plain, forms = text.encode(), _forms_of(text)

    def has_it(record: Any) -> bool:  # noqa: ANN401  # aiokafka ships no types
        if record.key == plain or any(value == plain for _, value in record.headers):
            return True
        value = record.value or b""
        return any(form in value for form in forms) and _holds(value, text)

    return BatchSearch(reader, spans, forms, has_it, on_progress, most=_MOST)


def _forms_of(text: str) -> tuple[bytes, ...]:
    """Return a text as it may stand in a record: plain, and as JSON has it.

    JSON escapes quotes always, other letters as its writer likes (hexadecimal in either case), and with some a slash.
    """
    plain, ascii_ = (
        json.dumps(text, ensure_ascii=only_ascii)[1:-1] for only_ascii in (False, True)
    )
    upper = re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda digits: digits[0].upper(), ascii_)
    in_json = [form for one in (plain, ascii_, upper) for form in (one, one.replace("/", "\\/"))]
    return tuple(dict.fromkeys(form.encode() for form in (text, *in_json)))


def _holds(value: bytes, text: str) -> bool:
    """Tell whether a value is JSON with this string in it, or no JSON.

    JSON that stands in a string is looked through too: outboxes have their payload so.
    """
    left: list[Any] = [value]
    while left:
        match left.pop():
            case str() as found if found == text:
                return True
            case bytes() | str() as inner if isinstance(inner, bytes) or text in inner:
                try:
                    left.append(json.loads(inner))
                except (ValueError, RecursionError):
                    if isinstance(inner, bytes):
                        return True
            case dict() as members:
                left += members.values()
            case list() as items:
                left += items
            case _:  # a number, true, null: no text
                pass
    return False
