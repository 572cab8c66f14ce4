"""The Grafana dashboards of the chart, as tables of panels; `docs/generate.py` writes them as JSON.

A panel is one line: its title, what it shows, its unit and its queries. `$in` in a query stands for the selector of the
namespace and job that are chosen on the page.
"""

from typing import Final

from docs.grafana import Panel, choice, dashboard


def _ratio(part: str, whole: str) -> str:
    return f"{part} / {whole}"


def _rate(metric: str, labels: str = "", by: str = "") -> str:
    chosen = f"{{$in{',' + labels if labels else ''}}}"
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}{chosen}[$__rate_interval]))"


def _quantile(q: float, metric: str, by: str = "", labels: str = "") -> str:
    keys = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {_rate(f'{metric}_bucket', labels, keys)})"


def _now(metric: str, by: str = "", labels: str = "", how: str = "sum") -> str:
    chosen = f"{{$in{',' + labels if labels else ''}}}"
    return f"{how}{f' by ({by}) ' if by else ''}({metric}{chosen})"


_LATE = _ratio(
    _rate("notifier_dispatch_lag_seconds_bucket", 'le="5.0"'),
    _rate("notifier_dispatch_lag_seconds_count"),
)
_PARTNER = 'partner=~"$partner"'

OVERVIEW = [
    Panel(
        "In time, 30 days",
        {
            "": 'sum(increase(notifier_dispatch_lag_seconds_bucket{$in,le="5.0"}[30d]))'
            " / sum(increase(notifier_dispatch_lag_seconds_count{$in}[30d]))"
        },
        "stat",
        "percentunit",
        6,
        "Attempts that started within 5 s of their due time; promised are 99.9 %.",
    ),
    Panel(
        "Missed by us, 30 days",
        {
            "": 'sum(increase(notifier_delivery_target_total{$in,result="missed_by_us"}[30d]))'
            " / sum(increase(notifier_delivery_target_total{$in}[30d]))"
        },
        "stat",
        "percentunit",
        6,
        "Notifications not acknowledged within 5 minutes through our own fault; promised is at most 0.1 %.",
        bad=0.001,
    ),
    Panel(
        "Overdue now",
        {"": _now("notifier_overdue_notifications")},
        "stat",
        width=4,
        meaning="Due, and not started. Not the records that wait for their time.",
        bad=1,
    ),
    Panel(
        "Dead letters, 24 h",
        {"": "sum(increase(notifier_dlq_total{$in}[24h]))"},
        "stat",
        width=4,
        bad=1,
    ),
    Panel(
        "Workers",
        {"": _now("notifier_build_info", how="count")},
        "stat",
        width=4,
    ),
    Panel(
        "Events in, notifications out",
        {
            "accepted": _rate("notifier_payments_consumed_total", 'result="accepted"'),
            "refused": _rate("notifier_payments_consumed_total", 'result!="accepted"'),
            "acknowledged": _rate("notifier_notifications_total", 'outcome="acknowledged"'),
            "dead letter": _rate("notifier_notifications_total", 'outcome!="acknowledged"'),
        },
        unit="ops",
    ),
    Panel(
        "Attempts by result",
        {"{{result}}": _rate("notifier_attempts_total", by="result")},
        unit="ops",
    ),
    Panel(
        "Dead letters by reason",
        {"{{reason}}": "sum by (reason) (increase(notifier_dlq_total{$in}[1h]))"},
        meaning="In the last hour.",
    ),
    Panel(
        "Lateness",
        {
            f"p{q * 100:g}": _quantile(q, "notifier_dispatch_lag_seconds")
            for q in (0.5, 0.99, 0.999)
        },
        unit="s",
        meaning="Start of an attempt minus its due time: ours, whatever the partners do.",
    ),
    Panel(
        "Started within 5 s",
        {"in time": _LATE},
        unit="percentunit",
    ),
    Panel(
        "From final payment to acknowledgement",
        {
            f"p{q * 100:g}": _quantile(q, "notifier_acknowledgement_latency_seconds")
            for q in (0.5, 0.9, 0.99)
        },
        unit="s",
        meaning="Of those that were acknowledged; who is not, is not in it.",
    ),
    Panel(
        "Acknowledged within 5 minutes",
        {"{{result}}": _rate("notifier_delivery_target_total", by="result")},
        unit="ops",
    ),
    Panel(
        "Attempts that it took",
        {
            f"p{q * 100:g}": _quantile(
                q, "notifier_attempts_per_notification", labels='outcome="acknowledged"'
            )
            for q in (0.5, 0.9, 0.99)
        },
    ),
    Panel(
        "What the events lack",
        {
            "unmapped reasons": "sum(increase(notifier_unmapped_reasons_total{$in}[1h]))",
            "unknown codes": "sum(increase(notifier_unknown_result_codes_total{$in}[1h]))",
            "unsent members": "sum(increase(notifier_unsent_members_total{$in}[1h]))",
        },
        meaning="In the last hour.",
    ),
    Panel(
        "Calls under way",
        {
            "under way": _now("notifier_inflight_attempts"),
            "limit": _now("notifier_inflight_limit"),
        },
    ),
    Panel(
        "CPU of the workers",
        {"{{instance}}": _rate("process_cpu_seconds_total", by="instance")},
        unit="percentunit",
    ),
    Panel(
        "Memory of the workers",
        {"{{instance}}": _now("process_resident_memory_bytes", "instance")},
        unit="bytes",
    ),
]

