"""Observe: what happened to a record becomes metrics, lines of the log and spans; nothing else does that.

Knows settlements, the metrics and the log. Decides nothing and writes no record.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.clock import Clock
from streams.kafka.format.event_headers import EventSource
from streams.mapping.registry import SchemaId, SchemaUnavailable
from streams.notification.intake import Prepared
from streams.notification.notification import Notification
from streams.telemetry.counting import Counting
from streams.telemetry.logs import facts, id_or_none, named
from streams.webhook.https import AttemptResult
from streams.worker.settle import Settled
from streams.worker.settlement import Settlement
from streams.worker.unread_records import fact_of

if TYPE_CHECKING:  # OpenTelemetry comes with an extra
    from streams.telemetry.tracing import TracedAttempt, Tracing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observer:
    """Counts, logs and traces.

    Attributes:
        clock: the worker's.
        counting: the metrics, and the lines that come with them.
        tracing: makes spans of the attempts, where that is set.
    """

    clock: Clock
    counting: Counting
    tracing: "Tracing | None" = None

    def event_read(self, source: EventSource) -> None:
        """An event was read."""
        if source.traceparent_fault is not None:
            self.counting.unreadable_traceparent(source.traceparent_fault)

    def schema_unavailable(self, error: SchemaUnavailable, again_seconds: float) -> None:
        """The registry gave no schema, and is asked again after a while."""
        self.counting.registry_asked(error.fault)
        log.error(
            "events wait for schema %s, and none is dead-lettered for it; asked again in %g s: %s",
            error.schema,
            again_seconds,
            error,
        )

    def schema_found(self, schema: SchemaId, *, was_missing: bool) -> None:
        """The registry gave a schema."""
        self.counting.registry_asked("found")
        if was_missing:
            log.info("schema %s was fetched; the events that waited for it go on", schema)

    def accepted(self, prepared: Prepared) -> None:
        """An event became a notification."""
        self.counting.accepted(prepared)

    def attempt_begins(self, notification: Notification) -> "TracedAttempt | None":
        """An attempt begins; returns its span where there are any, to be given to `attempt_ended`."""
        if self.tracing is None:
            return None
        return self.tracing.begin(notification, self.clock.now_ms())

    def attempt_ended(self, span: "TracedAttempt", call: AttemptResult | None) -> None:
        """An attempt ended, or was broken off where there is no call."""
        if call is None:
            span.abort(self.clock.now_ms())
        else:
            span.end(call)

    def decided(self, settlement: Settlement, stage: str) -> None:
        """What becomes of a record of this stage is decided; nothing is written yet."""
        report, received = settlement.report, settlement.received
        if settlement.kind == "duplicate":
            self.counting.absorbed(stage)
        elif settlement.refused is not None:
            self.counting.refused(settlement.refused)
        elif received is None:
            if settlement.rule is not None:
                self.counting.passed_over(settlement.rule)
        elif settlement.attempt is not None:
            again = report.get("next_due_at_ms")
            trigger = report["trigger"] or ""
            self.counting.attempt(received, settlement.attempt, stage, trigger, again)
        elif settlement.kind == "parked":
            why, due = report["why"] or "", report["next_due_at_ms"]
            self.counting.parked(received, why, due)

    def settled(self, settled: Settled) -> None:
        """The broker has acknowledged what was decided."""
        if settled.clock_offset_seconds is not None:
            self.counting.clock_offset(settled.clock_offset_seconds)
        settlement = settled.settlement
        notification = settlement.notification
        if settlement.kind == "delivered" and notification is not None:
            self.counting.ended(notification, "acknowledged", self.clock.now_ms())
        elif settlement.kind == "parked" and notification is None:
            self.counting.parked_newer()
        elif settlement.dead_letter is not None:
            self.counting.dead_letter(settlement.report["dead_letter_reason"] or "")
            reason = settlement.dead_letter.reason.value
            if notification is not None:
                self.counting.ended(notification, reason, self.clock.now_ms())
            _log_dead_letter(settlement, reason, settlement.dead_letter.detail)

    def handled(self, stage: str) -> None:
        """A record of this stage is settled; its offset may be committed."""
        self.counting.settled(stage, self.clock.now_seconds())


def _log_dead_letter(settlement: Settlement, reason: str, detail: str) -> None:
    notification, refused, record = (
        settlement.notification,
        settlement.refused,
        settlement.record,
    )
    known: dict[str, object]
    if notification is not None:
        subject = named("notification", notification.notification_id, notification.order_id)
        known = facts(notification)
    elif refused is not None:
        subject = named("event", refused.event_id, refused.order_id)
        known = {
            "notification_id": refused.event_id,
            "order_id": refused.order_id,
            "profile": refused.profile,
            "partner": refused.partner_id,
        }
    elif record is not None:
        fact = fact_of(record)
        subject = named("record", fact.notification_id, fact.order_id)
        known = {
            "notification_id": id_or_none(fact.notification_id),
            "order_id": id_or_none(fact.order_id),
            "profile": id_or_none(fact.profile),
            "partner": id_or_none(fact.partner_id),
            "attempt": fact.attempt,
        }
    else:  # a replay by an operator, who was told by the command
        return
    where = f" at {record.origin}" if record is not None else ""
    log.warning(
        "dead letter %s: %s: %s",
        reason,
        f"{subject}{where}",
        detail,
        extra=known | {"decision": reason},
    )
