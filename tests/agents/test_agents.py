"""Faust's own application, consumer, conductor, streams and agents over our consumer: nothing lost, nothing stalled."""

import asyncio
import gc

import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
)

from streams.kafka.consumer import commits
from streams.kafka.consumer.lane import Lane
from streams.kafka.consumer.route import LaneLimits
from tests.agents.records import TIGHT, A, B, offsets, values
from tests.support.waiting import TIMEOUT_SECONDS
from tests.unit.kit import NOW_MS


async def test_records_arrive_and_are_committed(new_member):
    """The way of every record, and what the process around hears of it."""
    member = await new_member(A, ("a", 2), count=3)
    member.kafka.put("a", *values("r", 10))
    await member.kafka.until(lambda: member.kafka.offset("a") == 10)
    assert member.work.finished == values("r", 10)
    assert member.host.told == ["acquire", ("revoked", "group"), ("assigned", "group", 2, 3)]
    record = member.work.records[b"r3"]
    assert (record.topic, record.partition, record.offset) == ("a", 0, 3)
    assert (record.key, record.headers) == (b"k", ())


async def test_the_environment_of_other_programs_changes_no_setting(new_member, monkeypatch):
    """Faust would take each of these before our own, and end at a port that Kubernetes writes as a URL."""
    monkeypatch.setenv("WEB_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("APP_VERSION", "1.2.3")
    monkeypatch.setenv("BROKER_SESSION_TIMEOUT", "3")
    monkeypatch.setenv("CONSUMER_GROUP_INSTANCE_ID", "x")
    conf = (await new_member(A)).app.conf
    assert (conf.broker_session_timeout, conf.consumer_group_instance_id) == (10.0, None)


async def test_two_hundred_in_flight_and_the_head_held(new_member):
    """Commits never pass it; what is finished behind it stands beside the offset."""
    member = await new_member(A)
    records = values("r", 200)
    member.work.hold(records[0])
    member.kafka.put("a", *records)
    await member.work.until_finished(199)
    await member.kafka.until(
        lambda: (
            member.kafka.commits
            and member.kafka.commits[-1][TopicPartition("a", 0)].metadata == "1:1-199"
        )
    )
    assert set(offsets(member)) == {0}
    member.work.let_go()
    await member.kafka.until(lambda: member.kafka.offset("a") == 200)
    assert set(offsets(member)) == {0, 200}
    assert member.work.repeated == []


async def test_acknowledgements_from_the_back_to_the_front(new_member):
    """Faust's own bookkeeping would commit runs from the middle; ours moves at the very end."""
    member = await new_member(A)
    records = values("r", 20)
    member.work.hold(*records)
    member.kafka.put("a", *records)
    await member.work.until(lambda: len(member.work.seen) == 20)
    for number, record in enumerate(reversed(records), start=1):
        member.work.let_go(record)
        await member.work.until_finished(number)
        assert member.app.lanes.progress()[A].offset == (0 if number < 20 else 20)
    await member.kafka.until(lambda: member.kafka.offset("a") == 20)
    assert set(offsets(member)) <= {0, 20}


async def test_one_partition_held_back_does_not_stop_another_topic(new_member):
    """One full queue stops every topic of an ordinary Faust worker."""
    member = await new_member(A, B, limits={"a": TIGHT})
    backlog = values("a", 5000)
    member.work.hold(*backlog)
    member.kafka.put("a", *backlog)
    await member.work.until(lambda: backlog[9] in member.work.seen)
    member.kafka.put("b", *values("b", 200))
    await member.work.until_finished(200)
    assert member.work.finished == values("b", 200)
    held = len([value for value in member.work.seen if value.startswith(b"a")])
    assert held <= 10 + 500, "no more is read than was on its way when the flow was paused"


async def test_with_every_partition_held_back_the_flow_comes_back(new_member):
    """Faust would sleep for a second at a time, or for good."""
    member = await new_member(A, B, limits={"a": TIGHT, "b": TIGHT})
    backlog = [*values("a", 1500), *values("b", 1500)]
    member.work.hold(*backlog)
    member.kafka.put("a", *backlog[:1500])
    member.kafka.put("b", *backlog[1500:])
    await member.work.until(lambda: {b"a9", b"b9"} <= set(member.work.seen))
    await member.kafka.until(lambda: member.app.consumer._buffered_partitions == {A, B})
    member.work.let_go()
    await member.kafka.until(
        lambda: (member.kafka.offset("a"), member.kafka.offset("b")) == (1500, 1500)
    )
    assert member.work.repeated == []


@pytest.mark.parametrize("partitions", [[A], []], ids=["all held back", "none assigned"])
async def test_a_member_with_nothing_to_fetch_does_not_look_dead(new_member, partitions):
    """More workers than partitions, or a tier whose records are all due tomorrow: no reason to restart it."""
    member = await new_member(A, limits={"a": TIGHT})
    backlog = values("a", 10)
    member.work.hold(*backlog)
    member.kafka.put("a", *backlog)
    await member.kafka.until(lambda: member.app.consumer._buffered_partitions == {A})
    member.work.let_go()
    await member.work.until_finished(10)
    await member.kafka.rebalance(*partitions)
    if partitions:
        backlog = values("a", 10, first=10)
        member.work.hold(*backlog)
        member.kafka.put("a", *backlog)
        await member.kafka.until(lambda: member.app.consumer._buffered_partitions == {A})
    member.app.consumer.last_poll = -1000.0  # as after a quarter of an hour without any poll
    await member.kafka.until(lambda: member.app.symptoms() == [])


async def test_a_member_that_is_out_of_its_group_looks_dead(new_member):
    """aiokafka can leave a worker so for good; the watch turns it into a failed probe."""
    member = await new_member(A)
    await member.kafka.until(lambda: member.app.symptoms() == [])
    member.kafka.consumer._coordinator.generation = -1
    member.kafka.consumer.loop.call_soon_threadsafe(member.kafka.consumer._coordination_task.cancel)
    await member.kafka.until(member.kafka.consumer._coordination_task.done)
    assert member.app.symptoms() == [
        "group group: the worker is out of its group",
        "group group: the coordination task has ended",
    ]


async def test_a_member_whose_group_can_not_be_kept_looks_dead_to_nobody(new_member):
    """Its coordinator answers, and lets nobody in: a new process would be out of the group as well."""
    member = await new_member(A)
    member.kafka.consumer._coordinator.generation = -1
    await member.kafka.until(lambda: len(member.app.symptoms()) == 1)
    member.app.membership.put_off()
    assert member.app.symptoms() == []
    ended = asyncio.get_running_loop().create_future()
    ended.set_result(None)
    fetch, member.kafka.consumer._fetcher._fetch_task = (
        member.kafka.consumer._fetcher._fetch_task,
        ended,
    )
    assert member.app.symptoms() == ["group group: the fetch task has ended"]
    member.kafka.consumer._fetcher._fetch_task = fetch
    member.app.membership._put_off_at -= 61
    assert member.app.symptoms() == ["group group: the worker is out of its group"]


@pytest.mark.parametrize(
    ("name", "member_name"),
    [("coordination", "_coordination_task"), ("fetch", "_fetch_task"), ("metadata", "_sync_task")],
)
async def test_a_task_of_the_consumer_that_failed_says_by_what(new_member, name, member_name):
    """Nothing else does: aiokafka's own line is one of many, and the worker goes on to poll and to send heartbeats."""
    member = await new_member(A)
    await member.kafka.until(lambda: member.app.symptoms() == [])
    getattr(member.kafka.consumer, member_name).set_exception(KafkaError("by AssertionError()"))
    assert member.app.symptoms() == [
        f"group group: the {name} task has ended: KafkaError: by AssertionError()"
    ]


async def test_a_member_that_its_group_refuses_looks_dead_to_nobody(new_member):
    """The process hears why, and the group is asked again; a new process would be refused as well."""
    member = await new_member(A)
    await member.kafka.until(lambda: member.app.symptoms() == [])
    coordinator = member.kafka.consumer._coordinator
    why = "the group refuses this worker: its principal may not read in this group; expected the right Read on it"
    coordinator.generation = -1
    coordinator._push_error_to_user(GroupAuthorizationFailedError("group")).close()
    assert member.app.symptoms() == []
    assert member.host.told[-1] == ("refused", "group", why)
    assert member.kafka.rejoins == 1
    await member.kafka.rebalance(A)
    assert member.app.symptoms() == []


async def test_a_member_that_is_still_starting_says_so(new_member, monkeypatch):
    """aiokafka's consumer has no coordinator before it has found a broker."""
    member = await new_member(A)
    monkeypatch.setattr(member.app.consumer._kafka, "_coordinator", None)
    assert member.app.symptoms() == ["group group: the consumer was not started"]


HANGS = ["group group: a record is held unacknowledged for too long"]


async def hanging(new_member):
    """Return a member with a record in flight for longer than any attempt and settling may take."""
    member = await new_member(A)
    member.work.hold(b"r")
    member.kafka.put("a", b"r")
    await member.work.until(lambda: member.work.seen)
    member.clock.ms += 60_001
    return member


async def test_a_record_that_hangs_looks_dead(new_member):
    """Longer than any attempt and settling may take."""
    member = await hanging(new_member)
    assert member.app.symptoms() == HANGS


async def test_a_record_that_waits_for_the_brokers_looks_dead_to_nobody(new_member):
    """A new process would tell the partner again, and wait for the same: for a write, or for the group's coordinator."""
    member = await hanging(new_member)
    assert member.app.symptoms() == HANGS
    member.app.writes_are_refused = lambda: True
    assert member.app.symptoms() == []
    del member.app.writes_are_refused
    assert member.app.symptoms() == HANGS
    member.app.membership._confirmed_at -= 3600
    assert member.app.symptoms() == []


async def test_records_wait_for_their_due_time(new_member):
    """Held in memory as far as the lane's limit goes, started when their time has come."""
    limits = LaneLimits(max_uncommitted=1000, max_buffered=4, remembered=10)
    member = await new_member(A, B, limits={"a": limits})
    records = values("a", 8)
    member.dues = dict.fromkeys(records, NOW_MS + 5)
    member.kafka.put("a", *records)
    member.kafka.put("b", *values("b", 3))
    await member.work.until_finished(3)
    await member.kafka.until(lambda: A in member.app.consumer._buffered_partitions)
    assert member.work.finished == values("b", 3)
    member.clock.ms = NOW_MS + 5
    await member.kafka.until(lambda: member.kafka.offset("a") == 8)


@pytest.mark.parametrize(("gives_way", "least", "most"), [(False, 2, 25), (True, 50, 50)])
async def test_records_that_come_together_are_taken_together(
    new_member, monkeypatch, gives_way, least, most
):
    """A turn of the event loop takes several, and leaves room for others; where the group gives way, it takes one."""
    member = await new_member(A)
    member.app.gives_way = gives_way
    loop, turns, admitted, all_admitted = asyncio.get_running_loop(), 0, [], asyncio.Event()

    def turn():
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    def admit(record, _generation):
        admitted.append((turns, record.value))
        if len(admitted) == 50:
            all_admitted.set()

    monkeypatch.setattr(member.app.lanes, "admit", admit)
    loop.call_soon(turn)
    member.kafka.put("a", *values("r", 50))
    await asyncio.wait_for(all_admitted.wait(), TIMEOUT_SECONDS)
    assert [value for _, value in admitted] == values("r", 50)
    assert least <= len({seen for seen, _ in admitted}) <= most


async def test_handing_over_that_has_to_wait_goes_on_where_it_was(new_member):
    """What its first step waits for comes back to it, a value or an error, and what it ends with goes to Faust."""
    consumer = (await new_member(A)).app.consumer
    loop = asyncio.get_running_loop()
    value, error = loop.create_future(), loop.create_future()

    async def hand_over():
        await asyncio.sleep(0)
        found = await value
        try:
            await error
        except KafkaConnectionError:
            return found

    loop.call_later(0.01, value.set_result, "taken")
    loop.call_later(0.02, error.set_exception, KafkaConnectionError())
    waited = await consumer.wait_first(hand_over(), asyncio.Event().wait())
    assert waited.results == ["taken"]
    with pytest.raises(ZeroDivisionError):
        await consumer.wait_first(_fails_later())


async def _fails_later():
    await asyncio.sleep(0)
    raise ZeroDivisionError


async def test_handing_over_ends_when_the_flow_stops(new_member):
    """A record that nobody has taken when a rebalance begins is given up, as it will be read again."""
    consumer = (await new_member(A)).app.consumer
    given_up = asyncio.Event()

    async def hand_over():
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    suspended = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, suspended.set)
    await consumer.wait_first(hand_over(), suspended.wait())
    await asyncio.wait_for(given_up.wait(), TIMEOUT_SECONDS)


