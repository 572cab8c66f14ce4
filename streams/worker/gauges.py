"""Sets the gauges that no event sets; called before each scrape."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from streams.admission.admission import Admission
from streams.clock import Clock
from streams.kafka.consumer.app import NotifierApp
from streams.mapping.registry import REGISTRY_FAULTS
from streams.telemetry.metrics import Metrics
from streams.telemetry.partner_gauges import PartnerGauges
from streams.worker.topology import STAGES
from streams.worker.writes import Writes


@dataclass(frozen=True, slots=True)
class Gauges:
    """The gauges that are set at each scrape.

    Attributes:
        apps: the applications, whose lanes are looked at.
        admission: who calls now.
        partners: the gauges of partners, of which time changes some.
        metrics: where they are set.
        clock: the worker's.
        overdue_after_seconds: how long after its due time a record counts as overdue.
        writes: those under way.
    """

    apps: Sequence[NotifierApp]
    admission: Admission
    partners: PartnerGauges
    metrics: Metrics
    clock: Clock
    overdue_after_seconds: float
    writes: Writes

    def refresh(self) -> None:
        """Set the gauges."""
        metrics, admission = self.metrics, self.admission
        self.partners.refresh(self.clock.now_seconds())
        metrics.in_flight.set(admission.in_flight)
        metrics.oldest_write.set(self.writes.oldest_since or 0)
        metrics.destinations.set(len(admission))
        metrics.silent_destinations.set(admission.unresponsive_destinations())
        overdue_before = self.clock.now_ms() - int(self.overdue_after_seconds * 1000)
        lanes = [lane for app in self.apps for lane in app.lanes]
        unreadable = sum((app.unreadable() for app in self.apps), Counter[str]())
        aside = sum((lane.put_aside for lane in lanes), Counter[str]())
        for fault in REGISTRY_FAULTS:
            metrics.awaiting_schema.labels(fault).set(aside[fault])
        for stage in STAGES:
            of_stage = [lane for lane in lanes if lane.stage == stage]
            due = [lane.next_due_at_ms for lane in of_stage if lane.next_due_at_ms is not None]
            metrics.held.labels(stage).set(sum(lane.held for lane in of_stage))
            metrics.overdue.labels(stage).set(
                sum(lane.overdue(overdue_before) for lane in of_stage)
            )
            metrics.unreadable.labels(stage).set(unreadable[stage])
            metrics.oldest_due.labels(stage).set(min(due, default=0) / 1000)
