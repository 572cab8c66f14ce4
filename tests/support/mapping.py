"""Mapped events for tests: the worked examples of docs/examples, and mappings written in place."""

import json
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro

from streams.mapping.file import read_mapping_file
from streams.mapping.mapping import EventMapping, SourceRecord
from streams.mapping.registry import (
    RegisteredSchema,
    RegistryFault,
    SchemaId,
    SchemaRegistry,
    SchemaUnavailable,
)

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

EVENT = """
      eventId: data.id
      profile: {constant: mpp-to-alipay-plus}
      partnerId: {constant: alipayplus}
      outcome: {from: data.state, table: {DONE: SUCCESS, BROKEN: FAILED}}
      occurredAt: data.at
      payment: {paymentRequestId: data.order}
"""
"""Members of an event as a mapping has them, below the key `event` of a topic."""


def example(name: str) -> EventMapping:
    """Return the mapping of a worked example."""
    return EventMapping(read_mapping_file(EXAMPLES / name / "mapping.yaml"))


def event_of(name: str) -> bytes:
    """Return the event of a worked example as the page shows it."""
    return (EXAMPLES / name / "event.json").read_bytes()


def written(directory: Path, text: str) -> EventMapping:
    """Return the mapping of a file with this text."""
    path = directory / "mapping.yaml"
    path.write_text(text, "utf-8")
    return EventMapping(read_mapping_file(path))


def record(
    topic: str, value: object, *headers: tuple[str, bytes | None], key: bytes | None = None
) -> SourceRecord:
    """Return a record with this value, as JSON where it is no bytes."""
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return SourceRecord(topic, key, raw, headers)


AVRO_SCHEMA = (EXAMPLES / "avro" / "schema.avsc").read_text("utf-8")


def avro_example(**changes: object) -> dict[str, Any]:
    """Return the record of the Avro example, with some members changed, as fastavro writes it."""
    members: dict[str, Any] = json.loads(event_of("avro")) | changes
    members["event_id"] = UUID(members["event_id"])
    members["settled_at"] = datetime.fromisoformat(members["settled_at"])
    members["amount"] = members["amount"] | {"value": Decimal(members["amount"]["value"])}
    return members


def avro_bytes(members: dict[str, Any], schema: str = AVRO_SCHEMA) -> bytes:
    """Return a record in Avro, without what stands before it in a record of Kafka."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(json.loads(schema)), members)
    return stream.getvalue()


def framed(schema_id: int, encoded: bytes) -> bytes:
    """Return a record in the wire format of Confluent's clients."""
    return b"\x00" + schema_id.to_bytes(4, "big") + encoded


class ChosenRegistry(SchemaRegistry):
    """Gives the Avro example's schema, or fails as the test says; counts how often it is asked."""

    fault: RegistryFault | None = None
    asked = 0

    def fetch(self, schema: SchemaId) -> RegisteredSchema:
        self.asked += 1
        if self.fault is not None:
            message = "not now"
            raise SchemaUnavailable(message, schema, self.fault)
        self._schemas[schema] = RegisteredSchema("AVRO", AVRO_SCHEMA)
        return self._schemas[schema]
