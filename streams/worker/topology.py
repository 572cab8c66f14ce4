"""Which topics each consumer group reads, who handles their records, when those are due, and how many at once."""

from functools import partial

from streams.clock import Clock
from streams.kafka.consumer.group import ConsumerGroup
from streams.kafka.consumer.route import LaneLimits, Route
from streams.kafka.format.records import InRecord, due_at_ms
from streams.kafka.topics import TopicNames
from streams.notification.profiles import TIERS
from streams.settings import Settings
from streams.worker.handle import RecordHandler, latest_due_ms
from streams.worker.receive import REPLAY, SOURCE

STAGES = (SOURCE, REPLAY, *(wait.label for wait in TIERS))
"""Names of all stages, as metrics have them."""

_RECORDS_PER_CALL = (
    2  # in flight for each call at once: the others wait for a permit, or for the broker
)
_SOURCE_MAX_UNCOMMITTED = 2048  # a head that hangs for an attempt's time-out, at some hundred events a second and partition
_SOURCE_MAX_BUFFERED = (
    256  # some seconds' work of a partition; the rest of a backlog stays in Kafka
)
_SOURCE_REMEMBERED = 8192
# A partition's part of an answer is kept until its last record is taken. This is some hundred records, more than a lane
# takes in the pause between two fetches; four times as much is no faster, and 8 to 15 MB more with 12 partitions.
_SOURCE_FETCH_BYTES = 256 * 1024
_SOURCE_PAUSE_SECONDS = 0.02  # between fetches: a record that comes after a pause waits for none
_TIER_MAX_UNCOMMITTED = 1024
_TIER_MAX_BUFFERED = 64  # the millions that are not due stay in Kafka
_TIER_REMEMBERED = 2048
# What a partition settles in the seconds between two copies; read in about half a second.
_TIER_RECALLED = 256
_TIER_FETCH_BYTES = 64 * 1024
_TIER_PAUSE_SECONDS = 0.1  # between fetches: no wait is shorter than 1 s, times the scale


def groups_of(
    settings: Settings, handler: RecordHandler, clock: Clock, names: TopicNames
) -> list[ConsumerGroup]:
    """Return the consumer groups of the role, with the routes of their topics."""
    mapped = handler.mapped_events.mapping.topics if handler.mapped_events else {}
    groups = []
    max_concurrency = _RECORDS_PER_CALL * settings.max_in_flight
    if settings.role in {"main", "all"}:
        limits = LaneLimits(
            max_uncommitted=_SOURCE_MAX_UNCOMMITTED,
            max_buffered=_SOURCE_MAX_BUFFERED,
            remembered=_SOURCE_REMEMBERED,
        )
        routes = {
            topic: Route(
                SOURCE,
                handler.mapped_event if topic in mapped else handler.event,
                _due_at_once,
                limits,
            )
            for topic in settings.source_topics
        }
        routes[names.replay] = Route(REPLAY, handler.replay, _due_at_once, limits)
        sources = frozenset(settings.source_topics)
        groups.append(
            ConsumerGroup(
                settings.group_id,
                routes,
                max_concurrency,
                _SOURCE_FETCH_BYTES,
                between_fetches_seconds=_SOURCE_PAUSE_SECONDS,
                sources=sources,
            )
        )
    if settings.role in {"retry", "all"}:
        limits = LaneLimits(
            max_uncommitted=_TIER_MAX_UNCOMMITTED,
            max_buffered=_TIER_MAX_BUFFERED,
            remembered=_TIER_REMEMBERED,
            recalled=_TIER_RECALLED,
        )
        routes = {
            names.tier(wait): Route(
                wait.label,
                partial(handler.retry, wait=wait),
                partial(_tier_due, clock, wait.seconds),
                limits,
                partial(handler.recall, wait=wait),
            )
            for wait in TIERS
        }
        gives_way = settings.role == "all"  # to the first attempts of new payments
        groups.append(
            ConsumerGroup(
                settings.retry_group_id,
                routes,
                max_concurrency,
                _TIER_FETCH_BYTES,
                gives_way,
                between_fetches_seconds=min(_TIER_PAUSE_SECONDS, settings.ladder_scale / 4),
            )
        )
    return groups


def _due_at_once(_record: InRecord) -> int:
    return 0


def _tier_due(clock: Clock, wait_seconds: int, record: InRecord) -> int:
    """Return when a tier's record may be handled: its due time, or 0, at once, where that can't be right.

    A due time that can't be read, or is further away than the tier's wait after the broker got it, is handled at once and dead-lettered: one
    record could hold up its partition for years.
    """
    due = due_at_ms(record.headers)
    if due is None or due > latest_due_ms(record, wait_seconds, clock.now_ms()):
        return 0
    return due
