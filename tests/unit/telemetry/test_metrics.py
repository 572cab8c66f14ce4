"""The metrics: names, series that exist from the start, edges, and that nothing makes them grow."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Refused
from streams.notification.notification import Notification
from streams.notification.outcome import Answered, Blocked, Failure, NoResult, RequestLeft, Status
from streams.notification.profile import SET_UP_FAULTS
from streams.notification.profiles import PROFILES
from streams.telemetry.counting import Counting, result_of
from streams.telemetry.families import MOST_DECLARED, Label
from streams.telemetry.health import Health
from streams.telemetry.metrics import PARTNER, TIER, Metrics, latency_edges
from streams.webhook.https import AttemptResult
from streams.worker.topology import STAGES

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
    ("notifier_build_info", "gauge", ()),
]
"""Of the operators' list those that there are; counters without `_total`, as the library names their families."""


SERIES_BOUND = 10_000
"""Of one worker, with as many partners as have series of their own. docs/observability.md names it."""


@pytest.fixture
def metrics():
    return Metrics("1.2.3")


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
    return AttemptResult(
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
    ("notifier_parks_total", {"profile": list(PROFILES), "reason": ["paused", "closed", "silent", "slow", "rate-limit", "in-flight", "share"]}),
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


def test_ten_thousand_payments_to_a_thousand_destinations_stay_within_the_bound(metrics, counting):
    """Nothing of a payment, an answer or a URL is a label, and of a thousand partners 100 have series of their own."""
    metrics.declare(PARTNER, (f"partner-{number}" for number in range(1000)))

    def count(number):
        about = notification(number, partner_id=f"partner-{number % 1000}")
        for outcome in (Answered(Status.SUCCESS, f"CODE{number}"), NoResult(Failure.READ_TIMEOUT)):
            counting.attempt(about, call(outcome, number), "1s", "event", 5000)
        counting.attempt(about, call(Answered(Status.FAILED, "KEY_NOT_FOUND")), "1s", "ladder")
        counting.parked(about, "silent", 5000)
        counting.ended(about, "acknowledged", 5000 + number)
        counting.refused(
            Refused(
                DeadLetterReason.UNMAPPED_REASON,
                "why",
                f"evt-{number}",
                "mpp-to-ant",
                about.partner_id,
            )
        )
        counting.dead_letter(DeadLetterReason.INVALID_EVENT.value)
        counting.absorbed("source")
        counting.settled("source", float(number))
        counting.clock_offset(number / 1e6)

    for number in range(1000):
        count(number)
    before = series(metrics)
    for number in range(1000, 10_000):
        count(number)
    assert series(metrics) == before
    assert len({dict(labels)["partner"] for _, labels in before if "partner" in dict(labels)}) == (
        MOST_DECLARED + 1
    )
    assert len(before) < SERIES_BOUND
    told = {"profile": "mpp-to-ant", "outcome": "acknowledged"}
    assert metrics.registry.get_sample_value("notifier_notifications_total", told) == 10_000


def test_what_a_label_does_not_know_is_other(metrics):
    """A value that was never declared makes one series, however many there are."""
    for number in range(10):
        metrics.partner_parks.labels(f"nobody-{number}").inc()
        metrics.responses.labels(str(1000 + number)).inc()
    sample = metrics.registry.get_sample_value
    assert sample("notifier_partner_parks_total", {"partner": "other"}) == 10
    assert sample("notifier_responses_total", {"code": "other"}) == 10


def test_a_declared_partner_has_its_series_at_once(metrics):
    """An alert on the first set-up fault must not miss it for want of a 0 before."""
    metrics.declare(PARTNER, ["shop"])
    labels = {"partner": "shop", "result": "set_up_fault"}
    assert metrics.registry.get_sample_value("notifier_partner_attempts_total", labels) == 0


def test_a_series_is_looked_up_in_the_library_once(metrics):
    """The hot path costs a look into a dictionary."""
    assert metrics.consumed.labels("accepted") is metrics.consumed.labels("accepted")
    assert metrics.partner_parks.labels("x") is metrics.partner_parks.labels("y")


def test_the_tables_tiers_are_the_stages():
    """Metrics have the names of the stages that there are."""
    assert TIER.values == STAGES


LABELS: list[Label] = [label for spec in Metrics.table().values() for label in spec.names]


@pytest.mark.parametrize("label", LABELS, ids=[label.name for label in LABELS])
def test_a_label_is_named_as_prometheus_asks(label: Label):
    """Short words, explained, with values that are listed or come with the configuration."""
    assert re.fullmatch("[a-z_]+", label.name)
    assert label.meaning
    assert len(label.values) == len(set(label.values))


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


def test_what_was_unreadable_is_logged_once_a_minute(counting, caplog):
    """For each partner: where every answer is unreadable, a line for each would bury all others."""
    cut = call(NoResult(Failure.UNREADABLE_ANSWER, detail="body: empty"))
    for later_ms in (0, 59_000, 60_000):
        counting.attempt(
            notification(), replace(cut, ended_at_ms=1750 + later_ms), "source", "event"
        )
    other = replace(notification(), partner_id="other")
    counting.attempt(other, cut, "source", "event")
    counting.attempt(other, call(NoResult(Failure.HTTP_STATUS)), "source", "event")
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    partner = notification().partner_id
    line = f"partner {partner}: unreadable_answer: body: empty"
    assert said == [line, line, "partner other: unreadable_answer: body: empty"]


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


MINUTES = 60_000


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # (due, ended, outcome, next due), in minutes after the final payment; the target is 5
        ([(0, 1, "S", None)], "met"),
        ([(0, 1, "U", 2), (2, 4.9, "S", None)], "met"),
        ([(0, 1, "U", 2), (2, 5.1, "S", None)], "missed_by_partner"),
        ([(0, 1, "U", 11), (11, 12, "S", None)], "missed_by_partner"),
        ([(0, 1, "U", 11), (11, 12, "U", 20), (20, 21, "S", None)], "missed_by_partner"),
        ([(0, 1, "F", None)], "missed_by_partner"),
        ([(0, 1, "KEY", 11), (11, 12, "S", None)], "missed_by_us"),
        ([(6, 7, "S", None)], "missed_by_us"),
        ([(6, 7, "U", 8), (8, 9, "S", None)], "missed_by_us"),
        ([(0, None, "silent", 11), (11, 12, "S", None)], "missed_by_partner"),
        ([(0, None, "share", 11), (11, 12, "S", None)], "missed_by_us"),
        ([(0, None, "share", 2), (2, 3, "S", None)], "met"),
    ],
)
def test_the_target_is_counted_once(metrics, counting, steps, expected):
    """As soon as it is decided whether a notification is acknowledged in time, and through whom it was not."""
    answers = {
        "S": Answered(Status.SUCCESS, ""),
        "U": Answered(Status.UNKNOWN, ""),
        "F": Answered(Status.FAILED, "X"),
        "KEY": Answered(Status.FAILED, "KEY_NOT_FOUND"),
    }
    about = notification(occurred_at_ms=0)
    for due, ended, what, again in steps:
        about = replace(about, due_at_ms=int(due * MINUTES))
        next_due = None if again is None else again * MINUTES
        if what in answers:
            made = replace(
                call(answers[what]),
                started_at_ms=int(due * MINUTES),
                ended_at_ms=int(ended * MINUTES),
            )
            counting.attempt(about, made, "1s", "ladder", next_due)
            about = replace(about, attempt=about.attempt + 1)
        else:
            counting.parked(about, what, next_due)
            about = replace(about, parks=about.parks + 1)
    counts = {
        result: metrics.registry.get_sample_value(
            "notifier_delivery_target_total", {"profile": "mpp-to-ant", "result": result}
        )
        for result in ("met", "missed_by_partner", "missed_by_us")
    }
    assert counts == dict.fromkeys(counts, 0) | {expected: 1}


def test_a_replay_is_not_in_the_target(metrics, counting):
    """It was counted when it ended the first time."""
    counting.attempt(
        notification(replays=1), call(Answered(Status.SUCCESS, "")), "replay", "replay"
    )
    name = "notifier_delivery_target_total"
    assert all(
        sample.value == 0
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    )
