"""Every metric of the worker: one table, from which the code, the documentation's page and the tests come.

A further one is one more line here. Labels take values from configured or fixed sets only (an unknown one becomes
`other`), times are timestamps, not ages, and a counter of attempts counts at the attempt's end.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import Counter, Gauge, GCCollector, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from schemas.event import Event
from schemas.tidying import Table
from streams.kafka.format.event_headers import HEADER_FAULTS
from streams.mapping.registry import REGISTRY_FAULTS
from streams.notification.decision import DeadLetterReason
from streams.notification.ladder import Ladder
from streams.notification.outcome import Failure
from streams.notification.profile import SET_UP_FAULTS as CODES_OF_SET_UP_FAULTS
from streams.notification.profiles import PROFILES, TIERS
from streams.telemetry.families import Catalogue, Label, Many, Single

disable_created_metrics()  # type: ignore[no-untyped-call]  # else every series stands twice

DELIVERY_TARGET_SECONDS = 300.0
"""Within what a notification should be acknowledged, from the payment's final state: the promise of docs/observability.md."""

_REASONS = tuple(reason.value for reason in DeadLetterReason)
_FAILURES = tuple(failure.value for failure in Failure)
_REFUSALS = ("invalid-event", "unknown-partner", "unmapped-reason", "conflicting-result")
_ANSWERS = "the partner answered S, F, U"


def member_names() -> tuple[str, ...]:
    """Return the names of every member that an event may have, at any depth."""

    def names(table: Table) -> Iterator[str]:
        for name, inner in table.items():
            yield name
            yield from names(inner or Table())

    tables = (Event.table, *(profile.body.table for profile in PROFILES.values()))
    return tuple(sorted({name for table in tables for name in names(table)}))


PROFILE = Label("profile", tuple(PROFILES), "the protocol between sender and receiver")
PARTNER = Label("partner", (), "an entry of the partners file; beyond the first 100, `other`")
TIER = Label(
    "tier",
    ("source", "replay", *(wait.label for wait in TIERS)),
    "the source topics, the replay topic, or a wait",
)
GROUP = Label("group", (), "the consumer group: `NOTIFIER_GROUP_ID`, and the same with `-retry`")
TOPIC = Label("topic", (), "the topic's name")
VERSION = Label("version", (), "of the program")
CONSUMED = Label("result", ("accepted", *_REFUSALS), "`accepted`, or the dead letter's reason")
OUTCOME = Label("outcome", ("acknowledged", *_REASONS), "`acknowledged`, or a dead letter's reason")
REASON = Label("reason", _REASONS, "a dead letter's reason")
CLASS = Label("attempt_class", ("first", "retry", "replay"), "what made the attempt due")
RESULT = Label(
    "result",
    ("acknowledged", "refused", "unknown", *_FAILURES),
    f"{_ANSWERS}, or why nothing that counts came back",
)
PARTNER_RESULT = Label(
    "result",
    ("acknowledged", "refused", "set_up_fault", "unknown", *_FAILURES),
    f"{_ANSWERS}, with the F apart that blame our set-up, or why nothing that counts came back",
)
TARGET = Label(
    "result",
    ("met", "missed_by_partner", "missed_by_us"),
    "by us: a set-up fault, a worker that came to it too late, or one whose calls were in use by others (`share`)",
)
PARK = Label(
    "reason",
    ("paused", "closed", "silent", "slow", "rate-limit", "in-flight", "share", "newer-version"),
    "`paused` by the partner's entry, `closed` by Retry-After, `silent`: the destination has not answered lately, and this"
    " second's probe is taken, `slow`: destinations that take longer than a second share a part of the worker's calls, and"
    " this partner's part of it is in use, `rate-limit`: `rate_limit_per_second` is used up, `in-flight`: the destination's"
    " calls at once are in use, `share`: the calls that the worker has for unanswered or slow destinations are in use by"
    " others, `newer-version`: written by a version that knows more than this one",
)
SIGNATURE = Label(
    "reason", (Failure.UNSIGNED_ANSWER.value, Failure.WRONG_SIGNATURE.value), "what was wrong"
)
SET_UP_CODE = Label("code", tuple(sorted(CODES_OF_SET_UP_FAULTS)), "`resultCode` of the answer")
MEMBER = Label("member", member_names(), "the known member that was meant", seldom=True)
STATUS = Label("code", tuple(map(str, range(100, 600))), "the HTTP status", seldom=True)
HEADER_FAULT = Label(
    "fault",
    HEADER_FAULTS,
    "no value, no UTF-8, not of the form that W3C Trace Context has, or there is more than one",
)
CREDENTIAL = Label(
    "kind",
    ("tls", "password", "token"),
    "certificate, key and CA; the password; the OAUTHBEARER token",
)
KEY = Label("state", ("current", "next"), "the key that signs now, and the one that signs next")
RULE = Label("rule", (), "a rule of the event mapping (`pass_over`), or `tombstones`")
SCHEMA_FAULT = Label(
    "reason",
    REGISTRY_FAULTS,
    "the schema registry gives no answer that counts, does not let us in, or does not know the schema's id",
)
REGISTRY = Label("result", ("found", *REGISTRY_FAULTS), "the schema came, or why none came")
CERTIFICATE = Label(
    "use",
    ("client", "ca", "proxy-ca"),
    "our client certificate, the first CA to expire, or the first of the proxy's",
)

