"""Events of mapped topics as operators' commands and the console read them: in our own form, as a worker makes it."""

import time
from collections.abc import Callable
from typing import Final

from streams.kafka.format.raw import RawRecord
from streams.mapping.mapping import EventMapping, PassedOver, SchemaNeeded, SourceRecord
from streams.mapping.registry import SchemaUnavailable

_AGAIN_SECONDS: Final = 30.0

EventOf = Callable[[RawRecord], bytes | None]
"""Returns the event that a record of a source topic is, in our own form; None where it is none that can be read."""


def event_reader(mapping: EventMapping | None) -> EventOf:
    """Return what reads events. It may block for seconds where a schema has to be fetched.

    While the registry does not answer it is asked once in half a minute: whoever reads thousands of events goes on.
    """
    asked_again_at = 0.0

    def event_of(record: RawRecord) -> bytes | None:
        if mapping is None or record.topic not in mapping.topics:
            return record.value
        nonlocal asked_again_at
        source = SourceRecord(record.topic, record.key, record.value, record.headers)
        read = mapping.read if time.monotonic() < asked_again_at else mapping.read_waiting
        try:
            mapped = read(source)
        except SchemaNeeded:
            return None
        except SchemaUnavailable as error:
            if error.fault != "unknown-schema":
                asked_again_at = time.monotonic() + _AGAIN_SECONDS
            return None
        return None if isinstance(mapped, PassedOver) else mapped.canonical

    return event_of
