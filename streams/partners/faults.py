"""The faults of an entry, in words for its author."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from streams.partners.files import shown

_PAGE: Final = "docs/partners-file.md"
_LIKE_PASSWORDS: Final = frozenset({"user"})  # people write user:password


def fault_of(where: str, entry: object, error: Any, known: Iterable[str]) -> str:  # noqa: ANN401  # pydantic's error details
    """Say one of pydantic's errors in our words: where, what was seen, what was expected, on which line.

    Args:
        where: the entry's place.
        entry: as it was read.
        error: one of `ValidationError.errors()`.
        known: keys that there are, for the nearest one.
    """
    path = ".".join([where, *(str(part) for part in error["loc"] if part != "[key]")])
    line = _line(entry, error["loc"])
    return f"{path}: {_fault(error, known)}" + (f" (line {line})" if line else "")


def _line(entry: object, place: Iterable[Any]) -> int | None:
    """Return the line of a path in an entry, or of the nearest member around it that exists."""
    here, line = entry, getattr(entry, "line", None)
    for part in place:
        if isinstance(here, list):
            # What is wrong with a key ends with the mark "[key]", behind the key's value: here a list.
            if not isinstance(part, int):
                break
        elif not (isinstance(here, dict) and part in here):
            break
        here = here[part]
        line = getattr(here, "line", line)
    return line


def _nearest(place: Sequence[Any], known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; {_PAGE} lists those that there are"


def _fault(error: Any, known: Iterable[str]) -> str:  # noqa: ANN401  # as above
    if error["type"] == "missing":
        return "missing, expected with every entry"
    if error["type"] == "extra_forbidden":
        return f"there is no such key{_nearest(error['loc'], known)}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] == "value_error" and not message.startswith("expected"):
        return str(message)
    expected = message if message.startswith("expected") else f"expected: {message}"
    seen = error["input"]
    if isinstance(seen, str) and _LIKE_PASSWORDS.intersection(error["loc"][-1:]):
        return f"seen text of {len(seen)} characters, {expected}"
    return f"seen {shown(seen)}, {expected}"
