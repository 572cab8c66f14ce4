"""Mutants that no test notices, and what explains them."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EXPLAINED: Final = Path(__file__).with_name("explained.toml")
_NAME: Final = re.compile(
    r"(?P<module>[\w.]+?)\.x(?:ǁ(?P<kind>\w+)ǁ|_)(?P<function>\w+?)__mutmut_\d+"
)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test notices.

    Attributes:
        function: by its full name.
        change: the lines that went, with a minus, and those that came, with a plus; without indentation.
        status: `survived`, or why it is not known whether it would.
    """

    function: str
    change: str
    status: str = "survived"


def survivor_of(name: str, status: str, shown: str) -> Survivor:
    """Return a mutant by what mutmut says of it.

    Args:
        name: mutmut's.
        status: the same.
        shown: its difference, as mutmut shows it.

    Raises:
        ValueError: mutmut names mutants in another way now.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        message = (
            f"mutmut names a mutant {name!r}; expected MODULE.x_FUNCTION__mutmut_NUMBER, see _NAME"
        )
        raise ValueError(message)
    parts = (match["module"], match["kind"], match["function"])
    changed = [
        line
        for line in shown.splitlines()
        if line[:1] in {"-", "+"} and not line.startswith(("---", "+++"))
    ]
    return Survivor(".".join(filter(None, parts)), _plain("\n".join(changed)), status)


def _plain(change: str) -> str:
    return "\n".join(line[0] + line[1:].strip() for line in change.strip().splitlines())


def explained(path: Path = EXPLAINED) -> list[Survivor]:
    """Return the mutants that are explained.

    Raises:
        ValueError: one has no reason.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["explained"]
    for entry in entries:
        if not entry["why"].strip():
            message = f"{path.name}: an entry of {entry['function']} has no reason"
            raise ValueError(message)
    return [
        Survivor(entry["function"], _plain(change))
        for entry in entries
        for change in entry["changes"]
    ]


def compare(survivors: Sequence[Survivor], known: Iterable[Survivor]) -> list[str]:
    """Return what is wrong: mutants that are not explained, and explanations of none; one sentence each."""
    left, faults = list(known), []
    for survivor in survivors:
        expected = Survivor(survivor.function, survivor.change)
        if survivor.status == "survived" and expected in left:
            left.remove(expected)
        else:
            faults.append(
                f"{survivor.function}: {survivor.status} and not explained; write a test that notices it, or"
                f" explain it in explained.toml:\n{survivor.change}"
            )
    return faults + [
        f"{gone.function}: explained, but a test notices it or there is no such mutant; remove it from"
        f" explained.toml:\n{gone.change}"
        for gone in left
    ]
