"""The known names that somebody may have meant who typed another one, and how a message asks for them."""

from collections.abc import Iterable

from streams.printable import printable


def nearest(name: str, known: Iterable[str], most: int = 1) -> tuple[str, ...]:
    """Return the known names that look most like this one, the likeliest first; none where none looks like it."""
    from difflib import get_close_matches  # noqa: PLC0415  # commands start without it

    return tuple(get_close_matches(name, tuple(known), n=most))


def meant_or_expected(name: str, known: Iterable[str]) -> str:
    """Return what ends a sentence about a name that is not known: the one that looks most like it, or else all that are."""
    names = sorted(known)
    return did_you_mean(nearest(name, names)) or f"; expected one of {', '.join(names)}"


def did_you_mean(names: Iterable[str]) -> str:
    """Return what ends a sentence about a name that is not known: those that may be meant, if any."""
    shown = " or ".join(map(printable, names))
    return f"; did you mean {shown}?" if shown else ""
