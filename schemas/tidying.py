"""The rules that every member of a message from payment core keeps, whatever it means.

Values are strings, objects and arrays. Null or an empty string leaves a member out.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic.alias_generators import to_camel


class Table(dict[str, "Table | None"]):
    """The members that an object may have, each with the table of its own members where it has some.

    There is one for each kind of object, made once: it is a key by its identity.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]  # a dict has none


Faults = dict[str, str]
"""What is wrong, by path. Neither side quotes a value."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_MOST_FAULTS: Final = 256  # more than a dead letter's detail has room for
_KINDS: Final = {bool: "true or false", int: "a number", float: "a number", type(None): "null"}


def tidy(
    members: Mapping[str, Any],
    table: Table | None,
    path: str,
    faults: Faults,
    unknown: list[str],
) -> dict[str, Any]:
    """Return the members without those that are left out or unknown.

    Args:
        members: an object as JSON has it.
        table: what it may hold; None where it may hold anything.
        path: where it stands, with a dot behind it, or empty.
        faults: takes what is wrong.
        unknown: takes the paths of members that the table doesn't name.
    """
    kept: dict[str, Any] = {}
    for name, value in members.items():
        known = table is None or name in table
        if not known:
            unknown.append(path + plain(name))
        if value is None or value == "":
            continue
        if type(value) is str:
            tidied: Any = value
        else:
            inner = table[name] if table is not None and known else None
            tidied = _tidy_value(value, inner, path + plain(name), faults, unknown)
        if known:
            kept[name] = tidied
    return kept


def _tidy_value(
    value: object, table: Table | None, path: str, faults: Faults, unknown: list[str]
) -> object:
    if isinstance(value, dict):
        return tidy(value, table, f"{path}.", faults, unknown)
    if isinstance(value, list):
        return [
            element
            if type(element) is str and element
            else _tidy_element(element, f"{path}[{i}]", faults, unknown)
            for i, element in enumerate(value)
        ]
    if len(faults) < _MOST_FAULTS:
        faults[path] = (
            f"{_KINDS[type(value)]}; only strings, objects and arrays are sent on as they came"
        )
    return value


def _tidy_element(element: object, path: str, faults: Faults, unknown: list[str]) -> object:
    if element == "" and len(faults) < _MOST_FAULTS:
        faults[path] = "an empty string in an array"
    return (
        element if isinstance(element, str) else _tidy_value(element, None, path, faults, unknown)
    )


def add_faults(error: ValidationError, path: str, faults: Faults) -> None:
    """Add the faults that a model reports; of several about one member the first stays."""
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        where = path + ".".join(_wire_name(step) for step in detail["loc"])
        missing = detail["type"] == "missing"
        faults.setdefault(where, "missing or empty" if missing else _in_our_words(detail["msg"]))


def _in_our_words(message: str) -> str:
    """Return what pydantic says without its own words."""
    return message.removeprefix("Value error, ").replace("Input should be", "expected", 1)


def _wire_name(step: str | int) -> str:
    """Return a path's step as on the wire: of a default, pydantic gives the attribute's name."""
    return to_camel(step) if isinstance(step, str) and "_" in step else str(step)


def plain(name: str) -> str:
    """Return a member's name where it can't hide a value."""
    return name if _PLAIN_NAME.fullmatch(name) else "?"
