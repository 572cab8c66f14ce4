"""Keeps the read model up to date: reads what comes on the topics, and says how far behind it is."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from streams.kafka.committed_state import CommittedState
from streams.kafka.format.facts import Kind, read_fact
from streams.kafka.format.raw import RawRecord, RecordId
from streams.kafka.format.records import PartitionId
from streams.kafka.reader.failures import ReadFailed
from streams.kafka.reader.tail import Edges
from streams.operator.console.reconcile import Reconciliation, reconcile
from streams.operator.console.store import ReadModelStore
from streams.operator.history.mapped_events import EventReader

log = logging.getLogger(__name__)

STALE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 2.0
_FORGET_SECONDS: Final = 600.0
_AGAIN_SECONDS: Final = 2.0
_FAR_BEHIND: Final = 5_000  # records: so far back histories are folded once, at the end
_RECONCILE_SHARE: Final = 20  # a sum that takes a second is made every twenty


class Source(Protocol):
    """What the records come from: `streams.kafka.reader.tail.Tail`."""

    async def look(self) -> dict[PartitionId, Edges]:
        """Return every partition and what it holds."""

    def follow(self, starts: Mapping[PartitionId, int]) -> None:
        """Read these partitions from now on."""

    async def fetch(self) -> list[RawRecord]:
        """Return what came."""

    def left_out(self) -> list[RecordId]:
        """Return what can't be read and was left out by the last fetch."""

    def stands_at(self) -> str | None:
        """Return where a partition stands still and why, or None where none does."""

    async def positions(self) -> dict[PartitionId, int]:
        """Return the offset that is read next, by partition."""

    async def settled(self, groups: tuple[str, ...]) -> dict[PartitionId, CommittedState]:
        """Return what the groups have settled."""


Open = Callable[[], AbstractAsyncContextManager[Source]]


