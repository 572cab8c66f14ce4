"""The plan for a load, against rows that were reckoned by hand."""

import json
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from schemas.attempt_record import AttemptRecord
from streams.admission.limits import LONGEST_PARK_SECONDS, PATIENCE_SECONDS, SLOW_SHARE
from streams.cli import app
from streams.kafka.format.records import header_size, notification_headers
from streams.notification.notification import Notification
from streams.notification.profiles import PROFILES, TIERS
from streams.operator import capacity
from streams.operator.capacity import Load, plan
from streams.operator.commands.capacity import size
from streams.worker import topology

MPP = PROFILES["mpp-to-alipay-plus"]
SHORT = PROFILES["alipay-to-merchant"]


def test_no_failures_by_hand():
    """1,000 payments/s at 0.2 s: 200 in flight, 1.5 cores, 3 pods of 0.6 core, 12 partitions, 0.25 core of signatures."""
    needed = plan(Load(1000, 0.2, failure_share=0), MPP)
    assert needed.attempts_per_notification == 1
    assert needed.retries_per_second == 0
    assert needed.in_flight_main == pytest.approx(200)
    assert needed.cpu_cores_main == pytest.approx(1.5)
    assert needed.cpu_cores_signing == pytest.approx(0.25)
    assert (needed.pods_main, needed.pods_retry) == (3, 2)
    assert needed.partitions == 12
    assert needed.kafka_written_bytes_per_second == pytest.approx(1000 * 750)
    assert needed.kafka_read_bytes_per_second == pytest.approx(1000 * 1250)


def test_failures_by_hand():
    """Half of the attempts repeated, each taking 5 s: 2 attempts on average, 2.6 s each, so 2,600 in flight twice."""
    needed = plan(Load(1000, 0.2, failure_share=0.5), MPP)
    assert needed.attempts_per_notification == pytest.approx(2, abs=0.0001)  # 2 - 2^-14
    assert needed.retries_per_second == pytest.approx(1000, rel=0.0001)
    assert needed.in_flight_main == pytest.approx(2600)
    assert needed.in_flight_retry == pytest.approx(2600, rel=0.0001)
    assert needed.pods_main == 9  # 2,600 of 512 x 0.6
    assert needed.pods_retry == 17  # 2,600 of 256 x 0.6: retries have half of a worker
    assert needed.partitions == 24
    # 2,000 attempts records of 750 bytes, and 1,000 tier records of 1,000 + 500 bytes
    assert needed.kafka_written_bytes_per_second == pytest.approx(3_000_000, rel=0.0001)
    assert needed.kafka_replicated_bytes_per_second == pytest.approx(9_000_000, rel=0.0001)


def test_slow_partners_by_hand():
    """500 payments/s at 2 s: 1,000 in flight; a pod gives partners that are slow 256 calls, to be filled to 0.6."""
    needed = plan(Load(500, 2.0, failure_share=0), MPP)
    assert needed.in_flight_main == pytest.approx(1000)
    assert needed.pods_main == 7


def test_the_largest_load_by_hand():
    """100,000 payments/s at 0.1 s: 10,000 in flight, 150 cores, 250 pods, 252 partitions, 25 cores of signatures."""
    needed = plan(Load(100_000, 0.1, failure_share=0), MPP)
    assert needed.in_flight_main == pytest.approx(10_000)
    assert needed.cpu_cores_main == pytest.approx(150)
    assert needed.cpu_cores_signing == pytest.approx(25)
    assert (needed.pods_main, needed.partitions) == (250, 252)
    # 75 MB/s for 30 days in 3 copies
    assert needed.attempts_kept_bytes == pytest.approx(75e6 * 30 * 86_400 * 3)


def test_a_days_outage_by_hand():
    """A tenth of 1,000 payments/s for a day: 8.64 million parked, moved every 15 minutes, 9,600 moves a second."""
    needed = plan(Load(1000, 0.2, failure_share=0), MPP)
    assert needed.outage_parked == pytest.approx(8_640_000)
    assert needed.outage_parks_per_second == pytest.approx(9_600)
    assert needed.outage_parks == pytest.approx(
        8_640_000 * 55
    )  # 7 shorter ones, and 48 of 15 minutes
    assert needed.outage_kept_bytes == pytest.approx(8_640_000 * 55 * 2250 * 3)
    assert needed.outage_pods_retry == 12  # 9,600 x 0.7 ms = 6.72 cores of 0.6
    # 100/s x 0.2 s = 20 calls, in one of two groups that has half, filled to 0.6
    assert needed.partner_needs_in_flight == 67
    limited = plan(Load(1000, 0.2, failure_share=0, partner_max_in_flight=160), MPP)
    assert limited.outage_drain_seconds == pytest.approx(8_640_000 / (80 / 0.2))


def test_an_outage_takes_no_fewer_pods_than_the_retries_alone():
    """2,000 payments/s at 3 s, a tenth repeated: 711 retries in flight, of which a pod takes 128 to 0.6 of slow partners."""
    needed = plan(Load(2000, 3.0, failure_share=0.1, outage_share=0.001), MPP)
    assert needed.in_flight_retry == pytest.approx(711.1, abs=0.1)
    assert (needed.pods_retry, needed.outage_pods_retry) == (10, 10)


def test_partitions_hold_up_a_head_that_hangs():
    """A partition's span must outlast one attempt: 50,000/s for 5 s each are 123 spans of 2,048."""
    quick = Load(50_000, 0.001, failure_share=0, failure_seconds=5)
    assert plan(quick, MPP).partitions == 132  # 125 pods, more than 122.07 spans
    slow = replace(quick, failure_seconds=10)
    assert plan(slow, MPP).partitions == 252  # 244.1 spans


