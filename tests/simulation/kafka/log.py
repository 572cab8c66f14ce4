"""The log of one partition: batches, what is replicated of them, what is decided, and who wrote what last."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.notification.notification import Headers

NO_ERROR, OUT_OF_RANGE, DUPLICATE, OUT_OF_ORDER = 0, 1, 46, 45
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_BODY_AT: Final = 21  # what the checksum covers begins here
_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x08, 0x10, 0x20
_REMEMBERED: Final = 5
"""Batches of a producer that a broker still recognises."""


@dataclass(slots=True)
class Batch:
    """A batch as it stands in the log."""

    first: int
    last: int
    raw: bytes
    at_ms: int
    producer: int
    sequence: int
    control: bool = False
    transactional: bool = False


@dataclass(slots=True)
class Log:
    """One partition.

    Attributes:
        append_time: whether records are stamped by the broker.
        leader: number of the broker that leads.
        epoch: of the leader.
        start: the first offset that is kept.
        replicated: the offset below which every copy has everything (high watermark); nobody reads further.
        batches: in their order.
        held: whether copies lag: nothing more is replicated now.
        open: by producer, the first offset of a transaction that is not decided.
        aborted: transactions that were aborted: producer, first offset, and the marker's.
    """

    append_time: bool = False
    leader: int = 1
    epoch: int = 0
    start: int = 0
    replicated: int = 0
    batches: list[Batch] = field(default_factory=list)
    held: bool = False
    open: dict[int, int] = field(default_factory=dict)
    aborted: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The next offset."""
        return self.batches[-1].last + 1 if self.batches else self.start

    @property
    def stable(self) -> int:
        """Where a reader of decided records is given no more (last stable offset)."""
        return min([self.replicated, *self.open.values()])

    def append(self, raw: bytes, now_ms: int) -> tuple[int, int, int]:
        """Append a batch as a producer sent it.

        Returns:
            An error or 0, the offset of its first record, the offset after its last. A batch that is there already is
            acknowledged again with the place where it stands.
        """
        (_, _, _, _, _, attributes, delta, _, _, producer, _, sequence, _) = _HEAD.unpack_from(raw)
        if producer >= 0:
            before = [b for b in self.batches if b.producer == producer and not b.control]
            for batch in before[-_REMEMBERED:]:
                if batch.sequence == sequence:
                    return NO_ERROR, batch.first, batch.last + 1
            if before:
                latest = before[-1]
                if sequence != latest.sequence + latest.last - latest.first + 1:
                    return OUT_OF_ORDER, -1, -1
        first = self.end
        stored = self._stamped(raw, first, now_ms)
        transactional = bool(attributes & _TRANSACTIONAL)
        if transactional:
            self.open.setdefault(producer, first)
        self.batches.append(
            Batch(
                first,
                first + delta,
                stored,
                now_ms,
                producer,
                sequence,
                transactional=transactional,
            )
        )
        return NO_ERROR, first, first + delta + 1

    def _stamped(self, raw: bytes, first: int, now_ms: int) -> bytes:
        stored = bytearray(raw)
        struct.pack_into(">q", stored, 0, first)
        struct.pack_into(">i", stored, 12, self.epoch)
        if self.append_time:
            (attributes,) = struct.unpack_from(">h", stored, 21)
            struct.pack_into(">h", stored, 21, attributes | _APPEND_TIME)
            struct.pack_into(">q", stored, 35, now_ms)
            struct.pack_into(">I", stored, 17, calc_crc32c(bytes(stored[_BODY_AT:])))
        return bytes(stored)

    def mark(self, producer: int, *, commit: bool, now_ms: int) -> None:
        """Write the marker that decides a producer's transaction; it takes an offset that no reader is given."""
        first = self.end
        key, value = struct.pack(">hh", 0, 1 if commit else 0), struct.pack(">hi", 0, 0)
        record = bytes([0, 0, 0, len(key) * 2]) + key + bytes([len(value) * 2]) + value + b"\0"
        body = struct.pack(
            ">hiqqqhii", _TRANSACTIONAL | _CONTROL, 0, now_ms, now_ms, producer, 0, -1, 1
        ) + bytes([len(record) * 2]) + record  # fmt: skip
        head = struct.pack(">qiibI", first, len(body) + 9, self.epoch, 2, calc_crc32c(body))
        self.batches.append(
            Batch(first, first, head + body, now_ms, producer, -1, control=True, transactional=True)
        )
        began = self.open.pop(producer, None)
        if not commit and began is not None:
            self.aborted.append((producer, began, first))

    def read(self, offset: int, most: int, *, decided: bool) -> tuple[int, list[Batch]]:
        """Return an error or 0, and the batches from an offset on: at least one where there is one."""
        if not self.start <= offset <= self.replicated:
            return OUT_OF_RANGE, []
        end = self.stable if decided else self.replicated
        found: list[Batch] = []
        size = 0
        for batch in self._from(offset):
            if batch.first >= end or (found and size + len(batch.raw) > most):
                break
            found.append(batch)
            size += len(batch.raw)
        return NO_ERROR, found

    def _from(self, offset: int) -> Iterator[Batch]:
        batches = self.batches
        low, high = 0, len(batches)
        while low < high:
            middle = (low + high) // 2
            if batches[middle].last < offset:
                low = middle + 1
            else:
                high = middle
        for index in range(low, len(batches)):
            yield batches[index]

    def replicate(self) -> None:
        """Let every copy have everything."""
        if not self.held:
            self.replicated = self.end

    def truncate(self) -> int:
        """Cut off what is not replicated, as a new leader does that never had it. Return how many offsets that are."""
        cut = self.end - self.replicated
        self.batches = [batch for batch in self.batches if batch.first < self.replicated]
        self.open = {
            producer: first for producer, first in self.open.items() if first < self.replicated
        }
        return cut


def batch_of(
    key: bytes | None, value: bytes | None, headers: Headers, at_ms: int, producer: int = -1
) -> bytes:
    """Return a batch of one record as a producer sends it; of a transaction where the producer has a number."""
    transactional = producer >= 0
    sequence = 0 if transactional else -1
    builder = DefaultRecordBatchBuilder(2, 0, int(transactional), producer, 0, sequence, 1 << 20)
    builder.append(0, at_ms, key, value, list(headers))
    return bytes(builder.build())


def records_of(batch: Batch) -> Iterator[Any]:
    """Yield the records of a batch, as aiokafka reads them."""
    records = MemoryRecords(batch.raw)
    while records.has_next():
        yield from records.next_batch()
