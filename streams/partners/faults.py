"""The faults of an entry, in words for its author."""

from collections.abc import Iterable
from typing import Any, Final

from streams.partners.files import shown

_LIKE_PASSWORDS: Final = frozenset({"user"})  # people write user:password


def fault_of(where: str, entry: object, error: Any) -> str:  # noqa: ANN401  # pydantic's error details
    """Say one of pydantic's errors in our words: where, what was seen, what was expected, on which line.

    Args:
        where: the entry's place.
        entry: as it was read.
        error: one of `ValidationError.errors()`.
    """
    path = ".".join([where, *(str(part) for part in error["loc"] if part != "[key]")])
    line = _line(entry, error["loc"])
    return f"{path}: {_fault(error)}" + (f" (line {line})" if line else "")


def _line(entry: object, place: Iterable[Any]) -> int | None:
    """Return the line of a path in an entry, or of the nearest member around it that exists."""
    here, line = entry, getattr(entry, "line", None)
    for part in place:
        if not (isinstance(here, list) or (isinstance(here, dict) and part in here)):
            break
        here = here[part]
        line = getattr(here, "line", line)
    return line


def _fault(error: Any) -> str:  # noqa: ANN401  # as above
    if error["type"] == "missing":
        return "missing, expected with every entry"
    if error["type"] == "extra_forbidden":
        return "there is no such key; expected one of those in the contract"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] == "value_error" and not message.startswith("expected"):
        return str(message)
    expected = message if message.startswith("expected") else f"expected: {message}"
    seen = error["input"]
    if isinstance(seen, str) and _LIKE_PASSWORDS.intersection(error["loc"][-1:]):
        return f"seen text of {len(seen)} characters, {expected}"
    return f"seen {shown(seen)}, {expected}"
