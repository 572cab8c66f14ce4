"""The known name that somebody may have meant who typed another one."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_ALIKE: Final = 0.6  # difflib's own default: about every third character may differ


def nearest(name: str, known: Iterable[str], most: int = 1) -> tuple[str, ...]:
    """Return the known names that look most like this one, the likeliest first; none where none looks like it."""
    return tuple(get_close_matches(name, tuple(known), n=most, cutoff=_ALIKE))


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return the question for a message, `did you mean acme?`, or None where no known name is near."""
    near = nearest(name, known)
    return f"did you mean {near[0]}?" if near else None