def test_a_shorter_ladder_makes_fewer_attempts():
    """The profile's number of attempts bounds the mean: with nine in ten failing, 15 attempts differ from 8."""
    load = Load(10, 0.1, failure_share=0.9)
    assert plan(load, SHORT).attempts_per_notification == pytest.approx(10 * (1 - 0.9**8))
    assert plan(load, MPP).attempts_per_notification == pytest.approx(10 * (1 - 0.9**15))


def test_more_of_anything_never_takes_less():
    """Every number grows, or stays, with the load."""
    small = asdict(plan(Load(100, 0.1), MPP))
    large = asdict(plan(Load(10_000, 0.1), MPP))
    assert all(large[name] >= small[name] for name in small)


@pytest.mark.parametrize(
    "wrong",
    [
        {"payments_per_second": 0},
        {"payments_per_second": 100_001},
        {"latency_seconds": 11},
        {"failure_share": 1},
        {"failure_share": -0.1},
        {"failure_seconds": 0},
        {"body_bytes": 0},
        {"outage_share": 1.1},
        {"partner_max_in_flight": -1},
    ],
)
def test_an_impossible_load_is_refused(wrong):
    """A load outside of what the formulas mean is refused with what was expected."""
    with pytest.raises(ValueError, match="expected payments a second"):
        Load(**{"payments_per_second": 10, "latency_seconds": 0.1} | wrong)


def test_constants_are_the_programs():
    """The spans, the longest park and the shorter tiers are those that the worker has."""
    assert capacity.SOURCE_SPAN == topology._SOURCE_MAX_UNCOMMITTED
    assert capacity.TIER_SPAN == topology._TIER_MAX_UNCOMMITTED
    assert capacity.LONGEST_PARK_SECONDS == LONGEST_PARK_SECONDS
    assert (capacity.SLOW_SECONDS, capacity.SLOW_SHARE) == (PATIENCE_SECONDS, 1 / SLOW_SHARE)
    assert sum(wait.seconds < LONGEST_PARK_SECONDS for wait in TIERS) == capacity.SHORTER_PARKS


def test_record_sizes_are_those_of_real_records():
    """The bytes that are reckoned with are above a real record's, and below twice that."""
    record = AttemptRecord(
        kind="attempt",
        at_ms=1795385194937,
        notification_id="evt-t9z1c02k7unehagagv20p137",
        order_id="2026110872423140976979322434",
        profile="mpp-to-alipay-plus",
        partner_id="alipayplus",
        url_origin="https://open-sea.example.com",
        attempt=1,
        parks=0,
        replays=0,
        trigger="event",
        due_at_ms=1795385194937,
        started_at_ms=1795385194937,
        ended_at_ms=1795385194937,
        lateness_ms=3,
        request_left="yes",
        http_status=200,
        result_status="S",
        result_code="SUCCESS",
        outcome="S:SUCCESS",
        decision="delivered",
        origin="payment-final-state/11/123456789",
        worker="payment-notifier-main-7c9f8d6b5-x2x9z",
    )
    real = len(record.to_bytes()) + 28 + 70  # its key, and what a batch adds
    assert real <= capacity.ATTEMPTS_RECORD_BYTES <= 2 * real
    waiting = Notification(
        notification_id="evt-t9z1c02k7unehagagv20p137",
        order_id="2026110872423140976979322434",
        profile=MPP,
        partner_id="alipayplus",
        notify_url="https://shop.example.com/payments/notify?shop=7",
        body=b"{}",
        due_at_ms=1795385194937,
        occurred_at_ms=1795385194937,
        accepted_at_ms=1795385194937,
        origin="payment-final-state/11/123456789",
        attempt=2,
        first_attempt_at_ms=1795385194937,
        last_outcome="U:UNKNOWN_EXCEPTION",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    headers = notification_headers(waiting)
    real = sum(header_size(header) + 2 for header in headers) + 28 + 20
    assert real <= capacity.TIER_HEADERS_BYTES <= 2 * real


def test_command_prints_what_is_planned():
    """`notifier capacity --json` holds the load and every number; without it a table and the warnings."""
    arguments = ["capacity", "--payments-per-second", "1000", "--latency", "0.2"]
    done = CliRunner().invoke(app, [*arguments, "--failure-share", "0", "--json"])
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["capacity"] == asdict(plan(Load(1000, 0.2, failure_share=0), MPP))
    assert said["load"]["payments_per_second"] == 1000
    shown = CliRunner().invoke(app, [*arguments, "--partner-max-in-flight", "40"])
    assert shown.exit_code == 0
    assert "8,640,000 notifications" in shown.stdout
    assert "67 are needed" in shown.stderr
    assert "12 retry pods" in shown.stderr


def test_an_outage_that_outlives_its_notifications_is_said():
    """A backlog that drains after NOTIFIER_GIVE_UP_AFTER is a warning: those notifications expire."""
    arguments = ["capacity", "--payments-per-second", "1000", "--latency", "1"]
    done = CliRunner().invoke(app, [*arguments, "--partner-max-in-flight", "64"])
    assert "later than NOTIFIER_GIVE_UP_AFTER (72 h)" in done.stderr


@pytest.mark.parametrize(
    "wrong", [["--payments-per-second", "-1"], ["--profile", "nobody"], ["--failure-share", "1"]]
)
def test_command_used_wrongly_exits_with_2(wrong):
    """A load that can't be is a mistake in use."""
    arguments = ["capacity", "--payments-per-second", "10", "--latency", "0.1", *wrong]
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_sizes_are_spelled():
    """Bytes are spelled with three digits and a decimal unit."""
    assert [size(n) for n in (1, 999, 1500, 70e6, 5.5e14, 2e18)] == [
        "1 B",
        "999 B",
        "1.5 kB",
        "70 MB",
        "550 TB",
        "2e+03 PB",
    ]