@pytest.mark.parametrize("error", [ValueError("broken"), AssertionError("broken")])
async def test_a_handler_that_raises_crashes_the_worker_and_its_record_is_read_again(
    new_member, error, caplog
):
    """Faust alone would acknowledge it and go on."""
    member = await new_member(A)
    member.work.raises[b"r5"] = error
    member.kafka.put("a", *values("r", 10))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await member.app._crashed.wait()
    assert "a handler raised" in caplog.text
    await member.stop()
    assert member.kafka.offset("a") in {None, 0, 5}
    assert max(offsets(member), default=0) <= 5


async def test_a_lane_that_fails_crashes_the_worker_and_no_record_is_passed_over(
    new_member, monkeypatch, caplog
):
    """Faust would go on with the records behind those that no lane has taken, and they would be committed."""
    member = await new_member(A)
    admit = Lane.admit

    def fail_once(lane, record):
        if record.offset == 5:
            monkeypatch.setattr(Lane, "admit", admit)
            raise IndexError
        admit(lane, record)

    monkeypatch.setattr(Lane, "admit", fail_once)
    member.kafka.put("a", *values("r", 40))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await member.app._crashed.wait()
    assert "a lane raised; the worker stops" in caplog.text
    assert "a handler raised" not in caplog.text
    await member.stop()
    assert (member.kafka.offset("a") or 0) <= 5
    assert max(offsets(member), default=0) <= 5  # the next to read


