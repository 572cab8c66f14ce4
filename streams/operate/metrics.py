"""Every metric of the worker, in one place.

Labels take values from configured or fixed sets only (an unknown one becomes `other`), times are timestamps,
not ages, and a counter of attempts counts at the attempt's end.
"""

from collections.abc import Iterable
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streams.notification.decision import DeadLetterReason
from streams.notification.ladder import Ladder
from streams.notification.outcome import Failure
from streams.notification.profile import SET_UP_FAULTS, Profile

disable_created_metrics()  # type: ignore[no-untyped-call]  # else every series stands twice

RESULTS = ("acknowledged", "refused", "unknown", *(failure.value for failure in Failure))
"""What an attempt may bring, as a label: S, F, U, or why there was no result."""

REFUSALS = (
    DeadLetterReason.INVALID_EVENT,
    DeadLetterReason.UNKNOWN_PARTNER,
    DeadLetterReason.UNMAPPED_REASON,
    DeadLetterReason.CONFLICTING_RESULT,
)
"""Why an event may become no notification."""

PARK_REASONS = ("paused", "closed", "silent", "rate-limit", "in-flight", "share")
SIGNATURE_FAILURES = (Failure.UNSIGNED_ANSWER, Failure.WRONG_SIGNATURE)

_ATTEMPT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENESS_SECONDS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
_SIGNING_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1)
_GRACE = 1.05  # an edge just after a due time holds the attempt made at it


def latency_edges(ladders: Iterable[Ladder]) -> tuple[float, ...]:
    """Return histogram edges in seconds: just after each moment at which a ladder makes an attempt."""
    edges = {0.05, 0.1, 0.25, 0.5, 1.0}
    for ladder in ladders:
        elapsed = 0
        for wait in ladder.waits:
            elapsed += wait.seconds
            edges.add(float(f"{elapsed * _GRACE:.2g}"))
    return tuple(sorted(edges))


