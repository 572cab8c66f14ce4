"""Events of mapped topics as operators' commands and the console read them: in our own form, as a worker makes it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streams.kafka.format.raw import RawRecord, RecordId
from streams.mapping.mapping import EventMapping, PassedOver, SchemaNeeded, SourceRecord
from streams.mapping.registry import SchemaId, SchemaUnavailable

_AGAIN_SECONDS: Final = 30.0

EventOf = Callable[[RawRecord], bytes | None]
"""Returns the event that a record of a source topic is, in our own form; None where it is none that can be read."""


@dataclass(slots=True)
class EventReader:
    """Reads events; an `EventOf`. It may block for seconds where a schema has to be fetched.

    While the registry does not answer it is asked once in half a minute: whoever reads thousands of events goes on.

    Attributes:
        mapping: of events that are not of our own form, or None without one.
        monotonic: a clock in seconds that never goes back.
    """

    mapping: EventMapping | None
    monotonic: Callable[[], float] = time.monotonic
    _asked_again_at: float = field(default=float("-inf"), init=False)
    _missing: SchemaId | None = field(default=None, init=False)
    _without_schema: list[RecordId] = field(default_factory=list, init=False)

    def __call__(self, record: RawRecord) -> bytes | None:
        """Return the event that a record is, or None where it is none that can be read now."""
        mapping = self.mapping
        if mapping is None or record.topic not in mapping.topics:
            return record.value
        source = SourceRecord(record.topic, record.key, record.value, record.headers)
        read = mapping.read if self.monotonic() < self._asked_again_at else mapping.read_waiting
        try:
            mapped = read(source)
        except SchemaNeeded as needed:
            self._leave(record, needed.schema)
            return None
        except SchemaUnavailable as error:
            if error.fault != "unknown-schema":
                self._asked_again_at = self.monotonic() + _AGAIN_SECONDS
                self._leave(record, error.schema)
            return None
        return None if isinstance(mapped, PassedOver) else mapped.canonical

    def _leave(self, record: RawRecord, schema: SchemaId) -> None:
        self._missing = schema
        self._without_schema.append(record.record_id)

    def take_without_schema(self) -> list[RecordId]:
        """Return the records whose schema the registry did not give, since this was asked last: they may be read later."""
        taken, self._without_schema = self._without_schema, []
        return taken

    def has_schema_again(self) -> bool:
        """Tell whether the registry answers again for the schema that it did not give. May block for seconds.

        True as well where no schema was missed since the start: whoever knows of records from before may try.
        """
        registry = None if self.mapping is None else self.mapping.registry
        if self._missing is None or registry is None:
            return True
        if self.monotonic() < self._asked_again_at:
            return False
        try:
            registry.fetch(self._missing)
        except SchemaUnavailable as error:
            if error.fault != "unknown-schema":
                self._asked_again_at = self.monotonic() + _AGAIN_SECONDS
                return False
        self._missing = None
        return True