PARTNERS = [
    Panel(
        "Partners, last hour",
        {
            "acknowledged": "sum by (partner) (increase("
            f'notifier_partner_attempts_total{{$in,{_PARTNER},result="acknowledged"}}[1h]))'
            f" / sum by (partner) (increase(notifier_partner_attempts_total{{$in,{_PARTNER}}}[1h]))",
            "attempts": f"sum by (partner) (increase(notifier_partner_attempts_total{{$in,{_PARTNER}}}[1h]))",
            "undelivered": "sum by (partner) (increase(notifier_partner_notifications_total"
            f'{{$in,{_PARTNER},outcome!="acknowledged"}}[1h]))',
            "seconds since the last acknowledgement": "time() - max by (partner)"
            f" (notifier_partner_last_acknowledged_timestamp_seconds{{$in,{_PARTNER}}} > 0)",
        },
        "table",
        width=24,
        meaning="Which partner is failing, and since when.",
    ),
    Panel(
        "Acknowledged share",
        {
            "{{partner}}": _ratio(
                _rate(
                    "notifier_partner_attempts_total",
                    f'{_PARTNER},result="acknowledged"',
                    "partner",
                ),
                _rate("notifier_partner_attempts_total", _PARTNER, "partner"),
            )
        },
        unit="percentunit",
        width=12,
    ),
    Panel(
        "Attempts that were not acknowledged, by result",
        {
            "{{partner}} {{result}}": _rate(
                "notifier_partner_attempts_total",
                f'{_PARTNER},result!="acknowledged"',
                "partner, result",
            )
        },
        unit="ops",
        width=12,
    ),
    Panel(
        "Duration of an attempt, p95",
        {
            "{{partner}}": _quantile(
                0.95, "notifier_partner_attempt_duration_seconds", "partner", _PARTNER
            )
        },
        unit="s",
    ),
    Panel(
        "Parked",
        {"{{partner}}": _rate("notifier_partner_parks_total", _PARTNER, "partner")},
        unit="ops",
        meaning="Moved aside without an attempt: the destination has no room, asks for time, or is paused.",
    ),
    Panel(
        "Ended undelivered",
        {
            "{{partner}} {{outcome}}": "sum by (partner, outcome) (increase(notifier_partner_notifications_total"
            f'{{$in,{_PARTNER},outcome!="acknowledged"}}[1h]))'
        },
        meaning="In the last hour.",
    ),
    Panel(
        "Set-up faults by code",
        {
            "{{profile}} {{code}}": "sum by (profile, code) (increase(notifier_set_up_faults_total{$in}[1h]))"
        },
        meaning="Our keys, client id or path are refused: act at the first.",
    ),
    Panel(
        "Answers that did not count for their signature",
        {
            "{{profile}} {{reason}}": "sum by (profile, reason) (increase(notifier_signature_failures_total{$in}[1h]))"
        },
    ),
    Panel(
        "Answers with an old Response-Time",
        {"{{partner}}": "sum by (partner) (increase(notifier_stale_answers_total{$in}[1h]))"},
    ),
    Panel(
        "Answers by HTTP status",
        {"{{code}}": _rate("notifier_responses_total", by="code")},
        unit="ops",
    ),
    Panel(
        "Destinations",
        {
            "remembered": _now("notifier_destinations"),
            "silent": _now("notifier_silent_destinations"),
        },
        meaning="Silent ones were called and have not answered lately; they get one probe a second.",
    ),
    Panel(
        "Paused",
        {"{{partner}}": _now("notifier_partner_paused", "partner", _PARTNER, "max")},
    ),
    Panel(
        "Next key signs in",
        {
            "{{partner}}": "max by (partner) (notifier_signing_key_from_timestamp_seconds"
            f'{{$in,{_PARTNER},state="next"}} > 0) - time()'
        },
        unit="s",
    ),
]

