"""How a notification stands, and which record says so: one table for the code that writes records and the code that reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from schemas.attempt_record import RecordedDecision

NotificationStatus = Literal[
    "accepted", "waiting", "parked", "replayed", "delivered", "dead-lettered"
]
"""`accepted`: of its event nothing else is known. `replayed`: put back, and nothing else is known."""

TopicKind = Literal["event", "tier", "replay", "dead-letter"]
"""What kind of topic holds a notification at rest; `event` is a source topic."""


@dataclass(frozen=True, slots=True)
class _Row:
    status: NotificationStatus
    decision: RecordedDecision | None  # of the attempts record that leads there
    rests_on: TopicKind | None
    ends: bool = False


_TABLE: Final = (
    _Row("accepted", None, "event"),
    _Row("waiting", "retry", "tier"),
    _Row("parked", "parked", "tier"),
    _Row("replayed", "replayed", "replay"),
    _Row("dead-lettered", "dead-letter", "dead-letter", ends=True),
    _Row("delivered", "delivered", None, ends=True),
)

STATUS_AFTER: Final[Mapping[RecordedDecision, NotificationStatus]] = {
    row.decision: row.status for row in _TABLE if row.decision is not None
}
"""By decision. One that isn't here, `absorbed`, is about a second copy, or an event that was passed over, and changes nothing."""

RESTS_ON: Final[Mapping[NotificationStatus, TopicKind]] = {
    row.status: row.rests_on for row in _TABLE if row.rests_on is not None
}
"""Where the record of a notification stands; what was delivered stands nowhere."""

ENDED: Final = frozenset(row.status for row in _TABLE if row.ends)
"""No worker does anything more about these."""


def status_on(kind: TopicKind, *, parked: bool) -> NotificationStatus:
    """Return how a notification stands whose newest record is on such a topic.

    Args:
        kind: of the topic.
        parked: whether the record was moved there without an attempt.
    """
    if kind == "tier":
        return "parked" if parked else "waiting"
    return next(row.status for row in _TABLE if row.rests_on == kind)


NEWER_VERSION: Final = "newer-version"
"""Why a record was parked that only a newer version can read, as the attempts record has it."""

PASSED_OVER: Final = "passed over: "
"""How the attempts record of an event begins its `why` that a rule of the event mapping passes over; the rule follows."""
