"""Two versions side by side: the wheel of this commit, and a newer one with a profile, a wait and a header more.

A rollout, an old pod that comes up in the middle of it, a rollback while notifications of the newer version wait, and the
newer version again: nobody is told too little, nobody is called for what an older version can't know, and nothing is
dead-lettered.
"""

import subprocess
from pathlib import Path

import pytest

from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.kafka import producer
from tests.support.notifier import environment
from tests.support.versions import HEADER, PROFILE, WAIT, build_newer, build_wheel, install
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

SCALE = 0.05
"""Of the waits: 45s are 2.25 s, and a record of the newer version that is parked again and again waits 45 s at most."""

ROOT = Path(__file__).parents[2]
KNOWN = "mpp-to-alipay-plus"
COUNT = 12


@pytest.fixture(scope="session")
def older(tmp_path_factory) -> Path:
    """The command of this commit's wheel."""
    folder = tmp_path_factory.mktemp("older")
    return install(build_wheel(ROOT, folder / "dist"), folder / "env") / "notifier"


@pytest.fixture(scope="session")
def newer(tmp_path_factory) -> Path:
    """The command of a newer version's wheel."""
    folder = tmp_path_factory.mktemp("newer")
    return install(build_newer(ROOT, folder), folder / "env") / "notifier"


class Rollout:
    """An installation whose workers are of two versions; each has the partners file that goes with it."""

    def __init__(self, deployment, older, newer):
        self.deployment, self.older, self.newer = deployment, older, newer
        deployment.add_partner("known", KNOWN, "U,U,U,S")
        self.old_file = deployment.partners_file.with_name("partners-of-the-older.yaml")
        self.old_file.write_text(deployment.partners_file.read_text("utf-8"), "utf-8")
        deployment.add_partner("mars", KNOWN, "U,U,S", profiles=[PROFILE])

    def command(self, program, *arguments):
        """Run a command of a version to its end."""
        return subprocess.run(  # noqa: S603  # our own
            [str(program), *arguments],
            env=environment(self.deployment.settings()),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def start_older(self):
        """Start a worker of the older version; it reads the tiers, the newer one everything."""
        return self.deployment.worker(None, self.older, role="retry", partners_file=self.old_file)

    def start_newer(self):
        """Start a worker of the newer version."""
        return self.deployment.worker(None, self.newer)

    async def send(self, partner):
        """Send events to a partner, some for each partition; return their orders."""
        events = [
            payment_event(KNOWN, rng=self.deployment.rng, partner_id=partner) for _ in range(COUNT)
        ]
        orders = list(map(order_id, events))
        profile = PROFILE if partner == "mars" else KNOWN
        async with producer(self.deployment.bootstrap) as client:
            for event, order in zip(events, orders, strict=True):
                value = encode(event | {"profile": profile})
                await client.send_and_wait(self.deployment.source, value, order.encode())
        return orders

    async def attempted(self, orders):
        """Wait until each has been attempted once at least."""

        async def all_called():
            return all(self.deployment.requests(order) for order in orders)

        await eventually(all_called, what="first attempts", every_seconds=0.02)

    async def check_ends(self, orders, calls):
        """Each was told to its end with the same body and every attempt counted, and none is a dead letter."""
        deployment = self.deployment
        records = await deployment.delivered(orders)
        assert await deployment.dead_letters() == []
        for order in orders:
            assert len({request.body for request in deployment.requests(order)}) == 1
            made = [
                r["attempt"] for r in records if (r["order_id"], r["kind"]) == (order, "attempt")
            ]
            assert sorted(set(made)) == list(range(1, calls + 1)), order


async def waiting_on(deployment, topic):
    """Return how many records of a topic the tiers' group has not committed."""
    ends = sum(len(records) for records in [await deployment.records(topic)])
    committed = await deployment.committed(f"{deployment.group}-retry")
    return ends - sum(offset for (name, _), offset in committed.items() if name == topic)


async def parked_by(*workers):
    """Return how many records of the newer version these workers have moved aside."""
    name, reason = "notifier_parks_total", {"reason": "newer-version"}
    return sum([await worker.metric(name, **reason) for worker in workers])


async def test_a_rollout_a_rollback_and_forward_again(make_deployment, older, newer):
    """See the top of this file."""
    async with make_deployment(partitions=4, settings={"ladder_scale": SCALE}) as deployment:
        rollout = Rollout(deployment, older, newer)
        tier = f"{deployment.names.prefix}-retry-{WAIT}"

        # The rollout begins: the newer version's topics, then its first worker beside the older one's.
        first_old = await rollout.start_older().ready()
        made = rollout.command(newer, "topics", "create")
        assert f"created {tier}" in made.stdout, made.stderr
        new = await rollout.start_newer().ready()
        known, mars = await rollout.send("known"), await rollout.send("mars")
        await rollout.check_ends(known, 4)

        async def some_parked():
            return await parked_by(first_old)

        await eventually(some_parked, what="records of the newer version at the older one")
        assert await first_old.metric("notifier_attempts_total") > 0
        for wait in ("1s", "3s", "30s"):
            for record in await deployment.records(f"{deployment.names.prefix}-retry-{wait}"):
                assert HEADER in record.headers  # whoever wrote it

        # An old pod comes up in the middle of it, and says what it sees.
        second_old = await rollout.start_older().ready()
        await second_old.said(f"{tier}: unknown to this version")

        # Rolled back while notifications of the newer version wait: they go on waiting.
        more = await rollout.send("mars")
        await rollout.attempted(more)
        assert await new.stop() == 0
        assert await waiting_on(deployment, tier) > 0
        before = await parked_by(first_old, second_old)

        async def parked_more():
            return await parked_by(first_old, second_old) > before

        await eventually(parked_more, what="more parks", every_seconds=0.2)
        assert await second_old.stop() == 0
        # Nobody reads what waits there: no further old pod, and what a rollback runs before them still works.
        third_old = rollout.start_older()
        assert rollout.command(older, "topics", "create").returncode == 0
        assert await third_old.ended() == 1
        assert f"{tier}: unknown to this version, is read by no member" in third_old.log
        assert await deployment.dead_letters() == []
        assert first_old.alive

        # Forward again, to its end.
        new = await rollout.start_newer().ready()
        assert await first_old.stop() == 0
        await rollout.check_ends([*mars, *more], 3)
        await deployment.all_committed()
        assert await waiting_on(deployment, tier) == 0
        assert await new.metric("notifier_unknown_retry_topics") == 0
        assert await new.stop() == 0