TIERS = [
    Panel(
        "Waiting, by tier",
        {"{{tier}}": _now("notifier_pending_notifications", "tier")},
        width=12,
        meaning="Not yet due included: much here is no fault.",
    ),
    Panel(
        "Overdue, by tier",
        {"{{tier}}": _now("notifier_overdue_notifications", "tier")},
        width=12,
        meaning="Due and not started: should be 0.",
    ),
    Panel(
        "Next due in",
        {
            "{{tier}}": "min by (tier) (notifier_oldest_due_timestamp_seconds{$in} > 0) - time()",
        },
        unit="s",
        width=12,
        meaning="Below 0: late by so much.",
    ),
    Panel(
        "Lateness, p99, by tier",
        {"{{tier}}": _quantile(0.99, "notifier_dispatch_lag_seconds", "tier")},
        unit="s",
        width=12,
    ),
    Panel(
        "Settled, by tier",
        {"{{tier}}": _rate("notifier_settled_records_total", by="tier")},
        unit="ops",
        width=12,
    ),
    Panel(
        "Read and not settled, by tier",
        {"{{tier}}": _now("notifier_held_records", "tier")},
        width=12,
    ),
    Panel(
        "Parked, by reason",
        {"{{reason}}": _rate("notifier_parks_total", by="reason")},
        unit="ops",
    ),
    Panel(
        "Second copies absorbed",
        {"{{tier}}": _rate("notifier_repeats_total", by="tier")},
        unit="ops",
    ),
    Panel(
        "Last settled, ago",
        {
            "{{tier}}": "time() - max by (tier) (notifier_last_processed_timestamp_seconds{$in})",
        },
        unit="s",
    ),
]

KAFKA = [
    Panel(
        "Partitions held, by group",
        {"{{group}} {{instance}}": _now("notifier_assigned_partitions", "group, instance")},
    ),
    Panel(
        "Rebalances, by group",
        {"{{group}}": "sum by (group) (increase(notifier_rebalances_total{$in}[10m]))"},
        meaning="In 10 minutes.",
    ),
    Panel(
        "Events that wait",
        {"{{tier}}": _now("notifier_pending_notifications", "tier", 'tier=~"source|replay"')},
        meaning="On the source topics and the replay topic.",
    ),
    Panel(
        "Failed writes, by topic",
        {"{{topic}}": "sum by (topic) (increase(notifier_produce_errors_total{$in}[10m]))"},
        meaning="In 10 minutes; tried again.",
    ),
    Panel(
        "Failed commits",
        {"commits": "sum(increase(notifier_commit_errors_total{$in}[10m]))"},
        meaning="In 10 minutes; tried again.",
    ),
    Panel(
        "Clock: broker minus worker",
        {"{{instance}}": _now("notifier_clock_offset_seconds", "instance", how="max")},
        unit="s",
        meaning="Beyond 1 s a worker is not ready.",
    ),
    Panel(
        "Event delay",
        {f"p{q * 100:g}": _quantile(q, "notifier_event_delay_seconds") for q in (0.5, 0.9, 0.99)},
        unit="s",
        meaning="From the final payment to its acceptance: payment core's delay and the backlog.",
    ),
    Panel(
        "Event loop, p99",
        {"{{instance}}": _quantile(0.99, "notifier_event_loop_lag_seconds", "instance")},
        unit="s",
    ),
    Panel(
        "Signing, p99",
        {"{{instance}}": _quantile(0.99, "notifier_signing_duration_seconds", "instance")},
        unit="s",
    ),
]

DASHBOARDS: Final = {
    "overview": dashboard("overview", "overview", OVERVIEW),
    "partners": dashboard(
        "partners",
        "partners",
        PARTNERS,
        choice("partner", "label_values(notifier_partner_attempts_total, partner)"),
    ),
    "tiers": dashboard("tiers", "tiers", TIERS),
    "kafka": dashboard("kafka", "Kafka and workers", KAFKA),
}
"""The text of each dashboard's file."""
