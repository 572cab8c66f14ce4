"""Which group reads what, and when a tier's record may be handled."""

import pytest

from streams.notification.profiles import TIERS
from streams.settings import Settings
from streams.worker.topology import STAGES, groups_of
from tests.unit.bench import ACKNOWLEDGED, UNKNOWN, Bench
from tests.unit.kit import NOW_MS, event, headers_of, read, read_back


def groups(bench=None, **members):
    bench = bench or Bench()
    settings = Settings(partners_file="p", topic_prefix="pn", **members)
    return groups_of(settings, bench.handler, bench.clock, bench.names)


def test_the_groups_of_each_role():
    """The tiers' group has the same name in every role."""
    assert [group.group_id for group in groups()] == ["payment-notifier", "payment-notifier-retry"]
    assert [group.group_id for group in groups(role="main")] == ["payment-notifier"]
    assert [group.group_id for group in groups(role="retry")] == ["payment-notifier-retry"]


def test_what_each_group_reads():
    """The source topics with the replay topic; every tier, used or not."""
    main, retry = groups(source_topics=("one", "two"), group_id="g")
    assert sorted(main.routes) == ["one", "pn-replay", "two"]
    assert list(retry.routes) == [f"pn-retry-{wait.label}" for wait in TIERS]
    assert [route.stage for route in retry.routes.values()] == [wait.label for wait in TIERS]
    assert {route.stage for group in (main, retry) for route in group.routes.values()} == set(
        STAGES
    )


def test_a_worker_with_few_calls_has_small_limits():
    """A group handles twice as many records at once as the worker may have calls."""
    for group in groups(max_in_flight=3):
        assert group.max_concurrency == 6


def test_what_is_fetched_of_a_partition_is_bounded():
    """It is kept until the last of it is taken: a backlog on 48 partitions may hold 12 MB, not 48."""
    main, retry = groups()
    assert main.fetch_bytes == 256 * 1024
    assert retry.fetch_bytes == 64 * 1024


def test_source_records_are_handled_at_once():
    """Whatever their headers say."""
    (main,) = groups(role="main")
    for topic, route in main.routes.items():
        assert route.due_at_ms(read(topic, b"", headers=[("due-at-ms", b"9999999999999")])) == 0


@pytest.mark.parametrize(
    ("header", "due"),
    [
        (str(NOW_MS + 1000).encode(), NOW_MS + 1000),
        (str(NOW_MS - 5).encode(), NOW_MS - 5),
        (str(NOW_MS + 1000 + 5000).encode(), NOW_MS + 6000),
        (str(NOW_MS + 1000 + 5001).encode(), 0),
        (b"soon", 0),
        (b"9" * 5000, 0),
    ],
)
def test_a_tiers_record_waits_for_its_due_time_if_that_is_honest(header, due):
    """What lies beyond the tier's wait must not hold up the partition: it is handled and dead-lettered."""
    (retry,) = groups(role="retry")
    route = retry.routes["pn-retry-1s"]
    assert route.due_at_ms(read("pn-retry-1s", b"", headers=[("due-at-ms", header)])) == due
    assert route.due_at_ms(read("pn-retry-1s", b"")) == 0


@pytest.mark.parametrize(
    ("appended", "due", "waits"),
    [
        (NOW_MS + 60_000, NOW_MS + 61_000, True),
        (NOW_MS + 60_000, NOW_MS + 66_000, True),
        (
            NOW_MS + 60_000,
            NOW_MS + 66_001,
            False,
        ),  # further away than the broker's clock allows either
        (NOW_MS - 60_000, NOW_MS + 1_000, True),
        (-1, NOW_MS + 61_000, False),
    ],
)
async def test_a_worker_with_a_slow_clock_keeps_the_retries_of_others(appended, due, waits):
    """The broker's stamp says when they were written: they wait until they are due, and none is dead-lettered."""
    bench = Bench(UNKNOWN, ACKNOWLEDGED)
    _, retry = groups(bench)
    await bench.event(read("source", event()))
    (written,) = bench.moved
    headers = {**headers_of(written), "due-at-ms": str(due)}.items()
    record = read(
        written.topic,
        written.value,
        key=written.key,
        headers=[(name, value.encode()) for name, value in headers],
        append_time_ms=appended,
    )
    bench.clock.ms = NOW_MS  # as slow as the parameters say
    route = retry.routes[written.topic]
    assert route.due_at_ms(record) == (due if waits else 0)
    bench.clock.ms = due if waits else NOW_MS
    await route.handle(record, bench.lane)
    assert bench.journal[-1]["decision"] == ("delivered" if waits else "dead-letter")


async def test_the_routes_lead_to_their_stages():
    """From the source topic to the tier, and back through the replay topic."""
    bench = Bench(UNKNOWN)
    main, retry = groups(bench)
    await main.routes["payment-final-state"].handle(
        read("payment-final-state", event()), bench.lane
    )
    (first,) = bench.moved
    bench.clock.ms = int(headers_of(first)["due-at-ms"])
    await retry.routes["pn-retry-1s"].handle(read_back(first), bench.lane)
    second = bench.moved[1]
    assert second.topic == "pn-retry-3s"
    await main.routes["pn-replay"].handle(read_back(second), bench.lane)
    assert [line["trigger"] for line in bench.journal] == ["event", "ladder", "replay"]