@dataclass(slots=True)
class Freshness:
    """How fresh the model is now.

    Attributes:
        rebuilding: whether it is being read from the start, or has much to catch up.
        caught_up_ms: when it last held everything that stood on the topics; 0 before.
        behind: records that are not read or not told yet.
        read: records read since it began to catch up.
        began_ms: when it began to; 0 before.
        fault: why nothing can be read now, or None.
    """

    rebuilding: bool = True
    caught_up_ms: int = 0
    behind: int = 0
    read: int = 0
    began_ms: int = 0
    fault: str | None = None

    @property
    def percent(self) -> int:
        """How much of what is to be caught up is read."""
        whole = self.read + self.behind
        return min(99, 100 * self.read // whole) if whole else 0

    def left_ms(self, now_ms: int) -> int | None:
        """Return how long what is left will take, if it goes on as until now; None while that can't be told."""
        if not self.rebuilding or not self.read or not self.began_ms:
            return None
        return max(0, now_ms - self.began_ms) * self.behind // self.read


@dataclass(slots=True)
class Ingest:
    """The loop that reads.

    Attributes:
        store: the read model.
        open_source: opens the connection to the topics; again after every failure.
        kinds: of each topic.
        groups: the worker's consumer groups.
        attempts_topic: whose oldest record says from when on all is known.
        now_ms: the clock.
        event_of: reads events that are not of our own form.
        freshness: how fresh the model is.
        edges: what each partition holds, as last looked at.
        reconciliation: the newest sum, or None before the first.
    """

    store: ReadModelStore
    open_source: Open
    kinds: Mapping[str, Kind]
    groups: tuple[str, ...]
    attempts_topic: str
    now_ms: Callable[[], int]
    event_of: EventReader = field(default_factory=lambda: EventReader(None))
    freshness: Freshness = field(default_factory=Freshness)
    edges: dict[PartitionId, Edges] = field(default_factory=dict)
    reconciliation: Reconciliation | None = None
    _looked: float = field(default=0.0, init=False)
    _looked_ms: int = field(default=0, init=False)
    _forgot: float = field(default=0.0, init=False)
    _sum_again: float = field(default=0.0, init=False)
    _settled: dict[PartitionId, CommittedState] | None = field(default=None, init=False)

    async def run(self) -> None:
        """Read until cancelled; begin again after every failure."""
        while True:
            try:
                async with self.open_source() as source:
                    await self._follow(source)
            except ReadFailed as error:
                self.freshness.fault = str(error)
                log.warning("%s", error)
            except sqlite3.DatabaseError as error:
                self.freshness.fault = f"keeping what was read failed ({error})"
                log.exception("keeping what was read failed")
                if self.store.is_broken(error):
                    log.warning("the read model's file is damaged: it is built anew")
                    await asyncio.to_thread(self.store.clear)
            except Exception as error:  # the console must not stop at a fault of one record
                self.freshness.fault = f"reading failed with {type(error).__name__}"
                log.exception("reading the topics failed")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _follow(self, source: Source) -> None:
        await self._look(source, first=True)
        while True:
            if time.monotonic() - self._looked >= _LOOK_SECONDS:
                await self._look(source)
            records = await source.fetch()
            # One that stands still is never caught up: without the reason nobody would know what to do.
            self.freshness.fault = source.stands_at()
            if left_out := source.left_out():
                await asyncio.to_thread(self.store.leave_out, left_out)
            positions = await source.positions()
            if records:
                await asyncio.to_thread(self._put, records, positions)
            await self._catch_up(positions, got=len(records))

    async def _look(self, source: Source, *, first: bool = False) -> None:
        """See what the partitions hold now, and follow those that are new."""
        now = time.monotonic()
        settled = await source.settled(self.groups) if now >= self._sum_again else None
        looked_ms = self.now_ms()
        edges = await source.look()
        if not edges:
            message = "none of the topics exists; `notifier topics create` makes ours"
            raise ReadFailed(message)
        self._looked, self._looked_ms, self._settled = now, looked_ms, settled
        if await asyncio.to_thread(self.store.is_gone):
            log.warning("the read model's file was deleted: it is built anew")
            await asyncio.to_thread(self.store.clear)
            first = True
        if await asyncio.to_thread(self._go_back):
            first = True
        known = await asyncio.to_thread(self.store.positions)
        if any(known.get(tag, 0) > edge.end for tag, edge in edges.items()):
            log.warning("the topics were made anew: the read model is built anew")
            await asyncio.to_thread(self.store.clear)
            known, first = {}, True
        if first or edges.keys() != self.edges.keys():
            starts = {tag: max(known.get(tag, 0), edge.begin) for tag, edge in edges.items()}
            source.follow(starts)
        self.edges = edges
        if now - self._forgot >= _FORGET_SECONDS:
            self._forgot = now
            begins = {tag: edge.begin for tag, edge in edges.items() if edge.begin > 0}
            await asyncio.to_thread(self.store.forget, begins)

    def _go_back(self) -> bool:
        """Go back to the events whose schema could not be had and can be had now; tell whether there are any."""
        waiting = self.store.unread_events()
        if not waiting or not self.event_of.has_schema_again():
            return False
        log.info("the schema registry answers again: %s events are read again", waiting)
        self.store.go_back_to_unread()
        return True

    def _put(self, records: list[RawRecord], positions: Mapping[PartitionId, int]) -> None:
        self.store.put(
            [read_fact(self.kinds[record.topic], record, self.event_of) for record in records],
            positions,
            self.event_of.take_without_schema(),
        )

    async def _catch_up(self, positions: Mapping[PartitionId, int], *, got: int) -> None:
        """Fold what was read, and note how far behind the model is."""
        fresh = self.freshness
        fresh.began_ms = fresh.began_ms or self.now_ms()
        unread = sum(max(0, edge.end - positions.get(tag, 0)) for tag, edge in self.edges.items())
        fresh.read += got
        fresh.behind = unread
        if unread > _FAR_BEHIND:
            fresh.rebuilding = True
            return
        if await self._fold(unread) or unread:
            return
        fresh.rebuilding, fresh.read, fresh.began_ms = False, 0, 0
        fresh.caught_up_ms = self._looked_ms
        if self._settled is not None:
            settled, self._settled = self._settled, None
            await self._reconcile(settled)

    async def _fold(self, unread: int) -> int:
        """Fold what was touched; while much is left, let the loop look at the topics in between."""
        left = await asyncio.to_thread(self.store.fold)
        started = time.monotonic()
        while left and time.monotonic() - started < _LOOK_SECONDS:
            left = await asyncio.to_thread(self.store.fold)
        self.freshness.behind = unread + left
        return left

    async def _reconcile(self, settled: Mapping[PartitionId, CommittedState]) -> None:
        begins = {
            tag: edge.begin for tag, edge in self.edges.items() if tag[0] == self.attempts_topic
        }
        started = time.monotonic()
        self.reconciliation = await asyncio.to_thread(
            reconcile, self.store, settled, begins, self.now_ms()
        )
        took = time.monotonic() - started
        self._sum_again = time.monotonic() + took * _RECONCILE_SHARE
