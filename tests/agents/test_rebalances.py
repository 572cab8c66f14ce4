"""Rebalances under Faust's own application, over our consumer: nothing lost, and only what was in flight repeated."""

import asyncio
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from streams.kafka.committed_state import CommittedState
from streams.kafka.consumer import app as app_module
from streams.kafka.consumer import unused
from streams.kafka.consumer.route import LaneLimits
from tests.agents.records import A, B, offsets, values


async def test_a_rebalance_finishes_and_commits_before_the_partitions_go(new_member):
    """And re-reads nothing that was settled."""
    member = await new_member(A)
    records = values("r", 50)
    member.work.hold(records[7], records[30])
    member.kafka.put("a", *records)
    await member.work.until_finished(48)
    rebalance = asyncio.create_task(member.kafka.rebalance(A))
    await member.kafka.until(lambda: member.host.told.count(("revoked", "group")) == 2)
    assert not rebalance.done()
    member.work.let_go()
    await rebalance
    assert member.kafka.offset("a") == 50
    member.kafka.put("a", *values("r", 10, first=50))
    await member.work.until_finished(60)
    await member.kafka.until(lambda: member.kafka.offset("a") == 60)
    assert member.work.repeated == []
    assert sorted(member.work.seen) == sorted(values("r", 60))


async def test_heartbeats_are_sent_while_partitions_are_taken_over(new_member):
    """That asks brokers, for as long as a session at worst: the coordinator would put a member out that says nothing."""
    member = await new_member(A)
    begun, answer = member.kafka.consumer.heartbeats_begun, asyncio.Event()
    member.kafka.reads_held.append(answer)
    rebalance = asyncio.create_task(member.kafka.rebalance(A))
    await member.kafka.until(lambda: not member.kafka.reads_held)
    assert member.kafka.consumer.heartbeats_begun == begun + 1
    answer.set()
    await rebalance


async def test_a_machines_sleep_ends_the_hold_on_partitions_until_the_coordinator_answers(
    new_member, monkeypatch
):
    """A generation that begins then is no answer to anything that was asked since: its own may have been under way all the time."""
    member = await new_member(A)
    member.kafka.consumer._heartbeats.cancel()
    assert member.app.membership.is_held()
    real = time.clock_gettime_ns
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: real(clock) + 300_000_000_000)
    assert not member.app.membership.is_held()
    await member.kafka.rebalance(A)
    assert not member.app.membership.is_held()
    await member.kafka.consumer._coordinator._do_heartbeat()
    assert member.app.membership.is_held()


async def test_what_outlasts_the_drain_is_the_only_thing_repeated(new_member, monkeypatch):
    """The old generation's record does not count; what was finished behind it is not done twice."""
    monkeypatch.setattr(app_module, "DRAIN_SECONDS", 0.05)
    member = await new_member(A)
    records = values("r", 50)
    member.work.hold(records[7])
    member.kafka.put("a", *records)
    await member.work.until_finished(49)
    await member.kafka.rebalance(A)
    assert member.kafka.offset("a") == 7
    assert CommittedState.read(
        7, member.kafka.committed[TopicPartition("a", 0)].metadata
    ) == CommittedState(7, frozenset(range(8, 50)))
    await member.work.until(lambda: member.work.seen.count(records[7]) == 2)
    member.work.let_go()
    await member.kafka.until(lambda: member.kafka.offset("a") == 50)
    assert sorted(member.work.seen) == sorted([*records, records[7]])
    assert member.work.finished.count(records[7]) == 1


async def test_a_beginning_that_could_not_be_written_down_between_two_generations_is_not_kept(
    new_member,
):
    """It was of the last one: by now another member may have come further."""
    member = await new_member(A)
    member.kafka.put("a", *values("r", 10))
    await member.kafka.until(lambda: member.kafka.offset("a") == 10)
    listener, partition = member.kafka.consumer.listener, TopicPartition(*A)
    await listener.on_partitions_revoked({partition})
    member.kafka.commit_errors.append(KafkaConnectionError())
    with pytest.raises(KafkaConnectionError):
        await member.app.consumer._commits.write_down({A: CommittedState(0)})
    await listener.on_partitions_assigned({partition})
    await member.app.consumer.commit()
    member.kafka.put("a", *values("r", 10, first=10))
    await member.kafka.until(lambda: member.kafka.offset("a") == 20)
    assert offsets(member) == sorted(offsets(member))


async def test_where_what_is_committed_cannot_be_read_at_first_nothing_is_repeated_for_that(
    new_member, monkeypatch, caplog
):
    """It is read again before records flow, with what was settled behind a record in flight."""
    monkeypatch.setattr(app_module, "DRAIN_SECONDS", 0.05)
    member = await new_member(A)
    records = values("r", 10)
    member.work.hold(records[0])
    member.kafka.put("a", *records)
    await member.work.until_finished(9)
    member.kafka.read_errors.append(KafkaConnectionError())
    await member.kafka.rebalance(A)
    member.work.let_go()
    await member.kafka.until(lambda: member.kafka.offset("a") == 10)
    assert sorted(member.work.seen) == sorted([records[0], *records])
    assert "can't be compared with the topics now" in caplog.text


