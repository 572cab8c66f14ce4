"""The OpenAPI 3.1 document, from the table of operations."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from streams.operator.console.views import FaultView

_TEMPLATE: Final = "#/components/schemas/{model}"
_REFERENCE = re.compile(r"(?<=#/components/schemas/)\w+")
_IN_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be asked with GET.

    Attributes:
        path: with its parameters in braces.
        summary: the question in one line.
        query: what can be asked in addition.
        result: what comes back.
    """

    path: str
    summary: str
    query: type[BaseModel]
    result: type[BaseModel]

    @property
    def name(self) -> str:
        """An identifier, from the path."""
        return "_".join(re.findall(r"\w+", self.path.removeprefix("/api/")))


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the document."""
    models = [operation.result for operation in operations] + [FaultView]
    _, definitions = models_json_schema(
        [(model, "serialization") for model in dict.fromkeys(models)], ref_template=_TEMPLATE
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Payment notifier: console",
            "version": version,
            "description": "What the console's pages show. Times are milliseconds since the epoch, UTC.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": {operation.path: {"get": _described(operation)} for operation in operations},
        "components": {
            "schemas": _by_title(definitions["$defs"]),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "console"},
            },
        },
    }


def _by_title(schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Name each schema by its title: what a client calls it is not what the class is called here."""
    titles = {name: schema.get("title", name) for name, schema in schemas.items()}
    text = _REFERENCE.sub(lambda name: titles[name[0]], json.dumps(schemas))
    return {titles[name]: schema for name, schema in json.loads(text).items()}


def _described(operation: Operation) -> dict[str, Any]:
    faults = {"400": "the query is wrong", "401": "no token, or an unknown one"}
    if "{" in operation.path:
        faults["404"] = "nothing is known of it"
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_in_path(operation.path), *_in_query(operation.query)],
        "responses": {
            "200": {"description": "the answer", "content": _content(operation.result)},
            **{
                code: {"description": what, "content": _content(FaultView)}
                for code, what in faults.items()
            },
        },
    }


def _content(result: type[BaseModel]) -> dict[str, Any]:
    return {
        "application/json": {
            "schema": {"$ref": _TEMPLATE.format(model=result.model_json_schema()["title"])}
        }
    }


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _IN_PATH.findall(path)
    ]


def _in_query(query: type[BaseModel]) -> list[dict[str, Any]]:
    members: dict[str, dict[str, Any]] = query.model_json_schema().get("properties", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.get("description", ""),
            "schema": {
                key: value for key, value in schema.items() if key not in {"title", "description"}
            },
        }
        for name, schema in members.items()
    ]
