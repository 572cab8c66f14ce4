"""The record of the attempts topic: what was done about a notification, without customer data.

Attribute names are the wire names.
"""

from typing import Annotated, Final, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import to_json

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]
"""Since the epoch, UTC."""


Trigger = Literal["event", "ladder", "park", "replay"]
"""What made an attempt due."""

RecordedDecision = Literal["delivered", "retry", "dead-letter", "parked", "replayed", "absorbed"]
"""What follows; `streams.notification.status` says how the notification stands after it."""


class AttemptRecord(BaseModel):
    """One attempt, decision, park or replay.

    Everything but `v`, `kind` and `at_ms` may be absent: of an invalid event little is known.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    v: Literal[1] = Field(1, description="version of this shape")
    kind: Literal["attempt", "decision", "park", "replay"] = Field(description="what was done")
    at_ms: Milliseconds = Field(description="when the record was written")
    notification_id: str | None = None
    order_id: str | None = None
    profile: str | None = None
    partner_id: str | None = None
    url_origin: str | None = Field(None, description="scheme, host and port of the notify URL")
    attempt: Count | None = Field(None, description="attempts made, this one included")
    parks: Count | None = Field(None, description="how often it was moved aside without an attempt")
    replays: Count | None = Field(None, description="how often an operator put it back")
    trigger: Trigger | None = Field(None, description="what made it due")
    replay_run: str | None = Field(None, description="the operator's replay that it belongs to")
    replay_of: str | None = Field(
        None, description="topic/partition/offset of what an operator put back"
    )
    sent_result_status: Literal["S", "F"] | None = Field(
        None, description="of the payment result that the body reports to the partner"
    )
    sent_result_code: str | None = Field(
        None, description="of the payment result that the body reports to the partner"
    )
    due_at_ms: Milliseconds | None = None
    started_at_ms: Milliseconds | None = None
    ended_at_ms: Milliseconds | None = None
    lateness_ms: Count | None = Field(None, description="start of the attempt after its due time")
    request_left: Literal["no", "perhaps", "yes"] | None = Field(
        None, description="whether the partner may have seen the request"
    )
    http_status: int | None = None
    failure: str | None = Field(None, description="why there is no result, in one token")
    failure_detail: str | None = Field(
        None,
        description="what of an answer was unreadable or too long, or what TLS failed of, in words without values",
    )
    result_status: Literal["S", "F", "U"] | None = Field(
        None, description="of the partner's answer"
    )
    result_code: str | None = Field(None, description="of the partner's answer")
    outcome: str | None = Field(None, description="the outcome in one token")
    decision: RecordedDecision | None = None
    dead_letter_reason: str | None = None
    next_due_at_ms: Milliseconds | None = None
    next_topic: str | None = Field(None, description="where the notification went")
    near_names: Annotated[tuple[str, ...], Field(strict=False)] | None = Field(
        None,
        description="members of the event that are not known but have nearly the name of a known one, each in words",
    )
    origin: str | None = Field(None, description="topic/partition/offset of the event")
    worker: str | None = Field(None, description="which process wrote this")
    by: str | None = Field(None, description="who replayed it, or let the workers pass it")
    why: str | None = Field(None, description="the reason, in words without customer data")

    def to_bytes(self) -> bytes:
        """Render it as compact JSON without absent members."""
        return _ADAPTER.dump_json(self, exclude_none=True)


class AttemptReport(TypedDict, total=False):
    """The members of an `AttemptRecord` while it is being made; None stands for absent, as a missing member does.

    A plain dictionary, since a worker makes one for every record: the model takes ten times as long.
    """

    kind: Literal["attempt", "decision", "park", "replay"]
    at_ms: int
    notification_id: str | None
    order_id: str | None
    profile: str | None
    partner_id: str | None
    url_origin: str | None
    attempt: int | None
    parks: int | None
    replays: int | None
    trigger: Trigger | None
    replay_run: str | None
    replay_of: str | None
    sent_result_status: Literal["S", "F"] | None
    sent_result_code: str | None
    due_at_ms: int | None
    started_at_ms: int | None
    ended_at_ms: int | None
    lateness_ms: int | None
    request_left: Literal["no", "perhaps", "yes"] | None
    http_status: int | None
    failure: str | None
    failure_detail: str | None
    result_status: Literal["S", "F", "U"] | None
    result_code: str | None
    outcome: str | None
    decision: RecordedDecision | None
    dead_letter_reason: str | None
    next_due_at_ms: int | None
    next_topic: str | None
    near_names: list[str] | None
    origin: str | None
    worker: str | None
    by: str | None
    why: str | None


def render(report: AttemptReport) -> bytes:
    """Render a report to the bytes that `AttemptRecord` reads, without the members that are None.

    For a program that vouches for every member.
    """
    known = {name: value for name, value in report.items() if value is not None}
    return to_json({"v": 1, **known})


_ADAPTER: Final = TypeAdapter(AttemptRecord)
