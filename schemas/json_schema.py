"""JSON Schemas of the wire models: what a sender should write.

They are stricter than we are: an optional member is left out, never null.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from schemas.fields import Body, required_on_success


class _LeftOutNotNull(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def json_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Return a model's JSON Schema, draft 2020-12.

    Args:
        model: an event, a body, an answer or a record.
        title: what it describes, for people.
    """
    schema = model.model_json_schema(schema_generator=_LeftOutNotNull)
    _drop_titles(schema)
    if issubclass(model, Body) and (names := required_on_success(model)):
        status = {"properties": {"resultStatus": {"const": "S"}}}
        schema["if"] = {"properties": {model.result_member: status}}
        schema["then"] = {"required": names}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title} | schema


def _drop_titles(schema: object) -> None:
    """Remove the titles that only repeat a member's name."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for inner in schema.values():
            _drop_titles(inner)
    if isinstance(schema, list):
        for inner in schema:
            _drop_titles(inner)