async def test_where_committed_offsets_cannot_be_read_nothing_flows_until_they_can(
    new_member, monkeypatch, caplog
):
    """From anywhere else records would be passed over, or told twice."""
    monkeypatch.setattr(unused, "_PAUSE_SECONDS", 0.01)
    member = await new_member(A)
    member.kafka.put("a", *values("r", 10))
    await member.kafka.until(lambda: member.kafka.offset("a") == 10)
    member.kafka.read_errors += [KafkaConnectionError() for _ in range(4)]
    await member.kafka.rebalance(A)
    member.kafka.put("a", *values("r", 10, first=10))
    await member.kafka.until(lambda: member.kafka.offset("a") == 20)
    assert sorted(member.work.seen) == sorted(values("r", 20))
    assert caplog.text.count("the committed offsets can't be read, trying again") == 3


async def test_a_rebalance_in_the_midst_of_another_loses_nothing(new_member):
    """The first one's seek ends when the second has begun, and the group gives both the same number."""
    member = await new_member(A)
    kafka = member.kafka
    first_seek, second_begin, second_seek = (asyncio.Event() for _ in range(3))
    kafka.reads_held = [None, first_seek]
    await kafka.rebalance(A)
    await kafka.until(lambda: not kafka.reads_held)
    kafka.reads_held = [second_begin, second_seek]
    again = asyncio.create_task(kafka.rebalance(A))
    await kafka.until(lambda: len(kafka.reads_held) == 1)
    first_seek.set()
    kafka.put("a", *values("r", 5))
    await asyncio.sleep(0.2)  # whatever flows too early has time to
    second_begin.set()
    await again
    member.app.lanes.pass_to({A: (5, None)})  # where the client stands is not of our choice yet
    assert member.app.lanes.progress() == {}
    kafka.put("a", *values("r", 5, first=5))
    await asyncio.sleep(0.2)
    second_seek.set()
    await kafka.until(lambda: kafka.offset("a") == 10)
    assert sorted(member.work.seen) == sorted(values("r", 10))


async def test_a_new_lane_reads_again_what_was_settled_last_and_handles_none_of_it(new_member):
    """So that it recognises second copies; what comes after what is committed is handled, and commits go on from there."""
    member = await new_member(A, B, limits={"a": LaneLimits(1000, 1000, 10, recalled=4)})
    member.kafka.put("a", *values("r", 20))
    member.kafka.put("b", *values("s", 20))
    await member.work.until_finished(40)
    await member.kafka.rebalance(A, B)
    assert (member.kafka.offset("a"), member.kafka.offset("b")) == (20, 20)
    member.kafka.put("a", *values("r", 1, first=20))
    member.kafka.put("b", *values("s", 1, first=20))
    await member.work.until_finished(42)
    assert member.recalled == [16, 17, 18, 19]
    assert member.work.repeated == []
    await member.kafka.until(lambda: member.kafka.offset("a") == 21)
    assert offsets(member) == sorted(offsets(member))


async def test_a_partition_that_goes_is_committed_and_left_alone(new_member):
    """Its next owner begins where we ended; ours goes on with the other."""
    member = await new_member(A, B)
    member.kafka.put("a", *values("a", 20))
    member.kafka.put("b", *values("b", 20))
    await member.work.until_finished(40)
    await member.kafka.rebalance(B)
    assert member.kafka.offset("a") == 20
    member.kafka.put("a", *values("a", 5, first=20))
    member.kafka.put("b", *values("b", 5, first=20))
    await member.work.until_finished(45)
    await member.kafka.until(lambda: member.kafka.offset("b") == 25)
    assert member.kafka.offset("a") == 20
    assert member.work.repeated == []
    assert [lane.partition for lane in member.app.lanes] == [B]


async def test_rebalances_in_the_midst_of_traffic_lose_nothing(new_member):
    """Five of them while records keep coming."""
    member = await new_member(A, B)
    for wave in range(5):
        member.kafka.put("a", *values("a", 300, first=300 * wave))
        member.kafka.put("b", *values("b", 300, first=300 * wave))
        await member.kafka.rebalance(A, B)
    await member.kafka.until(
        lambda: (member.kafka.offset("a"), member.kafka.offset("b")) == (1500, 1500)
    )
    assert set(member.work.finished) == {*values("a", 1500), *values("b", 1500)}
    assert member.work.repeated == []
    assert offsets(member, "a") == sorted(offsets(member, "a"))
