"""What makes each alert fire and what leaves it quiet, as series in promtool's notation, one sample a minute.

`0+5x60` begins at 0 and rises by 5 a minute, 60 times. Every case has a worker that shows its version besides.
"""

from dataclasses import dataclass, field

WORKER = {"notifier_build_info{version='1'}": "1x5000"}
DAY = 1440  # minutes


@dataclass(frozen=True)
class Case:
    """One alert.

    Attributes:
        alert: its name.
        fires: series with which it must fire.
        quiet: series with which nothing may.
        at: when it is looked, in minutes.
        also: other alerts that the same series must make fire.
        worker: what stands beside the series that make it fire.
    """

    alert: str
    fires: dict[str, str]
    quiet: dict[str, str]
    at: int = 30
    also: frozenset[str] = frozenset()
    worker: dict[str, str] = field(default_factory=lambda: WORKER)


def late(share: str, begin: str = "100", minutes: int = 60) -> dict[str, str]:
    """Return the lateness of 100 attempts a minute, so many of them in time."""
    name = "notifier_dispatch_lag_seconds"
    return {
        f"{name}_bucket{{tier='1s',le='5.0'}}": f"{begin}+{share}x{minutes}",
        f"{name}_count{{tier='1s'}}": f"{begin}+100x{minutes}",
    }


def target(met: int, partner: int = 0, us: int = 0, minutes: int = 60) -> dict[str, str]:
    """Return how many notifications a minute met the target, and through whom the others missed it."""
    name, profile = "notifier_delivery_target_total", "profile='mpp-to-ant'"
    return {
        f"{name}{{{profile},result='met'}}": f"0+{met}x{minutes}",
        f"{name}{{{profile},result='missed_by_partner'}}": f"0+{partner}x{minutes}",
        f"{name}{{{profile},result='missed_by_us'}}": f"0+{us}x{minutes}",
    }


def delay(within_minute: int) -> dict[str, str]:
    """Return the delay of 100 events a minute, so many of them accepted within a minute."""
    name = "notifier_event_delay_seconds_bucket"
    return {
        f"{name}{{le='1.0'}}": f"0+{within_minute}x60",
        f"{name}{{le='60.0'}}": f"0+{within_minute}x60",
        f"{name}{{le='300.0'}}": "0+100x60",
        f"{name}{{le='+Inf'}}": "0+100x60",
    }


def partner(acknowledged: int, refused: int) -> dict[str, str]:
    """Return the attempts a minute to one partner."""
    name = "notifier_partner_attempts_total"
    return {
        f"{name}{{partner='p',result='acknowledged'}}": f"0+{acknowledged}x60",
        f"{name}{{partner='p',result='http_status'}}": f"0+{refused}x60",
    }


def once(series: str, at: int = 25) -> tuple[dict[str, str], dict[str, str]]:
    """Return a counter that counts its first in a certain minute, and the same without it."""
    return {series: f"0x{at} 1x60"}, {series: "0x90"}


def loop(quick: int) -> dict[str, str]:
    """Return how late timers ran, so many of 60 a minute within 10 ms."""
    name = "notifier_event_loop_lag_seconds_bucket"
    return {
        f"{name}{{le='0.01'}}": f"0+{quick}x60",
        f"{name}{{le='0.25'}}": f"0+{quick}x60",
        f"{name}{{le='0.5'}}": "0+60x60",
        f"{name}{{le='+Inf'}}": "0+60x60",
    }


PENDING = "notifier_pending_notifications{tier='source'}"
SETTLED = "notifier_settled_records_total{tier='source'}"
PARTITIONS = "notifier_assigned_partitions{group='g'}"
OLDEST = "notifier_oldest_due_timestamp_seconds{tier='6h'}"
CERTIFICATE = "notifier_tls_certificate_not_after_timestamp_seconds{partner='p',use='client'}"
NEWER = "notifier_parks_total{profile='other',reason='newer-version'}"
KAFKA_CERTIFICATE = "notifier_kafka_certificate_not_after_timestamp_seconds{use='client'}"
KAFKA_EXPIRY = "notifier_kafka_token_not_after_timestamp_seconds"
CREDENTIALS = "notifier_kafka_credentials_current"
NEXT_KEY = "notifier_signing_key_from_timestamp_seconds{partner='p',state='next'}"
DEAD = "notifier_dlq_total{reason='%s'}"
REFUSED = "notifier_payments_consumed_total{result='%s'}"
REPLAYED = "notifier_attempts_total{attempt_class='replay',profile='mpp-to-ant',result='%s'}"

