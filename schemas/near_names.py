"""Names of members that are not known but nearly are: `paymenttime`, `occuredAt`, `notifyURL`.

Such a member is left out like any other that is not known; that nobody meant that is worth a word.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from schemas.tidying import Table

_OURS: Final = (
    "result",
    "paymentResult",
)  # not payment core's to write, so it meant something else
_MOST: Final = 8
"""How many of one event are named; the others are nothing new."""
_MOST_LOOKED_AT: Final = 64
"""Of how many it is asked: an event may have thousands."""


class NearName(NamedTuple):
    """A member that nobody knows.

    Attributes:
        path: where it stands, as `schemas.tidying` writes it: without values.
        meant: the known member there whose name differs by case or by one letter.
    """

    path: str
    meant: str

    def __str__(self) -> str:
        return f"{self.path}: not known, did you mean {self.meant}"


def near_names(unknown: Iterable[str], known: Table, prefix: str = "") -> tuple[NearName, ...]:
    """Return which members that are not known have the name of a known one but for case or one letter.

    Args:
        unknown: their paths.
        known: the members that their object has.
        prefix: what stands before the paths, with a dot behind it, or empty.
    """
    pairs = ((path, _meant(path, known)) for path in islice(unknown, _MOST_LOOKED_AT))
    near = (NearName(prefix + path, meant) for path, meant in pairs if meant is not None)
    return tuple(name for name, _ in zip(near, range(_MOST), strict=False))


@lru_cache(maxsize=2048)  # what one program writes wrong it writes wrong each time
def _meant(path: str, known: Table) -> str | None:
    table: Table | None = known
    *above, name = path.split(".")
    for step in above:
        table = table.get(step) if table is not None else None
    if not table or name in table:
        return None
    return next((known for known in table if known not in _OURS and _one_apart(name, known)), None)


def _one_apart(first: str, second: str) -> bool:
    """Tell whether names differ by case alone, or else by one letter: another, one more or less, two the wrong way round."""
    a, b = sorted((first.casefold(), second.casefold()), key=len)
    if len(b) - len(a) > 1:
        return False
    same = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    rest_a, rest_b = a[same:], b[same:]
    if len(a) < len(b):
        return rest_a == rest_b[1:]
    return rest_a[1:] == rest_b[1:] or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
