"""What the pages and the JSON API show of dead letters. Times are milliseconds since the epoch, UTC."""

from pydantic import Field

from streams.operator.console.views import Shown


class Cause(Shown):
    """Why notifications were given up: the reason and what the last attempt brought, for the page alone."""

    reason: str
    answer: str
    count: int
    oldest_ms: int
    partners: tuple[tuple[str | None, int], ...]


class LetterCount(Shown):
    """Dead letters of a kind."""

    reason: str
    partner_id: str | None
    answer: str
    count: int
    oldest_ms: int


class Letter(Shown):
    """A dead letter in the list."""

    place: str = Field(description="TOPIC:PARTITION:OFFSET")
    at_ms: int
    order_id: str | None
    notification_id: str | None
    profile: str | None
    partner_id: str | None
    reason: str
    answer: str = Field(description="what the last attempt brought")
    attempts: int
    replays: int
    open: bool = Field(description="false once it was put back, or delivered some other way")
    forgotten: bool = Field(
        description="open as far as is known, and so old that what was done about it since is not known any more"
    )


class Letters(Shown):
    """Dead letters that match, some of them in full."""

    total: int = Field(description="that match")
    open: int = Field(description="all that nobody has dealt with, as far as is known")
    forgotten: int = Field(
        description="of all open ones, those from before `known_since_ms`: what was done about them since is not known any more"
    )
    known_since_ms: int = Field(description="from when on all that was done is known")
    counts: tuple[LetterCount, ...]
    letters: tuple[Letter, ...]


class LetterPage(Shown):
    """One dead letter in full; never its body."""

    letter: Letter
    detail: str | None
    unreadable: str | None
    holds_event: bool
    value_bytes: int | None
    value_sha256: str | None
    origin: str | None
    url_origin: str | None
    result: str | None
    occurred_at_ms: int | None
    accepted_at_ms: int | None
