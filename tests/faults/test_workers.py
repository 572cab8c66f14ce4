"""Workers are killed, ended, join and leave, and change their roles under load."""

import asyncio

import pytest

from tests.support.kafka import ends_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(900)]

KILLS, ROUNDS = 20, 5
CLIMBERS = 20
IDLE_SECONDS = 15.0
"""More than the 10 s after which a worker that polls nothing counts as dead."""


async def _tier_grows(rehearsal):
    """Wait until the broker has acknowledged a further record of the shortest tier."""
    bootstrap = rehearsal.deployment.bootstrap
    tier = f"{rehearsal.deployment.names.prefix}-retry-1s"
    before = await ends_of(bootstrap, [tier])

    async def grown():
        return await ends_of(bootstrap, [tier]) != before

    await eventually(grown, 60, what=f"a record on {tier}", every_seconds=0.001)


async def test_workers_are_killed(rehearse, broker):
    """20 SIGKILLs, every second round just after a tier record was acknowledged: nothing lost, no second ladder."""
    async with rehearse("worker killed", broker) as rehearsal:
        workers = await rehearsal.begin({}, {}, {}, {}, {}, climbers=CLIMBERS)
        for round_ in range(1, ROUNDS + 1):
            aimed = round_ % 2 == 0
            for victim in rehearsal.rng.sample(workers, KILLS // ROUNDS):
                await asyncio.sleep(rehearsal.rng.uniform(0, 1))
                if aimed:
                    await _tier_grows(rehearsal)
                victim.kill()
                await rehearsal.broke(look=True)
                workers.remove(victim)
            workers += [rehearsal.deployment.worker() for _ in range(KILLS // ROUNDS)]
            await asyncio.gather(*(worker.ready(90) for worker in workers))
            await rehearsal.delivering()
            rehearsal.say(
                f"{round_ * KILLS // ROUNDS} kills{', the last ones aimed' if aimed else ''}"
            )
        rehearsal.counts["SIGKILL"] = KILLS
        verdict = await rehearsal.end(*workers)
    assert verdict.absorbed, "no kill hit the moment between a tier record and its commit"


async def test_workers_are_ended(rehearse, broker):
    """10 SIGTERMs, all workers of a round at different moments: nothing lost, nothing repeated."""
    async with rehearse("worker ended", broker) as rehearsal:
        workers = await rehearsal.begin({}, {}, {}, {}, {})
        for round_ in range(1, 3):
            for worker in workers:
                await asyncio.sleep(rehearsal.rng.uniform(0, 1))
                assert await worker.stop() == 0
            workers = [rehearsal.deployment.worker() for _ in workers]
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
                workers.append(rehearsal.deployment.worker())
                await workers[-1].said("listening on ", 90)
            else:
                leaving = workers.pop(rehearsal.rng.randrange(len(workers)))
                assert await leaving.stop() == 0
            rehearsal.say(f"change {change + 1}: {len(workers)} workers")
        await asyncio.gather(*(worker.ready(90) for worker in workers))
        rehearsal.counts["joined or left"] = 10
        await rehearsal.end(*workers)


async def test_roles_change(rehearse, broker):
    """`all`, then `main` beside `retry`, then `all` again, under load: nothing lost, nothing repeated."""
    async with rehearse("roles changed", broker) as rehearsal:
        workers = await rehearsal.begin({"role": "all"})
        for roles in (("main", "retry"), ("all",)):
            joining = [rehearsal.deployment.worker(role=role) for role in roles]
            await asyncio.gather(*(worker.ready(90) for worker in joining))
            for worker in workers:
                assert await worker.stop() == 0
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
            worker.kill()
            await rehearsal.broke(look=True)
        rehearsal.say("killed those that held a partition")
        await rehearsal.delivering()
        rehearsal.counts |= {"seconds without a partition": IDLE_SECONDS, "SIGKILL": 2}
        await rehearsal.end(idle, retry)
