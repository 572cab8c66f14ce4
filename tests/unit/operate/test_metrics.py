"""The metrics: names, series that exist from the start, edges, and that nothing makes them grow."""

from itertools import pairwise

import pytest

from streams.arrival import REPLAY, SOURCE
from streams.call.https import Call
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Refused
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, Failure, NoResult, RequestLeft, Status
from streams.notification.profile import SET_UP_FAULTS
from streams.notification.profiles import PROFILES, TIERS
from streams.operate.counting import Counting, result_of
from streams.operate.health import Health
from streams.operate.metrics import Metrics, latency_edges

STAGES = (SOURCE, REPLAY, *(wait.label for wait in TIERS))
NAMES = [
    ("notifier_payments_consumed", "counter", ("result",)),
    ("notifier_notifications", "counter", ("outcome", "profile")),
    ("notifier_attempts", "counter", ("attempt_class", "profile", "result")),
    ("notifier_responses", "counter", ("code",)),
    ("notifier_attempt_duration_seconds", "histogram", ("profile",)),
    ("notifier_attempts_per_notification", "histogram", ("outcome",)),
    ("notifier_acknowledgement_latency_seconds", "histogram", ("profile",)),
    ("notifier_dispatch_lag_seconds", "histogram", ("tier",)),
    ("notifier_oldest_due_timestamp_seconds", "gauge", ("tier",)),
    ("notifier_overdue_notifications", "gauge", ("tier",)),
    ("notifier_inflight_attempts", "gauge", ()),
    ("notifier_inflight_limit", "gauge", ()),
    ("notifier_dlq", "counter", ("reason",)),
    ("notifier_signing_duration_seconds", "histogram", ()),
    ("notifier_signature_failures", "counter", ("profile", "reason")),
    ("notifier_config_last_reload_successful", "gauge", ()),
    ("notifier_config_last_reload_success_timestamp_seconds", "gauge", ()),
    ("notifier_produce_errors", "counter", ("topic",)),
    ("notifier_commit_errors", "counter", ()),
    ("notifier_last_processed_timestamp_seconds", "gauge", ("tier",)),
    ("notifier_build", "info", ()),
]
"""Of the operators' list those that there are; counters without `_total`, as the library names their families."""


@pytest.fixture
def metrics():
    return Metrics(PROFILES.values(), STAGES, "1.2.3")


@pytest.fixture
def counting(metrics):
    return Counting(metrics, Health())


def series(metrics):
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def notification(number=0, profile="mpp-to-ant", **changes):
    members = {
        "notification_id": f"evt-{number}",
        "order_id": f"order-{number}",
        "profile": PROFILES[profile],
        "partner_id": f"partner-{number}",
        "notify_url": f"https://shop-{number}.example.com/{number}",
        "body": b"{}",
        "due_at_ms": 1000,
        "occurred_at_ms": 500,
        "accepted_at_ms": 900,
        "origin": f"topic/0/{number}",
    }
    return Notification(**(members | changes))  # type: ignore[arg-type]  # a table of members


def call(outcome, number=0, status=200):
    return Call(
        outcome=outcome,
        http_status=status,
        request_left=RequestLeft.YES,
        started_at_ms=1250,
        ended_at_ms=1750,
        retry_after_seconds=None,
        url_origin=f"https://shop-{number}.example.com",
        signing_seconds=0.0004,
        slow_down=False,
    )


@pytest.mark.parametrize(("name", "kind", "labels"), NAMES)
def test_the_operators_names(metrics, counting, name, kind, labels):
    """Alerts, dashboards and the chart hold on to them."""
    counting.attempt(notification(), call(Answered(Status.SUCCESS, "")), "1s", "event")
    counting.attempt(notification(), call(NoResult(Failure.WRONG_SIGNATURE)), "1s", "event")
    counting.ended(notification(), "acknowledged", 2000)
    counting.settled("1s", 1.0)
    metrics.produce_errors.labels("topic").inc()
    metrics.consumed.labels("accepted").inc()
    (family,) = [found for found in metrics.registry.collect() if found.name == name]
    assert family.type == kind
    keys = {key for sample in family.samples for key in sample.labels} - {"le", "version"}
    assert keys == set(labels)
    assert family.documentation.endswith(".")