async def test_whatever_was_written_reaches_the_handler(new_member):
    """Tombstones, headers twice, empty, not UTF-8 or without a value: the stage decides, Faust drops nothing."""
    member = await new_member(A)
    headers = [("x", b"1"), ("x", b"2"), ("bin", b"\xff"), ("empty", b""), ("支", b"")]
    member.kafka.put("a", None, headers=headers)
    member.kafka.put("a", b"not JSON", key=None)
    member.kafka.put("a", b"", key=b"\xff", headers=[("due-at-ms", b"\xff")])
    await member.kafka.until(lambda: member.kafka.offset("a") == 3)
    tombstone = member.work.records[None]
    assert (tombstone.value, tombstone.headers) == (None, tuple(headers))
    assert member.work.records[b"not JSON"].key is None
    assert member.work.records[b""].key == b"\xff"


async def test_a_header_without_a_value_stays_without_one(new_member):
    """Kafka knows null header values, and what is carried along is not changed."""
    member = await new_member(A)
    member.kafka.put("a", b"r", headers=[("shop", None)])
    await member.work.until_finished(1)
    assert member.work.records[b"r"].headers == (("shop", None),)


@pytest.mark.parametrize("error", [CommitFailedError(), KafkaConnectionError()])
async def test_a_commit_that_fails_is_counted_and_tried_again(new_member, error, caplog):
    """Faust would crash, or take it for done."""
    member = await new_member(A)
    member.kafka.commit_errors += [error, error]
    member.kafka.put("a", *values("r", 3))
    await member.kafka.until(lambda: member.kafka.offset("a") == 3)
    assert member.host.told.count("commit error") == 2
    assert "committing offsets failed" in caplog.text


