"""What somebody has checked and may begin within a quarter of an hour, and the refusal of what may not be begun."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Generic, TypeVar

_HOLDS_MS: Final = 15 * 60_000
_MOST_KNOWN: Final = 100

What = TypeVar("What")


class Refusal(Exception):  # noqa: N818  # what was decided
    """A replay that is not done: why, in a sentence for the person who asked."""


@dataclass(slots=True)
class Checked(Generic[What]):
    """Something that somebody looked at and may begin.

    Attributes:
        check_id: the same for the same thing and person, so that a form that is sent twice starts one run.
        by: who.
        what: would be put back.
        until_ms: how long it holds.
        run: the run that was started from it, or None.
    """

    check_id: str
    by: str
    what: What
    until_ms: int
    run: str | None = None


@dataclass(slots=True)
class Checks(Generic[What]):
    """The newest checks.

    Attributes:
        now_ms: the clock.
    """

    now_ms: Callable[[], int]
    _known: dict[str, Checked[What]] = field(default_factory=dict, init=False)

    def remember(self, by: str, names: Iterable[str], what: What) -> Checked[What]:
        """Remember what somebody is about to check; once more where it is known and not begun.

        Args:
            by: who.
            names: what makes it another thing than others.
            what: it.
        """
        until_ms = self.now_ms() + _HOLDS_MS
        check_id = sha256("\n".join([by, *names]).encode()).hexdigest()[:32]
        known = self._known.get(check_id)
        if known is not None and known.run is None:
            known.until_ms = until_ms
            return known
        while len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[check_id] = checked = Checked(check_id, by, what, until_ms)
        return checked

    def find(self, check_id: str, by: str) -> Checked[What]:
        """Return what somebody checked before.

        Raises:
            Refusal: it is too long ago, or was another's.
        """
        known = self._known.get(check_id)
        if known is None or known.by != by or known.until_ms < self.now_ms():
            message = "What you checked is no longer known: it holds for 15 minutes. Check it again. Nothing was sent."
            raise Refusal(message)
        return known