_ATTEMPT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PARTNER_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LATENESS_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    *(2.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
_SIGNING_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1)
_ARRIVAL_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_LOOP_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_MOST_ATTEMPTS = max(profile.ladder.attempts for profile in PROFILES.values())
_GRACE = 1.05  # an edge just after a due time holds the attempt made at it


def latency_edges(ladders: Iterable[Ladder]) -> tuple[float, ...]:
    """Return histogram edges in seconds: the target, and just after each moment at which a ladder makes an attempt."""
    edges = {0.05, 0.1, 0.25, 0.5, 1.0, DELIVERY_TARGET_SECONDS}
    for ladder in ladders:
        elapsed = 0
        for wait in ladder.waits:
            elapsed += wait.seconds
            edges.add(float(f"{elapsed * _GRACE:.2g}"))
    return tuple(sorted(edges))


_LATENCY_SECONDS = latency_edges(profile.ladder for profile in PROFILES.values())


class Metrics(Catalogue):
    """The worker's metrics.

    Args:
        version: of this program.
    """

    # fmt: off
    build = Many(Gauge, "notifier_build_info", "Always 1; says which version runs.", (VERSION,))

    # The way of a notification
    consumed = Many(Counter, "notifier_payments_consumed_total", "Events read from the source topics and the replay topic, by what became of them.", (CONSUMED,))
    arrival_seconds = Single(Histogram, "notifier_event_delay_seconds", "From the payment's final state, as the event says, to the moment a worker accepted it: payment core's delay and the backlog together.", (), _ARRIVAL_SECONDS)
    passed_over = Many(Counter, "notifier_passed_over_events_total", "Records of mapped topics that a rule of the event mapping lists as not final or not ours.", (RULE,))
    awaiting_schema = Many(Gauge, "notifier_events_awaiting_schema", "Events that this worker holds because their Avro schema can't be had; their partitions' offsets wait with them.", (SCHEMA_FAULT,))
    registry_requests = Many(Counter, "notifier_schema_registry_requests_total", "Questions to the schema registry, by what came of them; a schema is asked for once.", (REGISTRY,))
    notifications = Many(Counter, "notifier_notifications_total", "Notifications that ended, exactly one count each: acknowledged, or the reason of the dead letter.", (PROFILE, OUTCOME))
    attempts = Many(Counter, "notifier_attempts_total", "Attempts, counted at their end.", (PROFILE, CLASS, RESULT))
    repeats = Many(Counter, "notifier_repeats_total", "Second copies of records that were settled already, recognised and absorbed.", (TIER,))
    parks = Many(Counter, "notifier_parks_total", "Notifications moved aside without an attempt, because their destination had no room.", (PROFILE, PARK))
    responses = Many(Counter, "notifier_responses_total", "Answers by exact HTTP status.", (STATUS,))
    attempt_seconds = Many(Histogram, "notifier_attempt_duration_seconds", "Duration of one attempt: signing, connecting, sending, waiting, reading and verifying.", (PROFILE,), _ATTEMPT_SECONDS)
    attempts_per_notification = Many(Histogram, "notifier_attempts_per_notification", "Attempts that a notification took until it ended.", (OUTCOME,), tuple(map(float, range(1, _MOST_ATTEMPTS + 1))), from_start=False)
    acknowledgement_seconds = Many(Histogram, "notifier_acknowledgement_latency_seconds", "From the payment's final state, as the event says, to the acknowledgement.", (PROFILE,), _LATENCY_SECONDS)
    target = Many(Counter, "notifier_delivery_target_total", "Notifications by whether they were acknowledged within 5 minutes of the payment's final state, counted once, as soon as that is decided; replays and what ended without a call are not in it.", (PROFILE, TARGET))
    dead_letters = Many(Counter, "notifier_dlq_total", "Records written to the dead-letter topic.", (REASON,))

    # Time and what waits
    lateness = Many(Histogram, "notifier_dispatch_lag_seconds", "Start of an attempt minus its due time: our lateness, whatever the partner does.", (TIER,), _LATENESS_SECONDS)
    pending = Many(Gauge, "notifier_pending_notifications", "Records on the topics of a stage that are not settled, in the partitions that this worker holds, those not yet due included; looked up every 5 s. New partitions count before any worker holds them. Markers of transactions and records of aborted ones count only while a backlog stands before them; records of open transactions don't.", (TIER,))
    undecided = Many(Gauge, "notifier_undecided_offsets", "Offsets from the first record of a transaction that is still open to the end of its partition: nobody can be given them before it is committed or aborted, and they are not pending.", (TIER,))
    overdue = Many(Gauge, "notifier_overdue_notifications", "Records held that wait although they have been due for longer than NOTIFIER_OVERDUE_AFTER.", (TIER,))
    oldest_due = Many(Gauge, "notifier_oldest_due_timestamp_seconds", "Due time of the first record that this worker holds and has not attempted; 0 where it holds none.", (TIER,))
    held = Many(Gauge, "notifier_held_records", "Records read and not yet settled.", (TIER,))
    settled = Many(Counter, "notifier_settled_records_total", "Records settled, whatever became of them.", (TIER,))
    last_processed = Many(Gauge, "notifier_last_processed_timestamp_seconds", "When a record was last settled.", (TIER,), from_start=False)

    # Partners
    partner_attempts = Many(Counter, "notifier_partner_attempts_total", "Attempts by partner, counted at their end.", (PARTNER, PARTNER_RESULT))
    partner_seconds = Many(Histogram, "notifier_partner_attempt_duration_seconds", "Duration of one attempt, by partner.", (PARTNER,), _PARTNER_SECONDS)
    partner_ends = Many(Counter, "notifier_partner_notifications_total", "Notifications that ended, by partner.", (PARTNER, OUTCOME))
    partner_parks = Many(Counter, "notifier_partner_parks_total", "Notifications moved aside without an attempt, by partner.", (PARTNER,))
    partner_acknowledged = Many(Gauge, "notifier_partner_last_acknowledged_timestamp_seconds", "When the partner last acknowledged a notification to this worker; 0 where it has not.", (PARTNER,))
    partner_paused = Many(Gauge, "notifier_partner_paused", "1 where the partner's entry parks all of its notifications.", (PARTNER,))
    signing_key_from = Many(Gauge, "notifier_signing_key_from_timestamp_seconds", "From when one of our keys for a partner signs; 0 where there is none or no beginning.", (PARTNER, KEY))
    set_up_faults = Many(Counter, "notifier_set_up_faults_total", "Answers F that blame our set-up (keys, client id, path): an operator must act at the first.", (PROFILE, SET_UP_CODE))
    signature_failures = Many(Counter, "notifier_signature_failures_total", "Answers that did not count because of their signature.", (PROFILE, SIGNATURE))
    stale_answers = Many(Counter, "notifier_stale_answers_total", "Answers whose Response-Time is more than 15 minutes from our clock, or can't be read; their S counts for nothing where the partner's entry says so.", (PARTNER,))
    destinations = Single(Gauge, "notifier_destinations", "Destinations remembered: called within the last minute.")
    silent_destinations = Single(Gauge, "notifier_silent_destinations", "Destinations that were called and have not answered lately; they get one probe a second.")

    # What payment core sends
    unmapped_reasons = Many(Counter, "notifier_unmapped_reasons_total", "Failed payments whose reason has no result code and was sent as PROCESS_FAIL or held.", (PROFILE,))
    unknown_codes = Many(Counter, "notifier_unknown_result_codes_total", "Events whose resultCode the profile does not know; sent as they are.", (PROFILE,))
    near_names = Many(Counter, "notifier_near_names_total", "Members of events that are not known and left out, but have the name of a known one except for case or one letter: written wrong, most likely.", (PROFILE, MEMBER))
    unsent_members = Many(Counter, "notifier_unsent_members_total", "Members of payments that the profile does not know and that were not sent.", (PROFILE,))

    unreadable_traceparents = Many(Counter, "notifier_unreadable_traceparents_total", "Events whose header traceparent can't be read: it is left out, and the event goes on without a trace context.", (HEADER_FAULT,))

    unknown_tiers = Single(Gauge, "notifier_unknown_retry_topics", "Retry topics under our prefix that this version does not know and does not read, looked up once a minute: a newer version made them.")
    stranded_records = Single(Gauge, "notifier_stranded_records", "Records on such topics that no worker has settled, where none reads them either.")

    # The worker
    in_flight = Single(Gauge, "notifier_inflight_attempts", "HTTP calls under way.")
    in_flight_limit = Single(Gauge, "notifier_inflight_limit", "HTTP calls at once, at most (NOTIFIER_MAX_IN_FLIGHT).")
    signing_seconds = Single(Histogram, "notifier_signing_duration_seconds", "Duration of one signature, waiting for a turn included.", (), _SIGNING_SECONDS)
    loop_lag = Single(Histogram, "notifier_event_loop_lag_seconds", "How late the worker's event loop ran a timer, asked once a second.", (), _LOOP_SECONDS)
    clock_offset = Single(Gauge, "notifier_clock_offset_seconds", "The broker's clock minus ours, as last seen on the attempts topic.")
    reload_successful = Single(Gauge, "notifier_config_last_reload_successful", "1 where the newest version of the partners file and its keys is in force.")
    reload_time = Single(Gauge, "notifier_config_last_reload_success_timestamp_seconds", "When the partners file and its keys were last read without fault.")
    certificate_expiry = Many(Gauge, "notifier_tls_certificate_not_after_timestamp_seconds", "When a certificate of a partner's entry expires.", (PARTNER, CERTIFICATE), from_start=False)
    kafka_certificate_expiry = Many(Gauge, "notifier_kafka_certificate_not_after_timestamp_seconds", "When a certificate of the connection to Kafka expires.", (CERTIFICATE,), from_start=False)

    kafka_credentials = Many(Gauge, "notifier_kafka_credentials_current", "1 where the newest version of what lets us into Kafka is in force; 0 where a file that changed can't be used, or no new token can be had.", (CREDENTIAL,), from_start=False)
    kafka_token_expiry = Single(Gauge, "notifier_kafka_token_not_after_timestamp_seconds", "When the token for Kafka expires; 0 where there is none.")

    # Kafka
    unreadable = Many(Gauge, "notifier_unreadable_partitions", "Partitions of this worker that stand still at a batch which can't be read; nothing of them is passed over.", (TIER,))
    partitions = Many(Gauge, "notifier_assigned_partitions", "Partitions held, by consumer group.", (GROUP,))
    rebalances = Many(Counter, "notifier_rebalances_total", "Times partitions were taken away, by consumer group.", (GROUP,))
    produce_errors = Many(Counter, "notifier_produce_errors_total", "Failed tries to write a record; tried again.", (TOPIC,))
    oldest_write = Single(Gauge, "notifier_oldest_write_timestamp_seconds", "When the oldest write was begun that the brokers have not acknowledged yet; 0 where none is under way. What they refuse for a while, such as for too few replicas in sync, is tried again within and is no failed try.")
    lost_offsets = Many(Counter, "notifier_lost_offsets_total", "Offsets of a topic that are gone before anybody settled them: retention or a deletion of records passed them, or they went with a topic that was deleted and made again.", (TOPIC,))
    topic_resets = Many(Counter, "notifier_topic_resets_total", "Times a topic was found to be another log than the one read before (deleted and made again, or cut off), and is read from its beginning.", (TOPIC,))
    missing_topics = Many(Gauge, "notifier_missing_topics", "Topics that the group reads and that do not exist at the brokers.", (GROUP,))
    commit_errors = Single(Counter, "notifier_commit_errors_total", "Offset commits that failed; tried again.")
    # fmt: on

    def __init__(self, version: str) -> None:
        super().__init__()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.declare(VERSION, [version])
        self.build.labels(version).set(1)
