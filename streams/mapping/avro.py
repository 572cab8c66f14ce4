"""Avro records: the id of their schema, in Confluent's wire format or in a header, and what they hold."""

import json
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from streams.mapping.registry import RegisteredSchema, SchemaId
from streams.notification.notification import Headers

SCHEMA_ID_HEADER: Final = "__value_schema_id"
"""Of Confluent's clients that leave the value alone."""

_MOST_PARSED: Final = 1000
_BY_NUMBER: Final = 0
_BY_GUID: Final = 1
_NUMBER_BYTES: Final = 5
_GUID_BYTES: Final = 17


class Undecodable(ValueError):  # noqa: N818  # named after what it says about the bytes
    """Bytes that are no Avro record: what was seen, without values, and what was expected."""


def split_schema_id(value: bytes, headers: Headers) -> tuple[SchemaId, bytes]:
    """Return the id of a record's schema, and the record without it.

    A header wins, as in Confluent's own reader. Its value is 0 and four bytes, or 1 and the sixteen of a GUID; a value
    without the header begins with 0 and four bytes.

    Raises:
        Undecodable: there is no id.
    """
    given = [said for name, said in headers if name == SCHEMA_ID_HEADER]
    if given:
        said = given[-1] or b""
        if len(said) == _NUMBER_BYTES and said[0] == _BY_NUMBER:
            return int.from_bytes(said[1:], "big"), value
        if len(said) == _GUID_BYTES and said[0] == _BY_GUID:
            return str(UUID(bytes=said[1:])), value
        message = f"the header {SCHEMA_ID_HEADER} has {len(said)} bytes; expected 0 and 4 more, or 1 and 16 more"
        raise Undecodable(message)
    if len(value) < _NUMBER_BYTES or value[0] != _BY_NUMBER:
        message = (
            "no Avro of a schema registry: expected a zero byte and four of the schema's id before it, or the header"
            f" {SCHEMA_ID_HEADER}"
        )
        raise Undecodable(message)
    return int.from_bytes(value[1:_NUMBER_BYTES], "big"), value[_NUMBER_BYTES:]


class AvroDecoder:
    """Decodes records; a schema is parsed once."""

    def __init__(self) -> None:
        self._parsed: dict[RegisteredSchema, Any] = {}

    def decode(self, registered: RegisteredSchema, encoded: bytes) -> Any:  # noqa: ANN401  # whatever the schema says
        """Return what a record holds: decimals, moments and GUIDs of logical types as what they are.

        Raises:
            Undecodable: the schema is none that is read here, or the bytes are not of it.
        """
        import fastavro  # noqa: PLC0415  # comes with an extra

        schema = self._parse(registered)
        stream = BytesIO(encoded)
        try:
            record = fastavro.schemaless_reader(stream, schema, None)
        except Exception as error:  # noqa: BLE001  # fastavro raises what it comes upon: EOFError, IndexError, ...
            message = f"its bytes are not of its schema ({type(error).__name__})"
            raise Undecodable(message) from None
        if stream.read(1):
            message = "more bytes than its schema has"
            raise Undecodable(message)
        return record

    def _parse(self, registered: RegisteredSchema) -> Any:  # noqa: ANN401  # fastavro's own
        import fastavro  # noqa: PLC0415  # comes with an extra

        parsed = self._parsed.get(registered)
        if parsed is not None:
            return parsed
        if registered.kind != "AVRO":
            message = f"its schema is of type {registered.kind}; expected AVRO"
            raise Undecodable(message)
        names: dict[str, Any] = {}
        try:
            for text in registered.references:
                fastavro.parse_schema(json.loads(text), named_schemas=names)
            parsed = fastavro.parse_schema(json.loads(registered.text), named_schemas=names)
        except Exception as error:  # noqa: BLE001  # fastavro raises what it comes upon
            message = f"its schema can't be read ({type(error).__name__})"
            raise Undecodable(message) from None
        if len(self._parsed) >= _MOST_PARSED:
            self._parsed.clear()
        self._parsed[registered] = parsed
        return parsed