class Metrics:
    """The worker's metrics, on a registry of their own.

    Args:
        profiles: the profiles that label series.
        tiers: names of the stages: `source`, `replay` and each wait.
        version: of this program.
    """

    def __init__(self, profiles: Iterable[Profile], tiers: Iterable[str], version: str) -> None:
        profiles, tiers = tuple(profiles), tuple(tiers)
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        Info("notifier_build", "The running version.", registry=registry).info({"version": version})
        self.consumed = Counter(
            "notifier_payments_consumed_total",
            "Events read from the source topics and the replay topic, by what became of them.",
            ["result"],
            registry=registry,
        )
        self.notifications = Counter(
            "notifier_notifications_total",
            "Notifications that ended, exactly one count each: acknowledged, or the reason of the dead letter.",
            ["profile", "outcome"],
            registry=registry,
        )
        self.attempts = Counter(
            "notifier_attempts_total",
            "Attempts, counted at their end, by class (first, retry, replay) and result.",
            ["profile", "attempt_class", "result"],
            registry=registry,
        )
        self.repeats = Counter(
            "notifier_repeats_total",
            "Second copies of records that were settled already, recognised and absorbed.",
            ["tier"],
            registry=registry,
        )
        self.parks = Counter(
            "notifier_parks_total",
            "Notifications moved aside without an attempt, because their destination had no room, by why.",
            ["profile", "reason"],
            registry=registry,
        )
        self.responses = Counter(
            "notifier_responses_total", "Answers by exact HTTP status.", ["code"], registry=registry
        )
        self.attempt_seconds = Histogram(
            "notifier_attempt_duration_seconds",
            "Duration of one attempt: signing, connecting, sending, waiting, reading and verifying.",
            ["profile"],
            buckets=_ATTEMPT_SECONDS,
            registry=registry,
        )
        self.attempts_per_notification = Histogram(
            "notifier_attempts_per_notification",
            "Attempts that a notification took until it ended.",
            ["outcome"],
            buckets=tuple(
                float(n) for n in range(1, 1 + max(profile.ladder.attempts for profile in profiles))
            ),
            registry=registry,
        )
        self.acknowledgement_seconds = Histogram(
            "notifier_acknowledgement_latency_seconds",
            "From the payment's final state, as the event says, to the acknowledgement.",
            ["profile"],
            buckets=latency_edges(profile.ladder for profile in profiles),
            registry=registry,
        )
        self.lateness = Histogram(
            "notifier_dispatch_lag_seconds",
            "Start of an attempt minus its due time: our lateness, whatever the partner does.",
            ["tier"],
            buckets=_LATENESS_SECONDS,
            registry=registry,
        )
        self.oldest_due = Gauge(
            "notifier_oldest_due_timestamp_seconds",
            "Due time of the first record that this worker holds and has not attempted; 0 where it holds none.",
            ["tier"],
            registry=registry,
        )
        self.overdue = Gauge(
            "notifier_overdue_notifications",
            "Records held that wait although they have been due for longer than NOTIFIER_OVERDUE_AFTER.",
            ["tier"],
            registry=registry,
        )
        self.held = Gauge(
            "notifier_held_records",
            "Records read and not yet settled, by stage.",
            ["tier"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "notifier_inflight_attempts", "HTTP calls under way.", registry=registry
        )
        self.destinations = Gauge(
            "notifier_destinations",
            "Destinations remembered: called within the last minute.",
            registry=registry,
        )
        self.silent_destinations = Gauge(
            "notifier_silent_destinations",
            "Destinations that were called and have not answered lately; they get one probe a second.",
            registry=registry,
        )
        self.in_flight_limit = Gauge(
            "notifier_inflight_limit",
            "HTTP calls at once, at most (NOTIFIER_MAX_IN_FLIGHT).",
            registry=registry,
        )
        self.dead_letters = Counter(
            "notifier_dlq_total",
            "Records written to the dead-letter topic.",
            ["reason"],
            registry=registry,
        )
        self.set_up_faults = Counter(
            "notifier_set_up_faults_total",
            "Answers F that blame our set-up (keys, client id, path): an operator must act at the first.",
            ["profile", "code"],
            registry=registry,
        )
        self.unmapped_reasons = Counter(
            "notifier_unmapped_reasons_total",
            "Failed payments whose reason has no result code and was sent as PROCESS_FAIL or held.",
            ["profile"],
            registry=registry,
        )
        self.unknown_codes = Counter(
            "notifier_unknown_result_codes_total",
            "Events whose resultCode the profile does not know; sent as they are.",
            ["profile"],
            registry=registry,
        )
        self.unsent_members = Counter(
            "notifier_unsent_members_total",
            "Members of payments that the profile does not know and that were not sent.",
            ["profile"],
            registry=registry,
        )
        self.signing_seconds = Histogram(
            "notifier_signing_duration_seconds",
            "Duration of one signature, waiting for a thread included.",
            buckets=_SIGNING_SECONDS,
            registry=registry,
        )
        self.signature_failures = Counter(
            "notifier_signature_failures_total",
            "Answers that did not count because of their signature.",
            ["profile", "reason"],
            registry=registry,
        )
        self.produce_errors = Counter(
            "notifier_produce_errors_total",
            "Failed tries to write a record; tried again.",
            ["topic"],
            registry=registry,
        )
        self.commit_errors = Counter(
            "notifier_commit_errors_total",
            "Offset commits that failed; tried again.",
            registry=registry,
        )
        self.last_processed = Gauge(
            "notifier_last_processed_timestamp_seconds",
            "When a record was last settled, by stage.",
            ["tier"],
            registry=registry,
        )
        self.reload_successful = Gauge(
            "notifier_config_last_reload_successful",
            "1 where the newest version of the partners file and its keys is in force.",
            registry=registry,
        )
        self.reload_time = Gauge(
            "notifier_config_last_reload_success_timestamp_seconds",
            "When the partners file and its keys were last read without fault.",
            registry=registry,
        )
        self.partitions = Gauge(
            "notifier_assigned_partitions",
            "Partitions held, by consumer group.",
            ["group"],
            registry=registry,
        )
        self.rebalances = Counter(
            "notifier_rebalances_total",
            "Times partitions were taken away, by consumer group.",
            ["group"],
            registry=registry,
        )
        self.clock_offset = Gauge(
            "notifier_clock_offset_seconds",
            "The broker's clock minus ours, as last seen on the attempts topic.",
            registry=registry,
        )
        self._initialise(profiles, tiers)

    def _initialise(self, profiles: tuple[Profile, ...], tiers: tuple[str, ...]) -> None:
        # Series that exist from the start: a rate over a counter that appears with its first count misses that count.
        names = [profile.name for profile in profiles]
        reasons = [reason.value for reason in DeadLetterReason]
        for metric, *labels in (
            (self.consumed, ["accepted", *REFUSALS]),
            (self.notifications, names, ["acknowledged", *reasons]),
            (self.attempts, names, ["first", "retry", "replay"], RESULTS),
            (self.parks, names, PARK_REASONS),
            (self.signature_failures, names, SIGNATURE_FAILURES),
            (self.set_up_faults, names, SET_UP_FAULTS),
            (self.unmapped_reasons, names),
            (self.unknown_codes, names),
            (self.unsent_members, names),
            (self.attempt_seconds, names),
            (self.acknowledgement_seconds, names),
            (self.dead_letters, reasons),
            (self.lateness, tiers),
            (self.oldest_due, tiers),
            (self.held, tiers),
            (self.overdue, tiers),
            (self.repeats, tiers),
        ):
            for values in product(*labels):
                metric.labels(*(str(value) for value in values))
