"""How much a deployment needs: from payments, latency and failures to calls in flight, pods, partitions, CPU, Kafka.

Arithmetic only; docs/capacity.md says where each formula and each measured figure comes from.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from streams.notification.profile import Profile

DAY_SECONDS: Final = 86_400.0
COPIES: Final = 3
MOST_PAYMENTS: Final = 100_000
LONGEST_ATTEMPT_SECONDS: Final = 10.0

# Measured on one core of the machine of docs/capacity.md, but for the first, which holds all of an attempt's work.
ATTEMPT_CPU_SECONDS: Final = 0.0015
PARK_CPU_SECONDS: Final = 0.0007
SIGN_CPU_SECONDS: Final = 0.00025

# Bytes of a record in Kafka, without what compression saves; tests hold them against real records.
ATTEMPTS_RECORD_BYTES: Final = 750
TIER_HEADERS_BYTES: Final = 500
EVENT_EXTRA_BYTES: Final = 250
"""What an event has beside the members that become the body."""

# What a worker gives; `streams/worker/topology.py` and `streams/admission/admission.py` are where it does.
IN_FLIGHT_PER_POD: Final = 512
RETRIES_SHARE: Final = 0.5
SLOW_SECONDS: Final = 1.0
SLOW_SHARE: Final = 0.5
"""What partners have of a worker's calls that usually take longer than that."""
SOURCE_SPAN: Final = 2048
TIER_SPAN: Final = 1024
LONGEST_PARK_SECONDS: Final = 900.0
SHORTER_PARKS: Final = 7
"""A record is parked on the seven shorter tiers first, each time on a longer one."""
MEMORY_PER_POD_BYTES: Final = 256 * 1024 * 1024