FAILURES = [failure.value for failure in Failure]
FIXED = [
    ("notifier_payments_consumed_total", {"result": ["accepted", "invalid-event", "unknown-partner", "unmapped-reason", "conflicting-result"]}),
    ("notifier_notifications_total", {"profile": list(PROFILES), "outcome": ["acknowledged", *DeadLetterReason]}),
    (
        "notifier_attempts_total",
        {
            "profile": list(PROFILES),
            "attempt_class": ["first", "retry", "replay"],
            "result": ["acknowledged", "refused", "unknown", *FAILURES],
        },
    ),
    ("notifier_parks_total", {"profile": list(PROFILES), "reason": ["paused", "closed", "silent", "rate-limit", "in-flight", "share"]}),
    ("notifier_set_up_faults_total", {"profile": list(PROFILES), "code": sorted(SET_UP_FAULTS)}),
    ("notifier_signature_failures_total", {"profile": list(PROFILES), "reason": ["unsigned_answer", "wrong_signature"]}),
    ("notifier_unmapped_reasons_total", {"profile": list(PROFILES)}),
    ("notifier_unknown_result_codes_total", {"profile": list(PROFILES)}),
    ("notifier_unsent_members_total", {"profile": list(PROFILES)}),
    ("notifier_dlq_total", {"reason": list(DeadLetterReason)}),
    ("notifier_repeats_total", {"tier": list(STAGES)}),
    ("notifier_attempt_duration_seconds_count", {"profile": list(PROFILES)}),
    ("notifier_acknowledgement_latency_seconds_count", {"profile": list(PROFILES)}),
    ("notifier_dispatch_lag_seconds_count", {"tier": list(STAGES)}),
    ("notifier_held_records", {"tier": list(STAGES)}),
    ("notifier_overdue_notifications", {"tier": list(STAGES)}),
    ("notifier_oldest_due_timestamp_seconds", {"tier": list(STAGES)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "labels"), FIXED, ids=[name for name, _ in FIXED])
def test_series_whose_labels_are_known_exist_from_the_start(metrics, name, labels):
    """A rate over a counter that appears with its first count misses that count, and so does an alert on it."""
    combinations: list[dict[str, str]] = [{}]
    for label, those in labels.items():
        combinations = [known | {label: str(value)} for known in combinations for value in those]
    missing = [
        known for known in combinations if metrics.registry.get_sample_value(name, known) != 0
    ]
    assert missing == []


def test_ten_thousand_payments_add_no_series(metrics, counting):
    """Nothing of a payment, a partner or a URL is a label."""

    def count(number):
        for outcome in (Answered(Status.SUCCESS, f"CODE{number}"), NoResult(Failure.READ_TIMEOUT)):
            counting.attempt(notification(number), call(outcome, number), "1s", "event")
        counting.attempt(
            notification(number), call(Answered(Status.FAILED, "KEY_NOT_FOUND")), "1s", "ladder"
        )
        counting.parked(notification(number), "silent")
        counting.ended(notification(number), "acknowledged", 5000 + number)
        counting.refused(
            Refused(
                DeadLetterReason.UNMAPPED_REASON,
                "why",
                f"evt-{number}",
                "mpp-to-ant",
                f"partner-{number}",
            )
        )
        counting.dead_letter(DeadLetterReason.INVALID_EVENT)
        counting.absorbed("source")
        counting.settled("source", float(number))
        counting.clock_offset(number / 1e6)

    count(0)
    before = series(metrics)
    for number in range(1, 10_001):
        count(number)
    assert series(metrics) == before
    assert (
        metrics.registry.get_sample_value(
            "notifier_notifications_total", {"profile": "mpp-to-ant", "outcome": "acknowledged"}
        )
        == 10_001
    )


def test_what_an_attempt_counts(metrics, counting):
    """By class and result, at its end, with how late it started."""
    sample = metrics.registry.get_sample_value
    counting.attempt(notification(), call(Answered(Status.SUCCESS, "")), "source", "event")
    counting.attempt(notification(), call(Answered(Status.UNKNOWN, "")), "1s", "ladder")
    counting.attempt(notification(), call(Answered(Status.FAILED, "X")), "1s", "park")
    counting.attempt(
        notification(), call(NoResult(Failure.READ_TIMEOUT), status=None), "replay", "replay"
    )
    for kind, result in (
        ("first", "acknowledged"),
        ("retry", "unknown"),
        ("retry", "refused"),
        ("replay", "read_timeout"),
    ):
        labels = {"profile": "mpp-to-ant", "attempt_class": kind, "result": result}
        assert sample("notifier_attempts_total", labels) == 1
    assert sample("notifier_responses_total", {"code": "200"}) == 3
    assert sample("notifier_attempt_duration_seconds_sum", {"profile": "mpp-to-ant"}) == 2.0
    assert sample("notifier_dispatch_lag_seconds_sum", {"tier": "1s"}) == 0.5
    assert sample("notifier_signing_duration_seconds_count") == 4


def test_what_an_end_counts(metrics, counting):
    """Attempts that it took, and the time since the payment was final; a clock that is behind does no harm."""
    sample = metrics.registry.get_sample_value
    counting.ended(notification(attempt=3), "acknowledged", 2500)
    counting.ended(notification(attempt=1, occurred_at_ms=9000), "acknowledged", 2500)
    counting.ended(notification(attempt=15), "attempts-exhausted", 2500)
    seconds = "notifier_acknowledgement_latency_seconds"
    assert sample(f"{seconds}_sum", {"profile": "mpp-to-ant"}) == 2.0
    assert sample(f"{seconds}_count", {"profile": "mpp-to-ant"}) == 2
    took = "notifier_attempts_per_notification"
    assert sample(f"{took}_sum", {"outcome": "acknowledged"}) == 4
    assert sample(f"{took}_bucket", {"outcome": "attempts-exhausted", "le": "15.0"}) == 1
    assert sample(f"{took}_bucket", {"outcome": "attempts-exhausted", "le": "14.0"}) == 0


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (Answered(Status.SUCCESS, ""), "acknowledged"),
        (Answered(Status.FAILED, "X"), "refused"),
        (Answered(Status.UNKNOWN, ""), "unknown"),
        (Blocked("private"), "blocked"),
        *((NoResult(failure), failure.value) for failure in Failure),
    ],
)
def test_results_as_labels(outcome, label):
    """One word each."""
    assert result_of(call(outcome)) == label


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_each_attempt_of_a_ladder_has_an_edge_of_its_own(profile):
    """Just after its moment, so that a quantile tells with which attempt the partner acknowledged."""
    edges = latency_edges([profile.ladder])
    moments = [0]
    for wait in profile.ladder.waits:
        moments.append(moments[-1] + wait.seconds)
    for moment, after in pairwise(moments):
        assert [edge for edge in edges if moment < edge < after], (moment, after)
    assert edges[-1] > moments[-1]


def test_edges_rise_and_are_few():
    """Every edge is a series for every profile."""
    edges = latency_edges(profile.ladder for profile in PROFILES.values())
    assert list(edges) == sorted(set(edges))
    assert len(edges) <= 30


def test_the_version_is_shown(metrics):
    """Which build runs where."""
    assert metrics.registry.get_sample_value("notifier_build_info", {"version": "1.2.3"}) == 1


def test_the_clocks_difference_is_shown_and_felt(counting, metrics):
    """By the metric and by readiness."""
    counting.clock_offset(-2.5)
    assert metrics.registry.get_sample_value("notifier_clock_offset_seconds") == -2.5
    assert counting.health.not_ready(0.0)
