"""Reads events of mapped topics, and has their schemas fetched; a record whose schema can't be had is put aside.

Nothing is dead-lettered for a registry that is down or that does not know an id: the record waits, and with it the
offset of its partition. Records of other topics have their own lanes and go on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.kafka.consumer.route import NotYet
from streams.kafka.format.event_headers import as_it_came
from streams.kafka.format.raw import RecordId
from streams.kafka.format.records import InRecord, header_text
from streams.mapping.mapping import (
    EventMapping,
    MappedEvent,
    PassedOver,
    SchemaNeeded,
    SourceRecord,
)
from streams.mapping.registry import RegistryFault, SchemaId, SchemaUnavailable
from streams.webhook.lookup_threads import LookupThreads
from streams.worker.observe import Observer

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 30.0
_FIRST_LOOK_SECONDS = 0.1
"""Until a record looks again whose schema is just being asked for, or waits for its turn; then as long as it has waited."""
_SOON_MS = 1000
"""What takes longer than this to be answered is unreachable, as long as it lasts."""
_MOST_QUESTIONS = 8
"""To the registry at once. None waits for its turn with a thread: a registry that hangs would make that a minute and more."""


@dataclass(slots=True)
class _Asked:
    """A schema that could not be had, or is being asked for."""

    again_ms: int = 0
    pause_seconds: float = _FIRST_SECONDS
    since_ms: int | None = None
    """When it was first wanted of what was not answered yet."""
    under_way: bool = False
    fault: RegistryFault | None = None

    def why(self, now_ms: int) -> RegistryFault | None:
        """Return what its records wait for; None where that is only a moment yet."""
        if self.fault is None and self.since_ms is not None and now_ms - self.since_ms > _SOON_MS:
            return "unreachable"
        return self.fault


@dataclass(slots=True)
class MappedEvents:
    """The events of mapped topics.

    Attributes:
        mapping: the file.
        now_ms: the clock.
        observer: is told of what the registry answers.
    """

    mapping: EventMapping
    now_ms: Callable[[], int]
    observer: Observer
    _waiting: dict[SchemaId, _Asked] = field(default_factory=dict, init=False)
    _threads: LookupThreads = field(
        default_factory=lambda: LookupThreads(_MOST_QUESTIONS), init=False
    )
    """Nobody waits for them at the end, as for those of `asyncio.to_thread`."""
    _questions: int = field(default=0, init=False)
    """That are under way."""

    def maps(self, record: InRecord) -> bool:
        """Tell whether an event that an operator put back stood on a mapped topic first."""
        return self._origin_topic(record) in self.mapping.topics

    async def read(self, record: InRecord, *, put_back: bool) -> MappedEvent | PassedOver:
        """Make our event of a record.

        Args:
            record: of a mapped topic, or of the replay topic.
            put_back: whether an operator put it on the replay topic.

        Raises:
            NotYet: its schema can't be had now.
        """
        source = self._put_back(record) if put_back else _fresh(record)
        while True:
            try:
                return self.mapping.read(source)
            except SchemaNeeded as needed:
                await self._fetch(needed.schema)

    async def _fetch(self, schema: SchemaId) -> None:
        """Have a schema fetched: by one record at a time, and after a failure only when it is time again."""
        registry = self.mapping.registry
        assert registry is not None  # noqa: S101  # else no schema is needed
        asked = self._waiting.setdefault(schema, _Asked())
        now_ms = self.now_ms()
        left = (asked.again_ms - now_ms) / 1000
        if left > 0:
            raise NotYet(left, asked.why(now_ms), schema)
        if asked.since_ms is None:
            asked.since_ms = now_ms
        if asked.under_way or self._questions >= _MOST_QUESTIONS:
            waited = (now_ms - asked.since_ms) / 1000
            look = min(max(_FIRST_LOOK_SECONDS, waited), _LONGEST_SECONDS)
            raise NotYet(look, asked.why(now_ms), schema)
        asked.under_way = True
        self._questions += 1
        try:
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._threads, registry.fetch, schema)
            except OSError as error:  # no thread can be started now
                message = f"it can't be asked for now: {error}"
                raise SchemaUnavailable(message, schema, "unreachable") from error
        except SchemaUnavailable as error:
            again = asked.pause_seconds
            self.observer.schema_unavailable(error, again)
            asked.fault = error.fault
            asked.again_ms = self.now_ms() + int(again * 1000)
            asked.pause_seconds = min(2 * again, _LONGEST_SECONDS)
            raise NotYet(again, error.fault, schema) from error
        finally:
            asked.since_ms, asked.under_way = None, False
            self._questions -= 1
        was_missing = self._waiting.pop(schema).fault is not None
        self.observer.schema_found(schema, was_missing=was_missing)

    def _put_back(self, record: InRecord) -> SourceRecord:
        """Return a record as it stood on its source topic: its key is its own again, and so are its headers' names."""
        key, headers = as_it_came(record)
        return SourceRecord(self._origin_topic(record) or "", key, record.value, headers)

    @staticmethod
    def _origin_topic(record: InRecord) -> str | None:
        try:
            return RecordId.parse(header_text(record.headers, "origin") or "").topic
        except ValueError:
            return None


def _fresh(record: InRecord) -> SourceRecord:
    return SourceRecord(record.topic, record.key, record.value, record.headers)
