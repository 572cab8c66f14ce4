"""Who is signed in: sessions of the browser, by a random id in a cookie. They end with the process, the token, or the day's work."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.operator.console.tokens import AccessTokens, Person

LIFE_SECONDS = 8 * 3600
_MOST = 1000  # more people than will ever look at once; the oldest session goes first


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    digest: str
    ends_at: float


@dataclass(slots=True)
class Sessions:
    """The open sessions.

    Attributes:
        tokens: whose right is looked up on every request, so a token that is deleted ends its sessions.
        now_seconds: the clock.
    """

    tokens: AccessTokens
    now_seconds: Callable[[], float]
    _open: dict[str, _Session] = field(default_factory=dict, init=False)

    def begin(self, person: Person) -> str:
        """Open a session and return its id, of 256 random bits."""
        while len(self._open) >= _MOST:
            del self._open[next(iter(self._open))]
        session_id = secrets.token_urlsafe(32)
        ends_at = self.now_seconds() + LIFE_SECONDS
        self._open[session_id] = _Session(person.name, self.tokens.digest_of(person.name), ends_at)
        return session_id

    def person_of(self, session_id: str) -> Person | None:
        """Return who is signed in with this id, or None where nobody is any more."""
        session = self._open.get(session_id)
        if session is None:
            return None
        person = self.tokens.person_named(session.name, session.digest)
        if person is None or session.ends_at <= self.now_seconds():
            self.end(session_id)
            return None
        return person

    def end(self, session_id: str) -> None:
        """Close a session."""
        self._open.pop(session_id, None)
