"""Avro records: the id of their schema, in Confluent's wire format or in a header, and what they hold."""

import json
from typing import Any, Final
from uuid import UUID

from streams.mapping.avro_schema import Reader, Undecodable, decode, reader_of
from streams.mapping.registry import RegisteredSchema, SchemaId
from streams.notification.notification import Headers

SCHEMA_ID_HEADER: Final = "__value_schema_id"
"""Of Confluent's clients that leave the value alone."""
ID_BYTES: Final = 5
"""That stand before a value in Confluent's wire format, the first of them zero."""

_MOST_READERS: Final = 1000
_BY_NUMBER: Final = 0
_BY_GUID: Final = 1
_LAST_NUMBER: Final = (1 << 31) - 1
_GUID_BYTES: Final = 17


def split_schema_id(value: bytes, headers: Headers) -> tuple[SchemaId, bytes]:
    """Return the id of a record's schema, and the record without it.

    A header wins, as in Confluent's own reader. Its value is 0 and four bytes, or 1 and the sixteen of a GUID; a value
    without the header begins with 0 and four bytes.

    Raises:
        Undecodable: there is no id, or none that a registry could have given: nobody would wait for the end of that.
    """
    given = [said for name, said in headers if name == SCHEMA_ID_HEADER]
    if given:
        said = given[-1] or b""
        if len(said) == ID_BYTES and said[0] == _BY_NUMBER:
            return _number(said[1:]), value
        if len(said) == _GUID_BYTES and said[0] == _BY_GUID:
            return str(UUID(bytes=said[1:])), value
        message = f"the header {SCHEMA_ID_HEADER} has {len(said)} bytes; expected 0 and 4 more, or 1 and 16 more"
        raise Undecodable(message)
    if len(value) < ID_BYTES or value[0] != _BY_NUMBER:
        message = (
            "no Avro of a schema registry: expected a zero byte and four of the schema's id before it, or the header"
            f" {SCHEMA_ID_HEADER}"
        )
        raise Undecodable(message)
    return _number(value[1:ID_BYTES]), value[ID_BYTES:]


def _number(raw: bytes) -> int:
    number = int.from_bytes(raw, "big")
    if not 0 < number <= _LAST_NUMBER:
        message = f"no Avro of a schema registry: its schema's id is not from 1 to {_LAST_NUMBER}"
        raise Undecodable(message)
    return number


class AvroDecoder:
    """Decodes records; a schema is taken apart once."""

    def __init__(self) -> None:
        self._readers: dict[RegisteredSchema, Reader] = {}

    def decode(self, registered: RegisteredSchema, encoded: bytes) -> Any:  # noqa: ANN401  # whatever the schema says
        """Return what a record holds, as `avro_schema.decode` has it.

        Raises:
            Undecodable: the schema is none that is read here, or the bytes are not of it.
        """
        return decode(self._reader(registered), encoded)

    def _reader(self, registered: RegisteredSchema) -> Reader:
        found = self._readers.get(registered)
        if found is not None:
            return found
        if registered.kind != "AVRO":
            message = f"its schema is of type {registered.kind}; expected AVRO"
            raise Undecodable(message)
        try:
            schemas = [json.loads(text) for text in (*registered.references, registered.text)]
        except (RecursionError, ValueError):
            message = "its schema can't be read: it is no JSON"
            raise Undecodable(message) from None
        if len(self._readers) >= _MOST_READERS:
            self._readers.clear()
        found = self._readers[registered] = reader_of(schemas)
        return found