CASES = [
    Case("NotifierNoData", {}, {}, worker={}),
    Case(
        "NotifierPartitionsUnassigned",
        {PARTITIONS: "12x10 _x60"},
        {PARTITIONS: "12x10 0x2 12x60"},
    ),
    Case(
        "NotifierNotProcessing",
        {PENDING: "7x60", SETTLED: "0+60x10 600x60"},
        {PENDING: "0x60", SETTLED: "0+60x10 600x60"},
        also=frozenset({"NotifierBacklog"}),
    ),
    Case(
        "NotifierBacklog",
        {PENDING: "60000x60", SETTLED: "0+600x60"},
        {PENDING: "2000x60", SETTLED: "0+600x60"},
    ),
    # Ten thousand that wait for hours, the first of them due in four minutes: nothing is wrong.
    Case(
        "NotifierOverdue",
        {OLDEST: "600x60", "notifier_pending_notifications{tier='6h'}": "10000x60"},
        {OLDEST: "2040x60", "notifier_pending_notifications{tier='6h'}": "10000x60"},
    ),
    Case("NotifierEventsLate", delay(80), delay(99)),
    Case(
        "NotifierReconciliationOff",
        {"notifier_reconciliation_difference": "0x5 1x60"},
        {"notifier_reconciliation_difference": "0x60"},
    ),
    Case(
        "NotifierReconciliationStale",
        {"notifier_reconciliation_timestamp_seconds": "0x60"},
        {"notifier_reconciliation_timestamp_seconds": "0+60x60"},
    ),
    # The console is gone.
    Case(
        "NotifierReconciliationStale",
        {"notifier_reconciliation_timestamp_seconds": "0+60x5 _x60"},
        {"notifier_reconciliation_timestamp_seconds": "0+60x5 _x10 900+60x60"},
        at=40,
    ),
    Case(
        "NotifierConsoleTokensInvalid",
        {"notifier_console_tokens_valid": "1x10 0x60"},
        {"notifier_console_tokens_valid": "1x60"},
    ),
    Case(
        "NotifierSaturated",
        {"notifier_inflight_attempts": "500x60", "notifier_inflight_limit": "512x60"},
        {"notifier_inflight_attempts": "300x60", "notifier_inflight_limit": "512x60"},
    ),
    Case("NotifierEventLoopSlow", loop(50), loop(60)),
    Case(
        "NotifierSetUpFault",
        *once("notifier_partner_attempts_total{partner='p',result='set_up_fault'}"),
    ),
    Case(
        "NotifierConfigReloadFailed",
        {"notifier_config_last_reload_successful": "1x10 0x60"},
        {"notifier_config_last_reload_successful": "1x60"},
    ),
    Case(
        "NotifierCertificateExpires",
        {CERTIFICATE: "2500000x120"},
        {CERTIFICATE: "3000000x120"},
        at=90,
    ),
    Case(
        "NotifierKafkaCertificateExpires",
        {KAFKA_CERTIFICATE: "2500000x120"},
        {KAFKA_CERTIFICATE: "3000000x120"},
        at=90,
    ),
    Case(
        "NotifierKafkaCredentialsFail",
        {f"{CREDENTIALS}{{kind='tls'}}": "1x10 0x60", f"{CREDENTIALS}{{kind='token'}}": "1x60"},
        {f"{CREDENTIALS}{{kind='tls'}}": "1x60", KAFKA_EXPIRY: "0x60"},
    ),
    Case("NotifierKafkaTokenExpired", {KAFKA_EXPIRY: "900x60"}, {KAFKA_EXPIRY: "900+60x60"}),
    Case("NotifierSigningKeyChanges", {NEXT_KEY: "200000x60"}, {NEXT_KEY: "0x60"}),
    Case(
        "NotifierClockOff",
        {"notifier_clock_offset_seconds{instance='a'}": "-0.8x60"},
        {"notifier_clock_offset_seconds{instance='a'}": "0.02x60"},
    ),
    Case("NotifierPartnerFailing", partner(0, 1), partner(10, 1)),
    Case("NotifierPartnerDegraded", partner(5, 5), partner(9, 1), at=60),
    Case(
        "NotifierSignatureFailures",
        *once("notifier_signature_failures_total{profile='mpp-to-ant',reason='wrong_signature'}"),
    ),
    Case("NotifierStaleAnswers", *once("notifier_stale_answers_total{partner='p'}")),
    Case(
        "NotifierPartnerPaused",
        {"notifier_partner_paused{partner='p'}": "1x90"},
        {"notifier_partner_paused{partner='p'}": "0x90"},
        at=70,
    ),
    Case("NotifierDeadLetters", *once("notifier_dlq_total{reason='rejected'}")),
    # Of notifications that waited for a retry, beside an event now and then.
    Case(
        "NotifierDeadLetters",
        {DEAD % "unknown-partner": "0x20 2x60", REFUSED % "unknown-partner": "0x20 1x60"},
        {DEAD % "unknown-partner": "0x60", REFUSED % "unknown-partner": "0x60"},
        also=frozenset({"NotifierEventsRefused"}),
    ),
    Case("NotifierBlockedDestination", *once("notifier_dlq_total{reason='blocked-destination'}")),
    Case(
        "NotifierEventsRefused", *once("notifier_payments_consumed_total{result='unknown-partner'}")
    ),
    Case("NotifierUnmappedReasons", *once("notifier_unmapped_reasons_total{profile='mpp-to-ant'}")),
    Case(
        "NotifierReplaysFail",
        {REPLAYED % "refused": "0+1x60", REPLAYED % "acknowledged": "0x60"},
        {REPLAYED % "refused": "0+1x60", REPLAYED % "acknowledged": "0+1x60"},
    ),
    Case(
        "NotifierUnknownTier",
        {"notifier_unknown_retry_topics": "0x5 1x60"},
        {"notifier_unknown_retry_topics": "0x5 1x10 0x60"},
    ),
    Case(
        "NotifierNewerRecords",
        {NEWER: "0x5 1+1x60"},
        {NEWER: "0x5 1+1x5 6x60"},  # a rollout that took five minutes
    ),
    Case(
        "NotifierProduceErrors",
        {"notifier_produce_errors_total{topic='t'}": "0x10 1+1x60"},
        {"notifier_produce_errors_total{topic='t'}": "0x10 1x60"},
    ),
    Case(  # the client tries again by itself what the brokers refuse for a while: no try has failed
        "NotifierProduceErrors",
        {"notifier_oldest_write_timestamp_seconds": "_x5 300x60"},
        {"notifier_oldest_write_timestamp_seconds": "0x5 350+60x60"},
    ),
    Case("NotifierOffsetsLost", *once("notifier_lost_offsets_total{topic='t'}")),
    Case(  # a worker that finds it at its start shows it from its first sample on
        "NotifierTopicReset",
        {"notifier_topic_resets_total{topic='t'}": "_x10 1x60"},
        {"notifier_topic_resets_total{topic='t'}": "0x90"},
    ),
    Case(
        "NotifierTopicMissing",
        {"notifier_missing_topics{group='g'}": "0x10 1x60"},
        {"notifier_missing_topics{group='g'}": "0x10 1x1 0x60"},
    ),
    Case(
        "NotifierTransactionOpen",
        {"notifier_undecided_offsets{tier='source'}": "0x5 7x60"},
        {"notifier_undecided_offsets{tier='source'}": "0x20 7x60"},
    ),
    Case(
        "NotifierUnreadable",
        {"notifier_unreadable_partitions{tier='source'}": "0x10 1x60"},
        {"notifier_unreadable_partitions{tier='source'}": "0x60"},
    ),
    Case(
        "NotifierSchemaUnavailable",
        {"notifier_events_awaiting_schema{reason='unreachable'}": "0x10 3x60"},
        {"notifier_events_awaiting_schema{reason='unreachable'}": "0x10 3 0x60"},
    ),
    Case(
        "NotifierCommitsFail",
        {"notifier_commit_errors_total": "0x10 1+1x60"},
        {"notifier_commit_errors_total": "0x10 1x60"},
    ),
    Case(
        "NotifierRebalances",
        {"notifier_rebalances_total{group='g'}": "0+1x60"},
        {"notifier_rebalances_total{group='g'}": "0x10 3x60"},
    ),
    Case(
        "NotifierLatenessBudgetBurn",
        late("50"),
        late("100"),
        also=frozenset({"NotifierLatenessBudgetBurnSlow"}),
    ),
    # One late attempt in two hundred: three times the budget, for a day.
    Case(
        "NotifierLatenessBudgetBurnSlow",
        late("99.5", minutes=DAY),
        late("99.95", minutes=DAY),
        at=DAY,
    ),
    Case(
        "NotifierDeliveryBudgetBurn",
        target(90, us=10),
        target(100),
        also=frozenset({"NotifierDeliveryBudgetBurnSlow"}),
    ),
    Case(
        "NotifierDeliveryBudgetBurnSlow",
        {
            "notifier_delivery_target_total{profile='mpp-to-ant',result='met'}": f"0+199x{DAY}",
            "notifier_delivery_target_total{profile='mpp-to-ant',result='missed_by_us'}": f"0+1x{DAY}",
        },
        target(199, minutes=DAY),
        at=DAY,
    ),
    # The partner's fault wakes nobody, and is not counted as ours.
    Case("NotifierPartnerDeliveryBudgetBurn", target(50, partner=50), target(100)),
]

HEALTHY = {
    **late("100"),
    **target(100),
    **delay(99),
    **partner(100, 1),
    **loop(60),
    PENDING: "40x60",
    SETTLED: "0+6000x60",
    OLDEST: "5000x60",
    PARTITIONS: "12x60",
    "notifier_pending_notifications{tier='2m'}": "10000x60",
    "notifier_held_records{tier='2m'}": "768x60",
    "notifier_overdue_notifications{tier='2m'}": "0x60",
    "notifier_reconciliation_difference": "0x60",
    "notifier_unreadable_partitions{tier='source'}": "0x60",
    "notifier_inflight_attempts": "30x60",
    "notifier_inflight_limit": "512x60",
    "notifier_config_last_reload_successful": "1x60",
}
"""An hour of a busy worker with a retry topic of 10,000 records that are not yet due."""