async def test_a_commit_that_fails_after_its_time_out_is_not_reported(new_member, monkeypatch):
    """aiokafka goes on with it, and its error is nobody's any more: asyncio would log a traceback for each."""
    monkeypatch.setattr(commits, "TIMEOUT_SECONDS", 0.05)
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: reported.append(about))
    member = await new_member(A)
    member.kafka.commits_answered.clear()
    member.kafka.commit_errors.append(CommitFailedError())
    member.kafka.put("a", *values("r", 3))
    await member.kafka.until(lambda: "commit error" in member.host.told)
    member.kafka.commits_answered.set()
    await member.kafka.until(lambda: member.kafka.offset("a") == 3)
    gc.collect()  # an error that nobody took is reported when its task goes
    assert reported == []


async def test_a_stop_finishes_what_is_in_flight_and_commits_it(new_member):
    """SIGTERM under load: nothing lost, nothing repeated."""
    member = await new_member(A)
    records = values("r", 30)
    member.work.hold(records[3])
    member.kafka.put("a", *records)
    await member.work.until_finished(29)
    stopping = asyncio.create_task(member.stop())
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await member.host.stopping.wait()
    member.kafka.put("a", b"too late")
    member.work.let_go()
    await stopping
    assert member.kafka.offset("a") == 30
    assert sorted(member.work.seen) == sorted(records)
    assert member.host.told[-1] == "release"
    assert list(member.app.lanes) == []