FILL: Final = 0.6
"""How full a pod is planned: the rest is for one pod that is away, a rebalance, and a backlog that drains."""
LEAST_PODS: Final = 2
LEAST_PARTITIONS: Final = 12
PARTITION_STEP: Final = 12
"""Partitions come in twelves: 2, 3, 4, 6 or 12 pods share them evenly."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a deployment.

    Attributes:
        payments_per_second: payments that become final, at the peak.
        latency_seconds: from request to answer, mean, of a partner that answers.
        failure_share: share of attempts that do not settle their notification; each is taken for independent.
        failure_seconds: how long such an attempt takes; the attempt's time-out is the worst case.
        body_bytes: a request body.
        outage_share: share of the payments whose partner is away for a day.
        partner_max_in_flight: `max_in_flight` of that partner's entry; 0 for as many as are needed.
    """

    payments_per_second: float
    latency_seconds: float
    failure_share: float = 0.01
    failure_seconds: float = 5.0
    body_bytes: int = 1000
    outage_share: float = 0.1
    partner_max_in_flight: int = 0

    def __post_init__(self) -> None:
        if not (
            0 < self.payments_per_second <= MOST_PAYMENTS
            and 0 < self.latency_seconds <= LONGEST_ATTEMPT_SECONDS
            and 0 <= self.failure_share < 1
            and 0 < self.failure_seconds <= LONGEST_ATTEMPT_SECONDS
            and self.body_bytes > 0
            and 0 <= self.outage_share <= 1
            and self.partner_max_in_flight >= 0
        ):
            message = (
                "expected payments a second above 0 to 100000, seconds above 0 to 10 (the longest attempt),"
                " a failure share from 0 and below 1, a body of 1 byte or more, an outage share from 0 to 1"
            )
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What it takes. Rates are per second, cores are those of the measured machine."""

    attempts_per_notification: float
    attempts_per_second: float
    retries_per_second: float
    in_flight_main: float
    in_flight_retry: float
    signatures_per_second: float
    cpu_cores_main: float
    cpu_cores_retry: float
    cpu_cores_signing: float
    pods_main: int
    pods_retry: int
    memory_bytes: int
    partitions: int
    kafka_read_bytes_per_second: float
    kafka_written_bytes_per_second: float
    kafka_replicated_bytes_per_second: float
    attempts_kept_bytes: float
    outage_parked: float
    outage_parks: float
    outage_kept_bytes: float
    outage_parks_per_second: float
    outage_pods_retry: int
    partner_needs_in_flight: int
    outage_drain_seconds: float


def plan(load: Load, profile: Profile) -> Capacity:
    """Return what a load takes, with this profile's number of attempts."""
    share, payments = load.failure_share, load.payments_per_second
    tries = _attempts(share, profile.ladder.attempts)
    attempts = payments * tries
    retries = attempts - payments
    # Little's law: what is in flight is what comes in a second, times how long it stays.
    stay = (1 - share) * load.latency_seconds + share * load.failure_seconds
    main, retry = payments * stay, retries * stay
    cores_main, cores_retry = payments * ATTEMPT_CPU_SECONDS, retries * ATTEMPT_CPU_SECONDS
    calls = IN_FLIGHT_PER_POD * (SLOW_SHARE if load.latency_seconds > SLOW_SECONDS else 1.0)
    retry_calls = calls * RETRIES_SHARE
    pods_main = _pods(cores_main, main, calls)
    pods_retry = _pods(cores_retry, retry, retry_calls)
    # A head that hangs holds its partition's span up for a whole attempt.
    heads = max(
        payments * load.failure_seconds / SOURCE_SPAN,
        payments * share * load.failure_seconds / TIER_SPAN,
    )
    tier_record = load.body_bytes + TIER_HEADERS_BYTES
    # A failed attempt's notification goes to a tier and is read there.
    moved = attempts * share * tier_record
    written = attempts * ATTEMPTS_RECORD_BYTES + moved
    parked = payments * load.outage_share * DAY_SECONDS
    parks = parked / LONGEST_PARK_SECONDS
    partner = payments * load.outage_share * load.latency_seconds
    # Each of the two groups has half of a destination's limit, and calls are planned to fill it no more than pods.
    needs = ceil(2 * partner / FILL) or 1
    drain = parked * load.latency_seconds / ((load.partner_max_in_flight or needs) / 2)
    # A record waits half the day on average, fifteen minutes a time.
    moves = parked * (SHORTER_PARKS + DAY_SECONDS / 2 / LONGEST_PARK_SECONDS)
    return Capacity(
        attempts_per_notification=tries,
        attempts_per_second=attempts,
        retries_per_second=retries,
        in_flight_main=main,
        in_flight_retry=retry,
        signatures_per_second=attempts,
        cpu_cores_main=cores_main,
        cpu_cores_retry=cores_retry,
        cpu_cores_signing=attempts * SIGN_CPU_SECONDS,
        pods_main=pods_main,
        pods_retry=pods_retry,
        memory_bytes=(pods_main + pods_retry) * MEMORY_PER_POD_BYTES,
        partitions=_partitions(max(pods_main, pods_retry, heads)),
        kafka_read_bytes_per_second=payments * (load.body_bytes + EVENT_EXTRA_BYTES) + moved,
        kafka_written_bytes_per_second=written,
        kafka_replicated_bytes_per_second=written * COPIES,
        attempts_kept_bytes=attempts * ATTEMPTS_RECORD_BYTES * 30 * DAY_SECONDS * COPIES,
        outage_parked=parked,
        outage_parks=moves,
        outage_kept_bytes=moves * (tier_record + ATTEMPTS_RECORD_BYTES) * COPIES,
        outage_parks_per_second=parks,
        outage_pods_retry=_pods(cores_retry + parks * PARK_CPU_SECONDS, retry, retry_calls),
        partner_needs_in_flight=needs,
        outage_drain_seconds=drain,
    )


def _attempts(share: float, most: int) -> float:
    """Return the mean number of attempts when each fails with this probability and there are so many at most."""
    return float((1 - share**most) / (1 - share))


def _pods(cores: float, in_flight: float, each: float) -> int:
    """Return how many pods have the CPU and the room: a pod is one process, planned to use part of one core."""
    return max(LEAST_PODS, ceil(cores / FILL), ceil(in_flight / (each * FILL)))


def _partitions(least: float) -> int:
    return max(LEAST_PARTITIONS, ceil(least / PARTITION_STEP) * PARTITION_STEP)
