"""Workers are killed, ended, join and leave, and change their roles under load."""

import asyncio
import json
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer

from streams.notification.profiles import PROFILES
from streams.sandbox.payments import order_id, payment_event
from tests.faults.rehearsal import inside
from tests.support.kafka import partitions_of
from tests.support.notifier import STOP_SECONDS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(900)]

KILLS, ROUNDS = 20, 4
CLIMBERS = 20
FROZEN_SECONDS = 15.0
"""More than a session of 10 s, so that the others take over."""

IDLE_SECONDS = 15.0
"""More than the 10 s after which a worker that polls nothing counts as dead."""


HOLDS = ": holds "
"""What a worker says each time that a group has given it partitions."""

FIRST_WAIT = PROFILES["alipay-to-merchant"].ladder.waits[0]


async def _writer_of_a_retry(rehearsal, workers):
    """Wait until the broker has a record that puts a notification on a tier, and return the worker that wrote it."""
    bootstrap, attempts = rehearsal.deployment.bootstrap, rehearsal.deployment.names.attempts
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=5
    )
    await consumer.start()
    try:
        consumer.assign(partitions := await partitions_of(bootstrap, [attempts]))
        await consumer.seek_to_end(*partitions)
        async with asyncio.timeout(60):
            async for record in consumer:
                entry = json.loads(record.value)
                writer = rehearsal.named(entry.get("worker"))
                if entry.get("decision") == "retry" and writer in workers:
                    return writer
    finally:
        await consumer.stop()


async def test_workers_are_killed(rehearse, broker):
    """20 SIGKILLs, half of them just after the victim wrote a tier record: nothing lost, no second ladder."""
    async with rehearse("worker killed", broker) as rehearsal:
        fleet = KILLS // ROUNDS
        workers = await rehearsal.begin(*[{}] * (fleet + 1), climbers=CLIMBERS)
        for round_ in range(1, ROUNDS + 1):
            for number in range(fleet):
                await asyncio.sleep(rehearsal.rng.uniform(0, 1))
                victim = rehearsal.rng.choice(workers)
                if number % 2 == 0:
                    victim = await _writer_of_a_retry(rehearsal, workers)
                rehearsal.kill_worker(victim)
                workers.remove(victim)
            workers += [rehearsal.worker() for _ in range(fleet)]
            await asyncio.gather(*(worker.ready(90) for worker in workers))
            await rehearsal.delivering()
            rehearsal.say(f"{round_ * fleet} kills")
        rehearsal.counts["SIGKILL"] = KILLS
        await rehearsal.end(*workers)


async def test_a_kill_between_a_retry_and_its_commit(make_deployment, partner, tmp_path):
    """The broker has the retry, not the offset: the event is told again, and its second retry is recognised."""
    profile, told = "alipay-to-merchant", tmp_path / "harm"
    url = partner.notify_url(profile, "U,U,U,S")
    async with make_deployment(partitions=1, settings={"ladder_scale": 0.02}) as deployment:
        worker = deployment.worker(inside(FAULTS_HARM=str(told)))
        await worker.ready(90)
        told.write_text("never commit", "ascii")
        await worker.said("harm done", 30)
        event = payment_event(profile, rng=deployment.rng, notify_url=url)
        await deployment.send([event])

        async def retries():
            return await deployment.records(deployment.names.tier(FIRST_WAIT))

        await eventually(retries, 60, what="the retry", every_seconds=0.01)
        worker.kill()
        second = await deployment.ready_worker()
        journal = await deployment.delivered([order_id(event)], 120)
        await deployment.all_committed(60)
        assert await second.stop(STOP_SECONDS) == 0
        assert len(await retries()) == 2
    done = [(entry["attempt"], entry["decision"]) for entry in journal]
    assert sorted(done) == [
        (1, "absorbed"),
        (1, "retry"),
        (1, "retry"),
        (2, "retry"),
        (3, "delivered"),
    ]


async def _is_back(worker, joined):
    """Tell whether both groups have given it partitions again.

    That its session had ended it says only where a call was to begin: not where it stood in the midst of taking partitions.
    """
    return worker.log.count(HOLDS) >= joined + len(("source topics", "retries"))