async def test_a_stop_does_not_wait_for_what_is_not_due(new_member):
    """It stays in Kafka."""
    member = await new_member(A)
    member.dues = {b"later": NOW_MS + 3_600_000}
    member.kafka.put("a", b"now", b"later")
    await member.work.until_finished(1)
    await member.stop()
    assert member.kafka.offset("a") == 1
    assert member.work.seen == [b"now"]


async def test_the_consumer_is_configured_by_us(new_member):
    """What Faust would set otherwise, or could not set at all."""
    member = await new_member(A)
    consumer = member.kafka.configured
    assert consumer._group_id == "group"
    assert consumer._isolation_level == "read_committed"
    assert consumer._enable_auto_commit is False
    assert consumer._auto_offset_reset == "none"
    assert consumer._partition_assignment_strategy == [RoundRobinPartitionAssignor]
    assert consumer._session_timeout_ms == 10_000
    assert consumer._heartbeat_interval_ms == 1_000
    assert consumer._max_partition_fetch_bytes == 65_536
    assert consumer._fetch_max_wait_ms == 250
    # Without partitions nothing is fetched, and a worker that waits for some for weeks must not leave its group for good.
    assert consumer._max_poll_interval_ms > 10 * 365 * 86_400_000


async def test_the_brokers_stamp_comes_with_a_record_and_no_others(new_member):
    """A stamp of whoever wrote it says nothing of the brokers' clock."""
    member = await new_member(A)
    member.kafka.put("a", b"stamped", appended_ms=NOW_MS)
    member.kafka.put("a", b"not")
    await member.work.until_finished(2)
    stamps = {value: record.append_time_ms for value, record in member.work.records.items()}
    assert stamps == {b"stamped": NOW_MS, b"not": -1}


async def test_what_is_pending_of_a_partition_without_a_leader_is_not_forgotten(new_member):
    """Nobody can say more of it now; with its topic it may go, and then the count says what is lost."""
    member = await new_member(A)
    member.work.hold(b"r")
    member.kafka.put("a", b"r")
    await member.work.until(lambda: member.work.seen)
    assert await member.app.pending() == {"source": 1}
    member.kafka.consumer.cluster.leader_for_partition = lambda _partition: -1
    assert await member.app.pending() == {"source": 1}
    assert member.app.pending_of("a") == 1
    member.work.let_go()
