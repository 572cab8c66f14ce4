"""A notification: the message that tells a partner a payment result, and how far it has come."""

from dataclasses import replace

from schemas.near_names import NearName
from schemas.valueclass import valueclass
from streams.notification.profile import Profile

Headers = tuple[tuple[str, bytes | None], ...]
"""Of a record, in their order; names may stand twice, and Kafka knows headers without a value. Bytes of a name that are
no UTF-8 stand in it as lone surrogates (PEP 383)."""


@valueclass(frozen=True, slots=True)
class Notification:
    """What a record on a tier holds, decoded. Times are milliseconds since the epoch, UTC.

    Attributes:
        notification_id: the event's id; the same on every attempt.
        order_id: the key of every record about it.
        profile: its protocol.
        partner_id: the entry of the partners file.
        notify_url: the URL that the event named, or None where the partner's own is used.
        body: the request body; the same bytes on every attempt.
        result_code: the payment result code in the body, which says S or F too; None where nobody has looked.
        attempt: attempts made so far.
        parks: how often it was moved aside without an attempt.
        replays: how often an operator put it back.
        replay_run: the operator's replay that put it back last, or None.
        due_at_ms: when the next attempt may start.
        occurred_at_ms: when the payment became final, as the event says.
        accepted_at_ms: when we read the event.
        first_attempt_at_ms: when the first attempt started, or None before it.
        last_outcome: what the last attempt or park brought, in one token; empty before.
        origin: `topic/partition/offset` of the event.
        traceparent: W3C trace context of the event, if it had one.
        extra_headers: headers that we don't know and keep.
        near_names: what its event named wrong, perhaps; known up to its first record, and not carried along.
    """

    notification_id: str
    order_id: str
    profile: Profile
    partner_id: str
    notify_url: str | None
    body: bytes
    due_at_ms: int
    occurred_at_ms: int
    accepted_at_ms: int
    origin: str
    result_code: str | None = None
    attempt: int = 0
    parks: int = 0
    replays: int = 0
    replay_run: str | None = None
    first_attempt_at_ms: int | None = None
    last_outcome: str = ""
    traceparent: str | None = None
    extra_headers: Headers = ()
    near_names: tuple[NearName, ...] = ()

    def after_attempt(
        self, *, started_at_ms: int, last_outcome: str, due_at_ms: int
    ) -> "Notification":
        """Return it with one more attempt made."""
        first = self.first_attempt_at_ms
        return replace(
            self,
            attempt=self.attempt + 1,
            first_attempt_at_ms=started_at_ms if first is None else first,
            last_outcome=last_outcome,
            due_at_ms=due_at_ms,
        )