async def test_workers_freeze(rehearse, broker):
    """SIGSTOP of one worker after another, longer than a session: what it had not sent, it leaves to the others.

    A retry that it was writing at that moment stands beside the one that another worker has written since. The partition
    has changed hands twice by then, and with it went the memory that recognises copies: such forks are counted.
    """
    async with rehearse("worker frozen", broker) as rehearsal:
        workers = await rehearsal.begin({}, {}, {})
        for number, worker in enumerate(workers):
            since, joined = rehearsal.clock.now_ms(), worker.log.count(HOLDS)
            worker.freeze()
            await asyncio.sleep(FROZEN_SECONDS)
            worker.thaw()
            rehearsal.broke(since, f"worker-{number}")
            await eventually(partial(_is_back, worker, joined), what="both groups to take it again")
            await rehearsal.delivering()
            rehearsal.say(f"{number + 1} of {len(workers)} froze for {FROZEN_SECONDS:g} s")
        rehearsal.counts["seconds frozen, each"] = FROZEN_SECONDS
        await rehearsal.end(*workers, forks_allowed=True)


async def test_workers_are_ended(rehearse, broker):
    """10 SIGTERMs, all workers of a round at different moments: nothing lost, nothing repeated."""
    async with rehearse("worker ended", broker) as rehearsal:
        workers = await rehearsal.begin({}, {}, {}, {}, {})
        for round_ in range(1, 3):
            for worker in workers:
                await asyncio.sleep(rehearsal.rng.uniform(0, 1))
                assert await worker.stop(STOP_SECONDS) == 0
            workers = [rehearsal.worker() for _ in workers]
            await asyncio.gather(*(worker.ready(90) for worker in workers))
            await rehearsal.delivering()
            rehearsal.say(f"{round_ * len(workers)} SIGTERMs")
        rehearsal.counts["SIGTERM"] = 10
        await rehearsal.end(*workers)


async def test_workers_join_and_leave(rehearse, broker):
    """Two to four workers, ten changes at random moments, the next often before the last is over: nothing repeated."""
    async with rehearse("workers join and leave", broker) as rehearsal:
        workers = await rehearsal.begin({}, {})
        for change in range(10):
            await asyncio.sleep(rehearsal.rng.uniform(0, 2))
            if len(workers) == 2 or (len(workers) < 4 and rehearsal.rng.random() < 0.5):
                workers.append(rehearsal.worker())
                await workers[-1].said("listening on ", 90)
            else:
                leaving = workers.pop(rehearsal.rng.randrange(len(workers)))
                assert await leaving.stop(STOP_SECONDS) == 0
            rehearsal.say(f"change {change + 1}: {len(workers)} workers")
        await asyncio.gather(*(worker.ready(90) for worker in workers))
        rehearsal.counts["joined or left"] = 10
        await rehearsal.end(*workers)


async def test_roles_change(rehearse, broker):
    """`all`, then `main` beside `retry`, then `all` again, under load: nothing lost, nothing repeated."""
    async with rehearse("roles changed", broker) as rehearsal:
        workers = await rehearsal.begin({"role": "all"})
        for roles in (("main", "retry"), ("all",)):
            joining = [rehearsal.worker(role=role) for role in roles]
            await asyncio.gather(*(worker.ready(90) for worker in joining))
            for worker in workers:
                assert await worker.stop(STOP_SECONDS) == 0
            workers = joining
            await rehearsal.delivering(600)
            rehearsal.say(f"roles are {', '.join(roles)}")
        rehearsal.counts["changes of roles"] = 2
        await rehearsal.end(*workers)


async def test_more_workers_than_partitions(rehearse, broker):
    """A worker that holds nothing for longer than the poll patience takes over when those that hold are killed."""
    async with rehearse("more workers than partitions", broker, partitions=1) as rehearsal:
        *mains, retry = await rehearsal.begin(*[{"role": "main"}] * 3, {"role": "retry"})

        async def shared():
            held = [await worker.metric("notifier_assigned_partitions") for worker in mains]
            return (
                held if sorted(held) == [0, 1, 1] else None
            )  # the source topic and the replay topic

        held = await eventually(shared, 60, what="one partition each for two of three workers")
        idle = mains.pop(held.index(0))
        await asyncio.sleep(IDLE_SECONDS)
        assert (await idle.get("/health/live")).is_success
        for worker in mains:
            rehearsal.kill_worker(worker)
        rehearsal.say("killed those that held a partition")
        await rehearsal.delivering()
        rehearsal.counts |= {"seconds without a partition": IDLE_SECONDS, "SIGKILL": 2}
        await rehearsal.end(idle, retry)
